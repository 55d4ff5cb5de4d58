"""Questions to Slurm, by its own commands. Accounting, which not every cluster has, is not needed."""

import re
import subprocess
from collections.abc import Iterable, Mapping

ENDED = frozenset(
    {
        *("BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED"),
        *("NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED", "REVOKED", "TIMEOUT"),
    }
)
"""States that a job does not leave any more. One that Slurm has forgotten is in none."""

HELD = "launch failed requeued held"
"""Why a job waits that nobody but an administrator will let go."""

IMPOSSIBLE = "IMPOSSIBLE"
"""Our name for the state of a job that waits for one of these reasons."""
NEVER = frozenset({"BadConstraints", "PartitionConfig"})
"""Why a job waits for a node such as there is none. It may be sent all the same: an array is not looked at before."""


def queue(ids: Iterable[str]) -> dict[str, str] | None:
    """State of each job that Slurm remembers, by id; None where Slurm does not answer now."""
    jobs = ",".join(sorted({job.partition("_")[0] for job in ids}))
    command = ["squeue", "--noheader", "--array", "--states=all", "--format=%i|%T|%r", f"--jobs={jobs}"]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    if answer.returncode:
        return {} if "Invalid job id" in answer.stderr else None
    return read_queue(answer.stdout)


def read_queue(text: str) -> dict[str, str]:
    """`squeue`'s lines, `ID|STATE|REASON`; a job that is held for good counts as failed."""
    states = {}
    for line in text.splitlines():
        job, _, rest = line.strip().partition("|")
        state, _, reason = rest.partition("|")
        if job and state == "PENDING" and reason in NEVER:
            states[job] = IMPOSSIBLE
        elif job:
            states[job] = "FAILED" if HELD in reason.replace("_", " ").lower() else state
    return states


def cancel(ids: Iterable[str], *flags: str) -> None:
    """`scancel`; what has ended already is no error."""
    subprocess.run(["scancel", "--quiet", *flags, *ids], capture_output=True, check=False)


def array_size() -> int:
    """Jobs that one array may have."""
    answer = subprocess.run(["scontrol", "show", "config"], capture_output=True, text=True, check=False)
    found = re.search(r"^MaxArraySize\s*=\s*(\d+)", answer.stdout, flags=re.MULTILINE)
    return int(found[1]) if found else 1001


def gone(states: Mapping[str, str], job: str) -> bool:
    """Whether a job has ended."""
    return states.get(job, "COMPLETED") in ENDED
