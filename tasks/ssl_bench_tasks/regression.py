"""What the three tasks that predict an image share."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from ssl_bench import DenseTarget, Draws, Kind, Strength, Target, Task, masked_mean
from ssl_bench_tasks.metrics.average import ImageAverage
from ssl_bench_tasks.perturbations import Perturbation, perturb


class ImageRegression(Task):
    """Mean squared error of an image in [0, 1]; a task adds its channels, perturbations and metrics."""

    kind: ClassVar[Kind] = "regression"
    channels: ClassVar[int | None] = None
    """Of the predicted image; None: a picture of the image's own channels is restored."""
    perturbations: ClassVar[Mapping[Strength, Perturbation]]

    @property
    def restores(self) -> bool:
        """Whether the label is a picture of the image's own channels."""
        return self.channels is None

    @property
    def out_channels(self) -> int:
        """Number of channels of the predicted image."""
        return self.channels or self.in_channels

    def loss(self, logits: Tensor, target: Target) -> Tensor:
        """Squared error of T(x), the mean over valid pixels and channels."""
        return masked_mean((self.activate(logits) - target.value).square(), target.valid)

    def activate(self, logits: Tensor) -> Tensor:
        """The logits as they are, not clamped; float32, or float64 for float64 logits."""
        return logits.to(torch.promote_types(logits.dtype, torch.float32))

    def encode(self, target: Target) -> DenseTarget:
        """The label itself, zero where not valid."""
        return DenseTarget(target.value.where(target.valid, 0.0), target.valid)

    def decode(self, prediction: Tensor) -> Tensor:
        """(B, O, H, W) clamped to [0, 1]."""
        return prediction.clamp(0, 1)

    def perturb(self, images: Tensor, draws: Draws, strength: Strength = "weak") -> Tensor:
        """What the task's class says its label does not depend on."""
        return perturb(self.perturbations, images, draws, strength)

    @abstractmethod
    def metrics(self) -> ImageAverage:
        """Means of scores per image."""

    def picture(self, value: np.ndarray) -> np.ndarray:
        """(H, W, O) uint8: a restored image as images are drawn, a single channel as grey."""
        return self.input.drawn(value) if self.restores else value.repeat(3, axis=2)
