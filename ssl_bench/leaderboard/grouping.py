"""Which scores may stand beside each other: runs to columns, columns to tables."""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any, TypeVar

from ssl_bench.errors import UsageError
from ssl_bench.leaderboard.entries import Entry
from ssl_bench.leaderboard.fields import MISSING, canonical
from ssl_bench.recipe import LATER, TIERS, flat

T = TypeVar("T")
Key = tuple[Any, ...]
_NUMBER = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9}|/[1-9][0-9]{0,8})?")


@dataclass(frozen=True)
class Column:
    """Runs that agree in task, data, split, backbone and its weights, recipe, tier, execution, threads and versions.

    Methods that train on every label there is (upper bounds) have a split of their own, and so belong to the
    column of each split that agrees in the rest.
    """

    entries: tuple[Entry, ...]

    def __post_init__(self) -> None:
        """UsageError, naming what differs, for runs that may not stand in one column."""
        if difference := differing(self.entries):
            raise UsageError(f"records that differ in {difference} cannot share a column")

    @cached_property
    def head(self) -> Entry:
        """A run that speaks for the column, by its split where it can."""
        return min(
            self.entries,
            key=lambda entry: (entry.uses_all_labels, _labels_key(entry.source), entry.split_seed),
        )

    @property
    def order(self) -> Key:
        """Where the column stands."""
        return (self.head.task_position, self.head.task_title, self.head.task, canonical(self.head.setting))


@dataclass(frozen=True)
class Table:
    """Columns of different tasks under one title, which no other table has."""

    title: str
    columns: tuple[Column, ...]


_ALIKE: tuple[tuple[str, Callable[[Entry], str]], ...] = (
    ("tier", lambda entry: entry.tier),
    ("task", lambda entry: entry.task),
    ("data set", lambda entry: entry.data_title),
    ("data set", lambda entry: entry.dataset),
    ("data", lambda entry: entry.data),
    ("network", lambda entry: entry.backbone),
    ("pretrained weights", lambda entry: entry.pretrained if entry.pretrained != MISSING else "none"),
    ("recipe", lambda entry: f"{entry.iterations} iterations, {entry.recipe}"),
    ("execution", lambda entry: entry.execution),
    ("threads", lambda entry: entry.threads),
    ("versions", lambda entry: ", ".join(f"{kind} {version}" for kind, version in entry.versions)),
)
"""What the runs of a column must agree in, besides the split."""


def differing(entries: Sequence[Entry]) -> str:
    """The first thing that runs which would share a column differ in, with two of its values; empty for none."""
    for name, get in _ALIKE:
        if len(values := sorted(set(map(get, entries)))) > 1:
            return f"{name}: {values[0]} and {values[1]}" if name != "recipe" else _differing_recipe(entries)
    splits = {entry.split: entry for entry in entries if not entry.uses_all_labels}
    if len(splits) > 1:
        first, second = (splits[name] for name in sorted(splits)[:2])
        return f"split: {first.split} ({first.source}) and {second.split} ({second.source})"
    return ""


def _differing_recipe(entries: Sequence[Entry]) -> str:
    """The first field of their recipes that differs, with two of its values."""
    recipes = [{**LATER, **flat(entry.recipe_settings)} for entry in entries]
    for field in sorted({field for recipe in recipes for field in recipe}):
        if len(values := sorted({canonical(recipe.get(field)) for recipe in recipes})) > 1:
            return f"recipe: {field} {values[0]} and {values[1]}"
    return "recipe"


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


_TRAITS: tuple[Callable[[Entry], str], ...] = (
    lambda head: f"split seed {head.split_seed}",
    lambda head: head.data_title,
    lambda head: head.backbone,
    lambda head: "from scratch" if head.pretrained == MISSING else f"weights {head.pretrained}",
    lambda head: f"{head.iterations} iterations",
    lambda head: f"{head.execution} execution",
    lambda head: f"{head.threads} threads",
    lambda head: ", ".join(sorted({version for _, version in head.versions})),
    lambda head: f"recipe {head.recipe}",
    lambda head: f"data {head.data[:16]}",
    lambda head: f"split {head.split}",
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
            for _, same in _grouped(columns, lambda column: _labels_key(column.head.source)):
                groups.extend(_spread(same))
    # Within a tier by labels, so that a table's neighbour differs by its split seed and the like alone.
    groups.sort(key=lambda columns: (_tier_key(columns[0]), _labels_key(columns[0].head.source)))
    ordered = [tuple(sorted(columns, key=lambda column: column.order)) for columns in groups]
    named = any(entry.is_titled for entry in entries)
    titles = distinct_titles(ordered, lambda columns: _title(columns, named=named))
    return [Table(title, columns) for title, columns in zip(titles, ordered, strict=True)]


def make_columns(entries: Iterable[Entry]) -> list[Column]:
    """Runs by what they must agree in; an upper bound stands in each column that it agrees with."""
    by_split: dict[Key, dict[str, list[Entry]]] = defaultdict(lambda: defaultdict(list))
    all_labels: dict[Key, list[Entry]] = defaultdict(list)
    for entry in entries:
        if entry.uses_all_labels:
            all_labels[entry.setting].append(entry)
        else:
            by_split[entry.setting][entry.split].append(entry)
    columns = [
        Column((*own, *all_labels.get(setting, ())))
        for setting, splits in by_split.items()
        for own in splits.values()
    ]
    columns += [Column(tuple(own)) for setting, own in all_labels.items() if setting not in by_split]
    return sorted(columns, key=lambda column: (column.order, column.head.split))


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
    return sum(trait(column.head) == trait(other.head) for other in table for trait in _TRAITS[:8])


def distinct_titles(
    tables: Sequence[Sequence[Column]], title: Callable[[Sequence[Column]], str]
) -> list[str]:
    """A title of its own for every table: those that clash are told apart by what differs."""
    titles = [title(columns) for columns in tables]
    for trait in _TRAITS:
        for same in _clashes(titles):
            texts = {number: _words(trait(column.head) for column in tables[number]) for number in same}
            if len(set(texts.values())) > 1:
                for number, text in texts.items():
                    titles[number] += f", {text}"
    for same in _clashes(titles):
        for count, number in enumerate(same, 1):
            titles[number] += f", table {count}"
    return titles


def _title(columns: Sequence[Column], *, named: bool) -> str:
    """`named`: say which data it is, since some of it has a title."""
    sources = sorted({column.head.source for column in columns}, key=_labels_key)
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


def _labels_key(source: str) -> Key:
    """Fractions by size, then counts by size, then lists by name, then all."""
    if not _NUMBER.fullmatch(source):
        return (3 if source == "all" else 2, 0, source)
    value = Fraction(source)
    return (0 if value < 1 or "/" in source or "." in source else 1, value, source)


def _grouped(items: Iterable[T], key: Callable[[T], Key | str]) -> list[tuple[Any, list[T]]]:
    groups: dict[Any, list[T]] = defaultdict(list)
    for item in items:
        groups[key(item)].append(item)
    return sorted(groups.items(), key=lambda group: group[0])
