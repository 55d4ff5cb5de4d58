"""The runs that the audit reads, and differences between some and others of them."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ssl_bench.significance.comparison import Difference, Sample, compare
from ssl_bench.significance.crossed import Run
from ssl_bench.store.record import Record

Runs = Mapping[Run, float]
"""Scores by split and seed."""
Read = Callable[[Record], float | None]
"""What is read of a record."""

HABITUAL = ("evaluations", "iterations", "optimizer")
"""Settings of a recipe that habits change; the plain runs have those of most records of their task."""

ELSEWHERE = ", unlabelled "
"""In what data is called: what follows is its shift."""


def final(record: Record) -> float | None:
    """The score after the last step."""
    return _number(record.score)


def best(record: Record) -> float | None:
    """The best of the scores that were looked at on the way."""
    name, higher = _metric(record)
    seen = [found for done in record.evaluations if (found := _number(done["metrics"].get(name))) is not None]
    return (max if higher else min)(seen) if seen else None


def better_of_two(record: Record) -> float | None:
    """The better of student and teacher."""
    name, higher = _metric(record)
    beside = _number(record.beside.get("student", {}).get(name))
    own = final(record)
    return None if own is None or beside is None else (max if higher else min)(own, beside)


def _metric(record: Record) -> tuple[str, bool]:
    metric = record.describe.task.metrics[0]
    return metric.name, metric.higher_is_better


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) else None


@dataclass(frozen=True)
class Words:
    """What a task and its scores are called."""

    title: str
    unit: str
    """Of differences."""
    digits: int


class Collection:
    """Records of one tier, by what they hold."""

    def __init__(self, records: Iterable[Record], tier: str = "lite") -> None:
        self.records = [record for record in records if record.cell.tier == tier]
        self._usual: dict[str, dict[str, Any]] = {}

    def words(self, task: str) -> Words:
        """What a task is called."""
        found = next(record.describe.task for record in self.records if record.cell.task == task)
        metric = found.metrics[0]
        # A difference of percentages is one of points.
        unit = "points" if metric.unit in ("%", metric.symbol) else metric.unit
        return Words(found.title, unit, metric.digits)

    def tasks(self) -> list[str]:
        """Names of the tasks, in the order of the tables."""
        places = {record.cell.task: record.describe.task.position for record in self.records}
        return sorted(places, key=lambda task: (places[task], task))

    def runs(
        self,
        task: str,
        method: str,
        read: Read = final,
        *,
        dataset: str = "synthetic",
        settings: Mapping[str, Any] | None = None,
        shift: str = "",
        **recipe: Any,
    ) -> Runs:
        """Scores of a method by split and seed: with these settings, and a recipe that is the usual one but for
        `recipe`, of the embedded data unless another set is named, with unlabelled images from elsewhere where
        `shift` says so."""
        wanted = {**self.usual(task), **recipe}
        found: dict[Run, float] = {}
        for record in self.records:
            cell = record.cell
            if (cell.task, cell.method, cell.dataset) != (task, method, dataset):
                continue
            if record.describe.data.title.partition(ELSEWHERE)[2] != shift:
                continue
            if any(record.config.method.get(name) != value for name, value in (settings or {}).items()):
                continue
            if any(record.config.recipe.get(name) != value for name, value in wanted.items()):
                continue
            score = read(record)
            if score is not None:
                found[str(cell.split.seed), str(cell.seed)] = score
        return found

    def usual(self, task: str) -> dict[str, Any]:
        """What habits change of a recipe, as most records of the embedded data have it."""
        if task not in self._usual:
            counts: dict[str, list[Any]] = defaultdict(list)
            for record in self.records:
                if (record.cell.task, record.cell.dataset) == (task, "synthetic"):
                    for name in HABITUAL:
                        counts[name].append(record.config.recipe.get(name))
            self._usual[task] = {name: max(values, key=values.count) for name, values in counts.items()}
        return self._usual[task]


def difference(habit: Runs, honest: Runs) -> Difference | None:
    """Habit less honest over common pairs of split and seed, over runs alone; None of fewer than two pairs."""
    return compare(Sample(habit, {}), Sample(honest, {}))


def common(*runs: Runs) -> Iterator[tuple[float, ...]]:
    """Scores of the pairs that all have."""
    for pair in runs[0]:
        if all(pair in other for other in runs):
            yield tuple(other[pair] for other in runs)
