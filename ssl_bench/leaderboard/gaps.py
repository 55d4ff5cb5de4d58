"""Share of the gap: how much of what all labels would add over the baseline a method reaches without them."""

import statistics
from collections.abc import Sequence

from ssl_bench.leaderboard.grouping import Table
from ssl_bench.leaderboard.rows import Row
from ssl_bench.leaderboard.scores import baseline_of, by_seed


def make_shares(table: Table, rows: Sequence[Row]) -> list[list[float | None]]:
    """(method - baseline) / (upper bound - baseline), row by column; 0 is the baseline, 1 the upper bound.

    Means over the seeds that all three have. None for the two themselves, without a common seed, and where the
    upper bound is no better than the baseline, so that there is no gap to close.
    """
    columns = [_column(table, rows, number) for number in range(len(table.columns))]
    return [list(row) for row in zip(*columns, strict=True)]


def bound_of(rows: Sequence[Row], column: int) -> Row | None:
    """The row that a column's gap reaches up to: the first upper bound with a score there."""
    return next((row for row in rows if row.head.role == "upper_bound" and by_seed(row.cells[column])), None)


def _column(table: Table, rows: Sequence[Row], number: int) -> list[float | None]:
    baseline, bound = baseline_of(rows, number), bound_of(rows, number)
    if baseline is None or bound is None:
        return [None] * len(rows)
    low, high = by_seed(baseline.cells[number]), by_seed(bound.cells[number])
    sign = 1 if table.columns[number].head.higher_is_better else -1
    shares: list[float | None] = []
    for row in rows:
        own = by_seed(row.cells[number])
        seeds = sorted(set(own) & set(low) & set(high)) if row not in (baseline, bound) else []
        gap = sign * statistics.fmean(high[seed] - low[seed] for seed in seeds) if seeds else 0.0
        gain = sign * statistics.fmean(own[seed] - low[seed] for seed in seeds) if seeds else 0.0
        shares.append(gain / gap if gap > 0 else None)
    return shares
