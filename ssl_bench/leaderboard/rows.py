"""The rows of a table: methods, and the several settings of one method where a column has them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ssl_bench.leaderboard.entries import PROVIDER, TRAINED_ON, Entry
from ssl_bench.leaderboard.fields import MISSING, canonical
from ssl_bench.leaderboard.grouping import Column, Table


@dataclass(frozen=True)
class Row:
    """One method with one choice of settings."""

    head: Entry
    title: str
    label: str
    """What tells it from other rows of its method: `xi=0.6`; empty where there are none."""
    cells: tuple[tuple[Entry, ...], ...]
    """The runs of each column, one per seed."""


def make_rows(table: Table) -> list[Row]:
    """Rows by (position, title): a method has one for each choice of what differs within any column."""
    entries = [entry for column in table.columns for entry in column.entries]
    heads = {entry.method: entry for entry in sorted(entries, key=_order, reverse=True)}
    methods = sorted(heads.values(), key=_order)
    titles = [head.method_title for head in methods]
    rows: list[Row] = []
    for head in methods:
        clash = titles.count(head.method_title) > 1
        title = f"{head.method_title} ({head.method})" if clash else head.method_title
        rows += _rows_of(head, title, table.columns)
    return rows


def column_titles(table: Table) -> list[str]:
    """Titles of the tasks; with their names where two tasks have one title."""
    heads = [column.head for column in table.columns]
    titles = [head.task_title for head in heads]
    return [
        f"{title} ({head.task})" if titles.count(title) > 1 else title
        for title, head in zip(titles, heads, strict=True)
    ]


def setting_text(value: Any) -> str:
    """A setting as a person would type it."""
    return value if isinstance(value, str) else MISSING if value is None else canonical(value)


def _rows_of(head: Entry, title: str, columns: Sequence[Column]) -> list[Row]:
    runs = [[entry for entry in column.entries if entry.method == head.method] for column in columns]
    differing = sorted({field for column in runs for field in _differing(column)})

    def choice(entry: Entry) -> tuple[str, ...]:
        return tuple(canonical(entry.method_settings.get(field)) for field in differing)

    def sort_key(entry: Entry) -> list[tuple[Any, ...]]:
        return [_value_key(entry.method_settings.get(field)) for field in differing]

    examples = {choice(entry): entry for column in runs for entry in column}
    rows = []
    for chosen, example in sorted(examples.items(), key=lambda item: (sort_key(item[1]), item[0])):
        label = ", ".join(_label(field, example.method_settings.get(field)) for field in differing)
        cells = tuple(tuple(entry for entry in column if choice(entry) == chosen) for column in runs)
        rows.append(Row(head, title, label, cells))
    return rows


def _differing(entries: Sequence[Entry]) -> list[str]:
    settings = [entry.method_settings for entry in entries]
    fields = {field for setting in settings for field in setting}
    return [field for field in fields if len({canonical(setting.get(field)) for setting in settings}) > 1]


def _label(field: str, value: Any) -> str:
    return f"{field}{' ' if field in (PROVIDER, TRAINED_ON) else '='}{setting_text(value)}"


def _value_key(value: Any) -> tuple[Any, ...]:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return (0, value, "") if number else (1, 0, setting_text(value))


def _order(entry: Entry) -> tuple[Any, ...]:
    return (entry.method_position, entry.method_title, entry.method, canonical(entry.method_settings))
