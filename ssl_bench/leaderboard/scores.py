"""Scores of a table: mean and spread over seeds, difference to the baseline, the best of a column."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from ssl_bench.leaderboard.entries import Entry, Measure
from ssl_bench.leaderboard.grouping import Table
from ssl_bench.leaderboard.rows import Row


@dataclass(frozen=True)
class Score:
    """One cell of the table."""

    mean: str
    std: str
    """Sample standard deviation; empty for a single seed."""
    n: int
    difference: str
    """To the baseline over the seeds that both have; empty for the baseline itself and where there is none."""
    paired: int
    """How many seeds both have."""
    best: bool
    value: float
    """The mean, not rounded."""
    gain: float | None
    """The difference, not rounded."""
    spread: float | None
    """The deviation, not rounded."""


def make_scores(table: Table, rows: Sequence[Row]) -> list[list[Score | None]]:
    """Row by column; None where a method has no score."""
    columns = [score_column(rows, number, column.head.primary) for number, column in enumerate(table.columns)]
    return [list(row) for row in zip(*columns, strict=True)]


def baseline_of(rows: Sequence[Row], column: int) -> Row | None:
    """The row that differences of a column refer to: the first baseline with a score there."""
    return next((row for row in rows if row.head.role == "baseline" and by_seed(row.cells[column])), None)


def score_column(rows: Sequence[Row], number: int, measure: Measure) -> list[Score | None]:
    """Scores of the rows in one column by one of the task's metrics."""
    scores = [by_seed(row.cells[number], measure.name) for row in rows]
    baseline = baseline_of(rows, number)
    reference = by_seed(baseline.cells[number], measure.name) if baseline else {}
    # Rounded as shown: what looks equal is equally good.
    means = [shown(statistics.fmean(score.values()), measure.digits) if score else None for score in scores]
    competing = [
        mean
        for row, mean in zip(rows, means, strict=True)
        if mean is not None and row.head.role != "upper_bound"
    ]
    # One alone is not the best of anything.
    best = (max if measure.higher_is_better else min)(competing) if len(competing) > 1 else None
    cells: list[Score | None] = []
    for row, score, mean in zip(rows, scores, means, strict=True):
        if mean is None:
            cells.append(None)
            continue
        both = sorted(set(score) & set(reference)) if row is not baseline else []
        gain = (
            statistics.fmean(score[s] for s in both) - statistics.fmean(reference[s] for s in both)
            if both
            else None
        )
        spread = statistics.stdev(score.values()) if len(score) > 1 else None
        cells.append(
            Score(
                mean=f"{mean:.{measure.digits}f}",
                std="" if spread is None else f"{spread:.{measure.digits}f}",
                n=len(score),
                difference="" if gain is None else f"{shown(gain, measure.digits):+.{measure.digits}f}",
                paired=len(both),
                best=mean == best and row.head.role != "upper_bound",
                value=statistics.fmean(score.values()),
                gain=gain,
                spread=spread,
            )
        )
    return cells


def by_seed(entries: Sequence[Entry], metric: str | None = None) -> dict[str, float]:
    """Seed to score by a metric, the primary one unless named, without runs that have none."""
    found = ((entry.seed, entry.scores.get(metric or entry.primary.name)) for entry in entries)
    return {seed: score for seed, score in found if score is not None}


def shown(value: float, digits: int) -> float:
    """Rounded as in a table, without a negative zero."""
    # Adding 0.0 turns -0.0 into 0.0.
    return round(value, digits) + 0.0
