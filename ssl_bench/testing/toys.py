"""Toy tasks of both kinds, small enough to try a method on in seconds."""

import io
import math
import random
from collections.abc import Mapping
from typing import ClassVar, Self

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ssl_bench.backbone import TaskNetwork
from ssl_bench.method import Batch, Method
from ssl_bench.plan.settings import resolve_config
from ssl_bench.recipe import Kind, OptimizerSettings, Recipe
from ssl_bench.specs import MethodSpec, Metric, TaskSpec, resolve
from ssl_bench.task import DenseTarget, Metrics, Scores, Strength, Target, Task, masked_mean
from ssl_bench.toolbox.transfer import on_device
from ssl_bench.train.trainer import Trainer
from ssl_bench.world.part import Draws

STEPS, LABELED, UNLABELED = 8, 2, 4
HEIGHT, WIDTH = 40, 72
"""Not square, and large enough that a detector or critic of stride 32 has a map and not a single number."""
PADDING = (10, 18, 12, 24, 20, 16)
"""Columns of padding at the right of each row, labelled rows first."""
GREY = 0.45
"""Its colour."""
RECIPE = Recipe(
    iterations=STEPS,
    epochs=STEPS,
    labeled_rows=LABELED,
    unlabeled_rows=UNLABELED,
    crop=16,
    optimizer=OptimizerSettings(name="sgd", learning_rate=0.1, momentum=0.5),
)


class ToyClassification(Task):
    """Three classes, told apart by brightness."""

    kind: ClassVar[Kind] = "classification"
    out_channels = 3

    def loss(self, logits: Tensor, target: Target) -> Tensor:
        """Cross-entropy over valid pixels."""
        return masked_mean(F.cross_entropy(logits, target.value, reduction="none")[:, None], target.valid)

    def activate(self, logits: Tensor) -> Tensor:
        """Softmax of logits (B, 3, H, W)."""
        return logits.float().softmax(1)

    def encode(self, target: Target) -> DenseTarget:
        """Class ids as one-hot planes."""
        dense = F.one_hot(target.value, self.out_channels).movedim(-1, 1).float()
        return DenseTarget(dense * target.valid, target.valid)

    def decode(self, prediction: Tensor) -> Tensor:
        """The likeliest class of each pixel."""
        return prediction.argmax(1)

    def perturb(self, images: Tensor, draws: Draws, strength: Strength = "weak") -> Tensor:
        """Noise that is the same in every run, as the draws are: it cannot make a difference between two."""
        noise = on_device(draws.rand(*images.shape), images.device)
        return (images + 0.2 * noise).clamp(0, 1)

    def metrics(self) -> Metrics:
        """Mean error, enough for a check."""
        return _ToyMetrics(self)

    def picture(self, value: np.ndarray) -> np.ndarray:
        """Values as levels of grey, (H, W, 3)."""
        return np.repeat(value.reshape(*value.shape[:2], 1), 3, 2).astype(np.uint8)


class ToyRegression(ToyClassification):
    """The mean of the channels."""

    kind: ClassVar[Kind] = "regression"
    out_channels = 1

    def loss(self, logits: Tensor, target: Target) -> Tensor:
        """Mean squared error over valid pixels."""
        return masked_mean((logits - target.value) ** 2, target.valid)

    def activate(self, logits: Tensor) -> Tensor:
        """The image as it is."""
        return logits.float()

    def encode(self, target: Target) -> DenseTarget:
        """The image itself."""
        return DenseTarget(target.value * target.valid, target.valid)

    def decode(self, prediction: Tensor) -> Tensor:
        """The prediction, clamped to [0, 1]."""
        return prediction.clamp(0, 1)


class _ToyMetrics:
    def __init__(self, task: Task) -> None:
        self.task = task
        self.errors: list[float] = []

    def update(
        self, prediction: Tensor, target: Target, unknown: Tensor | None = None
    ) -> Mapping[str, float | list[int] | None]:
        self.errors.append((prediction - self.task.encode(target).value).abs().mean().item())
        return {"error": self.errors[-1]}

    def merge(self, other: Self) -> None:
        self.errors += other.errors

    def compute(self) -> Scores:
        return {"error": math.fsum(self.errors) / len(self.errors)}


TOYS: Mapping[Kind, type[Task]] = {"classification": ToyClassification, "regression": ToyRegression}


def toy_spec(kind: Kind) -> TaskSpec:
    """The toy task of a kind as a plugin would describe it."""
    return TaskSpec(
        name=f"toy-{kind}",
        title=f"Toy {kind}",
        kind=kind,
        task=TOYS[kind],
        metrics=(Metric(name="error", symbol="error", higher_is_better=False),),
        recipes={"smoke": RECIPE},
        backbones={"smoke": "toy"},
    )


