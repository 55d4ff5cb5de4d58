"""Semantic Segmentation: a class for every pixel."""

from collections.abc import Iterable, Mapping
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ssl_bench import DataError, DenseTarget, Draws, Kind, Recipe, Strength, Target, Task, masked_mean
from ssl_bench.toolbox import on_device
from ssl_bench_tasks.metrics.confusion import ConfusionMetrics
from ssl_bench_tasks.perturbations import Perturbation, Photometric, perturb
from ssl_bench_tasks.recipes import ClassLoss, SegmentationRecipe
from ssl_bench_tasks.uneven_classes import at_labels, dice, hard_mean, inverse_frequencies


class Segmentation(Task):
    """Cross-entropy, softmax, mIoU. For classes of which some are rare, a recipe may weigh the cross-entropy, take its
    hard pixels, or add what overlap lacks.

    What a thing is does not depend on light, colour cast, focus or noise, as long as it can be made out.
    """

    kind: ClassVar[Kind] = "classification"
    perturbations: ClassVar[Mapping[Strength, Perturbation]] = {
        "weak": Photometric(jitter=0.1, hue=0.1, noise=(0.0, 0.01)),
        "strong": Photometric(jitter=0.4, hue=0.4, noise=(0.01, 0.05), blur=2.0, gray=0.2),
    }

    def __init__(self, classes: tuple[str, ...] = ()) -> None:
        super().__init__(classes)
        if len(classes) < 2:
            raise DataError(
                f"segmentation needs two classes or more, and the data set names {len(classes)}; "
                "list them in its `classes`"
            )
        self.form = ClassLoss()
        self.weights: Tensor | None = None

    def prepare(self, recipe: Recipe, labels: Iterable[np.ndarray]) -> None:
        """The form of the loss; weights of the classes by the labelled images, where it has any."""
        assert isinstance(recipe, SegmentationRecipe)
        self.form, self.weights = recipe.loss, None
        if self.form.class_weights == "inverse_frequency":
            self.weights = inverse_frequencies(labels, self.out_channels)

    @property
    def out_channels(self) -> int:
        """Number of channels of logits: one per class."""
        return len(self.classes)

    def loss(self, logits: Tensor, target: Target) -> Tensor:
        """Cross-entropy of (B, O, H, W) logits, the mean over valid pixels.

        Or as the recipe has it (`ClassLoss`): times the weight of a pixel's class, which has the mean 1; over hard
        pixels; with the Dice loss beside it.
        """
        logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
        form, valid = self.form, target.valid
        pixels = F.cross_entropy(logits, target.value, reduction="none").unsqueeze(1)
        if self.weights is not None:
            pixels = pixels * at_labels(on_device(self.weights, logits.device), target)
        if form.ohem == 1 and form.dice == 0:
            return masked_mean(pixels, valid)
        prediction = logits.softmax(1)
        if form.ohem == 1:
            loss = masked_mean(pixels, valid)
        else:
            loss = hard_mean(pixels, at_labels(prediction, target), valid, form.ohem, form.ohem_kept)
        if form.dice == 0:
            return loss
        return loss + form.dice * dice(prediction, self.encode(target).value, valid)

    def activate(self, logits: Tensor) -> Tensor:
        """Softmax over classes; float32, or float64 for float64 logits."""
        return logits.to(torch.promote_types(logits.dtype, torch.float32)).softmax(1)

    def encode(self, target: Target) -> DenseTarget:
        """One-hot (B, O, H, W), all zero on void pixels."""
        rows, *size = target.value.shape
        value = torch.zeros(rows, self.out_channels, *size, device=target.value.device)
        # Scattering a tensor would be a sort on a GPU, where algorithms are deterministic, and a wait in older torch.
        value.scatter_(1, target.value.unsqueeze(1), 1.0)
        return DenseTarget(value.mul_(target.valid), target.valid)

    def decode(self, prediction: Tensor) -> Tensor:
        """The most likely class, (B, H, W) int64."""
        return prediction.argmax(1)

    def perturb(self, images: Tensor, draws: Draws, strength: Strength = "weak") -> Tensor:
        """Colour jitter and noise; strong: more of both, some rows blurred, some without colour (of RGB)."""
        return perturb(self.perturbations, images, draws, strength)

    def metrics(self) -> ConfusionMetrics:
        """mIoU, pixel accuracy and IoU per class."""
        return ConfusionMetrics(self.classes)

    def picture(self, value: np.ndarray) -> np.ndarray:
        """Class ids (H, W) uint8 in the colours of PASCAL VOC, (H, W, 3) uint8; void is a pale yellow."""
        return PALETTE[value]


def _voc_palette() -> np.ndarray:
    """(256, 3) uint8: an id's bits, lowest first, go to red, green and blue in turn, highest bit first."""
    palette = np.zeros((256, 3), np.uint8)
    for bit in range(8):
        palette[:, bit % 3] |= ((np.arange(256) >> bit & 1) << 7 - bit // 3).astype(np.uint8)
    return palette


PALETTE = _voc_palette()
