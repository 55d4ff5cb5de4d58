"""What became of a cell, by its folder and the exit status of its process."""

import signal
from dataclasses import dataclass
from typing import Literal

from ssl_bench.executor import ELSEWHERE, INTERRUPTED, IO_ERROR, NO_SPACE, REMOVED, Job
from ssl_bench.store.folder import CellFolder


@dataclass(frozen=True)
class Outcome:
    """What became of one job."""

    cell: str
    status: Literal["finished", "failed", "interrupted", "elsewhere"]
    """`elsewhere`: another command runs the cell."""
    message: str = ""
    seconds: float = 0.0


def is_finished(job: Job) -> bool:
    """Whether a job's folder holds what was ordered: a whole record, or an estimate."""
    folder = CellFolder(job.folder)
    return folder.finished() is not None or folder.read_estimate() is not None


def outcome_of(job: Job, code: int | str, seconds: float) -> Outcome:
    """What became of a job: `code` is as `Executor.poll` gives it."""
    if isinstance(code, str):
        return Outcome(job.cell, "failed", code, seconds)
    folder = CellFolder(job.folder)
    if code == 0 and (folder.record.exists() or folder.estimate.exists()):
        return Outcome(job.cell, "finished", seconds=seconds)
    if code == INTERRUPTED:
        return Outcome(job.cell, "interrupted", "told to stop; it goes on from there", seconds)
    if code == ELSEWHERE:
        return Outcome(job.cell, "elsewhere", "another command runs it", seconds)
    failure = folder.read_failure()
    if failure is not None:
        message = failure.message
    elif code == REMOVED or not job.folder.is_dir():
        message = f"its folder {job.folder} was removed"
    elif code == NO_SPACE:
        message = f"no space left for {job.folder}"
    elif code == IO_ERROR:
        message = f"{job.folder} cannot be read or written"
    elif code < 0:
        message = f"killed by {signal.Signals(-code).name}"
    else:
        message = f"its process ended with status {code}"
    return Outcome(job.cell, "failed", message, seconds)
