"""A part of the records, as a paper needs it: some tasks, some methods, some metrics."""

from collections.abc import Callable, Iterable, Sequence
from typing import Literal

from ssl_bench.errors import unknown
from ssl_bench.leaderboard.reading.fields import text
from ssl_bench.store.record import Record


def chosen(
    records: Iterable[Record],
    *,
    tasks: Sequence[str] = (),
    methods: Sequence[str] = (),
    metrics: Sequence[str] = (),
) -> list[Record]:
    """Records of some tasks and methods by name or title, whatever the case; all of them where none is named.

    `metrics`: those of a task that are named, in that order, so that tables of scores show the first of them; a
    task with none of them keeps its own. UsageError for what no record has.
    """
    found = list(records)
    found = _among(found, "--tasks", tasks, lambda record: _names(record, "task"))
    found = _among(found, "--methods", methods, lambda record: _names(record, "method"))
    _among(found, "--metrics", metrics, _metric_names, first=None)
    return [_measured(record, metrics) for record in found] if metrics else found


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


def _measured(record: Record, asked: Sequence[str]) -> Record:
    """The record with the metrics asked for alone. Its best evaluation is that by its own first metric."""
    task = record.describe.task
    by_name = {metric.name.casefold(): metric for metric in task.metrics}
    kept = [by_name[name.casefold()] for name in asked if name.casefold() in by_name]
    if not kept:
        return record
    changed = record.replaced(describe=record.describe.replaced(task=task.replaced(metrics=kept)))
    return changed if kept[0] == task.metrics[0] else changed.replaced(best=None)
