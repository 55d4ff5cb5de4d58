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
from typing import Any

import submitit
from submitit.core.utils import FailedJobError, FailedSubmissionError

from ssl_bench import (
    ELSEWHERE,
    INTERRUPTED,
    REMOVED,
    Executor,
    Job,
    Outcome,
    SafeEnvironment,
    UsageError,
    Wanted,
    hold_signals,
    is_finished,
    outcome_of,
    owner_at_work,
)
from ssl_bench_plugins.executors.configs import SlurmConfig
from ssl_bench_plugins.executors.nodes import place
from ssl_bench_plugins.executors.slurm_job import run_cell
from ssl_bench_plugins.executors.slurm_queue import IMPOSSIBLE, array_size, cancel, gone, queue
from ssl_bench_plugins.executors.slurm_request import gpus_of, parameters, refusal

TICK = 1.0

ASK = 5.0
"""Seconds between two questions to Slurm; what cells write is looked at every `TICK`."""

SETTLE = 30.0
"""Seconds that a file of a job that has ended may take to show on a shared disk."""

GRACE = 90.0
"""Seconds that cells get to save when all is stopped."""


@dataclass
class Queued:
    """A cell in Slurm's hands."""

    job: Job
    id: str
    since: float
    state: str = "PENDING"
    ended: float | None = None
    """When it was first seen to have ended."""


class SlurmExecutor(Executor):
    """One array for all cells, longest first."""

    several_processes = True

    def __init__(self, wanted: Wanted, config: SlurmConfig) -> None:
        super().__init__(wanted, config)
        if shutil.which("sbatch") is None:
            raise UsageError("--executor slurm: there is no sbatch here; run this where jobs are submitted")
        self.gpus = gpus_of(wanted, config)
        self.queued: list[Queued] = []

    def running(self) -> Sequence[Job]:
        """The jobs that Slurm has at work."""
        return [one.job for one in self.queued if one.state == "RUNNING"]

    def run(self, jobs: Sequence[Job]) -> Iterator[Outcome | None]:
        """As `Executor.run`. Raises UsageError where Slurm does not take the jobs."""
        if not jobs:
            return
        # Beside the cells' folders, since nodes read it as they read those.
        desk = Path(tempfile.mkdtemp(prefix=".slurm-", dir=jobs[0].folder.absolute().parent))
        asked, failed = time.monotonic(), False
        try:
            self._submit(sorted(jobs, key=lambda job: -job.weight), desk)
            while self.queued:
                if time.monotonic() - asked >= ASK:
                    self._ask()
                    asked = time.monotonic()
                for one in list(self.queued):
                    outcome = self._outcome(one, desk)
                    if outcome is not None:
                        self.queued.remove(one)
                        failed = failed or outcome.status == "failed"
                        yield outcome
                yield None
                time.sleep(TICK)
        finally:
            self._stop(desk)
            if not failed:  # else logs in there are named in messages
                shutil.rmtree(desk, ignore_errors=True)

    def _submit(self, jobs: Sequence[Job], desk: Path) -> None:
        executor = submitit.AutoExecutor(folder=desk, cluster="slurm")
        executor.update_parameters(**parameters(self.wanted, self.gpus, self.config))
        device, stop, size = place(self.wanted, gpu=bool(self.gpus)), str(desk / "stop"), array_size()
        for part in (jobs[first : first + size] for first in range(0, len(jobs), size)):
            names, folders = [job.cell for job in part], [str(job.folder.absolute()) for job in part]
            count = len(part)
            try:
                # What sbatch prints stands in the error as well. Interrupted in between, jobs would be nobody's.
                with contextlib.redirect_stderr(io.StringIO()), uninterrupted(), SafeEnvironment():
                    sent = executor.map_array(run_cell, names, folders, [device] * count, [stop] * count)
                    now = time.monotonic()
                    pairs = zip(part, sent, strict=True)
                    self.queued += [Queued(job, task.job_id, now) for job, task in pairs]
            except (FailedJobError, FailedSubmissionError) as error:
                raise UsageError(f"Slurm does not take the jobs: {refusal(str(error))}") from error

    def _ask(self) -> None:
        """Learn the states of the jobs. UsageError where there is no node for any of them."""
        states = queue(one.id for one in self.queued)
        if states is None:
            return
        if all(states.get(one.id) == IMPOSSIBLE for one in self.queued):
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

    def _outcome(self, one: Queued, desk: Path) -> Outcome | None:
        """What became of a cell, or None while that is open."""
        job, seconds = one.job, time.monotonic() - one.since
        if is_finished(job):
            return outcome_of(job, 0, seconds)
        if one.ended is None:
            return None
        # Not before: the job may yet write it, and a cell that was tried again by then would be taken for failed.
        if (job.folder / "failure.json").exists():
            return outcome_of(job, 1, seconds)
        if one.state == "CANCELLED":
            return outcome_of(job, INTERRUPTED, seconds)
        if time.monotonic() - one.ended < SETTLE:
            return None
        if not job.folder.is_dir():
            return outcome_of(job, REMOVED, seconds)
        if owner_at_work(job.folder) is not None:
            return outcome_of(job, ELSEWHERE, seconds)
        log = next(iter(desk.glob(f"{one.id}_*_log.out")), None)
        if log is None:
            why = (
                f"and left nothing in {desk}: --out must lie on a disk that the nodes share, at the same path"
            )
        elif one.state == "COMPLETED":
            return outcome_of(job, INTERRUPTED, seconds)
        else:
            why = f"without a record; its log is {log}"
        return Outcome(job.cell, "failed", f"Slurm job {one.id} ended as {one.state} {why}", seconds)

    def _stop(self, desk: Path) -> None:
        """Cancel what waits, and tell what runs to save and end."""
        if not self.queued:
            return
        (desk / "stop").touch()
        ids = [one.id for one in self.queued]
        cancel(ids, "--state=PENDING")
        # To the cells alone: cancelled as a whole, a job may lose its cell before that has saved.
        cancel(ids, "--signal=TERM", "--state=RUNNING")
        deadline = time.monotonic() + GRACE
        while time.monotonic() < deadline:
            states: Any = queue(ids)
            if states is not None and all(gone(states, name) for name in ids):
                break
            time.sleep(TICK)
        cancel(ids)
        self.queued.clear()


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
