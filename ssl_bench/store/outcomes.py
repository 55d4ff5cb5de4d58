"""What became of a cell, by its folder and the exit status of its process."""

import signal

from ssl_bench.executor import ELSEWHERE, INTERRUPTED, IO_ERROR, NO_SPACE, REMOVED, Job, Outcome
from ssl_bench.machine.files import read_json
from ssl_bench.store.results import read_record


def is_finished(job: Job) -> bool:
    """Whether a job's folder holds a whole record."""
    return read_record(job.folder / "result.json") is not None


def outcome_of(job: Job, code: int, seconds: float) -> Outcome:
    """What became of a worker process: `code` is its exit status, below 0 the signal that killed it."""
    if code == 0 and (job.folder / "result.json").exists():
        return Outcome(job.cell, "finished", seconds=seconds)
    if code == INTERRUPTED:
        return Outcome(job.cell, "interrupted", "told to stop; it goes on from there", seconds)
    if code == ELSEWHERE:
        return Outcome(job.cell, "elsewhere", "another command runs it", seconds)
    failure = read_json(job.folder / "failure.json")
    if failure is not None:
        message = str(failure.get("message"))
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
