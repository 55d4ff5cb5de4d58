"""What a plugin hands over: small frozen descriptions, free of torch.

A description names its implementation as a class or, so that `list` and `plan` stay instant, as a lazy
`"module:Class"` reference.
"""

import importlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from ssl_bench.errors import PluginError, UsageError, in_a_line
from ssl_bench.recipe import Kind, Recipe, Settings, Tier

if TYPE_CHECKING:
    from torch import nn

    from ssl_bench.backbone import Backbone
    from ssl_bench.dataset import Dataset
    from ssl_bench.executor import Executor
    from ssl_bench.method import Method
    from ssl_bench.pixels.channels import Channels
    from ssl_bench.task import Task
    from ssl_bench.tracker import Tracker

Role = Literal["baseline", "control", "upper_bound", "ssl"]
NAME = re.compile(r"[a-z][a-z0-9_-]*")
RATE = "learning_rate_factor"
"""The one setting that every method has."""
LAST_POSITION = 1000
"""Position of whatever states none: after the built-ins, by name."""

_EMPTY: Mapping[str, Any] = MappingProxyType({})


def resolve(reference: Any) -> Any:
    """The object behind a lazy `"module:Class"` reference; anything else is returned as it is."""
    if not isinstance(reference, str):
        return reference
    module, _, attribute = reference.partition(":")
    return getattr(importlib.import_module(module), attribute)


def resolve_extra(what: str, reference: Any, install: str) -> Any:
    """As `resolve`. UsageError, naming `what` it is for, and how to install it, where a package is missing; PluginError
    where it fails otherwise."""
    try:
        return resolve(reference)
    except ImportError as error:
        cure = f"; {install}" if install else ""
        raise UsageError(f"{what} needs a package that is not installed ({error}){cure}") from error
    except (Exception, SystemExit) as error:
        raise PluginError(f"{what} cannot be loaded ({in_a_line(error)}); mend or uninstall it") from error


def module_of(reference: Any) -> str:
    """The module that `resolve` would import."""
    return reference.partition(":")[0] if isinstance(reference, str) else reference.__module__


@dataclass(frozen=True, kw_only=True)
class Ratio:
    """A score of a set of images that is no mean of theirs, such as the mean IoU of classes.

    `scale` times the mean over classes of part / whole, both summed over the images; without classes whose whole is 0.
    """

    part: str
    """What `Metrics.update` records of an image under this name: a number, or one per class."""
    whole: str
    scale: float = 100.0


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One score of a task. `symbol` is what tables print, arrow included by them."""

    name: str
    symbol: str
    unit: str = ""
    higher_is_better: bool = True
    digits: int = 2
    aggregate: Ratio | Literal["mean"] = "mean"
    """How images make up the score of a set, for intervals over images: the mean of what is recorded of each image
    under the metric's name (where it has one), or a ratio of sums."""


@dataclass(frozen=True, kw_only=True)
class Spec:
    """What all descriptions have in common."""

    name: str
    title: str = ""
    position: int = LAST_POSITION
    """Place in tables and lists; names break ties."""

    @property
    def key(self) -> str:
        """What no other description of the kind may be called."""
        return self.name


@dataclass(frozen=True, kw_only=True)
class TaskSpec(Spec):
    """What is predicted and how it is scored."""

    title: str
    """Column of the leaderboard."""
    kind: Kind
    task: "type[Task] | str"
    metrics: tuple[Metric, ...]
    """The first is the primary one, which ranks."""
    recipes: Mapping[Tier, Recipe]
    backbones: Mapping[Tier, str]
    """Default backbone of each tier."""
    dataset: str = "synthetic"
    """Name of the data set that it has where none is asked for."""
    labels: Mapping[Tier, str] = field(default_factory=dict)
    """By tier, how many images are labelled, as `--labels` takes it, so that labels are what is missing; else 1/8."""
    method_defaults: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: _EMPTY)
    """Method name to overrides of its defaults: how a third-party task tunes methods it did not write."""

    @property
    def recipe(self) -> type[Recipe]:
        """Type of its recipes: the engine's, or one with fields of the task's own."""
        return type(next(iter(self.recipes.values())))


@dataclass(frozen=True, kw_only=True)
class DatasetSpec(Spec):
    """Where images of one task come from."""

    task: str
    dataset: "type[Dataset] | str"
    needs_path: bool = True
    """False for data made in memory."""

    @property
    def key(self) -> str:
        """Several tasks may have a data set of one name."""
        return f"{self.task}/{self.name}"


@dataclass(frozen=True)
class Found:
    """Settings of a method that a search found for one tier."""

    settings: Mapping[str, Any]
    """Fields to their values."""
    trials: int | None = None
    """How many settings were tried: the record of a cell with these states it. None: not stated."""


