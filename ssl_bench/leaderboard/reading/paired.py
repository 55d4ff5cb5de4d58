"""The methods of one column compared with each other, pair by pair."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from ssl_bench.leaderboard.reading.entry import Entry, Measure
from ssl_bench.leaderboard.reading.rows import Row
from ssl_bench.significance.comparison import Difference, Sample, common_runs, compare, of_run
from ssl_bench.significance.images import ImageScores, image_scores, resampled_scores
from ssl_bench.significance.ranks import holm, rank_ranges


@dataclass(frozen=True)
class Field:
    """The rows that have a score in a column. Upper bounds and the control are compared with, and not ranked."""

    rows: Sequence[Row]
    samples: Sequence[Sample]
    """Scores of the rows, not yet resampled."""
    higher_is_better: bool
    resample: Callable[[], Sequence[Sample]] = field(repr=False, compare=False)
    """The samples with scores on resampled images: most of the work, and of no use to single runs."""
    known: dict[tuple[int, int], Difference | None] = field(default_factory=dict, repr=False, compare=False)
    """Differences that were asked for, of the earlier row minus the later one."""

    @cached_property
    def resampled(self) -> Sequence[Sample]:
        """The samples, with scores on resampled images."""
        return self.resample()

    @property
    def competing(self) -> list[int]:
        """Indices of the rows that are ranked."""
        return [index for index, row in enumerate(self.rows) if row.competes]

    def first(self, role: str) -> Row | None:
        """The first row of a role."""
        return next((row for row in self.rows if row.head.role == role), None)

    @cached_property
    def _places(self) -> Mapping[int, int]:
        return {id(row): index for index, row in enumerate(self.rows)}

    def index(self, row: Row | None) -> int | None:
        """Of a row that has a score."""
        return self._places.get(id(row))

    def difference(self, first: int, second: int) -> Difference | None:
        """First minus second; None where fewer than two pairs of split and seed are common."""
        pair = min(first, second), max(first, second)
        if pair not in self.known:
            common = common_runs(self.samples[pair[0]].scores, self.samples[pair[1]].scores)
            self.known[pair] = None
            if len(common) > 1:
                self.known[pair] = compare(self.resampled[pair[0]], self.resampled[pair[1]])
        found = self.known[pair]
        return found if found is None or first < second else replace(found, mean=-found.mean)

    def single(self, first: int, second: int) -> float | None:
        """First minus second where they have one pair in common; None where they have none, or more."""
        one, other = self.samples[first].scores, self.samples[second].scores
        runs = common_runs(one, other)
        return of_run(one, runs[0]) - of_run(other, runs[0]) if len(runs) == 1 else None

    def gains(self, difference: Difference) -> bool:
        """Whether the interval says that the first of the two is better."""
        low, high = difference.interval
        return low > 0 if self.higher_is_better else high < 0

    def beats(self, first: int, second: int) -> bool:
        """Whether the first is better at 95 % over the pairs that both have, and may be placed above the second."""
        difference = self.difference(first, second) if self._may_lead(first, second) else None
        return difference is not None and self.gains(difference)

    def _may_lead(self, first: int, second: int) -> bool:
        """Whether the first has at least as many runs, or one of the two is the baseline: all are compared with it
        over common pairs, however many more it has."""
        enough = len(self.samples[first].scores) >= len(self.samples[second].scores)
        return enough or self.index(self.first("baseline")) in (first, second)

    @cached_property
    def ranks(self) -> Mapping[int, tuple[int, int]]:
        """Index of a row to the first and last rank that it may have; Holm's correction over all pairs.

        A method that has fewer runs is not placed above one that has more.
        """
        competing = self.competing
        found = {
            (first, second): difference
            for place, first in enumerate(competing)
            for second in competing[place + 1 :]
            if (difference := self.difference(first, second))
        }
        places = {index: place for place, index in enumerate(competing)}
        better: list[set[int]] = [set() for _ in competing]
        for pair in holm({pair: difference.p_value for pair, difference in found.items()}):
            wins = (found[pair].mean > 0) == self.higher_is_better
            winner, loser = pair if wins else pair[::-1]
            if self._may_lead(winner, loser):
                better[places[winner]].add(places[loser])
        return dict(zip(competing, rank_ranges(better), strict=True))


def make_field(rows: Sequence[Row], number: int, measure: Measure) -> Field:
    """The comparisons of one column of a table by one metric."""
    rows = [row for row in rows if any(measure.name in entry.scores for entry in row.cells[number])]
    entries = [entry for row in rows for entry in row.cells[number] if measure.name in entry.scores]
    ids = _ids_of_most(entries)
    runs = [[entry for entry in row.cells[number] if measure.name in entry.scores] for row in rows]
    samples = [
        Sample({entry.pair: entry.scores[measure.name] for entry in own}, {}, len(ids)) for own in runs
    ]

    def resample() -> Sequence[Sample]:
        replicates = _replicates(entries, ids, measure)
        return [
            replace(
                sample,
                replicates={entry.pair: replicates[id(entry)] for entry in own if id(entry) in replicates},
            )
            for sample, own in zip(samples, runs, strict=True)
        ]

    return Field(rows, samples, measure.higher_is_better, resample)


def _replicates(entries: Sequence[Entry], ids: Sequence[str], measure: Measure) -> dict[int, np.ndarray]:
    """Identity of a run to its scores on resampled images, where those of single images are known."""
    functions = {id(entry): function for entry in entries if (function := _function(entry, ids, measure))}
    # One image drawn from one is that image.
    if len(ids) < 2:
        return {}
    return dict(zip(functions, resampled_scores(list(functions.values()), ids), strict=True))


def _ids(entry: Entry) -> tuple[str, ...]:
    ids = entry.per_image.get("ids")
    return tuple(map(str, ids)) if isinstance(ids, list | tuple) else ()


def _ids_of_most(entries: Sequence[Entry]) -> tuple[str, ...]:
    """The images that most runs were scored on; none where no run tells."""
    found = Counter(ids for entry in entries if (ids := _ids(entry)))
    return max(found, key=lambda ids: (found[ids], ids), default=())


def _function(entry: Entry, ids: Sequence[str], measure: Measure) -> ImageScores | None:
    if not ids or _ids(entry) != ids:
        return None
    function = image_scores(entry.per_image, measure.name, entry.scores[measure.name], measure.aggregate)
    return function if function is not None and len(function.part) == len(ids) else None
