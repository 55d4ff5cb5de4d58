"""Which columns share a table, and what tables are called."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from ssl_bench.errors import UsageError
from ssl_bench.leaderboard.reading.columns import Column, Key, differing, labels_key, make_columns, seeds_text
from ssl_bench.leaderboard.reading.entry import Entry
from ssl_bench.leaderboard.reading.fields import MISSING
from ssl_bench.recipe import TIERS

T = TypeVar("T")


@dataclass(frozen=True)
class Table:
    """Columns of different tasks under one title, which no other table has."""

    title: str
    columns: tuple[Column, ...]


def require_one_table(entries: Sequence[Entry]) -> None:
    """UsageError, naming the task and what differs, unless all runs fit into one table."""
    if len(make_tables(entries)) < 2:
        return
    for task, same in _grouped(entries, lambda entry: entry.task):
        if difference := differing(same):
            raise UsageError(
                f"--one-table: records of task '{task}' differ in {difference}; name a folder with one of them"
            )
    tiers = sorted({entry.tier for entry in entries})
    seeds = sorted({entry.split_seed for entry in entries})
    name, values = ("tier", tiers) if len(tiers) > 1 else ("seed of the split", seeds)
    raise UsageError(
        f"--one-table: tasks differ in {name}: {', '.join(values)}; name a folder with one of them"
    )


_TRAITS: tuple[Callable[[Column], str], ...] = (
    lambda column: f"split {seeds_text(column)}",
    lambda column: column.head.data_title,
    lambda column: column.head.backbone,
    lambda column: (
        "from scratch" if column.head.pretrained == MISSING else f"weights {column.head.pretrained}"
    ),
    lambda column: f"{column.head.iterations} iterations",
    lambda column: f"{column.head.execution} execution",
    lambda column: f"{column.head.threads} threads",
    lambda column: ", ".join(sorted({version for _, version in column.head.versions})),
    lambda column: f"recipe {column.head.recipe}",
    lambda column: f"data {column.head.data[:16]}",
    lambda column: f"split {column.head.split}",
)
"""What may tell apart two tables of one tier and labels, the most telling first."""


def make_tables(entries: Sequence[Entry]) -> list[Table]:
    """As few tables as the settings allow, each with one column per task at most.

    One table per tier, split seed and labels as asked for; a single one where every task of a tier has one
    setting alone (perhaps with labels of its own). Further settings of a task (another data set, backbone,
    recipe) go to further tables, beside those of other tasks that agree with them the most.
    """
    groups: list[list[Column]] = []
    for _, columns in _grouped(
        make_columns(entries), lambda column: (_tier_key(column), column.head.split_seed)
    ):
        if len({column.head.task for column in columns}) == len(columns):
            groups.append(columns)
        else:
            for _, same in _grouped(columns, lambda column: labels_key(column.head.source)):
                groups.extend(_spread(same))
    # Within a tier by labels, so that a table's neighbour differs by its split seed and the like alone.
    groups.sort(key=lambda columns: (_tier_key(columns[0]), labels_key(columns[0].head.source)))
    ordered = [tuple(sorted(columns, key=lambda column: column.order)) for columns in groups]
    named = any(entry.is_titled for entry in entries)
    titles = distinct_titles(ordered, lambda columns: _title(columns, named=named))
    return [Table(title, columns) for title, columns in zip(titles, ordered, strict=True)]


def _spread(columns: Sequence[Column]) -> list[list[Column]]:
    """Columns of one tier and labels to as many tables as the task with the most settings needs."""
    # The fullest first, so that where nothing else decides they meet in one table.
    by_task = [
        sorted(same, key=lambda column: -len(column.entries))
        for _, same in _grouped(columns, lambda column: column.head.task)
    ]
    by_task.sort(key=len, reverse=True)
    tables = [[column] for column in by_task[0]]
    for same in by_task[1:]:
        pairs = sorted(
            (-_agreement(column, table), number, index)
            for number, table in enumerate(tables)
            for index, column in enumerate(same)
        )
        taken: dict[int, int] = {}
        for _, number, index in pairs:
            if number not in taken and index not in taken.values():
                taken[number] = index
        for number, index in taken.items():
            tables[number].append(same[index])
    return tables


def _agreement(column: Column, table: Iterable[Column]) -> int:
    return sum(trait(column) == trait(other) for other in table for trait in _TRAITS[:8])


def distinct_titles(
    tables: Sequence[Sequence[Column]], title: Callable[[Sequence[Column]], str]
) -> list[str]:
    """A title of its own for every table: those that clash are told apart by what differs."""
    titles = [title(columns) for columns in tables]
    for trait in _TRAITS:
        for same in _clashes(titles):
            texts = {number: _words(trait(column) for column in tables[number]) for number in same}
            if len(set(texts.values())) > 1:
                for number, text in texts.items():
                    titles[number] += f", {text}"
    for same in _clashes(titles):
        for count, number in enumerate(same, 1):
            titles[number] += f", table {count}"
    return titles


def _title(columns: Sequence[Column], *, named: bool) -> str:
    """`named`: say which data it is, since some of it has a title."""
    sources = sorted({column.head.source for column in columns}, key=labels_key)
    data = f", {_words(column.head.data_title for column in columns)}" if named else ""
    return f"Tier {columns[0].head.tier}, labels {_words(sources)}{data}"


def _words(texts: Iterable[str]) -> str:
    return " and ".join(dict.fromkeys(texts))


def _clashes(titles: Sequence[str]) -> list[list[int]]:
    same: dict[str, list[int]] = defaultdict(list)
    for number, title in enumerate(titles):
        same[title].append(number)
    return [numbers for numbers in same.values() if len(numbers) > 1]


def _tier_key(column: Column) -> Key:
    """The tier that says most comes first."""
    tier = column.head.tier
    return (-TIERS.index(tier), "") if tier in TIERS else (1, tier)


def _grouped(items: Iterable[T], key: Callable[[T], Key | str]) -> list[tuple[Any, list[T]]]:
    groups: dict[Any, list[T]] = defaultdict(list)
    for item in items:
        groups[key(item)].append(item)
    return sorted(groups.items(), key=lambda group: group[0])
