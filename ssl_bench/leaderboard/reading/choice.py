"""A part of the records, as a paper needs it: some tasks, some methods, some metrics."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Literal

from ssl_bench.errors import unknown
from ssl_bench.leaderboard.reading.fields import canonical, text
from ssl_bench.store.record import MetricWords, Record


def chosen(
    records: Iterable[Record],
    *,
    tasks: Sequence[str] = (),
    methods: Sequence[str] = (),
    metrics: Sequence[str] = (),
) -> list[Record]:
    """Records of some tasks and methods by name or title, whatever the case; all of them where none is named.

    `metrics`: those of a task that are named, in that order, so that tables of scores show the first of them; a
    task with none of them keeps its own, and a record that lacks one of its task's has no score by it. UsageError for
    what no record has.
    """
    found = list(records)
    found = _among(found, "--tasks", tasks, lambda record: _names(record, "task"))
    found = _among(found, "--methods", methods, lambda record: _names(record, "method"))
    _among(found, "--metrics", metrics, _metric_names, first=None)
    return _measured(found, metrics) if metrics else found


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
    known = {name.casefold() for record in records for name in names(record)}
    for name in asked:
        if name.casefold() not in known:
            raise unknown(
                option, name, sorted({shown for record in records for shown in names(record)[:first]})
            )
    wanted = {name.casefold() for name in asked}
    return [record for record in records if wanted & {name.casefold() for name in names(record)}]


def _names(record: Record, kind: Literal["task", "method"]) -> list[str]:
    """Name and title; a control is called by its role, for it is no setting of the method whose passes it makes."""
    title = getattr(record.describe, kind).title
    name = getattr(record.cell, kind)
    if kind == "method" and record.describe.method.role == "control":
        return ["control", text(title or name)]
    return [text(name), text(title or name)]


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
