"""Where and how cells run: the interface of an executor."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

INTERRUPTED = 75
"""Exit status of a worker that was told to stop and saved where it stands (EX_TEMPFAIL: try again)."""

REMOVED = 66
"""Exit status of a worker whose folder is gone (EX_NOINPUT)."""


@dataclass(frozen=True)
class Job:
    """One cell to run: its folder holds `cell.json`, and everything it writes stays inside."""

    cell: str
    folder: Path
    weight: float = 1.0
    """Expected work, in any unit: longer jobs start first."""


@dataclass(frozen=True)
class Outcome:
    """What became of one job."""

    cell: str
    status: Literal["finished", "failed", "interrupted"]
    message: str = ""
    seconds: float = 0.0


class Executor(ABC):
    """Runs jobs on devices, each in a process of its own, and reports as they end."""

    def __init__(self, devices: Sequence[str], slots: int, preload: Sequence[str]) -> None:
        """`devices`: `cpu` or `cuda:0`, ...; `slots`: jobs at a time over all; `preload`: modules that jobs import."""
        self.devices = tuple(devices)
        self.slots = slots
        self.preload = tuple(preload)

    @abstractmethod
    def running(self) -> Sequence[Job]:
        """The jobs in flight."""

    @abstractmethod
    def run(self, jobs: Sequence[Job]) -> Iterator[Outcome | None]:
        """Yield an Outcome per job as it ends, and None several times a second so that progress can be shown.

        Closing the iterator stops what still runs; it can be resumed later.
        """
