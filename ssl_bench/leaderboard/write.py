"""The tables of a results folder, written where they are not current."""

import contextlib
import hashlib
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ssl_bench import __version__
from ssl_bench.errors import UsageError
from ssl_bench.leaderboard.documents.main import DOCUMENTS
from ssl_bench.leaderboard.files import FORMATS, OF_TABLES, RUNS, Format, render
from ssl_bench.leaderboard.formats.latex import PREAMBLE
from ssl_bench.machine.files import read_json, read_regular, sweep, write_json, write_text
from ssl_bench.plan.plan import Plan
from ssl_bench.registry.registry import Registry
from ssl_bench.seeds import digest
from ssl_bench.store.results import ResultStore

MADE_FROM = ".made-from.json"
"""In the folder of tables: what was written there, what it was made from, and hashes of both."""
_EARLIER = {RUNS: "task,data,tier,labels,", "README.md": "# Search\n\nEvery method has as many trials, "}
"""What tells a folder of an earlier version, which kept no list of what it wrote."""
_TITLES = "Leaderboards?|Comparison|Metrics|Label efficiency|Cost|Reported|Hyper-parameters|Search"
_BEGINNINGS = {
    ".md": rf"# ({_TITLES})\n",
    ".html": rf"<h1>({_TITLES})</h1>\n",
    ".csv": r"task,data,tier,|(Methods|Score|Task),",
    ".tex": rf"(% .*\n)*{re.escape(PREAMBLE)}\n",
    ".bib": r"@(inproceedings|misc)\{\w+,\n  title = \{\{",
    ".svg": r"<svg viewBox=",
}
"""How the files in such a folder begin that are its own."""


def write_leaderboards(registry: Registry, plan: Plan, store: ResultStore) -> list[Path] | None:
    """The tables of every record in the store, written unless they are current. None: the plan has no record.

    UsageError as `write_tables`.
    """
    if not any(store.is_finished(cell) for cell in plan.cells):
        return None
    formats = formats_to_write(["md"], store.leaderboards)
    # Before they are read: what comes meanwhile makes the tables stale.
    source = digest([store.content(), __version__, formats, repr(registry.claims)], 64)
    mark = read_json(store.leaderboards / MADE_FROM) or {}
    if mark.get("source") == source and mark.get("tables") == _hashes(mark.get("tables"), store.leaderboards):
        return []
    files = render(store.records(), formats, claims=registry.claims)
    return write_tables(files, store.leaderboards, source)


def _hashes(names: Any, folder: Path) -> dict[str, str]:
    """Hash of each table that is there, by its name in the folder."""
    found = {}
    for name in names if isinstance(names, Mapping) else ():
        with contextlib.suppress(OSError):
            found[name] = hashlib.sha256(read_regular(folder / name)).hexdigest()
    return found


def formats_to_write(asked: Sequence[Format], folder: Path) -> list[Format]:
    """The formats asked for and those in which the folder holds every document already: none of them grows stale."""
    there = [form for form in FORMATS if all((folder / f"{name}.{form}").is_file() for name in DOCUMENTS)]
    there += [form for form in OF_TABLES if any((folder / DOCUMENTS[0]).glob(f"*.{form}"))]
    return [form for form in FORMATS if form in asked or form in there]


def write_tables(files: Mapping[str, str], folder: Path, source: str = "") -> list[Path]:
    """Write what `render` gave into a folder, and remove the files of tables that there are no longer.

    UsageError where it cannot be written, and before anything is where a file is in the way that was not written here.
    `source`: a hash of what the tables were made from, by which they are known to be current.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        ours = _ours(folder)
        for name in files:
            if name not in ours and os.path.lexists(folder / name):
                raise UsageError(
                    f"{folder / name}: not written by ssl-bench, and so not replaced; move it, or name another folder"
                )
        for place in (folder, *(folder / name for name in DOCUMENTS)):
            sweep(place)
        # Before they are there: what a kill leaves behind is known to be ours.
        write_json(folder / MADE_FROM, {"files": sorted(ours | set(files))})
        for name, text in files.items():
            (folder / name).parent.mkdir(exist_ok=True)
            write_text(folder / name, text)
        kinds = {Path(name).suffix for name in files if "/" in name}
        for path in (path for path in _below(folder) if path.suffix in kinds):
            if (name := path.relative_to(folder).as_posix()) in ours - set(files):
                path.unlink()
        known = sorted(name for name in ours | set(files) if os.path.lexists(folder / name))
        made = {"files": known, "source": source, "tables": _hashes(files, folder)}
        write_json(folder / MADE_FROM, made)
    except OSError as error:
        raise UsageError(f"{folder}: tables cannot be written ({error.strerror})") from error
    return [folder / name for name in files]


def _below(folder: Path) -> list[Path]:
    """Everything in the folders of documents."""
    return [path for name in DOCUMENTS for path in (folder / name).glob("*")]


def _ours(folder: Path) -> set[str]:
    """Names of what was written into a folder by this program, and so may be replaced."""
    mark = read_json(folder / MADE_FROM) or {}
    if isinstance(mark.get("files"), list):
        return {name for name in mark["files"] if isinstance(name, str)}
    if not any(_begins(folder / name, re.escape(start)) for name, start in _EARLIER.items()):
        return set()
    found = (path for path in (*folder.glob("*"), *_below(folder)) if path.suffix in _BEGINNINGS)
    return {path.relative_to(folder).as_posix() for path in found if _begins(path, _BEGINNINGS[path.suffix])}


def _begins(path: Path, pattern: str) -> bool:
    try:
        return bool(re.match(pattern, read_regular(path).decode(errors="replace")))
    except OSError:
        return False
