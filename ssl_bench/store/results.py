"""Immutable records of finished cells, and the folder they live in.

OUT/cells/CELL/                 a cell (`CellFolder`)
OUT/leaderboards/*.md           tables made from the records
OUT/data.toml                   what data sets are called in them, if somebody says so
"""

import contextlib
import difflib
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ssl_bench.errors import DataError, UsageError
from ssl_bench.machine.files import place, read_json, read_regular, require_writable, write_json
from ssl_bench.machine.heap import no_search_for_cycles
from ssl_bench.machine.lock import holder
from ssl_bench.machine.own_folders import note_own
from ssl_bench.store.folder import RECORD, CellFolder, folders_in
from ssl_bench.store.record import Record, parse_record
from ssl_bench.store.titles import FILE as TITLES
from ssl_bench.store.titles import read_titles, with_title
from ssl_bench.words import first_of

if TYPE_CHECKING:
    from ssl_bench.plan.cell import Cell
    from ssl_bench.plan.order import Order

OTHERS = {path.name for path in (CellFolder(Path()).order, *CellFolder(Path()).leftovers)}
"""Files of a cell that hold no record."""
SHOWN = 3
"""Ids in a message."""
OUTSIDE_IDENTITY = ("cost", "provenance", "observed")
"""Sections of a record that two runs of one cell may differ in."""


def same(first: Record, second: Record) -> bool:
    """Whether two records agree in all but cost, provenance and what was observed."""
    return identity_of(first) == identity_of(second)


def identity_of(record: Record) -> dict[str, Any]:
    """What two runs of one cell must agree in: all but cost, provenance, what was observed, and what the folder of the
    data is called."""
    kept = {key: value for key, value in record.to_json().items() if key not in OUTSIDE_IDENTITY}
    if "describe" in kept:
        kept["describe"] = {key: value for key, value in kept["describe"].items() if key != "data"}
    return kept


