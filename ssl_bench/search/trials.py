"""What came of a search: the score of every trial, and the best one by a stated rule."""

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ssl_bench.leaderboard.reading.scores import shown
from ssl_bench.plan.cell import Cell
from ssl_bench.plan.settings import Point, in_words
from ssl_bench.search.grid import Grid, Search
from ssl_bench.specs import Metric
from ssl_bench.store.record import Record

RULE = "the best mean as it is shown; of equal ones, the first."


@dataclass(frozen=True)
class Trial:
    """One point of a grid: its score at each seed on each split that has one."""

    point: Point
    scores: tuple[float, ...]
    runs: int
    """Cells that it takes."""
    without: int
    """Cells that came to their end without one: a loss or a prediction was not finite."""

    @property
    def ended(self) -> bool:
        """Whether every cell has run to its end, a good one or a bad one."""
        return len(self.scores) + self.without == self.runs

    @property
    def mean(self) -> float | None:
        """Over seeds and splits; None unless all of them have a score."""
        return statistics.fmean(self.scores) if self.scores and len(self.scores) == self.runs else None


class Slice(NamedTuple):
    """What a search takes of one split of the labels."""

    labeled: int
    """Images that are learnt from."""
    held_out: int
    """Images that are scored on."""
    split: str
    """Hash of what was learnt from, what was scored on, and what was neither."""


@dataclass(frozen=True)
class Outcome:
    """The trials of one method on one task."""

    task: str
    task_title: str
    method: str
    method_title: str
    row: str
    """The method as the command named it."""
    metric: Metric
    grid: Grid
    trials: tuple[Trial, ...]
    slices: tuple[Slice, ...]
    """Of each split."""

    @property
    def label(self) -> str:
        """Symbol, unit and arrow of what is scored."""
        unit = f" ({self.metric.unit})" if self.metric.unit else ""
        return f"{self.metric.symbol}{unit} {'↑' if self.metric.higher_is_better else '↓'}"

    def rounded(self, trial: Trial) -> float | None:
        """The mean as it is shown."""
        return None if trial.mean is None else shown(trial.mean, self.metric.digits)

    @property
    def best(self) -> Trial | None:
        """The winner by `RULE`; None while a trial has not ended, or where all of them diverged."""
        scored = [trial for trial in self.trials if trial.mean is not None]
        if not scored or not all(trial.ended for trial in self.trials):
            return None
        sign = 1 if self.metric.higher_is_better else -1
        return max(scored, key=lambda trial: sign * (self.rounded(trial) or 0.0))


def gather(
    searches: Mapping[str, Search],
    cells: Sequence[Cell],
    record: Callable[[Cell], Record | None],
    diverged: Callable[[Cell], bool],
) -> list[Outcome]:
    """An outcome for each task and method of the cells, in their order. `searches`: by task."""
    groups: dict[tuple[str, str], list[Cell]] = {}
    for cell in cells:
        groups.setdefault((cell.task, cell.method), []).append(cell)
    return [_outcome(searches[own[0].task], own, record, diverged) for own in groups.values()]


def _outcome(
    search: Search,
    cells: Sequence[Cell],
    record: Callable[[Cell], Record | None],
    diverged: Callable[[Cell], bool],
) -> Outcome:
    head = cells[0]
    words = head.row.partition(":")[2]
    metric = Metric(**head.describe["task"]["metrics"][0])
    trials = []
    for point in search.points[head.method]:
        own = [cell for cell in cells if cell.trial == in_words(point)]
        records = {cell.id: record(cell) for cell in own}
        values = [found.metrics.get(metric.name) for found in records.values() if found is not None]
        scores = tuple(float(value) for value in values if value is not None)
        failed = sum(records[cell.id] is None and diverged(cell) for cell in own)
        trials.append(Trial(point, scores, len(own), len(values) - len(scores) + failed))
    return Outcome(
        task=head.task,
        task_title=head.describe["task"]["title"],
        method=head.method,
        method_title=head.describe["method"]["title"] + (f" ({words})" if words else ""),
        row=head.row,
        metric=metric,
        grid=search.grids[head.method],
        trials=tuple(trials),
        slices=tuple(
            dict.fromkeys(
                Slice(len(cell.split.labeled), len(cell.split.held_out), cell.split.hash) for cell in cells
            )
        ),
    )
