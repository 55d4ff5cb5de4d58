"""Cells as Slurm job arrays, by submitit. What becomes of them is seen in their folders, which the nodes must share."""

import contextlib
import io
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import submitit
from submitit.core.utils import FailedJobError, FailedSubmissionError

from ssl_bench import (
    ELSEWHERE,
    INTERRUPTED,
    REMOVED,
    CellFolder,
    Executor,
    Job,
    SafeEnvironment,
    UsageError,
    Wanted,
    hold_signals,
    is_finished,
    owner_at_work,
)
from ssl_bench_plugins.executors.configs import SlurmConfig
from ssl_bench_plugins.executors.nodes import place
from ssl_bench_plugins.executors.slurm_job import run_cell
from ssl_bench_plugins.executors.slurm_queue import IMPOSSIBLE, array_size, cancel, gone, queue
from ssl_bench_plugins.executors.slurm_request import ALL_AT_ONCE, gpus_of, parameters, refusal

TICK = 1.0

ASK = 5.0
"""Seconds between two questions to Slurm; what cells write is looked at every `TICK`."""

SETTLE = 30.0
"""Seconds that a file of a job that has ended may take to show on a shared disk."""


@dataclass
class Queued:
    """A cell in Slurm's hands, once it has an id there."""

    job: Job
    id: str = ""
    state: str = "PENDING"
    ended: float | None = None
    """When it was first seen to have ended."""


class SlurmExecutor(Executor):
    """One array for all cells that are started together."""

    several_processes = True
    grace = 90.0

    def __init__(self, wanted: Wanted, config: SlurmConfig) -> None:
        super().__init__(wanted, config)
        if shutil.which("sbatch") is None:
            raise UsageError("--executor slurm: there is no sbatch here; run this where jobs are submitted")
        self.gpus = gpus_of(wanted, config)
        self.queued: list[Queued] = []
        self.desk: Path | None = None
        self.asked = 0.0
        self.stopping = self.failed = False

    def close(self) -> None:
        """Remove the desk, unless logs in there are named in messages."""
        if self.desk and not self.failed:
            shutil.rmtree(self.desk, ignore_errors=True)

    def expect(self, jobs: Sequence[Job]) -> None:
        """Make the desk beside the cells' folders, since nodes read it as they read those."""
        if self.desk is None:
            self.desk = Path(tempfile.mkdtemp(prefix=".slurm-", dir=jobs[0].folder.absolute().parent))

    def room(self) -> int:
        """As many as there are: how many of them run at a time is said with the array."""
        return ALL_AT_ONCE

    def start(self, job: Job) -> Queued:
        """Note the job; it is submitted with all that are started with it."""
        self.queued.append(Queued(job))
        return self.queued[-1]

    def at_work(self, handle: Queued) -> bool:
        """As `Executor.at_work`."""
        return handle.state == "RUNNING"

    def poll(self, handle: Queued) -> int | str | None:
        """As `Executor.poll`. Raises UsageError where Slurm does not take the jobs, or has no node for any of them."""
        if not handle.id and not self.stopping:
            self._submit([one for one in self.queued if not one.id])
        elif time.monotonic() - self.asked >= (TICK if self.stopping else ASK):
            self._ask()
        code = self._code(handle)
        if code is not None:
            self.queued.remove(handle)
            self.failed = self.failed or code not in (0, INTERRUPTED, ELSEWHERE)
        return code

    def stop(self, handles: Sequence[Queued], *, at_once: bool = False) -> None:
        """Cancel what waits, and tell what runs to save and end; or cancel all."""
        assert self.desk is not None
        (self.desk / "stop").touch()
        self.stopping = True
        ids = [one.id for one in self.queued if one.id]
        if at_once:
            cancel(ids)
            return
        cancel(ids, "--state=PENDING")
        # To the cells alone: cancelled as a whole, a job may lose its cell before that has saved.
        cancel(ids, "--signal=TERM", "--state=RUNNING")

    def wait(self, seconds: float) -> None:
        """As `Executor.wait`, and longer: files on a shared disk are looked at."""
        time.sleep(TICK)

    def _submit(self, queued: Sequence[Queued]) -> None:
        executor = submitit.AutoExecutor(folder=self.desk, cluster="slurm")
        executor.update_parameters(**parameters(self.wanted, self.gpus, self.config))
        device, stop, size = place(self.wanted, gpu=bool(self.gpus)), f"{self.desk}/stop", array_size()
        for part in (queued[first : first + size] for first in range(0, len(queued), size)):
            names = [one.job.cell for one in part]
            folders = [str(one.job.folder.absolute()) for one in part]
            count = len(part)
            try:
                # What sbatch prints stands in the error as well. Interrupted in between, jobs would be nobody's.
                with contextlib.redirect_stderr(io.StringIO()), uninterrupted(), SafeEnvironment():
                    sent = executor.map_array(run_cell, names, folders, [device] * count, [stop] * count)
                    for one, task in zip(part, sent, strict=True):
                        one.id = task.job_id
            except (FailedJobError, FailedSubmissionError) as error:
                raise UsageError(f"Slurm does not take the jobs: {refusal(str(error))}") from error
        self.asked = time.monotonic()

    def _ask(self) -> None:
        """Learn the states of the jobs. UsageError where there is no node for any of them."""
        self.asked = time.monotonic()
        states = queue(one.id for one in self.queued if one.id)
        if states is None:
            return
        if not self.stopping and all(states.get(one.id) == IMPOSSIBLE for one in self.queued):
            raise UsageError(
                "Slurm has no node there with what a cell needs; take fewer --threads or --slurm-gpus, or another "
                "--slurm-partition"
            )
        for one in self.queued:
            one.state = states.get(one.id, one.state)
            if not gone(states, one.id):
                one.ended = None
            elif one.ended is None:
                one.ended = time.monotonic()

    def _code(self, one: Queued) -> int | str | None:
        """What became of a cell, or None while that is open."""
        folder = one.job.folder
        if is_finished(one.job):
            return 0
        if self.stopping and not one.id:
            return INTERRUPTED
        if one.ended is None:
            return None
        # Not before: the job may yet write it, and a cell that was tried again by then would be taken for failed.
        if CellFolder(folder).failure.exists():
            return 1
        if one.state == "CANCELLED" or self.stopping:
            return INTERRUPTED
        if time.monotonic() - one.ended < SETTLE:
            return None
        if not folder.is_dir():
            return REMOVED
        if owner_at_work(folder) is not None:
            return ELSEWHERE
        log = next(iter(self.desk.glob(f"{one.id}_*_log.out")), None) if self.desk else None
        if log is None:
            why = f"and left nothing in {self.desk}: --out must lie on a disk that the nodes share, at the same path"
        elif one.state == "COMPLETED":
            return INTERRUPTED
        else:
            why = f"without a record; its log is {log}"
        return f"Slurm job {one.id} ended as {one.state} {why}"


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """Ctrl-C and SIGTERM, which reach the main thread alone, wait until the end."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    both = (signal.SIGINT, signal.SIGTERM)
    held: list[int] = []
    handlers = [signal.signal(number, lambda number, frame: held.append(number)) for number in both]
    try:
        with hold_signals(*both):  # in the programs that are called within
            yield
    finally:
        for signum, handler in zip(both, handlers, strict=True):
            signal.signal(signum, handler)
        if held:
            signal.raise_signal(held[0])