class ToyStream:
    """Random batches as a function of the step; unlabelled images have a seed of their own."""

    def __init__(
        self,
        kind: Kind,
        unlabeled_seed: int = 0,
        *,
        uses_unlabeled: bool = True,
        under_void: float = 0,
        padded: bool = True,
    ) -> None:
        """`under_void`: the label's value where it is not valid, which nothing may depend on. `padded`: whether rows
        hold padding, each another number of columns."""
        self.kind, self.unlabeled_seed = kind, unlabeled_seed
        self.under_void, self.padded = under_void, padded
        self.unlabeled = UNLABELED if uses_unlabeled else 0

    def batch(self, step: int) -> Batch:
        """A batch with a void strip in every label."""
        own = torch.Generator().manual_seed(1000 + step)
        other = torch.Generator().manual_seed(self.unlabeled_seed * 7919 + step)
        labeled = torch.rand(LABELED, 3, HEIGHT, WIDTH, generator=own)
        unlabeled = torch.rand(self.unlabeled, 3, HEIGHT, WIDTH, generator=other)
        images = torch.cat([labeled, unlabeled])
        valid = torch.ones_like(images[:, :1], dtype=torch.bool)
        for row, columns in zip(valid, PADDING if self.padded else (), strict=False):
            row[..., WIDTH - columns :] = False
        known = valid[:LABELED].clone()
        known[:, :, :2] = False
        mean = labeled.mean(1, keepdim=True)
        value = (mean[:, 0] * 3).long().clamp(0, 2) if self.kind == "classification" else mean
        value = value.where(known[:, 0] if value.dim() == 3 else known, self.under_void)
        return Batch(images.where(valid, GREY), valid, Target(value, known))


class ToyProbe:
    """A batch to observe on, with labels of its unlabelled rows that are drawn and that no batch holds."""

    batches, rows = 1, UNLABELED

    def __init__(self, kind: Kind, drawn: int = 0) -> None:
        """`drawn`: which draw of labels."""
        self.kind, self.drawn = kind, drawn

    def batch(self, number: int) -> Batch:
        """A batch that no run learns from."""
        return ToyStream(self.kind).batch(STEPS + number)

    def truth(self, number: int) -> Target:
        """Labels that have nothing to do with the images."""
        generator = torch.Generator().manual_seed(31 * self.drawn + number)
        valid = self.batch(number).unlabeled_valid
        if self.kind == "classification":
            return Target(torch.randint(3, (UNLABELED, HEIGHT, WIDTH), generator=generator), valid)
        return Target(torch.rand(UNLABELED, 1, HEIGHT, WIDTH, generator=generator), valid)


class ToyNetwork(nn.Sequential):
    """Layers, of which the first one is the encoder, and the last one makes logits of what the others give: its
    features."""

    @property
    def encoder(self) -> nn.Module:
        """What a method may freeze."""
        return self[0]

    @property
    def encoding(self) -> list[str]:
        """All but the last layer."""
        return [str(place) for place in range(len(self) - 1)]

    def features(self, inputs: Tensor) -> list[Tensor]:
        """One map (B, C, H, W)."""
        for layer in [*self][:-1]:
            inputs = layer(inputs)
        return [inputs]

    def from_features(self, features: list[Tensor], inputs: Tensor) -> Tensor:
        """Logits (B, O, H, W)."""
        logits: Tensor = self[-1](features[-1])
        return logits


def build_toy(spec: MethodSpec, kind: Kind, seed: int = 0, *, kernel: int = 3) -> Method:
    """The method on the toy task of a kind. `kernel`: of its networks' first layer, an odd number of pixels: all that
    they see of an image at once."""
    task = TOYS[kind]()

    def build_network(index: int = 0, backbone: str | None = None) -> TaskNetwork:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed * 101 + index)
            first = nn.Conv2d(3, 8, kernel, padding=kernel // 2)
            network = ToyNetwork(first, nn.Tanh(), nn.Conv2d(8, task.out_channels, 1))
        return TaskNetwork(network, in_channels=3, residual=False)

    torch.manual_seed(seed)
    method: Method = resolve(spec.method)(
        task, resolve_config(toy_spec(kind), spec, spec.check_with), build_network
    )
    return method.train()


def rest_batch_norm(method: Method) -> Method:
    """Let all of its BatchNorm layers normalise by running statistics, which then stay."""
    for part in method.modules():
        if isinstance(part, nn.modules.batchnorm._BatchNorm):
            part.eval()
    return method


def toy_trainer(
    spec: MethodSpec,
    kind: Kind,
    *,
    unlabeled_seed: int = 0,
    seed: int = 0,
    other_seed: int = 0,
) -> Trainer:
    """Ready to step.

    `seed` is of initial weights; `other_seed` goes to the global generators of Python and NumPy,
    which nothing may depend on.
    """
    random.seed(other_seed)
    np.random.seed(other_seed)
    stream = ToyStream(kind, unlabeled_seed, uses_unlabeled=spec.uses_unlabeled)
    return Trainer(build_toy(spec, kind, seed), RECIPE, stream, seed=0)


def train_toy(
    spec: MethodSpec,
    kind: Kind,
    *,
    unlabeled_seed: int = 0,
    resume_at: int | None = None,
    steps: int = STEPS,
    other_seed: int = 0,
) -> Method:
    """Train on the toy task; with `resume_at`, through a saved state and a freshly built method."""
    trainer = toy_trainer(spec, kind, unlabeled_seed=unlabeled_seed, other_seed=other_seed)
    for step in range(steps):
        if step == resume_at:
            buffer = io.BytesIO()
            torch.save(trainer.state_dict(), buffer)
            buffer.seek(0)
            trainer = toy_trainer(spec, kind, unlabeled_seed=unlabeled_seed, seed=1)
            trainer.load_state_dict(torch.load(buffer, weights_only=True))
        trainer.step(step)
    return trainer.method
