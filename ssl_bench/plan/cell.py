"""One coordinate of the cross product, resolved and frozen, with a content hash. Torch-free."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from functools import cache, cached_property
from typing import Any

from pydantic import TypeAdapter, ValidationError

from ssl_bench.data.splits import LabelSplit
from ssl_bench.dataset import Dataset, listing
from ssl_bench.errors import DataError
from ssl_bench.machine.lock import PATIENCE
from ssl_bench.pixels.channels import RGB, Channels
from ssl_bench.recipe import Execution, Recipe, Tier
from ssl_bench.seeds import digest
from ssl_bench.specs import RATE, MethodConfig, MethodSpec, TaskSpec


@dataclass(frozen=True, kw_only=True)
class Cell:
    """task × dataset × split × backbone × method(config) × seed, with everything its run depends on."""

    task: str
    dataset: str
    data: str
    """Fingerprint of the data."""
    split: LabelSplit
    backbone: str
    method: str
    seed: int
    tier: Tier
    recipe: Mapping[str, Any]
    config: Mapping[str, Any]
    threads: int
    """CPU threads of the process: sums of floats depend on them."""
    providers: Mapping[str, str]
    """Distribution and version behind task, data set, backbone and method: another version is another cell."""
    describe: Mapping[str, Any]
    """Titles, metrics and symbols that tables print. Not part of the identity."""
    listing: str = ""
    """Hash of the data set's ids, by which a worker sees that a folder has changed. Not part of the identity."""
    content: str = ""
    """`Dataset.content` of what the cell may read, when it was planned. Not part of the identity: `data` and `split`
    speak for it."""
    stamp: str = ""
    """`Dataset.stamp` of the same. Not part of the identity."""
    pretrained: str = ""
    """Which weights the networks start from (`ssl_bench.plan.weights`); empty: from scratch."""
    weights: str | None = None
    """A local file of such weights. Not part of the identity: `pretrained` holds its hash."""
    execution: Mapping[str, Any] = field(default_factory=dict)
    """What differs from the plain form of computing it (`Execution.chosen`); empty for that."""
    path: str | None = None
    """Where the data lies on this machine. Not part of the identity."""
    unlabeled: tuple[str, ...] = ()
    """Folders of further unlabelled images on this machine. Not part of the identity: `data` speaks for them."""
    shift: str = ""
    """`WAY:SHARE` of unlabelled images from elsewhere. Not part of the identity: `data` and `split` speak for it."""
    tested: int | None = None
    """How many labelled images were asked to be held out for testing. Not part of the identity, as `data` holds it."""
    classes: tuple[str, ...] = ()
    """Names of the classes, so that no worker looks into masks for them. Not part of the identity."""
    channels: Channels = RGB
    """What the images are made of. Not part of the identity: `data` speaks for it."""
    trackers: tuple[str, ...] = ()
    """Who follows the run. Not part of the identity."""
    plugins: Mapping[str, str] = field(default_factory=dict)
    """Name to source of the plugin files that provide parts of it. Not part of the identity: `providers` holds their
    hashes."""
    helpers: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Name of such a file to names and sources of the modules beside it that it imports. Not part of the identity."""
    checkpoint_seconds: float = 15.0
    """Between two checkpoints. Not part of the identity."""
    checkpoint_steps: int | None = None
    """The same in steps, where that comes first. Not part of the identity."""
    hang_seconds: float = PATIENCE
    """Without a sign of life, until the cell counts as hung. Not part of the identity."""
    trials: int | None = None
    """Settings of the method that were tried in the search these come from; None: not stated."""
    variant: str = ""
    """The method with the settings that make a row of its own of it, as the command named it; empty for the plain one.
    Not part of the identity: `config` speaks for it."""
    observe: bool = False
    """Whether what is taught is held against the labels of unlabelled images. Not part of the identity."""
    trial: str = ""
    """What a search tries here, in words. Not part of the identity."""

    @cached_property
    def identity(self) -> dict[str, Any]:
        """All that the numbers depend on, in a form that JSON can hold."""
        return {
            "task": self.task,
            "dataset": self.dataset,
            "data": self.data,
            "split": self.split.hash,
            "backbone": self.backbone,
            "method": self.method,
            "seed": self.seed,
            "tier": self.tier,
            "recipe": dict(self.recipe),
            "config": dict(self.config),
            "threads": self.threads,
            "providers": dict(self.providers),
            # Left out where there are none: such cells keep the name that they had before there was a choice.
            **({"pretrained": self.pretrained} if self.pretrained else {}),
            **({"execution": dict(self.execution)} if self.execution else {}),
            **({"trials": self.trials} if self.trials else {}),
        }

    @cached_property
    def id(self) -> str:
        """Folder name: readable, safe on every file system, unique by content."""
        labels = self.split.source.replace("/", "_") + ("-search" if self.split.held_out else "")
        parts = [self.task, self.dataset, labels, self.backbone, self.method, f"seed{self.seed}"]
        slug = re.sub(r"[^A-Za-z0-9._-]+", "_", "-".join(parts)).strip("._")[:120]
        return f"{slug}-{digest(self.identity, 10)}"

    def changed(self, dataset: Dataset) -> bool:
        """Whether a data set is not what the cell was planned on. Opens no target that the cell may not read.

        Files are read only where they look different from outside, as those of a copy on another machine do.
        """
        if self.listing and listing(dataset) != self.listing:
            return True
        if not self.content:  # Of an earlier version, or made in memory.
            return False
        seen = seen_by(self.split, dataset)
        return dataset.stamp(*seen) != self.stamp and dataset.content(*seen) != self.content

    @property
    def title(self) -> str:
        """For people, in progress lines and plans."""
        trial = f" · {self.trial}" if self.trial else ""
        split = f"{self.split.source} labels" + (f" (split {self.split.seed})" if self.split.seed else "")
        return f"{self.task} · {self.row}{trial} · {split} · seed {self.seed}"

    @property
    def row(self) -> str:
        """The method as people name it: `mt`, or `mt:lambda_mt=0`."""
        return self.variant or self.method

    def to_json(self) -> dict[str, Any]:
        """For `cell.json`, the whole input of a worker."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "Cell":
        """The cell that `to_json` gave. DataError for what is none, or is one of a later version's."""
        if unknown := content.keys() - {one.name for one in fields(cls)}:
            raise DataError(f"no cell of this version of ssl-bench: it has '{min(unknown)[:40]}'")
        try:
            cell: Cell = _checked().validate_python(dict(content))
        except (ValidationError, RecursionError) as error:
            fault = (
                error.errors()[0] if isinstance(error, ValidationError) else {"loc": (), "msg": "too deep"}
            )
            where = ".".join(map(str, fault["loc"]))
            raise DataError(f"no cell of this version of ssl-bench: {where[:80]}: {fault['msg']}") from error
        return cell

    def coordinates(self) -> dict[str, Any]:
        """What a record says of the cell: the identity's scalars, and the split in words and numbers."""
        keep = ("task", "dataset", "data", "backbone", "method", "seed", "tier", "threads", "pretrained")
        split = {
            "source": self.split.source,
            "seed": self.split.seed,
            "hash": self.split.hash,
            "labeled": len(self.split.labeled),
            "unlabeled": len(self.split.unlabeled),
            **({"held_out": len(self.split.held_out)} if self.split.held_out else {}),
        }
        stated: dict[str, Any] = {"trials": self.trials} if self.trials else {}
        stated |= {"execution": dict(self.execution)} if self.execution else {}
        return {"id": self.id, **{name: getattr(self, name) for name in keep}, **stated, "split": split}


