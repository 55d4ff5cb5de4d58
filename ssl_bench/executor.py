"""Where and how cells run: the interface of an executor."""

import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

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
    shape: str = ""
    """Jobs of one shape need as much memory as one another."""
    memory: int | None = None
    """Peak of a finished job of this shape on its GPU, bytes, where there is one."""


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
    """Starts jobs on devices, each in a process of its own, and tells how they ended.

    One loop (`ssl_bench/run/loop.py`) drives every executor: it starts the longest jobs first, shows their progress,
    ends those that hang, tries again what a machine failed, and has all of them save when the command is stopped.
    """

    several_processes: ClassVar[bool] = False
    """Whether it gives a cell as many devices of one machine as it has processes: `cuda:0,1` to `work_on`."""
    grace: ClassVar[float] = 20.0
    """Seconds that jobs get to save where they stand, once told to stop."""

    def __init__(self, wanted: Wanted, config: Any) -> None:
        """`config`: checked settings, of the class that its description names.

        Raises UsageError for devices that cannot be had: a command ends here, in `open` or in `expect`, before any
        compute, and never waits.
        """
        self.wanted = wanted
        self.config = config

    def open(self) -> None:
        """Join what it runs on. Raises UsageError where that, or what the command wants of it, cannot be had."""
        return None

    def close(self) -> None:
        """Let go of what it holds, once there is nothing more to run."""
        return None

    def expect(self, jobs: Sequence[Job]) -> None:
        """Hear of the jobs that are about to be started. Raises UsageError where one of them cannot run."""
        return None

    @abstractmethod
    def room(self) -> int:
        """How many jobs it takes at a time, 0 while it takes none; asked again and again."""

    @abstractmethod
    def start(self, job: Job) -> Any:
        """Start a job, and give what it is known by from now on; None where there is no room for this one yet."""

    @abstractmethod
    def poll(self, handle: Any) -> int | str | None:
        """What became of a started job, at once; None while it runs or waits, and asked no more after that.

        The exit status of its process, below 0 the signal that killed it; or a line that says why there is none.
        """

    @abstractmethod
    def stop(self, handles: Sequence[Any], *, at_once: bool = False) -> None:
        """Tell jobs to save and end (SIGTERM to a cell), and return; with `at_once`, end those that did not in time."""

    def at_work(self, handle: Any) -> bool:
        """Whether a job has begun, by what is known; not while it waits in a queue."""
        return True

    def wait(self, seconds: float) -> None:
        """Wait until a job may have ended, at most so long."""
        time.sleep(seconds)
