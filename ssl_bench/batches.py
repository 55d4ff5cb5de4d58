"""Batch t of a cell as a pure function of (seed, t): which images, which crop, which way round."""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image

from ssl_bench.dataset import VOID, GuardedDataset
from ssl_bench.method import Batch
from ssl_bench.recipe import Recipe
from ssl_bench.resize import resize
from ssl_bench.seeds import generator_for
from ssl_bench.specs import Kind
from ssl_bench.splits import LabelSplit
from ssl_bench.task import Target

PADDING = (124, 116, 104)
"""ImageNet's mean colour: about 0 after a network's normalisation."""


class StoredBatch(NamedTuple):
    """A batch as it is stored, on the host: bytes travel to the device, and floats are made there."""

    images: torch.Tensor
    """(L + U, C, h, w) uint8."""
    valid: torch.Tensor
    """(L + U, 1, h, w) bool."""
    targets: torch.Tensor
    """Ids (L, h, w) or images (L, O, h, w) of any depth."""


class BatchStream:
    """Labelled and unlabelled rows for every iteration.

    The labelled rows of step t are the same for every method at one seed and split, whether or not it takes
    unlabelled ones. Each stream passes through its images in shuffled epochs.
    """

    def __init__(
        self,
        data: GuardedDataset,
        split: LabelSplit,
        recipe: Recipe,
        kind: Kind,
        *,
        seed: int,
        uses_unlabeled: bool,
        device: torch.device,
    ) -> None:
        self.data = data
        self.recipe = recipe
        self.kind = kind
        self.seed = seed
        self.device = device
        self.labeled = split.labeled
        # Where every image is labelled, the labelled ones serve once more as unlabelled, without targets.
        self.unlabeled = split.unlabeled or split.labeled
        self.unlabeled_rows = recipe.unlabeled_rows if uses_unlabeled else 0
        self._order = lru_cache(maxsize=8)(self._shuffled)

    def batch(self, step: int) -> Batch:
        """The batch of a step, on the stream's device."""
        return self.place(self.load(step))

    def load(self, step: int) -> StoredBatch:
        """The batch of a step on the host, in pinned memory where a GPU waits for it. Safe to call in threads."""
        crops, valids, targets = [], [], []
        for row, name in enumerate(self._names("labeled", self.labeled, step, self.recipe.labeled_rows)):
            image = self.data.image(name)
            window = self._window(image, "labeled", step, row)
            crop, crop_valid = window.cut_image(image)
            crops.append(crop)
            valids.append(crop_valid)
            targets.append(window.cut_target(self.data.target(name), self.kind))
        for row, name in enumerate(self._names("unlabeled", self.unlabeled, step, self.unlabeled_rows)):
            image = self.data.image(name)
            crop, crop_valid = self._window(image, "unlabeled", step, row).cut_image(image)
            crops.append(crop)
            valids.append(crop_valid)
        batch = StoredBatch(*(torch.from_numpy(np.stack(arrays)) for arrays in (crops, valids, targets)))
        if self.device.type == "cuda":
            # From pageable memory a copy would wait for the device.
            return StoredBatch(*(tensor.pin_memory() for tensor in batch))
        return batch

    def place(self, stored: StoredBatch) -> Batch:
        """A stored batch on the stream's device, images in [0, 1]."""
        valid = stored.valid.to(self.device, non_blocking=True)
        target = as_target(stored.targets, self.kind, self.device)
        padded = Target(target.value, target.valid & valid[: len(stored.targets)])
        return Batch(as_images(stored.images, self.device), valid, padded)

    def _names(self, stream: str, pool: Sequence[str], step: int, rows: int) -> list[str]:
        places = range(step * rows, (step + 1) * rows)
        return [
            pool[self._order(stream, len(pool), place // len(pool))[place % len(pool)]] for place in places
        ]

    def _shuffled(self, stream: str, size: int, epoch: int) -> np.ndarray:
        return generator_for("order", self.seed, stream, epoch).permutation(size)

    def _window(self, image: np.ndarray, stream: str, step: int, row: int) -> "Window":
        height, width = image.shape[:2]
        return Window(self.recipe, height, width, generator_for("crop", self.seed, stream, step, row))


class Window:
    """One random crop: a box of the source, rescaled to `crop` x `crop`, perhaps mirrored."""

    def __init__(self, recipe: Recipe, height: int, width: int, generator: np.random.Generator) -> None:
        self.crop = recipe.crop
        self.scale = float(np.exp(generator.uniform(*np.log(recipe.scale))))
        self.flip = recipe.flip and bool(generator.integers(2))
        side = self.crop / self.scale
        self.top = self._place(height, side, generator)
        self.left = self._place(width, side, generator)
        self.side = side
        self.height = height
        self.width = width

    def cut_image(self, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(H, W, C) uint8 to the crop (C, crop, crop) uint8 and its valid mask (1, crop, crop) bool."""
        fill = np.resize(np.array(PADDING, np.uint8), image.shape[2])
        cut, valid = self._cut(image, fill, Image.Resampling.BILINEAR)
        return np.ascontiguousarray(cut.transpose(2, 0, 1)), np.ascontiguousarray(valid[None])

    def cut_target(self, target: np.ndarray, kind: Kind) -> np.ndarray:
        """Class ids (H, W) to (crop, crop), void on padding; an image (H, W, O) to (O, crop, crop)."""
        if kind == "classification":
            return np.ascontiguousarray(self._cut(target, np.array(VOID), Image.Resampling.NEAREST)[0])
        cut, _ = self._cut(target, np.zeros(target.shape[2]), Image.Resampling.BILINEAR)
        return np.ascontiguousarray(cut.transpose(2, 0, 1))

    def _place(self, size: int, side: float, generator: np.random.Generator) -> float:
        start = generator.uniform(min(0.0, size - side), max(0.0, size - side))
        # Without rescaling pixels are taken as they are: interpolating would blur noise and labels.
        return float(round(start)) if self.scale == 1 else start

    def _cut(
        self, array: np.ndarray, fill: np.ndarray, resampling: Image.Resampling
    ) -> tuple[np.ndarray, np.ndarray]:
        out = np.empty((self.crop, self.crop, *array.shape[2:]), array.dtype)
        out[...] = fill
        valid = np.zeros((self.crop, self.crop), bool)
        # The visible part of the source, and where it lands in the crop.
        top, left = max(self.top, 0.0), max(self.left, 0.0)
        bottom, right = min(self.top + self.side, self.height), min(self.left + self.side, self.width)
        rows = slice(round((top - self.top) * self.scale), round((bottom - self.top) * self.scale))
        columns = slice(round((left - self.left) * self.scale), round((right - self.left) * self.scale))
        if self.scale == 1:
            out[rows, columns] = array[int(top) : int(bottom), int(left) : int(right)]
        else:
            size = (columns.stop - columns.start, rows.stop - rows.start)
            out[rows, columns] = resize(array, size, (left, top, right, bottom), resampling)
        valid[rows, columns] = True
        return (out[:, ::-1], valid[:, ::-1]) if self.flip else (out, valid)


def as_images(images: torch.Tensor, device: torch.device) -> torch.Tensor:
    """(B, C, H, W) uint8 to float32 in [0, 1] on the device."""
    return images.to(device, non_blocking=True).float().div_(255.0)


def as_target(target: torch.Tensor, kind: Kind, device: torch.device) -> Target:
    """Stored labels, (B, H, W) ids or (B, O, H, W) images of any depth, as a Target on the device."""
    target = target.to(device, non_blocking=True)
    if kind == "classification":
        valid = target != VOID
        return Target(torch.where(valid, target, 0).long(), valid[:, None])
    scale = 1.0 if target.dtype.is_floating_point else float(torch.iinfo(target.dtype).max)
    value = target.float() / scale
    return Target(value, torch.ones_like(value[:, :1], dtype=torch.bool))


def whole_image(image: np.ndarray, device: torch.device) -> torch.Tensor:
    """A stored image (H, W, C) uint8 as a batch of one, uncropped."""
    return as_images(torch.from_numpy(image.transpose(2, 0, 1)[None].copy()), device)


def whole_target(target: np.ndarray, kind: Kind, device: torch.device) -> Target:
    """A stored label, (H, W) ids or (H, W, O) image, as a batch of one, uncropped."""
    planes = target if kind == "classification" else target.transpose(2, 0, 1)
    return as_target(torch.from_numpy(planes[None].copy()), kind, device)
