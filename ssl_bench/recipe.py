"""A task's training budget, the same for every method, and how a cell is computed. Torch-free."""

import json
import math
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import to_jsonable_python

Tier = Literal["smoke", "lite", "paper"]
TIERS: tuple[Tier, ...] = ("smoke", "lite", "paper")

Forward = Literal["joint", "separate"]
Learning = Literal["train", "frozen"]
Precision = Literal["fp32", "bf16"]
Kind = Literal["classification", "regression"]
"""What labels are: class ids, or images."""
Share = Annotated[float, Field(ge=0, lt=1)]

LATER: Mapping[str, Any] = {
    "forward": "joint",
    "encoder": "train",
    "batch_norm": "train",
    "optimizer.encoder_multiplier": 1.0,
}
"""Fields that came after the first records, and their defaults, at which they are left out of what is stored."""


class Settings(BaseModel):
    """Base of everything a user may set: frozen, keyword-only, unknown fields refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    def as_json(self) -> dict[str, Any]:
        """The settings as JSON holds them, the same in every process: sets are sorted."""
        content: dict[str, Any] = _in_order(self.model_dump(), self.model_dump(mode="json"))
        return content


def _in_order(value: Any, as_json: Any) -> Any:
    """What JSON holds of a value, with the elements of each set sorted; their own order is another in every process."""
    match value, as_json:
        case dict(), dict():
            names = zip(value.values(), as_json.items(), strict=True)
            return {name: _in_order(inner, held) for inner, (name, held) in names}
        case (list() | tuple(), list()):
            return [_in_order(*pair) for pair in zip(value, as_json, strict=True)]
        case (set() | frozenset(), list()):
            return sorted((_in_order(one, to_jsonable_python(one)) for one in value), key=json.dumps)
    return as_json


def flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Dotted names to values, those of mappings inside included: `optimizer.learning_rate`."""
    found: dict[str, Any] = {}
    for name, value in settings.items():
        found |= flat(value, f"{prefix}{name}.") if isinstance(value, Mapping) else {prefix + name: value}
    return found


def in_words(stored: Mapping[str, Any]) -> str:
    """`separate forwards, encoder frozen`: what a stored recipe, of whatever origin, has beside budget and optimiser
    that is not the default; empty for nothing."""
    words = ["separate forwards"] if stored.get("forward") == "separate" else []
    words += ["BatchNorm frozen"] if stored.get("batch_norm") == "frozen" else []
    optimizer = stored.get("optimizer")
    multiplier = optimizer.get("encoder_multiplier", 1) if isinstance(optimizer, Mapping) else 1
    if stored.get("encoder") == "frozen":
        words.append("encoder frozen")
    elif isinstance(multiplier, int | float) and multiplier != 1:
        words.append(f"encoder rate × {multiplier:g}")
    return ", ".join([*words, *_loss_in_words(stored.get("loss"))])


def _loss_in_words(loss: Any) -> list[str]:
    """`loss.dice=1`: a task's own settings of its loss, as they are set."""
    found = flat(loss, "loss.") if isinstance(loss, Mapping) else {}
    return [
        f"{name}={value:g}" if isinstance(value, float) else f"{name}={value}"
        for name, value in sorted(found.items())
    ]


class OptimizerSettings(Settings):
    """One optimiser and its learning rate as a function of the step."""

    name: Literal["sgd", "adam", "adamw"] = Field("adam", description="torch's optimiser of that name")
    learning_rate: float = Field(1e-3, gt=0, description="at step 0")
    betas: tuple[Share, Share] = Field((0.9, 0.999), description="adam and adamw only")
    momentum: float = Field(0.9, ge=0, lt=1, description="sgd only")
    weight_decay: float = Field(0.0, ge=0, description="coupled to the gradient, but for adamw")
    schedule: Literal["polynomial", "cosine", "constant"] = Field(
        "polynomial", description="how the learning rate falls from step 0 to the last step"
    )
    power: float = Field(0.9, gt=0, description="of the polynomial decay, (1 - step / iterations) ** power")
    head_multiplier: float = Field(1.0, gt=0, description="learning rate of a network's head over the rest's")
    encoder_multiplier: float = Field(1.0, gt=0, description="the same of its encoder")


