"""Records read once: what every document is made from."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from ssl_bench.leaderboard.reading.choice import EVERYTHING, Choice
from ssl_bench.leaderboard.reading.entries import read_entries
from ssl_bench.leaderboard.reading.entry import Entry
from ssl_bench.leaderboard.reading.grouping import Table, make_tables
from ssl_bench.leaderboard.reading.rows import Row, make_rows
from ssl_bench.leaderboard.reading.scores import Score, score_column
from ssl_bench.leaderboard.reading.standing import Standing, make_standing
from ssl_bench.store.record import Record

Numbers = Mapping[str, int]
"""Reference to its number in the list below the tables."""


@dataclass(frozen=True)
class Section:
    """A table and its rows."""

    table: Table
    rows: tuple[Row, ...]
    """Those that are shown."""
    compared: tuple[Row, ...]
    """Those, and all that they are compared with."""

    @cached_property
    def standings(self) -> tuple[Standing, ...]:
        """What stands in each column."""
        columns = enumerate(self.table.columns)
        return tuple(make_standing(self.compared, number, column.head.primary) for number, column in columns)

    @cached_property
    def scores(self) -> list[list[Score | None]]:
        """Row by column; None where a method has no score."""
        columns = [
            score_column(self.rows, number, column.head.primary, standing)
            for number, (column, standing) in enumerate(zip(self.table.columns, self.standings, strict=True))
        ]
        return [list(row) for row in zip(*columns, strict=True)]


@dataclass(frozen=True)
class Board:
    """Every run and every table."""

    entries: tuple[Entry, ...]
    """Those that are shown."""
    compared: tuple[Entry, ...]
    """Those, and all that they are compared with."""
    repeated: int
    """How many records repeat another's run and are left out."""
    sections: tuple[Section, ...]
    unlike: tuple[str, ...] = ()
    """Ids of cells whose records, of which one stands for all, differ in scores."""
    choice: Choice = EVERYTHING

    @property
    def rows(self) -> list[Row]:
        """The rows of all tables, in their order."""
        return [row for section in self.sections for row in section.rows]


def read_board(records: Iterable[Record], choice: Choice = EVERYTHING) -> Board:
    """The board of some records, in whatever order they come. UsageError as `Choice.of`."""
    unlike: set[str] = set()
    entries, repeated = read_entries(choice.of(records), unlike)
    sections = []
    for table in make_tables(entries, choice.shows):
        rows = tuple(make_rows(table))
        sections.append(Section(table, tuple(row for row in rows if choice.shows(row.head)), rows))
    return Board(
        tuple(filter(choice.shows, entries)),
        tuple(entries),
        repeated,
        tuple(sections),
        tuple(sorted(unlike)),
        choice,
    )


def numbered(rows: Iterable[Row]) -> Numbers:
    """References in the order in which the rows first cite them, from 1."""
    references = dict.fromkeys(row.head.reference for row in rows if row.head.reference)
    return {reference: number for number, reference in enumerate(references, 1)}
