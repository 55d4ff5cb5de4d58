"""Distinctions-646: cut-out foregrounds and their mattes, to be laid over backgrounds of one's own.

Qiao, Liu, Yang, Zhou, Xu, Zhang, Wei: Attention-Guided Hierarchical Structure Aggregation for Image Matting. CVPR
2020.
"""

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from PIL import Image

from ssl_bench import (
    RGB,
    Channels,
    DataError,
    Files,
    FolderDataset,
    Sample,
    folder_at,
    name_hash,
    picture_files,
    read_alpha,
    read_picture,
)

_NAMES = ("BG", "background", "backgrounds")


class Distinctions(FolderDataset):
    """Each foreground over one background, cut from its middle to the foreground's size.

    Backgrounds are the pictures of a folder BG, background or backgrounds in the set or beside it. Which one a
    foreground gets is drawn from the seed and its name; a fifth of them serves the test set alone. An image is made
    with its matte, an unlabelled one too; no method sees that matte.
    """

    layout = (
        "Distinctions-646: {Train,Test}/{FG,GT}, and backgrounds in a folder BG, background or backgrounds, in the set "
        "or beside it"
    )
    targets_are = "alpha"
    marks = (("Train/FG", "Train/GT"),)
    train_files = (Files(images="Train/FG", targets=("Train/GT",)),)
    test_files = (Files(images="Test/FG", targets=("Test/GT",)),)
    holds_out = True
    seed: ClassVar[int] = 0

    def _parts(self) -> tuple[Mapping[str, Sample], Mapping[str, Sample]]:
        train, test = super()._parts()
        places = [
            folder_at(place, name) for place in (self.root, self.root.resolve().parent) for name in _NAMES
        ]
        folder = next((place for place in places if place.is_dir()), None)
        if folder is None:
            raise DataError(f"{self.root} has no backgrounds; put pictures into {self.root / _NAMES[0]}")
        base = self._base if folder.resolve().is_relative_to(self._base) else folder.resolve()
        pictures = {name: path for path, name in picture_files(folder, base, nested=True)}
        ranked = sorted(pictures, key=name_hash)
        if len(ranked) < 2:
            raise DataError(
                f"{folder} has {len(ranked)} pictures; training and test need one background each"
            )
        count = max(1, round(len(ranked) / 5))
        parts = ((train, ranked[count:]), (test, ranked[:count]))
        laid = [
            {
                name: Sample(
                    sample.image,
                    sample.target,
                    sample.unknown,
                    pictures[chosen[_draw(self.seed, name, len(chosen))]],
                )
                for name, sample in samples.items()
                if sample.target  # Nothing says where a foreground without a matte ends.
            }
            for samples, chosen in parts
        ]
        return laid[0], laid[1]

    def find_channels(self) -> Channels:
        """8-bit RGB: foregrounds are composed over photographs."""
        return RGB

    def image(self, name: str) -> np.ndarray:
        """(H, W, 3) uint8, composed as alpha F + (1 - alpha) B. Raises DataError where the sizes differ."""
        sample = self._sample(name)
        found = self._cache.get(("image", name))
        if found is None:
            found = self._composed(sample)
            self._cache.put(("image", name), found)
        return found

    def _composed(self, sample: Sample) -> np.ndarray:
        assert sample.target is not None
        assert sample.background is not None
        foreground = self._decoded(sample.image, read_picture)
        alpha = self._decoded(sample.target, read_alpha)
        if foreground.shape[:2] != alpha.shape[:2]:
            sizes = [f"{array.shape[1]} x {array.shape[0]} px" for array in (foreground, alpha)]
            raise DataError(
                f"sizes differ: image {sample.image} is {sizes[0]}, its target {sample.target} is {sizes[1]}; "
                "make them equal or take both out"
            )
        opacity = alpha / (1.0 if alpha.dtype.kind == "f" else np.iinfo(alpha.dtype).max)
        behind = _cover(self._decoded(sample.background, read_picture), foreground.shape[:2])
        return np.rint(opacity * foreground + (1 - opacity) * behind).astype(np.uint8)


def _draw(seed: int, name: str, count: int) -> int:
    return int.from_bytes(name_hash(f"{seed}\0{name}")[:8]) % count


def _cover(picture: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    """The middle of (H, W, 3) uint8, rescaled so that it just covers (height, width)."""
    height, width = size
    scale = min(picture.shape[0] / height, picture.shape[1] / width)
    side = (width * scale, height * scale)
    left, top = ((have - used) / 2 for have, used in zip(picture.shape[1::-1], side, strict=True))
    box = (left, top, left + side[0], top + side[1])
    return np.asarray(Image.fromarray(picture).resize((width, height), Image.Resampling.BILINEAR, box=box))
