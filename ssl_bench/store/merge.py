"""Results of several machines in one place: cells with all they hold, or their records alone.

Everything is read and compared before anything is written; a record is written last, so that a cell counts as finished
exactly when all of it is there. Doing it again, or again after a kill, does no harm.
"""

import hashlib
import math
import os
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ssl_bench.errors import DataError, UsageError
from ssl_bench.machine.files import (
    TEMPORARY,
    read_regular,
    require_writable,
    sweep,
    temporary_beside,
    write_json,
)
from ssl_bench.machine.lock import Lock, holder
from ssl_bench.store.folder import CellFolder
from ssl_bench.store.record import Record, parse_record
from ssl_bench.store.results import identity_of, record_files_as_written, same
from ssl_bench.store.seal import step_of
from ssl_bench.store.titles import join_titles, write_titles


@dataclass(frozen=True)
class Merged:
    """What became of the cells found."""

    added: Sequence[str]
    """Finished cells that were not there before."""
    kept: Sequence[str]
    """Finished cells that were there already, with the same numbers."""
    unfinished: Sequence[str]
    """Cells that are finished nowhere; from the furthest of their folders a run goes on."""
    running: Sequence[str]
    """Folders left out, since a process works in them."""
    broken: Sequence[str] = ()
    """What is wrong with each record that is not whole, and with weights of which there is no whole copy."""


def merge(sources: Sequence[Path], to: Path) -> Merged:
    """Join results folders into `to`: every cell once, with weights and log; a finished one before any other.

    What data is called (`data.toml`) is joined, too. Raises UsageError for a source that is no results folder and for
    a `to` that cannot be written, DataError naming cell and field where two records of one cell differ.
    """
    found: dict[str, list[CellFolder]] = {}
    running: list[str] = []
    for root in dict.fromkeys((to, *sources)):
        if not (root / "cells").is_dir():
            if root == to:
                continue
            raise UsageError(
                f"{root} is no results folder (there is no {root / 'cells'}); name the --out of a run"
            )
        for folder in sorted((root / "cells").iterdir()):
            if not folder.is_dir() or folder.is_symlink() or folder.name.startswith("."):
                continue
            if holder(folder) is not None:
                running.append(str(folder))
                continue
            found.setdefault(folder.name, []).append(CellFolder(folder))
    broken: list[str] = []
    records: list[tuple[Path, Record]] = []
    copies: dict[str, list[tuple[CellFolder, Record]]] = {}
    for one in (folder for folders in found.values() for folder in folders):
        try:
            record = parse_record(one.record)
            records.append((one.record, record))
            copies.setdefault(one.path.name, []).append((one, record))
        except FileNotFoundError:
            continue
        except DataError as error:
            broken.append(str(error))
    finished = _agreeing(records)
    titles = join_titles((to, *sources))
    require_writable(to, "--out")
    added: list[str] = []
    kept: list[str] = []
    unfinished: list[str] = []
    for cell, folders in found.items():
        target = CellFolder(to / "cells" / cell)
        if str(target.path) in running:
            continue
        if cell in finished:
            source, fault = _whole_copy(copies[cell])
            broken += [fault] if fault else []
            (kept if source == target else added).append(cell)
        else:
            source = max(folders, key=lambda folder: _how_far(folder, target))
            unfinished.append(cell)
        if source != target:
            _copy_cell(source, target, finished=cell in finished)
    write_titles(to, titles)
    return Merged(added, kept, unfinished, running, broken)


def collect(sources: Sequence[Path], to: Path, *, nameless: bool = False) -> Merged:
    """Gather every record below `sources` as `to`/CELL.json. Raises as `merge` does, and UsageError for none.

    `nameless`: without the names of test images and of the data's folder (`Record.nameless`).
    """
    for root in sources:
        if not root.is_dir():
            raise UsageError(f"no folder at {root}; check the path")
    # What was collected before comes first, so that equal records are kept as they are.
    broken: list[str] = []
    present = record_files_as_written(to, broken)
    found = (item for root in sources for item in record_files_as_written(root, broken))
    if nameless:
        found = ((path, record.nameless()) for path, record in found)
    records = _agreeing([*present, *found])
    if not records and broken:
        raise DataError(broken[0])
    if not records:
        raise UsageError(
            f"no records below {', '.join(map(str, sources))}; name the --out of a run that has finished cells"
        )
    titles = {} if nameless else join_titles((to, *sources))
    before = {path.resolve() for path, _ in present}
    added: list[str] = []
    kept: list[str] = []
    require_writable(to, "--out")
    sweep(to)
    for cell, (path, record) in records.items():
        if path.resolve() in before:
            kept.append(cell)
        else:
            write_json(to / f"{cell}.json", record.to_json())
            added.append(cell)
    write_titles(to, titles)
    return Merged(added, kept, [], [], broken)


