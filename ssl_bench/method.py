"""How to learn from labelled and unlabelled images: the interface of a method."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ssl_bench.backbone import NetworkFactory, TaskNetwork
from ssl_bench.recipe import OptimizerSettings
from ssl_bench.task import Target, Task
from ssl_bench.world.exposed import Observe
from ssl_bench.world.forwards import Forwards
from ssl_bench.world.log import Log
from ssl_bench.world.part import Draws, Part

Losses = Mapping[str, Mapping[str, Tensor]]
"""Player to term to scalar loss; a player's loss is the sum of its terms."""


@dataclass(frozen=True)
class Batch:
    """One iteration's images, labelled rows first; the unlabelled rows have no target to read."""

    images: Tensor
    """(L + U, C, H, W) float32 in [0, 1]."""
    valid: Tensor
    """(L + U, 1, H, W) bool, False on padding."""
    targets: Target
    """Of the L labelled rows."""

    @property
    def labeled(self) -> int:
        """L, the number of labelled rows."""
        return len(self.targets.value)

    @property
    def labeled_images(self) -> Tensor:
        """The labelled rows, (L, C, H, W) float32 in [0, 1]."""
        return self.images[: self.labeled]

    @property
    def unlabeled_images(self) -> Tensor:
        """The unlabelled rows, (U, C, H, W) float32 in [0, 1]."""
        return self.images[self.labeled :]

    @property
    def unlabeled_valid(self) -> Tensor:
        """Which pixels of unlabelled rows are no padding, (U, 1, H, W) bool."""
        return self.valid[self.labeled :]

    def split(self, count: int) -> list["Batch"]:
        """It in `count` equal parts (`ssl_bench.world.part`)."""
        if count == 1:
            return [self]
        return [self._part(Part(number, count)) for number in range(count)]

    def _part(self, part: Part) -> "Batch":
        labeled = part.rows(self.labeled)
        unlabeled = part.rows(len(self.images) - self.labeled)
        images, valid = (
            torch.cat([rows[: self.labeled][labeled], rows[self.labeled :][unlabeled]])
            for rows in (self.images, self.valid)
        )
        return Batch(images, valid, Target(*(rows[labeled] for rows in self.targets)))


@dataclass(frozen=True)
class Progress:
    """Where in its run a method is: all that a ramp-up or a draw may depend on."""

    step: int
    """Iterations that are done: 0 in the first."""
    iterations: int
    iterations_per_epoch: float
    """Of a nominal epoch, the unit in which ramp-ups are given."""
    draws: Draws
    """Random numbers for the rows of the batch, seeded from (seed, step)."""
    forward: Forwards = field(default_factory=Forwards)
    """Runs rows through a task network, in one pass or in two: `progress.forward(network, images, labeled)`."""
    log: Log = field(default_factory=Log)
    """Takes values that are no losses: `progress.log("kept", share)`."""
    observe: Observe = field(default_factory=Observe)
    """Takes what unlabelled rows are taught by: `progress.observe(target, keep=keep, student=self.student)`."""


class Player:
    """A set of parameters stepped by one optimiser.

    `optimizer`: None for the recipe's own, as task networks have; a critic or detector brings its own.
    """

    def __init__(self, module: nn.Module, optimizer: OptimizerSettings | None = None) -> None:
        self.module = module
        self.optimizer = optimizer

    def parameters(self) -> list[nn.Parameter]:
        """The parameters of the module that learn."""
        return [parameter for parameter in self.module.parameters() if parameter.requires_grad]

    def encoder_parameters(self) -> list[nn.Parameter]:
        """Those of its task networks' encoders, whose learning rate a recipe may multiply."""
        return self._of_task_networks("encoder")

    def head_parameters(self) -> list[nn.Parameter]:
        """Those of its task networks' heads, whose learning rate a recipe may multiply."""
        return self._of_task_networks("head")

    def _of_task_networks(self, name: str) -> list[nn.Parameter]:
        networks = [part.network for part in self.module.modules() if isinstance(part, TaskNetwork)]
        parts = [getattr(network, name, None) for network in networks]
        modules = [part for part in parts if isinstance(part, nn.Module)]
        return [p for module in modules for p in module.parameters() if p.requires_grad]


class Panel(NamedTuple):
    """One picture of what a method sees in an image."""

    title: str
    values: Tensor
    """A map (1, 1, H, W) in [0, 1], or a prediction T(x) (1, O, H, W) in the space of the task."""
    is_prediction: bool = False


class Method(nn.Module, ABC):
    """A way to learn. Modules assigned in `__init__` are saved and restored with the cell.

    Whatever depends on time is a function of `progress`; keep no counters of your own. Run labelled and unlabelled
    rows through a task network by `progress.forward`, else a recipe with `forward = separate` is refused. Mark a
    network that is never trained by gradient (a teacher) with `requires_grad_(False)`; a network that is merely frozen
    in one term needs nothing, since the trainer takes a player's gradient for that player's parameters alone.
    """

    def __init__(self, task: Task, config: Any, build_network: NetworkFactory) -> None:
        super().__init__()
        self.task = task
        self.config = config

    @abstractmethod
    def players(self) -> Mapping[str, Player]:
        """Every parameter that requires grad belongs to exactly one player."""

    @abstractmethod
    def losses(self, batch: Batch, progress: Progress) -> Iterator[Losses]:
        """Yield once per optimiser step: the players named step together, from one state. By `{}` nobody steps; what
        was logged before it has then its mean over all parts of the batch."""

    def after_step(self, progress: Progress) -> None:
        """Once per iteration, after the last optimiser step: moving averages and the like."""
        return None

    @property
    @abstractmethod
    def deployed(self) -> nn.Module:
        """The network that is evaluated and deployed, images to logits: fixed in advance, never the better of two
        by a test score."""

    def predict(self, images: Tensor) -> Tensor:
        """Logits (B, O, H, W) of the deployed network."""
        logits: Tensor = self.deployed(images)
        return logits

    def predict_beside(self) -> Mapping[str, Callable[[Tensor], Tensor]]:
        """Further predictors whose metrics are recorded beside the ranked ones (a second network, a student)."""
        return {}

    def doubt(self, images: Tensor) -> Tensor | None:
        """How poor the deployed network's prediction of images is thought to be, (B, 1, H, W), larger where poorer;
        None where nothing tells. In evaluation mode: the pixels with the most of it are scored by themselves."""
        return None

    def explain(self, images: Tensor, target: Target) -> Sequence[Panel]:
        """What `ssl-bench show` draws beside input, label and prediction of one image (1, C, H, W): the maps and
        pseudo targets that the method learns by. Called in evaluation mode, without gradient."""
        return []
