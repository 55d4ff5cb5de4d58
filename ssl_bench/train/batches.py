"""Batch t of a cell as a pure function of (seed, t): which images, which crop, which way round."""

import warnings
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch.nn import functional as F

from ssl_bench.data.splits import LabelSplit
from ssl_bench.dataset import VOID, GuardedDataset
from ssl_bench.method import Batch
from ssl_bench.pixels.channels import in_type
from ssl_bench.recipe import Kind, Recipe
from ssl_bench.seeds import generator_for
from ssl_bench.task import Target
from ssl_bench.world.part import WHOLE, Part

# Decoded images are read-only, since they serve every reader; nothing here writes to them.
warnings.filterwarnings("ignore", message="The given NumPy array is not writable")

PADDING = (124, 116, 104)
"""ImageNet's mean colour: about 0 after a network's normalisation."""


Resize = Callable[[torch.Tensor, tuple[int, int]], torch.Tensor]


class StoredBatch(NamedTuple):
    """A batch as it is stored, on the host: bytes travel to the device, and floats are made there."""

    images: torch.Tensor
    """(L + U, C, h, w) of any depth, as the data set has it."""
    valid: torch.Tensor
    """(L + U, 1, h, w) bool."""
    targets: torch.Tensor
    """Ids (L, 1, h, w) or images (L, O, h, w) of any depth."""


