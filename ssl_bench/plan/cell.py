"""One coordinate of the cross product, resolved and frozen, with a content hash. Torch-free."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from ssl_bench.data.splits import LabelSplit
from ssl_bench.pixels.channels import RGB, Channels
from ssl_bench.recipe import PLAIN, Execution, Recipe, Tier
from ssl_bench.seeds import digest
from ssl_bench.specs import RATE, MethodSpec, TaskSpec


@dataclass(frozen=True, kw_only=True)
class Cell:
    """task × dataset × split × backbone × method(config) × seed: what numbers depend on, and what tables say of it.

    Where its data lies and how a run of it is watched over is an `Order`.
    """

    task: str
    dataset: str
    data: str
    """Fingerprint of the data."""
    split: LabelSplit
    backbone: str
    pretrained: str = ""
    """Which weights the networks start from (`ssl_bench.plan.weights`); empty: from scratch."""
    method: str
    seed: int
    tier: Tier
    recipe: Mapping[str, Any]
    """All settings of training, those of the task's own among them, as `Recipe.stored` gives them: a cell can be read
    without the plugins whose classes check them, and keeps its name."""
    config: Mapping[str, Any]
    """All settings of the method, as `MethodConfig.stored` gives them."""
    trials: int | None = None
    """Settings of the method that were tried in the search these come from; None: not stated."""
    execution: Execution = PLAIN
    threads: int
    """CPU threads of the process: sums of floats depend on them."""
    providers: Mapping[str, str]
    """Distribution and version behind task, data set, backbone and method: another version is another cell."""

    # What is above speaks for what is below, which is no part of the identity.

    classes: tuple[str, ...] = ()
    """Names of the classes, so that no worker looks into masks for them."""
    channels: Channels = RGB
    """What the images are made of."""
    describe: Mapping[str, Any]
    """Titles, metrics and symbols that tables print."""
    variant: str = ""
    """The method with the settings that make a row of its own of it, as the command named it; empty for none."""
    trial: str = ""
    """What a search tries here, in words."""

    @cached_property
    def identity(self) -> dict[str, Any]:
        """All that the numbers depend on, in a form that JSON can hold."""
        execution = self.execution.chosen()
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
            **({"execution": execution} if execution else {}),
            **({"trials": self.trials} if self.trials else {}),
        }

    @cached_property
    def id(self) -> str:
        """Folder name: readable, safe on every file system, unique by content."""
        labels = self.split.source.replace("/", "_") + ("-search" if self.split.held_out else "")
        parts = [self.task, self.dataset, labels, self.backbone, self.method, f"seed{self.seed}"]
        slug = re.sub(r"[^A-Za-z0-9._-]+", "_", "-".join(parts)).strip("._")[:120]
        return f"{slug}-{digest(self.identity, 10)}"

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

    @cached_property
    def training(self) -> Recipe:
        """The recipe as checked settings, at the method's own learning rate where it has one.

        Without the fields of its task's own, which the task alone reads (`Task.prepare`).
        """
        own = {name: value for name, value in self.recipe.items() if name in Recipe.model_fields}
        recipe = Recipe.model_validate(own)
        factor = self.config.get(RATE, 1.0)
        if factor == 1.0:
            return recipe
        rate = recipe.optimizer.learning_rate * factor
        return recipe.model_copy(
            update={"optimizer": recipe.optimizer.model_copy(update={"learning_rate": rate})}
        )

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
        chosen = ("trials", "execution")
        stated: dict[str, Any] = {name: self.identity[name] for name in chosen if name in self.identity}
        return {"id": self.id, **{name: getattr(self, name) for name in keep}, **stated, "split": split}


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
