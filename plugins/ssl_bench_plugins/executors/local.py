"""Cells on this machine, each in a process forked from a server that has torch already imported."""

import multiprocessing
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from multiprocessing import connection
from multiprocessing.process import BaseProcess
from pathlib import Path

from ssl_bench import (
    CellError,
    Executor,
    ExecutorConfig,
    Job,
    Outcome,
    Wanted,
    find_devices,
    group_devices,
    outcome_of,
    start_fork_server,
)
from ssl_bench_plugins.executors.slots import slots_of

TICK = 0.2
GRACE = 20.0
"""Seconds that a worker gets to save its checkpoint before it is killed."""

COMPILER = ("torch._dynamo", "torch._inductor.config")
"""What the first optimiser of a process imports, for seconds."""


@dataclass
class Running:
    """A job in flight, with its process and device."""

    job: Job
    process: BaseProcess
    device: str
    started: float


class LocalExecutor(Executor):
    """Longest jobs first over the slots of this machine.

    Importing torch, timm and smp costs up to 10 s a process; the fork server pays it once, before it has
    touched a device, so a forked cell starts in well under a second.
    """

    several_processes = True

    def __init__(self, wanted: Wanted, config: ExecutorConfig) -> None:
        super().__init__(wanted, config)
        self.devices = group_devices(find_devices(wanted.devices), wanted.processes)
        self.in_flight: list[Running] = []
        self.context = multiprocessing.get_context("forkserver")

    def running(self) -> Sequence[Job]:
        """The jobs that processes are at work on."""
        return [one.job for one in self.in_flight]

    def open(self) -> None:
        """Start the server, which imports while the command still checks data."""
        # On a GPU the server must not ask for devices, as the compiler does when it is imported.
        compiler = () if any(device != "cpu" for device in self.devices) else COMPILER
        start_fork_server([*self.wanted.preload, *compiler])

    def run(self, jobs: Sequence[Job]) -> Iterator[Outcome | None]:
        """As `Executor.run`."""
        waiting = sorted(jobs, key=lambda job: -job.weight)
        slots = slots_of(self.devices, self.wanted)
        running = self.in_flight
        try:
            while waiting or running:
                while waiting and (device := slots.take(waiting[0])) is not None:
                    job = waiting.pop(0)
                    process = self.context.Process(target=work, args=(str(job.folder), device), daemon=False)
                    self._start(process)
                    running.append(Running(job, process, device, time.monotonic()))
                for one, code in [(r, r.process.exitcode) for r in running]:
                    if code is None:
                        continue
                    running.remove(one)
                    slots.give_back(one.job, one.device)
                    yield outcome_of(one.job, code, time.monotonic() - one.started)
                yield None
                connection.wait([one.process.sentinel for one in running], TICK)
        finally:
            stop(running)

    @staticmethod
    def _start(process: BaseProcess) -> None:
        path = sys.path
        # A process gets this one's path. In a notebook its empty entry, the working folder, comes first.
        sys.path = [entry for entry in path if entry]
        try:
            process.start()
        except (EOFError, ConnectionError) as error:
            raise CellError(
                "the server that cells are forked from ended at its start; "
                f"`{sys.executable} -c 'import ssl_bench.worker.worker'` may say why"
            ) from error
        finally:
            sys.path = path


def work(folder: str, device: str) -> None:
    """In the forked process: run the cell, and die with the parent."""
    from ssl_bench import die_with_parent, work_on

    threading.Thread(target=die_with_parent, daemon=True).start()
    work_on(Path(folder), device)


def stop(running: Sequence[Running]) -> None:
    """Tell every worker to save and stop; kill what has not ended in time."""
    for one in running:
        one.process.terminate()
    deadline = time.monotonic() + GRACE
    for one in running:
        one.process.join(max(0.0, deadline - time.monotonic()))
        if one.process.exitcode is None:
            one.process.kill()
            one.process.join()
