"""Depth from a single picture, as a task with scenes of its own: balls on a floor, in haze.

Depth tells itself by size, by where a ball meets the floor, and by the haze. It is given as a share of `FARTHEST`,
1 for the sky. Scores are those of Eigen, Puhrsch and Fergus, Depth Map Prediction from a Single Image, NeurIPS 2014,
https://arxiv.org/abs/1406.2283.
"""

import hashlib
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import torch
from torch import Tensor

from ssl_bench import (
    Dataset,
    DatasetSpec,
    DenseTarget,
    Draws,
    Kind,
    Metric,
    OptimizerSettings,
    Recipe,
    Scores,
    Strength,
    Target,
    Task,
    TaskSpec,
    UsageError,
    generator_for,
    hookimpl,
    masked_mean,
)

HEIGHT, WIDTH = 72, 96
FARTHEST = 20.0
"""Metres."""
FOCAL = 80.0
"""Pixels."""


class MonocularDepthTask(Task):
    """One channel in [0, 1] from a colour picture."""

    kind: ClassVar[Kind] = "regression"
    out_channels = 1

    def loss(self, logits: Tensor, target: Target) -> Tensor:
        """Mean absolute error over valid pixels."""
        return masked_mean((self.activate(logits) - target.value).abs(), target.valid)

    def activate(self, logits: Tensor) -> Tensor:
        """The logits as they are, in float32 also under autocast."""
        return logits.float()

    def encode(self, target: Target) -> DenseTarget:
        """The depth itself, 0 where it is not valid."""
        return DenseTarget(target.value.where(target.valid, 0.0), target.valid)

    def decode(self, prediction: Tensor) -> Tensor:
        """Clamped to [0, 1]."""
        return prediction.clamp(0, 1)

    def perturb(self, images: Tensor, draws: Draws, strength: Strength = "weak") -> Tensor:
        """Another exposure and noise: neither moves anything."""
        stops, level = {"none": (0.0, 0.0), "weak": (0.1, 0.01), "strong": (0.5, 0.04)}[strength]
        # Drawn on the CPU, so that a draw does not depend on the device.
        exposure = 2 ** (stops * (2 * draws.rand(len(images), 1, 1, 1) - 1))
        noise = level * draws.randn(*images.shape)
        return (images * exposure.to(images.device) + noise.to(images.device)).clamp(0, 1)

    def metrics(self) -> "DepthScores":
        """Fresh metrics for one evaluation."""
        return DepthScores()

    def picture(self, value: np.ndarray) -> np.ndarray:
        """Grey, near is bright; 8 or 16 bits."""
        near = 255 - (value.astype(float) * 255 / np.iinfo(value.dtype).max)
        return near.astype(np.uint8).repeat(3, axis=2)


class DepthScores:
    """Absolute relative error, RMSE in metres, and the share of pixels within a factor of 1.25; means over images."""

    def __init__(self) -> None:
        self.rows: list[dict[str, float]] = []

    def update(
        self, prediction: Tensor, target: Target, unknown: Tensor | None = None
    ) -> Mapping[str, float | list[int] | None]:
        """Add one image."""
        found = prediction[target.valid].double().clamp(0.001, 1) * FARTHEST
        true = target.value[target.valid].double().clamp_min(0.001) * FARTHEST
        row = {
            "abs_rel": ((found - true).abs() / true).mean().item(),
            "rmse": (found - true).square().mean().sqrt().item(),
            "delta1": 100 * (torch.maximum(found / true, true / found) < 1.25).double().mean().item(),
        }
        self.rows.append(row)
        return dict(row)

    def merge(self, other: Self) -> None:
        """Add the images of another one."""
        self.rows += other.rows

    def compute(self) -> Scores:
        """The means."""
        names = self.rows[0] if self.rows else ()
        return {name: math.fsum(row[name] for row in self.rows) / len(self.rows) for name in names}


