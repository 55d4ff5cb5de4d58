"""Which columns share a table, and what tables are called."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, TypeVar

from ssl_bench.errors import UsageError
from ssl_bench.leaderboard.reading.columns import Column, Key, differing, labels_key, make_columns, seeds_text
from ssl_bench.leaderboard.reading.entry import Entry
from ssl_bench.leaderboard.reading.fields import MISSING
from ssl_bench.recipe import TIERS
from ssl_bench.words import first_of

T = TypeVar("T")


@dataclass(frozen=True)
class Table:
    """Columns of different tasks under one title, which no other table has."""

    title: str
    columns: tuple[Column, ...]


def require_one_table(
    entries: Sequence[Entry], shows: Callable[[Entry], bool], unlike: Collection[str]
) -> None:
    """UsageError, naming the task and what differs, unless all runs fit into one table (`shows`: as of `make_tables`).

    Runs of one method by two versions of its code do not, whatever number these go by, and nor do records of one run
    that differ in scores: `unlike` are the ids of these.
    """
    tables = make_tables(entries, shows)
    entries = [entry for table in tables for column in table.columns for entry in column.entries]
    if several := sorted({entry.id for entry in entries}.intersection(unlike)):
        raise UsageError(
            f"--one-table: several records of one run differ in scores ({first_of(several, 3)}); name a folder with "
            "one of each"
        )
    codes: dict[str, set[str]] = defaultdict(set)
    for entry in entries:
        codes[entry.method] |= {entry.code} - {MISSING}
    if changed := sorted(method for method, found in codes.items() if len(found) > 1):
        raise UsageError(
            f"--one-table: the code of {', '.join(changed)} changed between its runs (`method_code` in their records); "
            "run them again at one of the two"
        )
    if len(tables) < 2:
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


def make_tables(entries: Sequence[Entry], shows: Callable[[Entry], bool] = lambda entry: True) -> list[Table]:
    """One table per tier, data and labels as asked for, with one column per task at most.

    A tier in which no task has two columns is one table, and so are its runs on data of one name: whatever labels each
    task has then stand in its column. Further settings of a task on the same data with the same labels (another
    backbone, recipe or draw) go to further tables, the setting with the most runs first.

    Columns are those with a run that `shows` says to show, with all that it is compared with.
    """
    shown = [column for column in make_columns(entries) if any(map(shows, column.entries))]
    groups = [
        columns
        for _, of_tier in _grouped(shown, _tier_key)
        for columns in _apart(of_tier, [_data_key, lambda column: labels_key(column.head.source)])
    ]
    ordered = [tuple(sorted(columns, key=lambda column: column.order)) for columns in groups]
    named = any(entry.is_titled for entry in entries)
    titles = distinct_titles(ordered, lambda columns: _title(columns, named=named))
    return [Table(title, columns) for title, columns in zip(titles, ordered, strict=True)]


def _apart(columns: Sequence[Column], keys: Sequence[Callable[[Column], Key]]) -> Iterator[Sequence[Column]]:
    """Columns as one table where no task has two; else by the first of the keys, and each part likewise."""
    if len({column.head.task for column in columns}) == len(columns):
        yield columns
    elif keys:
        for _, same in _grouped(columns, keys[0]):
            yield from _apart(same, keys[1:])
    else:
        by_task = (
            sorted(same, key=lambda column: -len(column.entries))
            for _, same in _grouped(columns, lambda column: column.head.task)
        )
        for table in zip_longest(*by_task):
            yield [column for column in table if column is not None]


def _data_key(column: Column) -> Key:
    """Data without a title of its own, such as what comes with a task, first."""
    return (column.head.is_titled, column.head.data_title)


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