@cache
def _checked() -> TypeAdapter[Cell]:
    return TypeAdapter(Cell)


def seen_by(split: LabelSplit, dataset: Dataset) -> tuple[Collection[str], Collection[str]]:
    """Ids of the images that a cell of a split may see, and of those whose targets it may read."""
    scored = split.held_out or tuple(dataset.test)
    readable = dict.fromkeys((*split.labeled, *scored))
    return dict.fromkeys((*readable, *split.unlabeled)), readable


def describe(
    task: TaskSpec, method: MethodSpec, variant: Sequence[str] = (), data: str = ""
) -> dict[str, Any]:
    """What tables print about a task, a method and data, so that a record can be shown without its plugins.

    `variant`: names of the fields that make a row of its own of the method, and of a tier whose settings it takes.
    `data`: what the data is called unless `data.toml` says otherwise; empty for the name of its data set.
    """
    # Pairs, and not a mapping: records are written with sorted keys, and tables show fields in their own order.
    symbols = [
        [name, info.json_schema_extra["symbol"]]
        for name, info in method.config.model_fields.items()
        if isinstance(info.json_schema_extra, dict) and "symbol" in info.json_schema_extra
    ]
    return {
        "task": {
            "title": task.title,
            "position": task.position,
            "kind": task.kind,
            "metrics": [asdict(metric) for metric in task.metrics],
        },
        "method": {
            "title": method.title,
            "position": method.position,
            "role": method.role,
            "labels": method.labels,
            "reference": method.reference,
            "symbols": symbols,
            **({"variant": list(variant)} if variant else {}),
        },
        **({"data": {"title": data}} if data else {}),
    }


def resolve_config(
    task: TaskSpec, method: MethodSpec, overrides: Mapping[str, Any], tier: Tier = "paper"
) -> MethodConfig:
    """The method's settings for a task in a tier; in tier `paper` as published, unless it says otherwise.

    Raises pydantic's ValidationError for a value out of range.
    """
    config = method.config
    of_tier = config.tier_defaults.get(tier, {})
    return config(
        **{
            **config.kind_defaults.get(task.kind, {}),
            **config.task_defaults.get(task.name, {}),
            **(of_tier[task.kind].settings if task.kind in of_tier else {}),
            **(of_tier[task.name].settings if task.name in of_tier else {}),
            **task.method_defaults.get(method.name, {}),
            **overrides,
        }
    )


def trials_behind(task: TaskSpec, method: MethodSpec, config: MethodConfig, tier: Tier) -> int | None:
    """How many settings were tried in the search that a tier's own come from; None where these are others."""
    of_tier = method.config.tier_defaults.get(tier, {})
    found = of_tier.get(task.name) or of_tier.get(task.kind)
    untouched = method.name not in task.method_defaults and config == resolve_config(task, method, {}, tier)
    return found.trials if found and untouched else None


def recipe_of(cell: Cell) -> Recipe:
    """The cell's recipe as checked settings, at the method's own learning rate where it has one.

    Without the fields of its task's own, which the task alone reads (`Task.prepare`).
    """
    own = {name: value for name, value in cell.recipe.items() if name in Recipe.model_fields}
    recipe = Recipe.model_validate(own)
    factor = cell.config.get(RATE, 1.0)
    if factor == 1.0:
        return recipe
    rate = recipe.optimizer.learning_rate * factor
    return recipe.model_copy(
        update={"optimizer": recipe.optimizer.model_copy(update={"learning_rate": rate})}
    )


def execution_of(cell: Cell) -> Execution:
    """How the cell is computed, as checked settings."""
    return Execution.model_validate(dict(cell.execution))
