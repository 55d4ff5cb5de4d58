"""A part of the records, as a paper needs it: some tasks, some methods, some metrics."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from ssl_bench.errors import unknown
from ssl_bench.leaderboard.model import Span, joined, words
from ssl_bench.leaderboard.reading.entry import Entry
from ssl_bench.leaderboard.reading.fields import canonical, text
from ssl_bench.store.record import MetricWords, Record


@dataclass(frozen=True)
class Choice:
    """What tables show, by name or title, whatever the case; everything where nothing is named."""

    tasks: Sequence[str] = ()
    methods: Sequence[str] = ()
    """Their rows alone are shown. All are compared with: whether something stands is no matter of what is shown."""
    metrics: Sequence[str] = ()
    """Those of a task that are named, in that order, so that tables of scores show the first of them. A task with none
    of them keeps its own, and a record that lacks one of its task's has no score by it."""

    def of(self, records: Iterable[Record]) -> list[Record]:
        """Records of the tasks, with the metrics. UsageError for what no record has."""
        found = _among(list(records), "--tasks", self.tasks, lambda record: _names(record, "task"))
        _among(found, "--methods", self.methods, lambda record: _names(record, "method"))
        _among(found, "--metrics", self.metrics, _metric_names, first=None)
        return _measured(found, self.metrics) if self.metrics else found

    def shows(self, entry: Entry) -> bool:
        """Whether a run's row is shown."""
        names = _method_names(entry.method, entry.method_title, entry.role)
        return not self.methods or bool(_folded(self.methods) & _folded(names))

    @property
    def told(self) -> tuple[Span, ...]:
        """What is shown alone, as a sentence; empty for everything."""
        asked = {"tasks": self.tasks, "methods": self.methods, "metrics": self.metrics}
        parts: list[str | Span] = []
        for kind, names in asked.items():
            if names:
                start = "; " if parts else "Of the records these alone are shown: "
                parts += [f"{start}{kind} ", *joined(names, ", ")]
        others = " What stands is judged with the other methods, too." if self.methods else ""
        return words(*parts, f".{others}") if parts else ()


EVERYTHING = Choice()


def _among(
    records: list[Record],
    option: str,
    asked: Sequence[str],
    names: Callable[[Record], Sequence[str]],
    first: int | None = 1,
) -> list[Record]:
    """Records of which a name was asked for. `first`: how many of a record's names an error lists."""
    if not asked:
        return records
    known = _folded(name for record in records for name in names(record))
    for name in asked:
        if name.casefold() not in known:
            raise unknown(
                option, name, sorted({shown for record in records for shown in names(record)[:first]})
            )
    return [record for record in records if _folded(asked) & _folded(names(record))]


def _folded(names: Iterable[str]) -> set[str]:
    return {name.casefold() for name in names}


def _names(record: Record, kind: Literal["task", "method"]) -> list[str]:
    title, name = getattr(record.describe, kind).title, text(getattr(record.cell, kind))
    if kind == "method":
        return _method_names(name, text(title or name), record.describe.method.role)
    return [name, text(title or name)]


def _method_names(name: str, title: str, role: str) -> list[str]:
    """Name and title; a control is called by its role, for it is no setting of the method whose passes it makes."""
    return ["control" if role == "control" else name, title]


def _metric_names(record: Record) -> list[str]:
    return [metric.name for metric in record.describe.task.metrics]


def _measured(records: Sequence[Record], asked: Sequence[str]) -> list[Record]:
    """The records with the metrics asked for that any record of their task has. The best evaluation of a record is that
    by its own first metric."""
    known: dict[str, dict[str, MetricWords]] = defaultdict(dict)
    for record in records:
        for metric in record.describe.task.metrics:
            # One for all that lack it, whatever the order of the records.
            of_task = known[record.cell.task]
            other = of_task.get(metric.name.casefold(), metric)
            of_task[metric.name.casefold()] = min(other, metric, key=lambda one: canonical(one.to_json()))
    return [_with(record, known[record.cell.task], asked) for record in records]


def _with(record: Record, known: Mapping[str, MetricWords], asked: Sequence[str]) -> Record:
    task = record.describe.task
    known = {**known, **{metric.name.casefold(): metric for metric in task.metrics}}
    kept = [known[name.casefold()] for name in asked if name.casefold() in known]
    if not kept:
        return record
    changed = record.replaced(describe=record.describe.replaced(task=task.replaced(metrics=kept)))
    return changed if kept[:1] == task.metrics[:1] else changed.replaced(best=None)
