"""What tables need of a record. What is missing in it shows as `-`."""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

from ssl_bench.leaderboard.reading.entry import Entry, Measure
from ssl_bench.leaderboard.reading.fields import MISSING, canonical, finite, mapping, pairs, text
from ssl_bench.recipe import execution_in_words
from ssl_bench.seeds import digest
from ssl_bench.store.record import MetricWords, Record

_OUTCOME = [item.name for item in fields(Entry) if item.metadata.get("outcome")]
_REST = [item.name for item in fields(Entry) if not item.metadata.get("outcome")]


def read_entries(records: Iterable[Record], unlike: set[str] | None = None) -> tuple[list[Entry], int]:
    """One entry per run, in an order of their own, and how many records repeat another's run.

    Records of a search are left out: their scores are not of the test set.
    Of repetitions (copies, or one cell run on two machines) the first in that order stands for all; the ids of those
    with another score are added to `unlike`.
    """
    runs: dict[tuple[Any, ...], Entry] = {}
    repeated = 0
    for entry in _ordered(entry_of(record) for record in records if not of_search(record)):
        first = runs.setdefault(entry.run, entry)
        repeated += first is not entry
        # One of an earlier version may lack a metric.
        both = entry.scores.keys() & first.scores.keys()
        if unlike is not None and any(entry.scores[name] != first.scores[name] for name in both):
            unlike.add(entry.id)
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
    return bool(record.cell.split.held_out)


def entry_of(record: Record) -> Entry:
    """The entry of one record."""
    cell, split, recipe = record.cell, record.cell.split, record.config.recipe
    task, method = record.describe.task, record.describe.method
    measures = tuple(map(_measure, task.metrics)) or (_measure(MetricWords()),)
    best = mapping((record.best or {}).get("metrics"))
    return Entry(
        id=cell.id,
        task=text(cell.task),
        task_title=text(task.title or cell.task),
        task_position=task.position,
        measures=measures,
        dataset=text(cell.dataset),
        data_title=text(record.describe.data.title or cell.dataset),
        data=text(cell.data),
        backbone=text(cell.backbone),
        pretrained=text(cell.pretrained),
        execution=execution_in_words(cell.execution),
        tier=text(cell.tier),
        threads=text(cell.threads),
        iterations=text(recipe.get("iterations")),
        recipe=digest(json.loads(canonical(recipe)), 6),
        recipe_settings=recipe,
        versions=tuple(
            sorted((kind, text(name)) for kind, name in record.providers.items() if kind != "method")
        ),
        provider=text(record.providers.get("method")),
        source=text(split.source),
        split_seed=text(split.seed),
        split=text(split.hash),
        labeled=text(split.labeled),
        unlabeled=text(split.unlabeled),
        method=text(cell.method),
        method_title=text(method.title or cell.method),
        method_position=method.position,
        variant=tuple(method.variant),
        role=text(method.role),
        uses_all_labels=method.labels == "all",
        reference=method.reference or "",
        symbols=pairs(method.symbols),
        config=record.config.method,
        trials=cell.trials if cell.trials and cell.trials > 0 else None,
        seed=text(cell.seed),
        device=text(record.provenance.device),
        code=text(record.provenance.method_code),
        start=text(record.provenance.initial_weights),
        parts=text(record.provenance.micro_batches.get("used")),
        packages=pairs(record.provenance.packages),
        cost=_numbers(record.cost.to_json()),
        scores=_numbers(record.metrics),
        best=finite(best.get(measures[0].name)),
        per_image=record.per_image,
        one_value=record.one_value,
        curves=record.curves,
    )


def _numbers(values: Mapping[str, Any]) -> dict[str, float]:
    found = {name: finite(value) for name, value in values.items()}
    return {name: value for name, value in found.items() if value is not None}


def _measure(metric: MetricWords) -> Measure:
    symbol, unit, higher_is_better = metric.symbol, metric.unit, metric.higher_is_better
    label = (
        f"{symbol}{f' ({unit})' if unit else ''} {'↑' if higher_is_better else '↓'}" if symbol else MISSING
    )
    digits = metric.digits if 0 <= metric.digits <= 9 else 2
    given_in = unit if unit not in ("", "%") else symbol
    return Measure(metric.name, label, higher_is_better, digits, metric.aggregate, given_in)