def difference(first: Any, second: Any, path: str = "") -> str | None:
    """The first field in which two JSON values differ, as `metrics.miou: 1 and 2`; None where they are equal."""
    if isinstance(first, Mapping) and isinstance(second, Mapping):
        for key in sorted({*first, *second}):
            place = f"{path}.{key}" if path else str(key)
            if key not in first or key not in second:
                return f"{place}: only one of them has it"
            if found := difference(first[key], second[key], place):
                return found
        return None
    if isinstance(first, list) and isinstance(second, list) and len(first) == len(second):
        pairs = enumerate(zip(first, second, strict=True))
        return next((found for i, (a, b) in pairs if (found := difference(a, b, f"{path}[{i}]"))), None)
    return None if first == second else f"{path}: {str(first)[:60]} and {str(second)[:60]}"


def _agreeing(files: Iterable[tuple[Path, Record]]) -> dict[str, tuple[Path, Record]]:
    """Records by cell, the first file of each. DataError where another one says something else."""
    found: dict[str, tuple[Path, Record]] = {}
    for path, record in files:
        cell = _cell_of(path, record)
        earlier, other = found.setdefault(cell, (path, record))
        if not same(other, record):
            field = difference(identity_of(other), identity_of(record))
            raise DataError(
                f"cell {cell} has two different records; {field} ({earlier} and {path}); nothing was written: remove "
                "one of them"
            )
    return found


def _whole_copy(copies: Sequence[tuple[CellFolder, Record]]) -> tuple[CellFolder, str]:
    """The first copy of a finished cell whose weights are those of its record; what is wrong where there is none."""
    faults = []
    for folder, record in copies:
        expected = record.provenance.weights_sha256
        try:
            found = hashlib.sha256(read_regular(folder.weights)).hexdigest()
        except FileNotFoundError:
            continue
        except OSError as error:
            faults.append(f"{folder.weights} cannot be read ({error.strerror})")
            continue
        if expected in (None, found):
            return folder, ""
        faults.append(
            f"{folder.weights} is not what its record has (another checksum), and there is no whole copy"
        )
    return copies[0][0], next(iter(faults), "")  # Weights may have been deleted for their size.


def _cell_of(path: Path, record: Record) -> str:
    """The id in a record. It becomes a file name, so it must be one."""
    name = record.cell.id
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,199}", name):
        raise DataError(f"{path} is no record: it names no cell")
    if path == CellFolder(path.parent).record and path.parent.name != name:
        raise DataError(f"{path} is the record of {name}; name its folder so")
    return name


def _how_far(folder: CellFolder, target: CellFolder) -> tuple[bool, float, bool, float]:
    """What an unfinished cell can go on from, the furthest being the largest. What is in the target gives way to
    nothing but a later step; times, which may be those of copies, decide only among checkpoints that state none."""
    there = [path for path in folder.checkpoints if path.is_file()]
    steps = [step for path in there if (step := step_of(path)) is not None]
    unknown = math.inf if folder == target else -1.0
    times = [path.stat().st_mtime for path in there]
    return bool(there), max(steps, default=unknown), folder == target, max(times, default=0.0)


def _copy_cell(source: CellFolder, target: CellFolder, *, finished: bool) -> None:
    target.path.mkdir(parents=True, exist_ok=True)
    lock = Lock(target.path)
    if (owner := lock.take()) is not None:
        raise UsageError(f"{target.path}: {owner} is running it; wait for its end")
    leftovers = {path.name for path in source.leftovers}
    try:
        for leftover in target.path.glob(TEMPORARY):
            leftover.unlink(missing_ok=True)
        target.failure.unlink(missing_ok=True)
        for path in _files(source):
            if finished and path.name in leftovers:
                continue
            if path == source.record and not finished:
                continue  # It is not whole.
            if path == source.record:
                for leftover in target.leftovers:
                    leftover.unlink(missing_ok=True)
            _copy(path, target.path / path.relative_to(source.path))
    finally:
        lock.release()


def _files(folder: CellFolder) -> Iterator[Path]:
    """Files of a cell, whatever a tracker left among them, the record last; no links, no traces of a run."""
    for place, folders, names in os.walk(folder.path):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for path in (Path(place) / name for name in sorted(names)):
            passing = path.name.startswith(".") or path in (folder.lock, folder.progress)
            if path.is_file() and not path.is_symlink() and not passing and path != folder.record:
                yield path
    if folder.record.is_file():
        yield folder.record


def _copy(source: Path, target: Path) -> None:
    """Copy a file in one step."""
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_beside(target)
    try:
        shutil.copy2(source, temporary)
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
