"""Share of the gap: how much of what all labels would add over the baseline a method reaches without them."""

import statistics
from collections.abc import Sequence

from ssl_bench.leaderboard.board import Section
from ssl_bench.leaderboard.rows import Row
from ssl_bench.leaderboard.scores import baseline_of, by_seed


def make_shares(section: Section) -> list[list[float | None]]:
    """(method - baseline) / (upper bound - baseline), row by column; 0 is the baseline, 1 the upper bound.

    Means over the seeds that all three have. None for the two themselves, without a common seed, and where there is
    no gap to close: `has_gap`.
    """
    columns = [_column(section, number) for number in range(len(section.table.columns))]
    return [list(row) for row in zip(*columns, strict=True)]


def bound_of(rows: Sequence[Row], column: int) -> Row | None:
    """The row that a column's gap reaches up to: the first upper bound with a score there."""
    return next((row for row in rows if row.head.role == "upper_bound" and by_seed(row.cells[column])), None)


def has_gap(section: Section, column: int) -> bool:
    """Whether the upper bound is better than the baseline, by the 95 % interval; of a single seed, at all.

    A share of a gap that may as well be nothing is a random number.
    """
    field = section.fields[column]
    bound = bound_of(section.rows, column)
    place = next((index for index, row in enumerate(field.rows) if row is bound), None)
    if place is None or field.baseline is None:
        return False
    difference = field.difference(place, field.baseline)
    if difference is not None:
        low, high = difference.interval
        return low > 0 if field.higher_is_better else high < 0
    own, other = field.samples[place].scores, field.samples[field.baseline].scores
    sign = 1 if field.higher_is_better else -1
    return any(sign * (own[seed] - other[seed]) > 0 for seed in own.keys() & other.keys())


def _column(section: Section, number: int) -> list[float | None]:
    rows = section.rows
    baseline, bound = baseline_of(rows, number), bound_of(rows, number)
    if baseline is None or bound is None or not has_gap(section, number):
        return [None] * len(rows)
    low, high = by_seed(baseline.cells[number]), by_seed(bound.cells[number])
    sign = 1 if section.table.columns[number].head.higher_is_better else -1
    shares: list[float | None] = []
    for row in rows:
        own = by_seed(row.cells[number])
        seeds = sorted(set(own) & set(low) & set(high)) if row not in (baseline, bound) else []
        gap = sign * statistics.fmean(high[seed] - low[seed] for seed in seeds) if seeds else 0.0
        gain = sign * statistics.fmean(own[seed] - low[seed] for seed in seeds) if seeds else 0.0
        shares.append(gain / gap if gap > 0 else None)
    return shares
