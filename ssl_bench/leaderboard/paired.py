"""The methods of one column compared with each other, pair by pair."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ssl_bench.leaderboard.entries import Entry
from ssl_bench.leaderboard.rows import Row
from ssl_bench.leaderboard.scores import by_seed
from ssl_bench.statistics.comparison import Difference, Sample, compare
from ssl_bench.statistics.images import ImageScores, image_scores, resampled
from ssl_bench.statistics.ranks import holm, rank_ranges


@dataclass(frozen=True)
class Field:
    """The rows that have a score in a column. Upper bounds are compared with, and not ranked."""

    rows: Sequence[Row]
    samples: Sequence[Sample]
    higher_is_better: bool

    @property
    def competing(self) -> list[int]:
        """Indices of the rows that are ranked."""
        return [index for index, row in enumerate(self.rows) if row.head.role != "upper_bound"]

    @property
    def baseline(self) -> int | None:
        """Index of the row that others are compared with."""
        return next((index for index, row in enumerate(self.rows) if row.head.role == "baseline"), None)

    def difference(self, first: int, second: int) -> Difference | None:
        """First minus second; None where fewer than two seeds are common."""
        return compare(self.samples[first], self.samples[second])

    @cached_property
    def ranks(self) -> Mapping[int, tuple[int, int]]:
        """Index of a row to the first and last rank that it may have; Holm's correction over all pairs."""
        competing = self.competing
        found = {
            (first, second): difference
            for place, first in enumerate(competing)
            for second in competing[place + 1 :]
            if (difference := self.difference(first, second))
        }
        better: dict[int, set[int]] = {index: set() for index in competing}
        for first, second in holm({pair: difference.p_value for pair, difference in found.items()}):
            wins = (found[first, second].mean > 0) == self.higher_is_better
            better[first if wins else second].add(second if wins else first)
        return dict(zip(competing, rank_ranges(list(better.values())), strict=True))


def make_field(rows: Sequence[Row], number: int) -> Field:
    """The comparisons of one column of a table."""
    rows = [row for row in rows if by_seed(row.cells[number])]
    entries = [entry for row in rows for entry in row.cells[number] if entry.score is not None]
    ids = _ids(entries[0]) if entries else ()
    functions = {id(entry): function for entry in entries if (function := _function(entry, ids))}
    parts: dict[int, list[np.ndarray]] = {key: [] for key in functions}
    if functions:
        for counts in resampled(ids):
            for key, function in functions.items():
                parts[key].append(function(counts))
    replicates = {key: np.concatenate(values) for key, values in parts.items()}
    samples = [
        Sample(
            by_seed(row.cells[number]),
            {entry.seed: replicates[id(entry)] for entry in row.cells[number] if id(entry) in replicates},
            len(ids),
        )
        for row in rows
    ]
    return Field(rows, samples, bool(entries) and entries[0].higher_is_better)


def _ids(entry: Entry) -> tuple[str, ...]:
    ids = entry.per_image.get("ids")
    return tuple(map(str, ids)) if isinstance(ids, list | tuple) else ()


def _function(entry: Entry, ids: Sequence[str]) -> ImageScores | None:
    if not ids or _ids(entry) != ids or entry.score is None:
        return None
    function = image_scores(entry.per_image, entry.primary.name, entry.score, entry.primary.aggregate)
    return function if function is not None and len(function.part) == len(ids) else None
