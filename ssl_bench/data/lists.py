"""List files: which images belong to a part of a data set, and what its classes are called."""

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import takewhile
from pathlib import Path, PureWindowsPath

from ssl_bench.data.class_table import ClassTable, parse_classes
from ssl_bench.data.pictures import read_bytes, without_extension
from ssl_bench.data.samples import one_form
from ssl_bench.errors import DataError

_SHOWN = 5


def read_lines(path: Path) -> list[tuple[int, str]]:
    """(line number from 1, text) of lines that are not blank; CRLF, a byte order mark or no final newline are fine."""
    try:
        return split_lines(read_bytes(path).decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise DataError(f"{path} is no text file in UTF-8; write one name a line") from None


def split_lines(text: str) -> list[tuple[int, str]]:
    """The lines of a text, as `read_lines`."""
    lines = enumerate(re.split(r"\r\n|\n|\r", text), start=1)
    return [(number, line.strip()) for number, line in lines if line.strip()]


class NameList:
    """Finds the ids that the lines of a list file mean.

    A line is an id, or one or two paths (image, then target) between spaces or a tab, with or without extension
    and leading `/`. A path's folders must be those of the file, from anywhere above it on; the stem must be
    equal, so that 1 never means 10.
    """

    def __init__(self, paths: Mapping[str, Iterable[str]]) -> None:
        """`paths`: id to the paths by which it may be called, with `/` between folders."""
        self._known: dict[str, list[tuple[str, str]]] = {}
        self._last: dict[str, set[str]] = {}
        for name, others in paths.items():
            for path in map(one_form, {name, *map(without_extension, others)}):
                last = path.rpartition("/")[2]
                self._known.setdefault(last, []).append((path, name))
                self._last.setdefault(name, set()).add(last)

    def read(self, path: Path) -> tuple[str, ...]:
        """The ids in the list file, in its order.

        Raises DataError for names that lead elsewhere, and for unknown and repeated ones, all in one line.
        """
        return self.find(path, read_lines(path))

    def find(self, path: Path, lines: Sequence[tuple[int, str]]) -> tuple[str, ...]:
        """The ids in lines of a list file, as `read`."""
        if not lines:
            raise DataError(f"{path} lists nothing; write one name a line")
        found = [self._name(path, number, line) for number, line in lines]
        missing = [line for (_, line), name in zip(lines, found, strict=True) if name is None]
        names = tuple(name for name in found if name is not None)
        repeated = [name for name, count in Counter(names).items() if count > 1]
        faults = [f"not in the data set: {_some(missing)}"] if missing else []
        faults += [f"listed more than once: {_some(repeated)}"] if repeated else []
        if faults:
            raise DataError(f"{path}: {'; '.join(faults)}; correct the list")
        return names

    def holds(self, name: str) -> bool:
        """Whether a line of a list file that is this id means this id."""
        lines = split_lines(name)
        return len(lines) == 1 and self._find(lines[0][1]) == name

    def _name(self, path: Path, number: int, line: str) -> str | None:
        whole = self._find(line)
        if whole is not None:
            return whole
        fields = line.split("\t") if "\t" in line else line.split()
        fields = [field.strip() for field in fields]
        for field in fields:
            parts = field.split("/")
            absolute = (field.startswith("/") and len(parts) > 2) or PureWindowsPath(field).drive
            if ".." in parts or (absolute and self._find(field) is None and field is fields[0]):
                raise DataError(
                    f"{path}, line {number}: '{field}' leads outside the data set; give ids, or paths within its folder"
                )
        if len(fields) > 2:
            raise DataError(f"{path}, line {number}: more than an image and its target; correct the list")
        name = self._find(fields[0])
        if name is not None and len(fields) == 2:
            target = one_form(without_extension(fields[1]).rpartition("/")[2])
            if target not in self._last[name]:
                raise DataError(
                    f"{path}, line {number}: '{fields[1]}' is not the target of '{fields[0]}' here"
                )
        return name

    def _find(self, entry: str) -> str | None:
        entry = one_form(entry).removeprefix("./").removeprefix("/")
        for text in (entry, without_extension(entry)):
            candidates = self._known.get(text.rpartition("/")[2], [])
            exact = {name for path, name in candidates if name == text}
            names = exact or {name for path, name in candidates if path == text or path.endswith(f"/{text}")}
            if len(names) == 1:
                return names.pop()
        return None


def read_prefixes(path: Path, names: Iterable[str], test: Iterable[str]) -> tuple[str, ...]:
    """The ids whose last part begins as a line of the list file does, its extension left out; each once.

    Raises DataError for a line that begins none, and for one that is a test image.
    """
    lasts = sorted((name.rpartition("/")[2], name) for name in names)
    tested = {name.rpartition("/")[2] for name in test}
    found: dict[str, None] = {}
    for number, line in read_lines(path):
        prefix = one_form(without_extension(line.split("\t")[0].split()[0]).rpartition("/")[2])
        if prefix in tested:
            raise DataError(f"{path}, line {number}: '{prefix}' is in the test set and cannot be labelled")
        start = bisect_left(lasts, (prefix, ""))
        matches = list(takewhile(lambda each: each[0].startswith(prefix), lasts[start:]))  # noqa: B023
        if not prefix or not matches:
            raise DataError(
                f"{path}, line {number}: no training image begins with '{prefix}'; correct the list"
            )
        found.update((name, None) for _, name in matches)
    if not found:
        raise DataError(f"{path} lists nothing; write one name a line")
    return tuple(found)


def read_classes(path: Path) -> ClassTable:
    """What a classes.txt says. Raises DataError as `parse_classes`."""
    return parse_classes([line for _, line in read_lines(path)], path)


def _some(names: list[str]) -> str:
    rest = len(names) - _SHOWN
    return ", ".join(f"'{name}'" for name in names[:_SHOWN]) + (f" and {rest} more" if rest > 0 else "")