class MethodConfig(Settings):
    """Settings of a method, with defaults per task and tier.

    A value is looked up in this order: a variant's own (`mt:lambda_mt=0`), `--set`, the task's own `method_defaults`,
    `tier_defaults` by task name, then by kind of task, `task_defaults` by task name, `kind_defaults` by kind of task,
    the field's default. Give a hyper-parameter a `symbol` (LaTeX, without
    dollars) by `json_schema_extra` to have it in the generated hyper-parameter table.
    """

    task_defaults: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    kind_defaults: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    tier_defaults: ClassVar[Mapping[Tier, Mapping[str, Found]]] = {}
    """By tier, then by name of a task or kind of task: what differs from the published settings in shorter runs."""

    learning_rate_factor: float = Field(
        1.0,
        gt=0,
        le=1000,
        description="times the recipe's learning rate, for players without an optimiser of their own",
    )

    def stored(self) -> dict[str, Any]:
        """What a cell holds of them. A factor of 1 is left out: such cells are named as before there was one."""
        content = self.as_json()
        if content[RATE] == 1.0:
            del content[RATE]
        return content

    def backbones(self) -> list[str]:
        """Names of backbones that the settings ask for besides the cell's own; they are checked with the plan."""
        return []

    def unsuited(self, recipe: Recipe) -> str | None:
        """Why these settings cannot serve a recipe, and what to do, or None; a UsageError of the plan."""
        return None

    def misplaced(self, task: TaskSpec) -> str | None:
        """Why these settings cannot serve a task, and what to do, or None; a UsageError of the plan."""
        return None

    def without_features(self) -> str | None:
        """Why these settings cannot serve a network that shows no features, and what to do, or None: the plan shows
        such a cell as skipped with the reason."""
        return None

    def without_pretrained_encoder(self) -> str | None:
        """Why these settings cannot serve a network without an encoder that starts from pretrained weights, and what to
        do, or None: the plan shows such a cell as skipped with the reason."""
        return None

    def with_frozen_encoder(self) -> str | None:
        """Why these settings have no place in a recipe that freezes the encoders of all methods, and what to do, or
        None: the plan shows such a cell as skipped with the reason."""
        return None

    def rows_together(self) -> int:
        """How many unlabelled rows, one after the other, need each other, as where two are mixed: every part of a batch
        holds whole groups of them, or the plan refuses the cell."""
        return 1


@dataclass(frozen=True, kw_only=True)
class MethodSpec(Spec):
    """How to learn from labelled and unlabelled images."""

    title: str
    """Row of the leaderboard."""
    method: "type[Method] | str"
    config: type[MethodConfig] = MethodConfig
    role: Role = "ssl"
    """A control goes through the motions of a semi-supervised method and learns nothing from unlabelled images: what a
    method gains over it is what it learns from them."""
    labels: Literal["split", "all"] = "split"
    """`all`: trains on every label there is, whatever the split (an upper bound)."""
    uses_unlabeled: bool = True
    reference: str = ""
    """Authors: title. Venue (year), for the table's list of references."""
    grids: Mapping[str, Mapping[str, Sequence[Any]]] = field(default_factory=lambda: _EMPTY)
    """Name of a preset of `ssl-bench tune` to the values that it tries of each field of the config."""
    unsupported: Callable[[TaskSpec], str | None] = lambda task: None
    """Why a task cannot be served, or None: the plan shows such a cell as skipped with the reason."""
    check_with: Mapping[str, Any] = field(default_factory=lambda: _EMPTY)
    """Settings for `ssl-bench check`, whose toy networks are never as sure as a threshold asks for."""


@dataclass(frozen=True, kw_only=True)
class BackboneSpec(Spec):
    """A family of task networks: one plain name, or every name that `matches`."""

    backbone: "Callable[..., Backbone] | str"
    matches: Callable[[str], bool] | None = None
    """For families such as DECODER/ENCODER; None: the plain name alone."""
    validate: Callable[[str], None] | str | None = None
    """Raises UsageError for a matching name that cannot be built; may import what it needs."""
    suggest: Callable[[str], str | None] | str | None = None
    """A name of the family that a wrong one may stand for, such as an encoder's alone; may import what it needs."""
    find_weights: Callable[[str], Path] | str | None = None
    """Name to the file of its published pretrained weights, which is downloaded where need be. Raises UsageError where
    that cannot be done: which weights, from where, and what to do instead."""
    load_weights: "Callable[[nn.Module, Path], None] | str | None" = None
    """Loads such a file into a freshly built network. Raises UsageError where it does not fit. None: networks of this
    family start from scratch."""
    has_encoder: bool = False
    """Whether its networks have `encoder: nn.Module`, which a recipe may freeze or give a learning rate of its own."""
    has_features: bool = False
    """Whether its networks have `features` and `from_features` (`ssl_bench.backbone.Backbone`), which some methods
    change or read."""

    def answers_to(self, name: str) -> bool:
        """Whether it builds the network of that name."""
        return self.name == name if self.matches is None else self.matches(name)


class ExecutorConfig(Settings):
    """Settings of an executor. Field `x` of executor `name` is the option `--name-x`, with its description as help."""


@dataclass(frozen=True, kw_only=True)
class ExecutorSpec(Spec):
    """Who runs cells, and on which devices."""

    executor: "type[Executor] | str"
    config: type[ExecutorConfig] = ExecutorConfig
    install: str = ""
    """Command that installs what it needs, where the package alone does not bring it."""


@dataclass(frozen=True, kw_only=True)
class TrackerSpec(Spec):
    """Who follows a cell while it runs."""

    tracker: "type[Tracker] | str"
    install: str = ""
    """Command that installs what it needs, where the package alone does not bring it."""

    def make(self) -> "Tracker":
        """Make a tracker, for one cell."""
        tracker: Tracker = resolve(self.tracker)()
        return tracker


@dataclass(frozen=True)
class Provider:
    """Who provides something: the plugin, its distribution and version, and where it lies."""

    plugin: str
    distribution: str = ""
    version: str = ""
    location: Path | None = field(default=None, compare=False)

    def __str__(self) -> str:
        return f"{self.distribution} {self.version}".strip() or self.plugin


def make_task(spec: TaskSpec, classes: tuple[str, ...], channels: "Channels | None" = None) -> "Task":
    """Make the task of a data set that has these classes and channels; without any, those that the task begins with."""
    task: Task = resolve(spec.task)(classes)
    return task.receive(channels or task.input)
