"""What a task states, once, so that no method and no engine module ever hears of a particular one."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import ClassVar, Literal, NamedTuple, Protocol, Self

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ssl_bench.dataset import VOID
from ssl_bench.errors import UsageError
from ssl_bench.pixels.channels import RGB, Channels, in_type
from ssl_bench.recipe import Kind, Recipe
from ssl_bench.world.part import Draws
from ssl_bench.world.world import mean_over_processes

Strength = Literal["none", "weak", "strong"]


class Target(NamedTuple):
    """A label and where it is known.

    `value`: class ids (B, H, W) int64, 0 where void, or an image (B, O, H, W) float32 in [0, 1].
    `valid`: (B, 1, H, W) bool, False on void pixels and on padding.
    """

    value: Tensor
    valid: Tensor


class DenseTarget(NamedTuple):
    """A label in the space of predictions: `value` (B, O, H, W) float32 in [0, 1], 0 where not valid."""

    value: Tensor
    valid: Tensor


Scores = dict[str, float | None]
"""Name to score; None where a score does not exist (the IoU of a class that never occurs)."""


class Metrics(Protocol):
    """Scores of one evaluation, fed one whole image at a time, in any order."""

    def update(
        self, prediction: Tensor, target: Target, unknown: Tensor | None = None
    ) -> Mapping[str, float | list[int] | None]:
        """Add one image; return what is recorded of it: its own scores, and what `Metric.aggregate` names.

        `prediction`: T(x), (1, O, H, W) float32. `unknown`: (1, 1, H, W) bool, the region that a data set
        marks as the hard one (a matting trimap), where it has one.
        """

    def merge(self, other: Self) -> None:
        """Add what another one of the same task was fed, so that several processes can share a test set."""

    def compute(self) -> Scores:
        """Scores over all images added, in whichever order, one per `Metric` of the task and any details beside
        them."""


class Task(ABC):
    """Loss, activation, label encoding, perturbation and metrics of one pixel-wise task.

    Images are (B, in_channels, H, W) float32 in [0, 1]; networks normalise for themselves.
    """

    kind: ClassVar[Kind]
    in_channels: int = 3
    """Of images; where a data set says that it has others than 8-bit RGB, as many as that has (`receive`)."""
    residual: ClassVar[bool] = False
    """The network's output is added to its input (restoration)."""
    input: Channels = RGB
    """What images are made of."""

    def __init__(self, classes: tuple[str, ...] = ()) -> None:
        """`classes`: names of a data set's classes; empty for regression."""
        self.classes = classes

    def receive(self, channels: Channels) -> Self:
        """Be told, before anything else is asked, what the images are made of."""
        self.input = channels
        if channels.count != RGB.count:
            self.in_channels = channels.count
        return self

    def prepare(self, recipe: Recipe, labels: Iterable[np.ndarray]) -> None:
        """Be told, before training, the recipe that a run follows, of the type that the task's own recipes have.

        `labels`: of the labelled images alone, as the data set gives them, read one after another as they are asked
        for; what needs none of them asks for none.
        """
        return None

    @property
    def restores(self) -> bool:
        """Whether the label is a picture of the image's own channels, and is stored as images are."""
        return False

    @property
    @abstractmethod
    def out_channels(self) -> int:
        """O, the channels of logits and predictions."""

    @abstractmethod
    def loss(self, logits: Tensor, target: Target) -> Tensor:
        """The supervised loss: scalar, the mean over valid pixels; 0 where none is valid."""

    @abstractmethod
    def activate(self, logits: Tensor) -> Tensor:
        """T(x): (B, O, H, W) float32, also under autocast."""

    @abstractmethod
    def encode(self, target: Target) -> DenseTarget:
        """The label in the space of T(x): one-hot, or the image itself, zeroed where not valid."""

    @abstractmethod
    def decode(self, prediction: Tensor) -> Tensor:
        """T(x) as a label: class ids (B, H, W) int64, or an image (B, O, H, W) clamped to [0, 1]."""

    @abstractmethod
    def perturb(self, images: Tensor, draws: Draws, strength: Strength = "weak") -> Tensor:
        """Images changed in a way that leaves the label as it is: same shape, [0, 1], each row its own draw.

        `draws` are made on the CPU, whatever the device of the images, so that they do not depend on it.
        """

    @abstractmethod
    def metrics(self) -> Metrics:
        """Fresh metrics for one evaluation."""

    @abstractmethod
    def picture(self, value: np.ndarray) -> np.ndarray:
        """A label for the eye: class ids (H, W) or image (H, W, O) uint8, to (H, W, 3) uint8."""

    def stored(self, prediction: Tensor) -> np.ndarray:
        """T(x) of one image (1, O, H, W) as data sets give labels: ids (H, W) or an image (H, W, O), uint8.

        A task that restores gives what its images are, uint16 or float32 where these are; one that needs finer steps
        may give uint16. Large images come in bands of whole rows.
        """
        label = self.decode(prediction)[0].cpu().numpy()
        if self.kind == "classification":
            return label.astype(np.uint8)
        return in_type(label.transpose(1, 2, 0), self.input.type if self.restores else RGB.type)

    def to_file(self, stored: np.ndarray) -> Image.Image:
        """What is written to a PNG file for a stored label: ids as they are, in the colours of `picture`; one
        channel as grey of 8 or 16 bits, three as RGB. UsageError for other images."""
        if self.kind == "classification":
            ids = np.array([*range(self.out_channels), VOID], np.uint8)
            palette = np.zeros((VOID + 1, 3), np.uint8)
            palette[ids] = self.picture(ids[None])[0]
            mask = Image.fromarray(stored)
            mask.putpalette(palette.tobytes())
            return mask
        if stored.shape[2] == 1:
            return Image.fromarray(stored[..., 0])
        if stored.shape[2] == 3 and stored.dtype == np.uint8:
            return Image.fromarray(stored)
        raise UsageError(
            f"{stored.shape[2]} channels of {stored.dtype} are no PNG; override {type(self).__name__}.to_file"
        )


def masked_mean(values: Tensor, valid: Tensor) -> Tensor:
    """Mean of (B, C, H, W) values over valid pixels (B, 1, H, W) and all channels; 0 where none is valid.

    In a step that several processes share, the sum is divided by the mean number of valid pixels in a process, so
    that the mean over processes of what each of them gets is the mean over all valid pixels.
    """
    count = mean_over_processes(valid.to(values.dtype).expand_as(values).sum())
    return (torch.where(valid, values, 0.0)).sum() / count.where(count > 0, 1.0)
