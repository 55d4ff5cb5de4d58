"""Share of the gap: how much of what all labels would add over the baseline a method reaches without them."""

from ssl_bench.leaderboard.reading.board import Section
from ssl_bench.leaderboard.reading.scores import by_run
from ssl_bench.significance.comparison import common_runs, of_run
from ssl_bench.significance.crossed import split_weights


def make_shares(section: Section) -> list[list[float | None]]:
    """(method - baseline) / (upper bound - baseline), row by column; 0 is the baseline, 1 the upper bound.

    Means over the pairs of split and seed that all three have, each split counting alike. None for the two themselves,
    without a common pair, and where there is no gap to close: `has_gap`.
    """
    columns = [_column(section, number) for number in range(len(section.table.columns))]
    return [list(row) for row in zip(*columns, strict=True)]


def has_gap(section: Section, column: int) -> bool:
    """Whether the upper bound is better than the baseline, by the 95 % interval; of a single pair, at all.

    A share of a gap that may as well be nothing is a random number.
    """
    standing = section.standings[column]
    if standing.labels != "unknown":
        return standing.labels == "missing"
    single = standing.single(standing.bound, standing.baseline)
    return single is not None and (single > 0 if standing.field.higher_is_better else single < 0)


def _column(section: Section, number: int) -> list[float | None]:
    rows, standing = section.rows, section.standings[number]
    baseline, bound = standing.baseline, standing.bound
    if baseline is None or bound is None or not has_gap(section, number):
        return [None] * len(rows)
    metric = section.table.columns[number].head.primary.name
    low, high = by_run(baseline.cells[number], metric), by_run(bound.cells[number], metric)
    sign = 1 if standing.field.higher_is_better else -1
    shares: list[float | None] = []
    for row in rows:
        own = by_run(row.cells[number], metric)
        pairs = common_runs(own, low, high) if own and row not in (baseline, bound) else []
        weights = split_weights(pairs)
        gap, gain = (
            sign * float((weights * [of_run(end, pair) - of_run(low, pair) for pair in pairs]).sum())
            for end in (high, own)
        )
        shares.append(gain / gap if gap > 0 else None)
    return shares