class Balls(Dataset):
    """96 training and 24 test scenes, each a pure function of its id."""

    def __init__(self) -> None:
        self.train = [f"train-{number:03d}" for number in range(96)]
        self.test = [f"test-{number:03d}" for number in range(24)]

    @classmethod
    def open(cls, path: Path | None) -> Self:
        """The set; there is no folder to read."""
        if path is not None:
            raise UsageError(f"these scenes are made in memory; leave out the path '{path}'")
        return cls()

    def image(self, name: str) -> np.ndarray:
        """(72, 96, 3) uint8."""
        return draw(name)[0]

    def target(self, name: str) -> np.ndarray:
        """(72, 96, 1) uint16, 65535 for `FARTHEST`."""
        return draw(name)[1]

    def fingerprint(self) -> str:
        """Hash of two scenes and of how many there are."""
        content = hashlib.sha256(str([len(self.train), len(self.test)]).encode())
        for picture in (*draw(self.train[0]), *draw(self.test[0])):
            content.update(picture.tobytes())
        return content.hexdigest()[:12]


def draw(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Picture and depth of the scene called `name`."""
    rng = generator_for("balls", name)
    horizon, height = rng.uniform(20, 30), rng.uniform(1.2, 1.8)
    rows, columns = np.mgrid[:HEIGHT, :WIDTH].astype(float)
    below = np.maximum(rows - horizon, 1e-6)
    depth = np.where(rows > horizon, np.minimum(FOCAL * height / below, FARTHEST), FARTHEST)
    across = (columns - WIDTH / 2) * depth / FOCAL
    chequers = (np.floor(depth) + np.floor(across)) % 2
    floor, sky = (rng.uniform(0.2, 0.8, 3) for _ in range(2))
    colour = np.where((rows > horizon)[..., None], floor * (0.7 + 0.3 * chequers[..., None]), sky)
    light = rng.normal(size=3)
    light /= np.linalg.norm(light)
    for distance in sorted(rng.uniform(3, 14, rng.integers(3, 7)), reverse=True):
        radius, aside = rng.uniform(0.3, 0.9), rng.uniform(-0.5, 0.5) * distance
        size = FOCAL * radius / distance
        x = (columns - WIDTH / 2 - FOCAL * aside / distance) / size
        y = (rows - horizon - FOCAL * (height - radius) / distance) / size
        inside = x**2 + y**2 < 1
        relief = np.sqrt(np.maximum(0, 1 - x**2 - y**2))
        shade = 0.4 + 0.6 * np.maximum(0, x * light[0] + y * light[1] + relief * abs(light[2]))
        ball = rng.uniform(0.2, 1, 3) * shade[..., None]
        colour = np.where(inside[..., None], ball, colour)
        depth = np.where(inside, distance - radius * relief, depth)
    clear = np.exp(-depth / 15)[..., None]
    picture = colour * clear + 0.75 * (1 - clear)
    return (
        (255 * picture.clip(0, 1)).round().astype(np.uint8),
        (65535 * depth[..., None] / FARTHEST).round().astype(np.uint16),
    )


def recipe(iterations: int) -> Recipe:
    """The training budget, the same for every method."""
    optimizer = OptimizerSettings(name="adam", learning_rate=2e-3, schedule="cosine")
    return Recipe(
        iterations=iterations, epochs=20, labeled_rows=2, unlabeled_rows=2, crop=64, optimizer=optimizer
    )


@hookimpl
def provide_tasks() -> Iterable[TaskSpec]:
    """`ssl-bench run --tasks monocular-depth`."""
    return [
        TaskSpec(
            name="monocular-depth",
            title="Monocular Depth",
            kind="regression",
            task=MonocularDepthTask,
            metrics=(
                Metric(name="abs_rel", symbol="AbsRel", higher_is_better=False, digits=3),
                Metric(name="rmse", symbol="RMSE", unit="m", higher_is_better=False),
                Metric(name="delta1", symbol="δ < 1.25", unit="%"),
            ),
            recipes={"smoke": recipe(120), "lite": recipe(600)},
            backbones={"smoke": "unet-small", "lite": "unet-small"},
        )
    ]


@hookimpl
def provide_datasets() -> Iterable[DatasetSpec]:
    """The task's default, which is called so."""
    return [
        DatasetSpec(
            name="synthetic",
            task="monocular-depth",
            dataset=Balls,
            title="balls on a floor",
            needs_path=False,
        )
    ]
