"""What tables need of a record. A field that is missing or of a strange type shows as `-` and never raises."""

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ssl_bench.dataset import digest
from ssl_bench.results import Record
from ssl_bench.specs import LAST

MISSING = "-"
PROVIDER = "provided by"
TRAINED_ON = "trained on split"
"""Settings of a run outside its method's config, whose field names hold no space."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One finished run."""

    task: str
    task_title: str
    task_position: float
    metric: str
    """Symbol, unit and arrow of the task's primary metric."""
    higher_is_better: bool
    digits: int
    dataset: str
    data: str
    """Fingerprint of the data."""
    backbone: str
    pretrained: str
    """Which weights the network started from; `-` for none."""
    tier: str
    threads: str
    iterations: str
    recipe: str
    """Content hash of the recipe."""
    versions: tuple[tuple[str, str], ...]
    """Who provides task, data set and backbone, in which version."""
    provider: str
    """Who provides the method, in which version."""
    source: str
    split_seed: str
    split: str
    """Content hash of the split."""
    labeled: str
    unlabeled: str
    method: str
    method_title: str
    method_position: float
    role: str
    uses_all_labels: bool
    reference: str
    symbols: tuple[tuple[str, str], ...]
    """(field of the method's config, LaTeX), in the order of the table."""
    config: Mapping[str, Any]
    seed: str
    score: float | None
    seconds: float | None
    parameters: float | None
    device: str

    @property
    def setting(self) -> tuple[Any, ...]:
        """All but the split that must agree for two scores to stand in one column."""
        data = (self.task, self.dataset, self.data)
        return (*data, self.backbone, self.pretrained, self.tier, self.recipe, self.threads, self.versions)

    @property
    def method_settings(self) -> dict[str, Any]:
        """All that must agree within a row."""
        own = {TRAINED_ON: self.split} if self.uses_all_labels else {}
        return {**self.config, PROVIDER: self.provider, **own}

    @property
    def run(self) -> tuple[Any, ...]:
        """What only repetitions of one and the same run share."""
        return (self.setting, self.split, self.method, canonical(self.method_settings), self.seed)


def read_entries(records: Iterable[Record]) -> tuple[list[Entry], int]:
    """One entry per run, in an order of their own, and how many records repeat another's run.

    Of repetitions (copies, or one cell run on two machines) the first in that order stands for all.
    """
    runs: dict[tuple[Any, ...], Entry] = {}
    repeated = 0
    for entry in sorted(map(_entry, records), key=_regardless_of_score):
        repeated += entry.run in runs
        runs.setdefault(entry.run, entry)
    return list(runs.values()), repeated


def canonical(value: Any) -> str:
    """One text per content, to compare and to sort by."""
    return json.dumps(value, sort_keys=True, default=str)


def _regardless_of_score(entry: Entry) -> tuple[str, str]:
    """A sort key in which the score decides only between records that are equal in all else."""
    return canonical({**asdict(entry), "score": None}), canonical(entry.score)


def _entry(record: Record) -> Entry:
    cell, config, describe = (_mapping(record.get(key)) for key in ("cell", "config", "describe"))
    cost, split, recipe = (
        _mapping(record.get("cost")),
        _mapping(cell.get("split")),
        _mapping(config.get("recipe")),
    )
    task, method = _mapping(describe.get("task")), _mapping(describe.get("method"))
    metrics = task.get("metrics")
    metric = _mapping(metrics[0]) if isinstance(metrics, list | tuple) and metrics else {}
    providers = {str(kind): _text(name) for kind, name in _mapping(record.get("providers")).items()}
    higher_is_better = metric.get("higher_is_better") is not False
    return Entry(
        task=_text(cell.get("task")),
        task_title=_text(task.get("title") or cell.get("task")),
        task_position=_position(task),
        metric=_metric(metric, higher_is_better),
        higher_is_better=higher_is_better,
        digits=int(_number(metric.get("digits"), 0, 9, 2)),
        dataset=_text(cell.get("dataset")),
        data=_text(cell.get("data")),
        backbone=_text(cell.get("backbone")),
        pretrained=_text(cell.get("pretrained")),
        tier=_text(cell.get("tier")),
        threads=_text(cell.get("threads")),
        iterations=_text(recipe.get("iterations")),
        recipe=digest(json.loads(canonical(recipe)), 6),
        versions=tuple(sorted((kind, name) for kind, name in providers.items() if kind != "method")),
        provider=providers.get("method", MISSING),
        source=_text(split.get("source")),
        split_seed=_text(split.get("seed")),
        split=_text(split.get("hash")),
        labeled=_text(split.get("labeled")),
        unlabeled=_text(split.get("unlabeled")),
        method=_text(cell.get("method")),
        method_title=_text(method.get("title") or cell.get("method")),
        method_position=_position(method),
        role=_text(method.get("role")),
        uses_all_labels=method.get("labels") == "all",
        reference=str(method.get("reference") or ""),
        symbols=_pairs(method.get("symbols")),
        config=_mapping(config.get("method")),
        seed=_text(cell.get("seed")),
        score=_finite(_mapping(record.get("metrics")).get(str(metric.get("name")))),
        seconds=_finite(cost.get("seconds")),
        parameters=_finite(cost.get("parameters")),
        device=_text(_mapping(record.get("provenance")).get("device")),
    )


def _metric(metric: Mapping[str, Any], higher_is_better: bool) -> str:
    if not metric.get("symbol"):
        return MISSING
    unit = f" ({metric['unit']})" if metric.get("unit") else ""
    return f"{metric['symbol']}{unit} {'↑' if higher_is_better else '↓'}"


def _pairs(symbols: Any) -> tuple[tuple[str, str], ...]:
    """A list of pairs keeps its order in a record; a mapping is as it comes."""
    pairs = symbols.items() if isinstance(symbols, Mapping) else symbols
    if not isinstance(symbols, Mapping | list | tuple):
        return ()
    return tuple((str(p[0]), str(p[1])) for p in pairs if isinstance(p, list | tuple) and len(p) == 2)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(value: Any) -> str:
    return str(value) if isinstance(value, str | int | float) and value != "" else MISSING


def _finite(value: Any) -> float | None:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if number and math.isfinite(value) else None


def _number(value: Any, low: float, high: float, default: float) -> float:
    number = _finite(value)
    return number if number is not None and low <= number <= high else default


def _position(description: Mapping[str, Any]) -> float:
    return _number(description.get("position"), -math.inf, math.inf, LAST)
