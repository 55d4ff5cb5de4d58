"""What is said of runs that are not what their neighbours in a row are: they gave up, or were made by other means."""

from collections.abc import Callable, Iterable, Iterator, Sequence

from ssl_bench.leaderboard.model import Span, joined, words
from ssl_bench.leaderboard.reading.board import Board
from ssl_bench.leaderboard.reading.entry import Entry
from ssl_bench.leaderboard.reading.fields import MISSING
from ssl_bench.leaderboard.reading.rows import Row
from ssl_bench.words import number_of

SHOWN = 3
"""Ids in a note."""


def unlike_notes(rows: Iterable[Row]) -> Iterator[tuple[Span, ...]]:
    """A note for each kind of unlikeness, naming the rows that have it."""
    rows = list(rows)
    if found := _runs(rows, lambda entry: entry.one_value):
        yield words(
            *joined(found, "; "),
            ": there the network's predictions show one value everywhere. It has given up, and its score is that of a "
            "constant.",
        )
    if found := _runs(rows, lambda entry: entry.parts != MISSING):
        yield words(
            *joined(found, "; "),
            ": memory ran out there, and batches were taken in more parts than was asked for (`micro_batches` in their "
            "records): BatchNorm saw fewer rows at a time.",
        )
    if changed := titles_of(row for row in rows if _changed(row)):
        yield words(
            *joined(list(changed), " and "),
            ": the code changed between runs of one row, under one version (`method_code` in their records): run "
            "them again at one of the two.",
        )
    if started := titles_of(row for row in rows if _started_apart(row)):
        yield words(
            *joined(list(started), " and "),
            ": runs of one seed did not start from the same weights (`initial_weights` in their records), as where "
            "published ones have changed.",
        )
    packages = sorted({each for row in rows for each in _mixed(row)})
    if packages:
        yield words("Runs of one row were made with several versions of ", *joined(packages, ", "), ".")


def several_notes(board: Board) -> Iterator[tuple[Span, ...]]:
    """A note where runs have several records that differ in scores."""
    if board.unlike:
        yield words(
            f"{number_of(len(board.unlike), 'run')} here {'has' if len(board.unlike) == 1 else 'have'} several "
            "records that differ in scores, and chance says which of them is shown: ",
            *listed(board.unlike[:SHOWN]),
            "; name a folder with one of each.",
        )


def listed(names: Iterable[str]) -> Sequence[Span]:
    """Names in order, each once."""
    return joined(sorted(set(names) - {MISSING}), ", ") or words("not recorded")


def titles_of(rows: Iterable[Row | None]) -> dict[str, None]:
    """Titles of the rows that are there, each once, in order."""
    return dict.fromkeys(row.title for row in rows if row is not None)


def _runs(rows: Iterable[Row], has: Callable[[Entry], bool]) -> list[str]:
    """Of which runs something is so: `CPS, Portrait Image Matting: 1 of 3 runs`."""
    return [
        f"{row.name}, {cells[0].task_title}: {count} of {number_of(len(cells), 'run')}"
        for row in rows
        for cells in row.cells
        if (count := sum(map(has, cells)))
    ]


def _changed(row: Row) -> bool:
    """Whether its runs come from more than one code of their method."""
    return len({entry.code for cells in row.cells for entry in cells} - {MISSING}) > 1


def _started_apart(row: Row) -> bool:
    """Whether two runs of one column with one seed started from other weights."""
    for cells in row.cells:
        starts: dict[str, set[str]] = {}
        for entry in cells:
            starts.setdefault(entry.seed, set()).update({entry.start} - {MISSING})
        if any(len(found) > 1 for found in starts.values()):
            return True
    return False


def _mixed(row: Row) -> Iterator[str]:
    """Names of the packages of which a column of the row has several versions, with these: `torch (2.14, 2.15)`."""
    for cells in row.cells:
        found: dict[str, set[str]] = {}
        for name, version in (pair for entry in cells for pair in entry.packages):
            found.setdefault(name, set()).add(version)
        yield from (f"{name} ({', '.join(sorted(each))})" for name, each in found.items() if len(each) > 1)
