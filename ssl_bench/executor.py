"""Where and how cells run: the interface of an executor."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

INTERRUPTED = 75
"""Exit status of a worker that was told to stop and saved where it stands (EX_TEMPFAIL: try again)."""

REMOVED = 66
"""Exit status of a worker whose folder is gone (EX_NOINPUT)."""

ELSEWHERE = 69
"""Exit status of a worker whose cell another command runs (EX_UNAVAILABLE)."""

NO_SPACE, IO_ERROR = 73, 74
"""Exit statuses of a worker whose disk is full, or does not work (EX_CANTCREAT, EX_IOERR)."""


@dataclass(frozen=True)
class Job:
    """One cell to run: its folder holds `cell.json`, and everything it writes stays inside."""

    cell: str
    folder: Path
    weight: float = 1.0
    """Expected work, in any unit: longer jobs start first."""
    shape: str = ""
    """Jobs of one shape need as much memory as one another."""
    memory: int | None = None
    """Peak of a finished job of this shape on its GPU, bytes, where there is one."""


@dataclass(frozen=True)
class Outcome:
    """What became of one job."""

    cell: str
    status: Literal["finished", "failed", "interrupted", "elsewhere"]
    """`elsewhere`: another command runs the cell."""
    message: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What a command asks of its executor, whichever it is."""

    devices: str = "auto"
    """`auto`, `cpu`, `cuda`, or numbers of GPUs as in `cuda:0,1`."""
    jobs: int | None = None
    """Cells at a time over all devices; None: as many as they carry."""
    threads: int = 1
    """CPU threads of a process."""
    processes: int = 1
    """Of a cell, on devices of their own; those of a CPU share it."""
    preload: tuple[str, ...] = ()
    """Modules that the cells import."""

    @property
    def cores(self) -> int:
        """CPU cores of a cell."""
        return self.threads * self.processes


class Executor(ABC):
    """Runs jobs on devices, each in a process of its own, and reports as they end."""

    several_processes: ClassVar[bool] = False
    """Whether it gives a cell as many devices of one machine as it has processes: `cuda:0,1` to `work_on`."""

    def __init__(self, wanted: Wanted, config: Any) -> None:
        """`config`: checked settings, of the class that its description names.

        Raises UsageError for devices that cannot be had: a command ends here or in `open`, before any compute, and
        never waits.
        """
        self.wanted = wanted
        self.config = config

    def open(self) -> None:
        """Join what it runs on. Raises UsageError where that, or what the command wants of it, cannot be had."""
        return None

    def close(self) -> None:
        """Let go of what it holds between runs, once there is nothing more to run."""
        return None

    @abstractmethod
    def running(self) -> Sequence[Job]:
        """The jobs at work now, by what is known; not those that wait for a device."""

    @abstractmethod
    def run(self, jobs: Sequence[Job]) -> Iterator[Outcome | None]:
        """Yield an Outcome per job as it ends, and None several times a second so that progress can be shown.

        Closing the iterator stops what still runs; it can be resumed later. May be called again, with jobs to retry.
        """
