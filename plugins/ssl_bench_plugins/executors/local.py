"""Cells on this machine, each in a process forked from a server that has torch already imported."""

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path

from ssl_bench.executor import INTERRUPTED, REMOVED, Executor, Job, Outcome
from ssl_bench.files import read_json

TICK = 0.2
GRACE = 20.0
"""Seconds that a worker gets to save its checkpoint before it is killed."""


@dataclass
class Running:
    """A job in flight."""

    job: Job
    process: BaseProcess
    device: str
    started: float


class LocalExecutor(Executor):
    """Longest jobs first over the slots of this machine.

    Importing torch, timm and smp costs up to 10 s a process; the fork server pays it once, before it has
    touched a device, so a forked cell starts in well under a second.
    """

    def __init__(self, devices: Sequence[str], slots: int, preload: Sequence[str]) -> None:
        super().__init__(devices, slots, preload)
        self.in_flight: list[Running] = []

    def running(self) -> Sequence[Job]:
        """The jobs in flight."""
        return [one.job for one in self.in_flight]

    def run(self, jobs: Sequence[Job]) -> Iterator[Outcome | None]:
        """As `Executor.run`."""
        # One thread per library in the server: pools started there would not survive the fork.
        for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
            os.environ.setdefault(name, "1")
        context = multiprocessing.get_context("forkserver")
        os.environ["SSL_BENCH_PRELOAD"] = ",".join(self.preload)
        context.set_forkserver_preload(["ssl_bench.worker", "ssl_bench.preload"])
        waiting = sorted(jobs, key=lambda job: -job.weight)
        free = [self.devices[slot % len(self.devices)] for slot in range(self.slots)]
        running = self.in_flight
        try:
            while waiting or running:
                while waiting and free:
                    job, device = waiting.pop(0), free.pop(0)
                    process = context.Process(target=work, args=(str(job.folder), device), daemon=False)
                    process.start()
                    running.append(Running(job, process, device, time.monotonic()))
                for one in [r for r in running if r.process.exitcode is not None]:
                    running.remove(one)
                    free.append(one.device)
                    yield outcome_of(one)
                yield None
                time.sleep(TICK)
        finally:
            stop(running)


def work(folder: str, device: str) -> None:
    """In the forked process: run the cell, and die with the parent."""
    from ssl_bench import processes, worker

    threading.Thread(target=processes.die_with_parent, daemon=True).start()
    worker.main(Path(folder), device)


def outcome_of(one: Running) -> Outcome:
    """What became of a process that has ended."""
    code = one.process.exitcode
    assert code is not None
    seconds = time.monotonic() - one.started
    if code == 0 and (one.job.folder / "result.json").exists():
        return Outcome(one.job.cell, "finished", seconds=seconds)
    if code == INTERRUPTED:
        return Outcome(one.job.cell, "interrupted", "told to stop", seconds)
    if code == REMOVED:
        return Outcome(one.job.cell, "failed", f"its folder {one.job.folder} was removed", seconds)
    failure = read_json(one.job.folder / "failure.json")
    if failure is not None:
        message = str(failure.get("message"))
    elif code < 0:
        message = f"killed by {signal.Signals(-code).name}"
    else:
        message = f"process ended with status {code}"
    return Outcome(one.job.cell, "failed", message, seconds)


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