class ResultStore:
    """The one party that knows where results live."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.cells = root / "cells"
        self.leaderboards = root / "leaderboards"
        self._whole: dict[Path, tuple[int, ...]] = {}

    def prepare(self) -> None:
        """Make the folders. UsageError where they cannot be written."""
        require_writable(self.root, "--out")
        require_writable(self.cells, "--out")

    def folder(self, cell: "Cell") -> CellFolder:
        """The folder of a cell."""
        return CellFolder(self.cells / cell.id)

    def finished(self, cell: "Cell") -> Record | None:
        """The record of a finished cell, or None."""
        return self.folder(cell).finished()

    def is_finished(self, cell: "Cell") -> bool:
        """Whether there is a record; a file that was found whole is not read again until it changes."""
        folder = self.folder(cell)
        try:
            found = folder.record.stat()
        except OSError:
            return False
        # A copy may come with its time kept, and not with all of these.
        known = (found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
        if self._whole.get(folder.path) != known:
            if folder.finished() is None:
                return False
            self._whole[folder.path] = known
        return True

    def stage(self, order: "Order") -> CellFolder:
        """Write what a worker needs into the cell's folder, and forget an earlier failure or estimate.

        That the user's commands work on its data is kept in mind (`ssl_bench.machine.own_folders`).
        """
        folder = self.folder(order.cell)
        note_own([*filter(None, [order.path]), *order.unlabeled])
        try:
            folder.path.mkdir(parents=True, exist_ok=True)
            write_json(folder.order, order.to_json())
            for earlier in (folder.failure, folder.estimate):
                earlier.unlink(missing_ok=True)
        except OSError as error:
            raise UsageError(
                f"{folder.path}: cannot be written ({error.strerror}); name another --out"
            ) from error
        return folder

    def tidy(self, cell: "Cell") -> None:
        """Remove what a kill right after the record left behind; nothing where a process still works there."""
        folder = self.folder(cell)
        if folder.lock.exists() and holder(folder.path) is None:
            with contextlib.suppress(OSError):  # Somebody else's results can be shown all the same.
                for path in (*folder.checkpoints, folder.memory, folder.progress, folder.lock):
                    path.unlink(missing_ok=True)

    def content(self) -> str:
        """Hash of the bytes of every record and of `data.toml`: what tables are made from, whenever it was written."""
        whole = hashlib.sha256()
        records = [folder.record for folder in folders_in(self.cells)]
        for path in (*records, self.root / TITLES):
            with contextlib.suppress(OSError):
                whole.update(hashlib.sha256(read_regular(path)).digest() + path.parent.name.encode())
        return whole.hexdigest()

    def _others(self, name: str, here: Sequence[str]) -> str:
        """Where there are finished cells, one of that name first."""
        root, working = self.root.absolute(), Path.cwd()
        stores = [
            (folder.path.name, store.relative_to(working) if store.is_relative_to(working) else store)
            for store in sorted(root.parent.iterdir() if root.parent.is_dir() else ())
            if store != root
            for folder in folders_in(store / "cells")
        ]
        named = next((store for cell, store in stores if cell.startswith(name)), None)
        if named:
            return f"there is one in {named}: give --runs {named}"
        if len(here) > SHOWN and (near := difflib.get_close_matches(name, here, n=1)):
            return f"did you mean '{near[0]}'?"
        if here:
            # A method's name is what people type for the cell that they mean.
            fitting = sorted(cell for cell in here if name in cell) or sorted(here)
            all_of_them = f"; `ssl-bench status {self.root}` lists all" if len(here) > SHOWN else ""
            return f"there: {first_of(fitting, SHOWN)}{all_of_them}"
        folders = list(dict.fromkeys(str(store) for _, store in stores))
        if folders:
            return f"there are finished cells in {', '.join(folders[:3])}: give --runs {folders[0]}"
        return f"nothing has been run there yet; `ssl-bench run --out {self.root}` does"

    def find(self, name: str) -> Path:
        """Folder of a finished cell: `name` is its id, what its id alone begins with, or the folder itself.

        Raises UsageError where there is no one such cell.
        """
        if CellFolder(place(name)).record.is_file():
            return place(name)
        if CellFolder(place(name)).order.is_file():
            raise UsageError(f"{name}: this cell has not finished; the command that ran it goes on with it")
        names = [folder.path.name for folder in folders_in(self.cells)]
        found = sorted(other for other in names if other.startswith(name))
        if len(found) == 1 or (found and found[0] == name):
            return self.cells / found[0]
        if not found:
            raise UsageError(f"no finished cell '{name}' in {self.root}; {self._others(name, names)}")
        raise UsageError(f"{len(found)} cells begin with '{name}', '{found[0]}' first; give more of the id")

    def records(self) -> list[Record]:
        """All finished records, in the order of their ids."""
        titles = read_titles(self.root)
        return [with_title(record, titles) for record in read_records(self.cells)]


def read_records(folder: Path, broken: list[str] | None = None) -> list[Record]:
    """Records below a folder (`result.json` of cells, or `*.json` files of a collection), ordered by path.

    What is wrong with each that is not whole is added to `broken`, a line each.
    """
    return [record for _, record in record_files(folder, broken)]


def record_files(folder: Path, broken: list[str] | None = None) -> list[tuple[Path, Record]]:
    """As `read_records`, each with its file; data is called as `folder`/data.toml has it."""
    titles = read_titles(folder) if folder.is_dir() else {}
    return [(path, with_title(record, titles)) for path, record in record_files_as_written(folder, broken)]


def record_files_as_written(folder: Path, broken: list[str] | None = None) -> list[tuple[Path, Record]]:
    """As `record_files`, with what the files say and nothing else."""
    found: list[tuple[Path, Record]] = []
    with no_search_for_cycles():
        for path in sorted(folder.rglob("*.json") if folder.is_dir() else ()):
            if path.name in OTHERS or path.name.startswith("."):
                continue
            try:
                found.append((path, parse_record(path)))
            except FileNotFoundError:
                continue
            except DataError as error:
                # Other programs keep files of JSON, too.
                if broken is not None and (
                    path.name == RECORD or "schema" in (read_json(path) or ("schema",))
                ):
                    broken.append(str(error))
    return found
