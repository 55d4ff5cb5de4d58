"""Which runs stand in one column: what they must agree in, and whose splits are draws of one procedure."""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

from ssl_bench.errors import UsageError
from ssl_bench.leaderboard.reading.entry import Entry
from ssl_bench.leaderboard.reading.fields import MISSING, canonical
from ssl_bench.recipe import LATER, flat

Key = tuple[Any, ...]
_NUMBER = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9}|/[1-9][0-9]{0,8})?")


@dataclass(frozen=True)
class Column:
    """Runs that agree in task, data, labels, backbone and its weights, recipe, tier, execution, threads and versions.

    Their splits are one, or several that one procedure drew with different seeds: `pools`. Methods that train on every
    label there is (upper bounds) have a split of their own, and so belong to each column that agrees in the rest.
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
            key=lambda entry: (entry.uses_all_labels, labels_key(entry.source), _seed_key(entry.split_seed)),
        )

    @cached_property
    def split_seeds(self) -> tuple[str, ...]:
        """Seeds of the splits that were drawn, one a split; empty where all runs use all labels."""
        first: dict[str, str] = {}
        for entry in self.entries:
            if not entry.uses_all_labels:
                known = first.setdefault(entry.split, entry.split_seed)
                first[entry.split] = min(known, entry.split_seed, key=_seed_key)
        return tuple(sorted(first.values(), key=_seed_key))

    @cached_property
    def images(self) -> tuple[int, ...]:
        """Numbers of test images that runs were scored on; more than one where records disagree."""
        return tuple(sorted({entry.images for entry in self.entries if entry.images is not None}))

    @property
    def order(self) -> Key:
        """What columns are sorted by: position and name of their task, then their setting."""
        return (self.head.task_position, self.head.task_title, self.head.task, canonical(self.head.setting))


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


def differing(entries: Sequence[Entry], *, pool: bool = True) -> str:
    """The first thing that runs which would share a column differ in, with two of its values; empty for none.

    `pool`: as of `make_columns`.
    """
    for name, get in _ALIKE:
        if len(values := sorted(set(map(get, entries)))) > 1:
            return f"{name}: {values[0]} and {values[1]}" if name != "recipe" else _differing_recipe(entries)
    some_labels = [entry for entry in entries if not entry.uses_all_labels]
    found = pools(some_labels) if pool else list(by_split(some_labels).values())
    if len(found) > 1:
        ends = (min(pool, key=lambda entry: entry.split) for pool in found)
        first, second = sorted(ends, key=lambda entry: entry.split)[:2]
        return f"split: {first.split} ({first.source}) and {second.split} ({second.source})"
    return ""


def _differing_recipe(entries: Sequence[Entry]) -> str:
    """The first field of their recipes that differs, with two of its values."""
    recipes = [{**LATER, **flat(entry.recipe_settings)} for entry in entries]
    for field in sorted({field for recipe in recipes for field in recipe}):
        if len(values := sorted({canonical(recipe.get(field)) for recipe in recipes})) > 1:
            return f"recipe: {field} {values[0]} and {values[1]}"
    return "recipe"


def make_columns(entries: Iterable[Entry], *, pool: bool = True) -> list[Column]:
    """Runs by what they must agree in; an upper bound stands in each column that it agrees with.

    `pool`: splits that are draws of one procedure share a column; else each split has its own.
    """
    some_labels: dict[Key, list[Entry]] = defaultdict(list)
    all_labels: dict[Key, list[Entry]] = defaultdict(list)
    for entry in entries:
        (all_labels if entry.uses_all_labels else some_labels)[entry.setting].append(entry)
    columns = [
        Column((*own, *all_labels.get(setting, ())))
        for setting, same in some_labels.items()
        for own in (pools(same) if pool else by_split(same).values())
    ]
    columns += [Column(tuple(own)) for setting, own in all_labels.items() if setting not in some_labels]
    return sorted(columns, key=lambda column: (column.order, column.head.split))


def by_split(entries: Iterable[Entry]) -> dict[str, list[Entry]]:
    """Runs by the content of their split, whatever was asked for."""
    found: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        found[entry.split].append(entry)
    return found


def pools(entries: Iterable[Entry]) -> list[list[Entry]]:
    """Runs of one setting by where their labelled images come from.

    Splits that were generated with different seeds for the same labels (`1/8`, `4`) with the same counts are draws of
    one procedure. A seed that has drawn two different splits tells of two procedures: each of them stands alone, as
    does a split that a list names.
    """
    splits = by_split(entries)
    drawn: dict[Key, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    procedures: dict[str, Key] = {}
    for split, same in splits.items():
        generated = [entry for entry in same if is_generated(entry)]
        if generated:
            head = min(generated, key=lambda entry: labels_key(entry.source))
            procedures[split] = (head.source, head.labeled, head.unlabeled)
            for entry in generated:
                drawn[procedures[split]][entry.split_seed].add(split)
    alone = {split for seeds in drawn.values() for same in seeds.values() if len(same) > 1 for split in same}
    found: dict[Key, list[Entry]] = defaultdict(list)
    for split, same in splits.items():
        found[(split,) if split in alone else procedures.get(split, (split,))] += same
    return list(found.values())


def is_generated(entry: Entry) -> bool:
    """Whether its split was drawn by a seed, and not named by a list."""
    return bool(_NUMBER.fullmatch(entry.source)) and entry.split_seed.isdecimal()


def seeds_text(column: Column) -> str:
    """`seed 0` or `seeds 0, 1, 2`."""
    seeds = column.split_seeds or (column.head.split_seed,)
    return f"seed{'s' if len(seeds) > 1 else ''} {', '.join(seeds)}"


def _seed_key(seed: str) -> Key:
    """By number."""
    return (len(seed), seed)


def labels_key(source: str) -> Key:
    """Fractions by size, then counts by size, then lists by name, then all."""
    if not _NUMBER.fullmatch(source):
        return (3 if source == "all" else 2, 0, source)
    value = Fraction(source)
    return (0 if value < 1 or "/" in source or "." in source else 1, value, source)


def runs_text(column: Column) -> str:
    """`n = 15: 5 seeds x 3 splits (split seeds 0, 1, 2)`: the runs that a method can have in a column."""
    runs = {entry.pair for entry in column.entries if not entry.uses_all_labels}
    runs = runs or {entry.pair for entry in column.entries}
    splits, seeds = (len(set(levels)) for levels in zip(*runs, strict=True))
    most = "" if len(runs) == splits * seeds else "up to "
    if splits == 1:
        return f"n = {len(runs)}"
    counts = f"{seeds} seed{'s' if seeds > 1 else ''} {'x' if not most else 'on'} {splits} splits"
    return f"{most}n = {len(runs)}: {counts} (split {seeds_text(column)})"
