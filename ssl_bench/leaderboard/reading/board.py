"""Records read once: what every document is made from."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

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

    @cached_property
    def standings(self) -> tuple[Standing, ...]:
        """What stands in each column."""
        columns = enumerate(self.table.columns)
        return tuple(make_standing(self.rows, number, column.head.primary) for number, column in columns)

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
    repeated: int
    """How many records repeat another's run and are left out."""
    sections: tuple[Section, ...]
    unlike: tuple[str, ...] = ()
    """Ids of cells whose records, of which one stands for all, differ in scores."""

    @property
    def rows(self) -> list[Row]:
        """The rows of all tables, in their order."""
        return [row for section in self.sections for row in section.rows]


def read_board(records: Iterable[Record]) -> Board:
    """The board of some records, in whatever order they come."""
    unlike: set[str] = set()
    entries, repeated = read_entries(records, unlike)
    tables = make_tables(entries)
    return Board(
        tuple(entries), repeated, tuple(section_of(table) for table in tables), tuple(sorted(unlike))
    )


def section_of(table: Table) -> Section:
    """A table with its rows."""
    return Section(table, tuple(make_rows(table)))


def numbered(rows: Iterable[Row]) -> Numbers:
    """References in the order in which the rows first cite them, from 1."""
    references = dict.fromkeys(row.head.reference for row in rows if row.head.reference)
    return {reference: number for number, reference in enumerate(references, 1)}
