"""The tables of a results folder, written where they are not current."""

import contextlib
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ssl_bench import __version__
from ssl_bench.errors import UsageError
from ssl_bench.leaderboard.documents.main import DOCUMENTS
from ssl_bench.leaderboard.files import FORMATS, OF_TABLES, Format, render
from ssl_bench.machine.files import read_json, read_regular, sweep, write_json, write_text
from ssl_bench.plan.plan import Plan
from ssl_bench.registry.registry import Registry
from ssl_bench.seeds import digest
from ssl_bench.store.results import ResultStore

MADE_FROM = ".made-from.json"
"""In the folder of tables: hashes of what they were made from, and of the tables."""


def write_leaderboards(registry: Registry, plan: Plan, store: ResultStore) -> list[Path] | None:
    """The tables of every record in the store, written unless they are current. None: the plan has no record."""
    if not any(store.is_finished(cell) for cell in plan.cells):
        return None
    formats = formats_to_write(["md"], store.leaderboards)
    # Before they are read: what comes meanwhile makes the tables stale.
    source = digest([store.content(), __version__, formats, repr(registry.claims)], 64)
    mark = read_json(store.leaderboards / MADE_FROM) or {}
    if mark.get("source") == source and mark.get("tables") == _hashes(mark.get("tables"), store.leaderboards):
        return []
    written = write_tables(render(store.records(), formats, claims=registry.claims), store.leaderboards)
    names = [path.relative_to(store.leaderboards).as_posix() for path in written]
    made = {"source": source, "tables": _hashes(names, store.leaderboards)}
    with contextlib.suppress(OSError):  # The tables are there; the next run makes them again.
        write_json(store.leaderboards / MADE_FROM, made)
    return written


def _hashes(names: Any, folder: Path) -> dict[str, str]:
    """Hash of each table that is there, by its name in the folder."""
    found = {}
    for name in names if isinstance(names, dict | list) else ():
        with contextlib.suppress(OSError):
            found[name] = hashlib.sha256(read_regular(folder / name)).hexdigest()
    return found


def formats_to_write(asked: Sequence[Format], folder: Path) -> list[Format]:
    """The formats asked for and those in which the folder holds every document already: none of them grows stale."""
    there = [form for form in FORMATS if all((folder / f"{name}.{form}").is_file() for name in DOCUMENTS)]
    there += [form for form in OF_TABLES if any((folder / DOCUMENTS[0]).glob(f"*.{form}"))]
    return [form for form in FORMATS if form in asked or form in there]


def write_tables(files: Mapping[str, str], folder: Path) -> list[Path]:
    """Write what `render` gave into a folder, and remove the files of tables that there are no longer.

    UsageError where it cannot be written.
    """
    written = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for place in (folder, *(folder / name for name in DOCUMENTS)):
            sweep(place)
        for name, text in files.items():
            (folder / name).parent.mkdir(exist_ok=True)
            write_text(folder / name, text)
            written.append(folder / name)
        for form in OF_TABLES:
            tables = {path for name in DOCUMENTS for path in (folder / name).glob(f"*.{form}")}
            for path in tables - set(written) if tables & set(written) else ():
                path.unlink()
    except OSError as error:
        raise UsageError(f"{folder}: tables cannot be written ({error.strerror})") from error
    return written
