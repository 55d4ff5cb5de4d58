"""What stands in a column: whether labels are what is missing, and which methods may be called the best."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

from ssl_bench.leaderboard.reading.entry import Measure
from ssl_bench.leaderboard.reading.paired import Field, make_field
from ssl_bench.leaderboard.reading.rows import Row
from ssl_bench.significance.comparison import Difference

Labels = Literal["missing", "not missing", "unknown"]


@dataclass(frozen=True)
class Standing:
    """One column by one metric."""

    field: Field
    baseline: Row | None
    """The row that differences refer to: the first baseline with a score by the metric that ranks."""
    control: Row | None
    """The first control with such a score."""
    bound: Row | None
    """The first upper bound with such a score."""
    labels: Labels = "unknown"
    """Whether all labels are better than the few: `unknown` without a run on all labels, or with a single pair."""

    @property
    def ranks(self) -> bool:
        """Whether methods may be ranked here."""
        return self.labels != "not missing"

    def difference(self, row: Row | None, other: Row | None) -> Difference | None:
        """First minus second; None where one is missing, or where fewer than two pairs are common."""
        first, second = self.field.index(row), self.field.index(other)
        return None if first is None or second is None else self.field.difference(first, second)

    def single(self, row: Row | None, other: Row | None) -> float | None:
        """First minus second where they have one pair in common; None where they have none, or more."""
        first, second = self.field.index(row), self.field.index(other)
        return None if first is None or second is None else self.field.single(first, second)

    @cached_property
    def best(self) -> frozenset[int]:
        """Indices of the methods that are better than the baseline, and than the control where there is one, at 95 %
        over common pairs, and that no method with at least as many runs is better than at 95 %.

        None where labels are not what is missing, and where one of the two has no score.
        """
        field = self.field
        references = [field.index(row) for row in (self.baseline, self.control) if row is not None]
        if not self.ranks or self.baseline is None:
            return frozenset()
        gaining = [
            index
            for index in field.competing
            if index not in references and all(self._gains(index, reference) for reference in references)
        ]
        return frozenset(
            index
            for index in gaining
            if not any(field.beats(other, index) for other in field.competing if other != index)
        )

    def _gains(self, index: int, reference: int | None) -> bool:
        difference = None if reference is None else self.field.difference(index, reference)
        return difference is not None and self.field.gains(difference)

    def by(self, field: Field) -> "Standing":
        """The same column by another metric. What it compares with, and whether labels are what is missing, is a matter
        of the metric that ranks."""
        return replace(self, field=field)

    def over_seeds_alone(self, row: Row) -> bool:
        """Whether what is told of it over the baseline or the control does not speak for other images: scores of single
        ones are not known."""
        others = [other for other in (self.baseline, self.control) if other is not row]
        found = (self.difference(row, other) for other in others)
        return any(difference is not None and difference.images == 0 for difference in found)

    def is_best(self, row: Row) -> bool:
        """Whether it is one of `best`."""
        return self.field.index(row) in self.best


def make_standing(rows: Sequence[Row], number: int, measure: Measure) -> Standing:
    """The standing of one column of a table by the metric that ranks; `by` gives that by another one."""
    field = make_field(rows, number, measure)
    found = Standing(field, field.first("baseline"), field.first("control"), field.first("upper_bound"))
    difference = found.difference(found.bound, found.baseline)
    if difference is None:
        return found
    return replace(found, labels="missing" if field.gains(difference) else "not missing")
