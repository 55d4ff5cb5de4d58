"""Scores of a table: mean and spread over runs, differences to baseline and control, and what stands."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ssl_bench.leaderboard.reading.entry import Entry, Measure
from ssl_bench.leaderboard.reading.rows import Row
from ssl_bench.leaderboard.reading.standing import Standing
from ssl_bench.significance.comparison import common_runs, of_run
from ssl_bench.significance.crossed import Run, split_weights


@dataclass(frozen=True)
class Score:
    """One cell of the table."""

    mean: str
    """Over runs."""
    std: str
    """Sample standard deviation; empty for a single run."""
    n: int
    difference: str
    """To the baseline over the pairs of split and seed that both have, each split counting alike; empty for the
    baseline itself and where there is none."""
    over_control: str
    """The same to the control."""
    paired: int
    """How many pairs the difference to the baseline is over; 0 where it is over all runs."""
    best: bool
    value: float
    """The mean, not rounded."""
    gain: float | None
    """The difference, not rounded."""
    control_gain: float | None
    """That to the control."""
    spread: float | None
    """The deviation, not rounded."""


def score_column(
    rows: Sequence[Row], number: int, measure: Measure, standing: Standing
) -> list[Score | None]:
    """Scores of the rows in one column by one of the task's metrics, whose standing it is; None for no score."""
    return [_score(row, number, measure, standing) for row in rows]


def _score(row: Row, number: int, measure: Measure, standing: Standing) -> Score | None:
    own = by_run(row.cells[number], measure.name)
    if not own:
        return None
    digits = measure.digits
    baseline = standing.baseline
    low = by_run(baseline.cells[number], measure.name) if baseline and row is not baseline else {}
    control = standing.control if row.competes and row is not baseline else None
    free = by_run(control.cells[number], measure.name) if control else {}
    gain, control_gain = mean_difference(own, low), mean_difference(own, free)
    pairs = common_runs(own, low)
    spread = statistics.stdev(own.values()) if len(own) > 1 else None
    value = statistics.fmean(own.values())
    return Score(
        mean=f"{shown(value, digits):.{digits}f}",
        std="" if spread is None else f"{spread:.{digits}f}",
        n=len(own),
        difference=_signed(gain, digits),
        over_control=_signed(control_gain, digits),
        paired=0 if len({of_pair(own, pair) for pair in pairs}) == len(own) else len(pairs),
        best=standing.is_best(row),
        value=value,
        gain=gain,
        control_gain=control_gain,
        spread=spread,
    )


def of_pair(runs: Mapping[Run, float], pair: Run) -> Run:
    """The run that takes part in a pair: that of the split, or one that serves all of them."""
    return pair if pair in runs else (None, pair[1])


def mean_difference(first: Mapping[Run, float], second: Mapping[Run, float]) -> float | None:
    """First minus second over the pairs that both have, each split counting alike; None where there are none."""
    pairs = common_runs(first, second)
    if not pairs:
        return None
    gains = [of_run(first, pair) - of_run(second, pair) for pair in pairs]
    return float((split_weights(pairs) * gains).sum())


def by_run(entries: Sequence[Entry], metric: str) -> dict[Run, float]:
    """Split and seed to score by a metric, without runs that have none."""
    found = ((entry.pair, entry.scores.get(metric)) for entry in entries)
    return {pair: score for pair, score in found if score is not None}


def shown(value: float, digits: int) -> float:
    """Rounded as in a table, without a negative zero."""
    # Adding 0.0 turns -0.0 into 0.0.
    return round(value, digits) + 0.0


def _signed(value: float | None, digits: int) -> str:
    return "" if value is None else f"{shown(value, digits):+.{digits}f}"
