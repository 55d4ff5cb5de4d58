"""Which device of this machine the next cell starts on."""

from collections import Counter
from collections.abc import Sequence
from typing import Protocol

from ssl_bench import CellFolder, Job, Wanted, cores, count_slots, device_memory

MARGIN = 1.2
"""Over a measured peak: what the allocator holds back, and evaluation on larger images than before."""

PROCESS = 2**30
"""Bytes of a GPU that a process takes before its first tensor."""


class Slots(Protocol):
    """Where there is room for further cells."""

    at_once: int
    """Cells at a time over all devices, at most."""

    def take(self, job: Job) -> str | None:
        """The device on which the job may start, held for it from now on; None while there is no room."""

    def give_back(self, job: Job, device: str) -> None:
        """Free the device of a job that has ended."""


def slots_of(devices: Sequence[str], wanted: Wanted) -> Slots:
    """By number on a CPU or where a number is asked for, else by the memory of the GPUs."""
    # Of a cell on several GPUs the peak of each is not known.
    if wanted.jobs is not None or list(devices) == ["cpu"] or wanted.processes > 1:
        return NumberedSlots(devices, count_slots(list(devices), wanted.cores, wanted.jobs))
    # A cell keeps one core busy with its GPU and another with loading.
    at_once = max(len(devices), cores() // (wanted.threads + 1))
    return MemorySlots({device: device_memory(device) for device in devices}, at_once)


class NumberedSlots(Slots):
    """A fixed number of cells at a time, spread evenly over the devices."""

    def __init__(self, devices: Sequence[str], count: int) -> None:
        self.at_once = count
        self.free = Counter(devices[slot % len(devices)] for slot in range(count))

    def take(self, job: Job) -> str | None:
        """As `Slots.take`."""
        device, free = self.free.most_common(1)[0]
        if free == 0:
            return None
        self.free[device] -= 1
        return device

    def give_back(self, job: Job, device: str) -> None:
        """As `Slots.give_back`."""
        self.free[device] += 1


class MemorySlots(Slots):
    """Cells share a GPU where the measured peaks of all of them fit; one that was never measured has it alone.

    The first cell of a shape to finish is measured for all that follow.
    """

    def __init__(self, capacity: dict[str, int], at_once: int) -> None:
        """`capacity`: device to bytes; `at_once`: cells at a time over all of them."""
        self.capacity, self.at_once = capacity, at_once
        self.held: dict[str, list[Job]] = {device: [] for device in capacity}
        self.peaks: dict[str, int] = {}

    def take(self, job: Job) -> str | None:
        """As `Slots.take`."""
        if sum(map(len, self.held.values())) >= self.at_once:
            return None
        for device in sorted(self.held, key=lambda name: len(self.held[name])):
            if not self.held[device] or self._fits([*self.held[device], job], self.capacity[device]):
                self.held[device].append(job)
                return device
        return None

    def give_back(self, job: Job, device: str) -> None:
        """As `Slots.give_back`."""
        self.held[device].remove(job)
        record = CellFolder(job.folder).finished()
        if record and record.cost.peak_memory_bytes is not None:
            self.peaks[job.shape] = max(self.peaks.get(job.shape, 0), int(record.cost.peak_memory_bytes))

    def _fits(self, jobs: Sequence[Job], capacity: int) -> bool:
        peaks = [max(self.peaks.get(job.shape, 0), job.memory or 0) for job in jobs]
        return all(peaks) and sum(MARGIN * peak + PROCESS for peak in peaks) <= capacity
