"""A part of the records, as a paper needs it: some tasks, some methods, some metrics."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ssl_bench.errors import unknown
from ssl_bench.leaderboard.reading.fields import mapping, text
from ssl_bench.store.results import Record


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


def _names(record: Record, kind: str) -> list[str]:
    """Name and title; a control is called by its role, for it is no setting of the method whose passes it makes."""
    described = mapping(mapping(record.get("describe")).get(kind))
    name = text(mapping(record.get("cell")).get(kind))
    role = text(described.get("role"))
    return [role if role == "control" else name, text(described.get("title") or name)]


def _metric_names(record: Record) -> list[str]:
    return [text(metric.get("name")) for metric in _metrics(record)]


def _metrics(record: Record) -> list[Mapping[str, Any]]:
    listed = mapping(mapping(record.get("describe")).get("task")).get("metrics")
    return [mapping(metric) for metric in listed] if isinstance(listed, list | tuple) else []


def _measured(record: Record, asked: Sequence[str]) -> Record:
    """The record with the metrics asked for alone. Its best evaluation is that by its own first metric."""
    by_name = {text(metric.get("name")).casefold(): metric for metric in _metrics(record)}
    kept = [by_name[name.casefold()] for name in asked if name.casefold() in by_name]
    if not kept:
        return record
    describe = mapping(record.get("describe"))
    task = {**mapping(describe.get("task")), "metrics": kept}
    changed = {**record, "describe": {**describe, "task": task}}
    return changed if kept[0] == _metrics(record)[0] else {**changed, "best": None}
