"""What tables need of a record. A field that is missing or of a strange type shows as `-` and never raises."""

import json
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

from ssl_bench.leaderboard.reading.entry import Entry, Measure
from ssl_bench.leaderboard.reading.fields import (
    MISSING,
    canonical,
    finite,
    mapping,
    names,
    number,
    pairs,
    text,
)
from ssl_bench.recipe import execution_in_words
from ssl_bench.seeds import digest
from ssl_bench.specs import LAST_POSITION
from ssl_bench.store.results import Record

_OUTCOME = [item.name for item in fields(Entry) if item.metadata.get("outcome")]
_REST = [item.name for item in fields(Entry) if not item.metadata.get("outcome")]


def read_entries(records: Iterable[Record]) -> tuple[list[Entry], int]:
    """One entry per run, in an order of their own, and how many records repeat another's run.

    Records of a search are left out: their scores are not of the test set.
    Of repetitions (copies, or one cell run on two machines) the first in that order stands for all.
    """
    runs: dict[tuple[Any, ...], Entry] = {}
    repeated = 0
    for entry in _ordered(entry_of(record) for record in records if not of_search(record)):
        first = runs.setdefault(entry.run, entry)
        repeated += first is not entry
        # A run does not know that it was searched for; whoever states the most trials does.
        if (entry.trials or 0) > (first.trials or 0):
            runs[entry.run] = replace(first, trials=entry.trials)
    return _named(_titled(runs.values())), repeated


def _titled(entries: Iterable[Entry]) -> list[Entry]:
    """One title per data: the first by name that any of its runs gives."""
    entries = list(entries)
    titles: dict[tuple[str, str, str], str] = {}
    for entry in entries:
        if entry.is_titled:
            key = (entry.task, entry.dataset, entry.data)
            titles[key] = min(titles.get(key, entry.data_title), entry.data_title)
    found = (titles.get((entry.task, entry.dataset, entry.data), entry.data_title) for entry in entries)
    return [
        entry if title == entry.data_title else replace(entry, data_title=title)
        for entry, title in zip(entries, found, strict=True)
    ]


def _named(entries: Sequence[Entry]) -> list[Entry]:
    """One name per choice of settings: a variant that sets what other runs have anyway is called as they are."""
    if not any(entry.variant for entry in entries):
        return list(entries)
    variants: dict[tuple[Any, ...], tuple[str, ...]] = {}
    for entry in entries:
        known = variants.setdefault(entry.choice, entry.variant)
        variants[entry.choice] = min(known, entry.variant, key=lambda names: (len(names), names))
    return [replace(entry, variant=variants[entry.choice]) for entry in entries]


def _ordered(entries: Iterable[Entry]) -> Iterable[Entry]:
    """By all but the outcome, which decides only between records that are equal in all else."""
    groups: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        groups[canonical([getattr(entry, name) for name in _REST])].append(entry)
    for _, same in sorted(groups.items()):
        if len(same) > 1:
            same.sort(key=lambda entry: canonical([getattr(entry, name) for name in _OUTCOME]))
        yield from same


def of_search(record: Record) -> bool:
    """Whether a record is scored on labelled images that were held out, and not on the test set."""
    return bool(mapping(mapping(record.get("cell")).get("split")).get("held_out"))


def entry_of(record: Record) -> Entry:
    """The entry of one record."""
    cell, config, describe = (mapping(record.get(key)) for key in ("cell", "config", "describe"))
    split, recipe = mapping(cell.get("split")), mapping(config.get("recipe"))
    task, method = mapping(describe.get("task")), mapping(describe.get("method"))
    providers = {str(kind): text(name) for kind, name in mapping(record.get("providers")).items()}
    measures = _measures(task.get("metrics"))
    best = mapping(mapping(record.get("best")).get("metrics"))
    return Entry(
        id=text(cell.get("id")),
        task=text(cell.get("task")),
        task_title=text(task.get("title") or cell.get("task")),
        task_position=_position(task),
        measures=measures,
        dataset=text(cell.get("dataset")),
        data_title=text(mapping(describe.get("data")).get("title") or cell.get("dataset")),
        data=text(cell.get("data")),
        backbone=text(cell.get("backbone")),
        pretrained=text(cell.get("pretrained")),
        execution=execution_in_words(mapping(cell.get("execution"))),
        tier=text(cell.get("tier")),
        threads=text(cell.get("threads")),
        iterations=text(recipe.get("iterations")),
        recipe=digest(json.loads(canonical(recipe)), 6),
        recipe_settings=recipe,
        versions=tuple(sorted((kind, name) for kind, name in providers.items() if kind != "method")),
        provider=providers.get("method", MISSING),
        source=text(split.get("source")),
        split_seed=text(split.get("seed")),
        split=text(split.get("hash")),
        labeled=text(split.get("labeled")),
        unlabeled=text(split.get("unlabeled")),
        method=text(cell.get("method")),
        method_title=text(method.get("title") or cell.get("method")),
        method_position=_position(method),
        variant=names(method.get("variant")),
        role=text(method.get("role")),
        uses_all_labels=method.get("labels") == "all",
        reference=str(method.get("reference") or ""),
        symbols=pairs(method.get("symbols")),
        config=mapping(config.get("method")),
        trials=_count(cell.get("trials")),
        seed=text(cell.get("seed")),
        device=text(mapping(record.get("provenance")).get("device")),
        code=text(mapping(record.get("provenance")).get("method_code")),
        cost=_numbers(record.get("cost")),
        scores=_numbers(record.get("metrics")),
        best=finite(best.get(measures[0].name)),
        per_image=mapping(record.get("per_image")),
        curves=mapping(record.get("curves")),
    )


def _count(value: Any) -> int | None:
    """A whole number above 0, or None."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None


def _numbers(value: Any) -> dict[str, float]:
    found = {str(name): finite(item) for name, item in mapping(value).items()}
    return {name: item for name, item in found.items() if item is not None}


def _measures(metrics: Any) -> tuple[Measure, ...]:
    described = metrics if isinstance(metrics, list | tuple) else []
    measures = [_measure(mapping(metric)) for metric in described]
    return tuple(measures) or (_measure({}),)


def _measure(metric: Mapping[str, Any]) -> Measure:
    higher_is_better = metric.get("higher_is_better") is not False
    symbol, unit = (str(metric.get(name) or "") for name in ("symbol", "unit"))
    label = (
        f"{symbol}{f' ({unit})' if unit else ''} {'↑' if higher_is_better else '↓'}" if symbol else MISSING
    )
    digits = int(number(metric.get("digits"), 0, 9, 2))
    given_in = unit if unit not in ("", "%") else symbol
    return Measure(
        str(metric.get("name")), label, higher_is_better, digits, metric.get("aggregate"), given_in
    )


def _position(description: Mapping[str, Any]) -> float:
    return number(description.get("position"), -math.inf, math.inf, LAST_POSITION)
