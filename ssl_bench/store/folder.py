"""The folder of a cell: where everything about it lies, and what a person or a command may read there.

OUT/cells/CELL/ is one; `CellFolder` names its files, and no other module does.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ssl_bench.errors import DataError
from ssl_bench.machine.files import read_json, write_json
from ssl_bench.machine.lock import LOCK, PROGRESS
from ssl_bench.store.record import Estimate, Failure, Progress, Record, parse_record, sound

if TYPE_CHECKING:
    from ssl_bench.plan.order import Order

RECORD = "result.json"


class File:
    """A file of a cell's folder, by its name there."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, folder: "CellFolder", kind: type | None = None) -> Path:
        """Where it lies, whether there is one or not."""
        return folder.path / self.name


@dataclass(frozen=True)
class CellFolder:
    """The files of one cell, and what is in those that are read by others than its worker."""

    path: Path

    order = File("cell.json")
    """What to run, and how (`Order`)."""
    lock = File(LOCK)
    """Who works on it, while somebody does (`machine/lock.py`)."""
    progress = File(PROGRESS)
    """Its last sign of life."""
    checkpoint = File("checkpoint.pt")
    """Where it stands."""
    earlier_checkpoint = File("checkpoint.previous.pt")
    """Where it stood before."""
    memory = File("memory.json")
    """Since when its batches are taken in smaller parts, where memory ran out."""
    log = File("log.txt")
    """What it said, all attempts in one, each under a heading."""
    failure = File("failure.json")
    """Why it ended early; never taken for a result."""
    estimate = File("estimate.json")
    """What it would take, where that was all that was asked."""
    weights = File("weights.pt")
    """What it learnt."""
    record = File(RECORD)
    """There exactly when the cell has finished."""
    earlier_record = File(f"{RECORD}.previous")
    """Of a cell that was run again with `--no-resume`."""
    plugins = File("plugins")
    """A folder: the plugin files that the cell brings along, while it runs."""

    @property
    def checkpoints(self) -> tuple[Path, Path]:
        """The newest, and the one before."""
        return self.checkpoint, self.earlier_checkpoint

    @property
    def leftovers(self) -> tuple[Path, ...]:
        """Files that a finished cell has no use for."""
        return (*self.checkpoints, self.memory, self.progress, self.failure)

    def read_record(self) -> Record:
        """The record. DataError, naming the file, for one that is not whole or of another cell; FileNotFoundError."""
        record = parse_record(self.record)
        if record.cell.id != self.path.name:
            raise DataError(f"{self.record} is the record of {record.cell.id:.200}; name its folder so")
        return record

    def finished(self) -> Record | None:
        """The record, where there is a whole one of this cell."""
        try:
            return self.read_record()
        except (OSError, DataError):
            return None

    def read_failure(self) -> Failure | None:
        """Why the cell ended early; None where it did not, or left no sound word."""
        return sound(Failure, read_json(self.failure))

    def read_estimate(self) -> Estimate | None:
        """What the cell would take; None where nobody asked, or there is no sound answer."""
        return sound(Estimate, read_json(self.estimate))

    def read_progress(self) -> Progress | None:
        """What the cell last said of itself; None where it said nothing, or nothing sound."""
        return sound(Progress, read_json(self.progress))

    def fail(self, message: str, **more: bool) -> None:
        """Leave word of a failure, with what is known of it (`Failure`), where that can be written."""
        with contextlib.suppress(OSError):
            write_json(self.failure, Failure(message=message, **more).model_dump(exclude_unset=True))

    def read_order(self) -> "Order":
        """What the folder is for. DataError, naming the file, where that is none."""
        from ssl_bench.plan.order import Order

        content = read_json(self.order)
        if content is None:
            raise DataError(f"{self.order} cannot be read; run the command again")
        try:
            return Order.from_json(content)
        except DataError as error:
            raise DataError(f"{self.order} is {error}") from error


def folders_in(cells: Path) -> Iterator[CellFolder]:
    """The cells' folders in a folder of such that hold a record, whole or not, by name."""
    return (CellFolder(path.parent) for path in sorted(cells.glob(f"*/{RECORD}")))
