"""One results folder under faults, from its first command until every cell has finished."""

import os
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path

from benchmarks.survival.command import start
from ssl_bench.machine.lock import holder
from ssl_bench.store.folder import CellFolder

PATIENCE = 600.0
"""Seconds that anything may take on a busy machine."""


@dataclass
class Campaign:
    """Commands on one folder, and what has become of it so far."""

    root: Path
    data: Path
    random: random.Random
    command: BaseProcess | None = None
    second: BaseProcess | None = None
    finished: dict[str, bytes] = field(default_factory=dict)
    last: str | None = None
    """The last fault since the command was started."""
    lost: int = 0
    mends: list[Callable[[], object]] = field(default_factory=list)
    """What whoever types the command again does first, having read what it said."""

    def __post_init__(self) -> None:
        self.out, self.orders, self.said = self.root / "out", self.root / "orders", self.root / "said.txt"
        self.orders.mkdir(parents=True)

    def start(self) -> BaseProcess:
        """Start a command on the folder."""
        return start(self.data, self.out, self.orders, self.said)

    @property
    def runs(self) -> bool:
        """Whether the command still does."""
        return self.command is not None and self.command.exitcode is None

    def folders(self) -> list[Path]:
        """The cells' folders."""
        return sorted((self.out / "cells").glob("[!.]*"))

    def unfinished(self) -> list[CellFolder]:
        """Those that hold no record yet."""
        return [
            CellFolder(each)
            for each in self.folders()
            if each.is_dir() and not CellFolder(each).record.exists()
        ]

    def at_work(self) -> list[tuple[Path, int]]:
        """Folders and processes of the cells that run now."""
        owners = ((folder, holder(folder)) for folder in self.folders())
        return [(folder, owner.pid) for folder, owner in owners if owner and owner.is_local]

    def look(self) -> None:
        """Count finished cells that are gone, and note those that are new."""
        if not self.out.is_dir() and self.mends:  # It was moved.
            return
        for cell, record in self.finished.items():
            path = self.out / "cells" / cell / "result.json"
            self.lost += not path.is_file() or path.read_bytes() != record
        for path in (self.out / "cells").glob("*/result.json"):
            if CellFolder(path.parent).finished() is not None:
                self.finished.setdefault(path.parent.name, path.read_bytes())

    def join(self, process: BaseProcess) -> None:
        """Wait for a command's end."""
        process.join(PATIENCE)
        assert process.exitcode is not None, self.said.read_text()

    def wait(self, ready: Callable[[], object]) -> bool:
        """Wait until something is so, while the command runs; whether it is."""
        while self.runs:
            if ready():
                return True
            time.sleep(0.02)
        return False

    def mend(self) -> None:
        """Put right what a user has to."""
        while self.mends:
            self.mends.pop()()
        for order in self.orders.iterdir():
            if order.name != "clock":
                order.unlink(missing_ok=True)

    def processes(self) -> list[int]:
        """Of this machine, those that still have a file of it open."""
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                targets = [os.readlink(link) for link in (process / "fd").iterdir()]  # noqa: PTH115
            except OSError:
                continue
            if int(process.name) != os.getpid() and any(each.startswith(f"{self.root}/") for each in targets):
                found.append(int(process.name))
        return found


Fault = Callable[[Campaign], bool]
"""Does its damage, if there is something to damage now."""