class BatchStream:
    """Labelled and unlabelled rows for every iteration.

    The labelled rows of step t are the same for every method at one seed and split, whether or not it takes
    unlabelled ones. Each stream passes through its images in shuffled epochs. `part`: the rows of which alone are
    loaded.
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
        part: Part = WHOLE,
    ) -> None:
        self.data = data
        self.recipe = recipe
        self.kind = kind
        self.seed = seed
        self.device = device
        self.part = part
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
        recipe = self.recipe
        streams = {
            "labeled": self._names("labeled", self.labeled, step, recipe.labeled_rows),
            "unlabeled": self._names("unlabeled", self.unlabeled, step, self.unlabeled_rows),
        }
        crops, valids, targets = [], [], []
        for stream, names in streams.items():
            for name, image, window in self._windows(stream, names, step):
                crops.append(window.cut_image(image))
                valids.append(window.valid())
                if stream == "labeled":
                    targets.append(window.cut_target(self.data.target(name), self.kind))
        batch = StoredBatch(torch.stack(crops), torch.stack(valids), torch.stack(of_one_depth(targets)))
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

    def unlabeled_windows(self, step: int) -> list[tuple[str, "Window"]]:
        """Id and crop of each unlabelled row of a step."""
        names = self._names("unlabeled", self.unlabeled, step, self.unlabeled_rows)
        return [(name, window) for name, _, window in self._windows("unlabeled", names, step)]

    def _windows(
        self, stream: str, names: Sequence[str], step: int
    ) -> Iterator[tuple[str, np.ndarray, "Window"]]:
        """Id, image and crop of this part's rows of one kind."""
        for row, name in list(enumerate(names))[self.part.rows(len(names))]:
            image = self.data.image(name)
            height, width = image.shape[:2]
            generator = generator_for("crop", self.seed, stream, step, row)
            yield name, image, Window(self.recipe, height, width, generator)

    def _names(self, stream: str, pool: Sequence[str], step: int, rows: int) -> list[str]:
        places = range(step * rows, (step + 1) * rows)
        return [
            pool[self._order(stream, len(pool), place // len(pool))[place % len(pool)]] for place in places
        ]

    def _shuffled(self, stream: str, size: int, epoch: int) -> np.ndarray:
        return generator_for("order", self.seed, stream, epoch).permutation(size)


class Window:
    """One random crop: a square of whole pixels of the source, rescaled to `crop` x `crop`, perhaps mirrored."""

    def __init__(self, recipe: Recipe, height: int, width: int, generator: np.random.Generator) -> None:
        self.crop = recipe.crop
        scale = float(np.exp(generator.uniform(*np.log(recipe.scale))))
        self.flip = recipe.flip and bool(generator.integers(2))
        self.side = max(1, round(self.crop / scale))
        top, left = (self._place(size, generator) for size in (height, width))
        # The visible part of the source, and where it lands in the crop.
        visible = [
            (max(start, 0), min(start + self.side, size)) for start, size in ((top, height), (left, width))
        ]
        self.box = tuple(slice(*ends) for ends in visible)
        self.rows, self.columns = (
            slice(*(round((end - start) * self.crop / self.side) for end in ends))
            for ends, start in zip(visible, (top, left), strict=True)
        )

    def cut_image(self, image: np.ndarray) -> torch.Tensor:
        """(H, W, C) of any depth to (C, crop, crop), padded with a neutral colour."""
        fill = torch.from_numpy(in_type(np.resize(np.array(PADDING) / 255, image.shape[2]), image.dtype))
        return self._cut(torch.from_numpy(image[self.box]).permute(2, 0, 1), fill, bilinear)

    def cut_target(self, target: np.ndarray, kind: Kind) -> torch.Tensor:
        """Class ids (H, W) to (1, crop, crop), void on padding; an image (H, W, O) to (O, crop, crop)."""
        visible = torch.from_numpy(target[self.box])
        if kind == "classification":
            return self._cut(visible[None], visible.new_tensor([VOID]), nearest)
        return self._cut(visible.permute(2, 0, 1), visible.new_zeros(target.shape[2]), bilinear)

    def valid(self) -> torch.Tensor:
        """(1, crop, crop) bool: where the window lies inside the image."""
        valid = torch.zeros(1, self.crop, self.crop, dtype=torch.bool)
        valid[:, self.rows, self.columns] = True
        return valid.flip(2) if self.flip else valid

    def _place(self, size: int, generator: np.random.Generator) -> int:
        return round(generator.uniform(min(0, size - self.side), max(0, size - self.side)))

    def _cut(self, visible: torch.Tensor, fill: torch.Tensor, resize: Resize) -> torch.Tensor:
        """The visible part (C, h, w), resized and in its place."""
        size = self.rows.stop - self.rows.start, self.columns.stop - self.columns.start
        # Without rescaling pixels are taken as they are: interpolating would blur noise and labels.
        cut = visible if self.side == self.crop else resize(visible, size)
        if size != (self.crop, self.crop):
            crop = fill.view(-1, 1, 1).repeat(1, self.crop, self.crop)
            crop[:, self.rows, self.columns] = cut
            cut = crop
        return cut.flip(2) if self.flip else cut.contiguous()


def as_images(images: torch.Tensor, device: torch.device) -> torch.Tensor:
    """(B, C, H, W) of any depth to float32 in [0, 1] on the device."""
    return images.to(device, non_blocking=True).float().div_(_full_range(images))


def as_target(target: torch.Tensor, kind: Kind, device: torch.device) -> Target:
    """Stored labels, ids (B, 1, H, W) or images (B, O, H, W) of any depth, as a Target on the device."""
    target = target.to(device, non_blocking=True)
    if kind == "classification":
        valid = target != VOID
        return Target(torch.where(valid, target, 0)[:, 0].long(), valid)
    value = target.float() / _full_range(target)
    return Target(value, torch.ones_like(value[:, :1], dtype=torch.bool))


def whole_image(image: np.ndarray, device: torch.device) -> torch.Tensor:
    """A stored image (H, W, C) of any depth as a batch of one, uncropped."""
    return as_images(torch.from_numpy(image.transpose(2, 0, 1)[None].copy()), device)


def whole_target(target: np.ndarray, kind: Kind, device: torch.device) -> Target:
    """A stored label, (H, W) ids or (H, W, O) image, as a batch of one, uncropped."""
    planes = target[None] if kind == "classification" else target.transpose(2, 0, 1)
    return as_target(torch.from_numpy(planes[None].copy()), kind, device)


def of_one_depth(targets: list[torch.Tensor]) -> list[torch.Tensor]:
    """Targets as they are, or as floats in [0, 1] where their depths differ."""
    if len({target.dtype for target in targets}) == 1:
        return targets
    return [target.float() / _full_range(target) for target in targets]


def _full_range(target: torch.Tensor) -> float:
    return 1.0 if target.dtype.is_floating_point else float(torch.iinfo(target.dtype).max)


def bilinear(image: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """(C, h, w) of any depth to (C, *size), without aliasing where that is smaller."""
    # 8 bits have a fast path of their own; other integers go through floats.
    exact = image if image.dtype == torch.uint8 else image.float()
    resized = F.interpolate(exact[None], size, mode="bilinear", antialias=True)[0]
    return resized if exact is image or image.dtype.is_floating_point else resized.round().to(image.dtype)


def nearest(ids: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """(1, h, w) uint8 to (1, *size), each the pixel under its centre."""
    picture = Image.fromarray(ids[0].numpy())
    return torch.from_numpy(np.array(picture.resize(size[::-1], Image.Resampling.NEAREST)))[None]