class Recipe(Settings):
    """Iterations, batch, crop and optimiser. An epoch is `iterations / epochs`, whatever the data.

    A task may add fields of its own in a subclass, such as settings of its loss, and gets them by `Task.prepare`.
    """

    later: ClassVar[Mapping[str, Any]] = LATER
    """What `stored` leaves out. A subclass puts its own fields behind those here, a nested one before what holds it."""

    iterations: int = Field(ge=1, description="optimiser steps of every method")
    epochs: int = Field(40, ge=1, description="nominal epochs, the unit of ramp-ups and curves")
    labeled_rows: int = Field(4, ge=1, description="labelled images per iteration, for every method")
    unlabeled_rows: int = Field(
        4, ge=1, description="unlabelled images per iteration, for methods that use them"
    )
    crop: int = Field(64, ge=8, description="side of the square training crop, px")
    scale: tuple[float, float] = Field((1.0, 1.0), description="range of the random rescale, log-uniform")
    flip: bool = Field(True, description="random horizontal flip")
    evaluations: int = Field(1, ge=1, description="evaluations over the run, the last one at the last step")
    forward: Forward = Field(
        "joint",
        description="labelled and unlabelled rows in one pass of a task network, and so in one BatchNorm batch, or in "
        "a pass each",
    )
    encoder: Learning = Field(
        "train", description="of task networks; frozen: as the pretrained weights have it, in evaluation mode"
    )
    batch_norm: Learning = Field(
        "train",
        description="statistics of all BatchNorm layers of task networks; frozen: the running ones that training "
        "starts with, those of pretrained weights or else 0 and 1, while scale and shift still learn",
    )
    optimizer: OptimizerSettings = Field(
        OptimizerSettings(), description="of task networks; methods may state others for further players"
    )

    def stored(self) -> dict[str, Any]:
        """What a cell holds of it. `later` fields at their default are left out: such cells keep their names."""
        content = self.as_json()
        for name, default in self.later.items():
            parent, _, last = name.rpartition(".")
            part = content[parent] if parent else content
            if part[last] == default:
                del part[last]
        return content

    @property
    def iterations_per_epoch(self) -> float:
        """Length of a nominal epoch in iterations."""
        return self.iterations / self.epochs

    def possible_parts(self, uses_unlabeled: bool, together: int = 1) -> list[int]:
        """Into how many equal parts the rows of an iteration can be cut, each with its share of either kind.

        `together`: so many unlabelled rows are not to be parted, nor is one to be left over: empty where one is.
        """
        groups, left_over = divmod(self.unlabeled_rows, together)
        if uses_unlabeled and left_over:
            return []
        rows = math.gcd(self.labeled_rows, groups if uses_unlabeled else 0)
        return [count for count in range(1, rows + 1) if rows % count == 0]

    @model_validator(mode="after")
    def _scale_is_a_range(self) -> Self:
        low, high = self.scale
        if not 0.1 <= low <= high <= 10:
            raise ValueError(f"scale must be a range within [0.1, 10], not {low} to {high}")
        return self


class Execution(Settings):
    """What changes speed and memory, and rounding with them: scores of different executions share no column."""

    precision: Precision = Field(
        "fp32", description="of networks in training; losses, targets and all of evaluation are float32"
    )
    channels_last: bool = Field(False, description="keep images and weights as (N, H, W, C) in memory")
    compile: bool = Field(False, description="networks through torch.compile, or as they are where it fails")
    micro_batches: int = Field(1, ge=1, description="parts that a batch is taken in, their gradients summed")
    processes: int = Field(1, ge=1, description="that share the rows of a batch")

    def chosen(self) -> dict[str, Any]:
        """What differs from the plain form; empty for that: a cell's identity holds no more."""
        return self.model_dump(mode="json", exclude_defaults=True)


PLAIN = Execution()


def execution_in_words(chosen: Mapping[str, Any]) -> str:
    """`bf16, channels last, compile` for what `Execution.chosen` gave; `plain` for nothing."""
    texts = []
    for name, value in sorted(chosen.items()):
        words = str(name).replace("_", " ")
        texts.append(words if value is True else str(value) if name == "precision" else f"{value} {words}")
    return ", ".join(texts) or "plain"
