"""What classes.txt says: names, and which numbers or colours of a mask stand for them. Free of torch.

    sky                 0 sky               0 sky               70 130 180 sky
    road                1 road              128 road            128 64 128 road
                        255 void            255 car             0 0 0 void

By position; by ids 0, 1, 2, ...; by ids with gaps, which are then renumbered in their order; by colours, before the
name or after it, also as `#4682b4`. 255 is void where ids have no gap; else, and among colours, what is called by one
of `VOID_NAMES` is. Without gaps, and by position, such a name is a class like any other, which a note says.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ssl_bench.dataset import VOID
from ssl_bench.errors import DataError

VOID_NAMES = frozenset({"void", "ignore", "ignored", "unlabeled", "unlabelled", "border"})
"""Of what is no class, in lower case."""
_NUMBERED = re.compile(r"(\d+)[\s:,]+(\S.*)")
_COLOUR_FIRST = re.compile(r"(\d+)[\s,]+(\d+)[\s,]+(\d+)[\s:,]+([^\s\d].*)")
_COLOUR_LAST = re.compile(r"(.*?[^\s:,])[\s:,]+(\d+)[\s,]+(\d+)[\s,]+(\d+)")
_NUMBER_LAST = re.compile(r".*[^\s:,=][\s:,=]+(\d+)")
_HEX = re.compile(r"#([0-9a-fA-F]{6})\b")
_MOST = 65535
_SHOWN = 5


@dataclass(frozen=True)
class ClassTable:
    """Names of classes, in the order of their ids, and how a mask says which is which."""

    names: tuple[str, ...] = ()
    """Empty where nothing names them."""
    stored: Mapping[int, int] = field(default_factory=dict)
    """Number in a mask to class id, void among them; empty where they are equal."""
    colours: np.ndarray | None = None
    """(N, 3) uint8, for masks that show a class as a colour."""
    ids: np.ndarray | None = None
    """(N,) uint8: what each colour stands for."""
    notes: tuple[str, ...] = ()

    @property
    def key(self) -> list[object]:
        """What changes the reading of a mask beside the names, for a fingerprint; empty where nothing does."""
        colours = (
            [] if self.colours is None or self.ids is None else [self.colours.tolist(), self.ids.tolist()]
        )
        return [sorted(self.stored.items())] * bool(self.stored) + colours

    def renumber(self, values: np.ndarray, path: Path) -> np.ndarray:
        """Numbers of a mask (H, W) as class ids, uint8. Raises DataError for a number that no line names."""
        if not self.stored:
            return values
        places = np.full(max(self.stored) + 2, -1, np.int16)
        for number, place in self.stored.items():
            places[number] = place
        wide = values.astype(np.int64)
        found = places[np.where(wide < 0, len(places) - 1, wide.clip(max=len(places) - 1))]
        if (found < 0).any():
            raise DataError(
                f"{path} holds id {wide[found < 0].min()}, which classes.txt does not name; correct the mask, or "
                "name it there, as `ID NAME` or `ID void`"
            )
        return found.astype(np.uint8)


PLAIN = ClassTable()
"""Where no classes.txt is."""


def parse_classes(lines: Sequence[str], path: Path) -> ClassTable:
    """The table that the lines of a classes.txt make. Raises DataError for names, ids or colours that are in doubt."""
    lines = [
        _HEX.sub(lambda match: " ".join(str(one) for one in bytes.fromhex(match[1])), line) for line in lines
    ]
    for form, order in ((_COLOUR_FIRST, (3, 0, 1, 2)), (_COLOUR_LAST, (0, 1, 2, 3))):
        matches = [form.fullmatch(line) for line in lines]
        if all(matches) and lines:
            rows = [[match.groups()[place] for place in order] for match in matches if match]
            return _coloured([row[0] for row in rows], [list(map(int, row[1:])) for row in rows], path)
        if any(matches):
            raise DataError(
                f"{path}: some lines have a colour and some have none; give all of them one, or none"
            )
    numbered = [_NUMBERED.fullmatch(line) for line in lines]
    if not all(numbered):
        if any(numbered):
            raise DataError(
                f"{path}: some lines begin with an id and some do not, '{lines[numbered.index(None)]}' first; give all "
                "of them one, or none, and no heading"
            )
        behind = [match and int(match[1]) for match in map(_NUMBER_LAST.fullmatch, lines)]
        if None not in behind and sorted(behind) == [*range(len(lines))] != behind:  # type: ignore[type-var]
            raise DataError(f"{path} has ids behind its names, out of order; write `ID NAME`, one a line")
        return ClassTable(_checked(lines, path), notes=_scored(lines, path))
    by_id = sorted((int(match[1]), match[2]) for match in numbered if match)
    numbers = [number for number, _ in by_id]
    if len({*numbers}) < len(numbers) or max(numbers, default=0) > _MOST:
        raise DataError(
            f"{path}: ids must be 0, 1, 2, ... without gap or repetition (255 void), or up to {_MOST} with gaps; "
            "correct the file"
        )
    kept = [(number, name) for number, name in by_id if number != VOID]
    if [number for number, _ in kept] == list(range(len(kept))) and len(kept) != 1:
        notes = [f"{path} calls 255 `{name}`: it is void, and no class" for number, name in by_id
                 if number == VOID and not _is_void(name)]  # fmt: skip
        names = [name for _, name in kept]
        return ClassTable(_checked(names, path), notes=(*notes, *_scored(names, path)))
    classes = [(number, name) for number, name in by_id if not _is_void(name)]
    stored = {number: place for place, (number, _) in enumerate(classes)}
    stored |= {number: VOID for number, name in by_id if _is_void(name)}
    return ClassTable(_checked([name for _, name in classes], path), {VOID: VOID, **stored})


def _coloured(names: list[str], colours: list[list[int]], path: Path) -> ClassTable:
    numbered = [_NUMBERED.fullmatch(name) for name in names]
    if all(numbered):
        names = [match[2] for match in numbered if match]
    repeated = [colour for colour, count in Counter(map(tuple, colours)).items() if count > 1]
    if repeated or max(max(colour) for colour in colours) > VOID:
        raise DataError(
            f"{path}: colours are three numbers from 0 to 255, each colour once; correct the file"
        )
    classes = [name for name in names if not _is_void(name)]
    if numbered[0] and [int(match[1]) for match in numbered if match and not _is_void(match[2])] != list(
        range(len(classes))
    ):
        raise DataError(f"{path}: ids beside colours must be 0, 1, 2, ... in this order; correct the file")
    _checked(classes, path)
    ids = [VOID if _is_void(name) else classes.index(name) for name in names]
    return ClassTable(tuple(classes), {}, np.array(colours, np.uint8), np.array(ids, np.uint8))


def _scored(names: Sequence[str], path: Path) -> tuple[str, ...]:
    """Notes of classes 0, 1, 2, ... that are called as what is none."""
    return tuple(
        f"{path} makes `{name}` class {number}, learnt and scored like any other; if it is none, let the masks hold "
        f"{VOID} for {number} (`ssl-bench data mend MASKS --out NEW --map`) and name the others alone, as `ID NAME`"
        for number, name in enumerate(names)
        if _is_void(name)
    )


def _is_void(name: str) -> bool:
    return name.strip().lower() in VOID_NAMES


def _checked(names: Sequence[str], path: Path) -> tuple[str, ...]:
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated or not 2 <= len(names) <= VOID:
        some = ", ".join(f"'{name}'" for name in repeated[:_SHOWN])
        more = f" and {len(repeated) - _SHOWN} more" if len(repeated) > _SHOWN else ""
        what = (
            f"names {some}{more} more than once"
            if repeated
            else f"names {len(names)} classes, not 2 to {VOID}"
        )
        raise DataError(f"{path} {what}; correct the file")
    return tuple(names)
