"""Images that are copies of one another: by their pixels, and by what is left of them at 32 x 32. Free of torch.

A perceptual hash here is the grey picture at 32 x 32. Two images are copies, but for encoding, size or noise, where
these differ by at most `COPY_RMS` of 255 levels (root of the mean square) and `COPY_PIXEL` in any place, and correlate
at `CORRELATION` or more. Where their sizes differ it is `NEAR_RMS` and `RESIZED_PIXEL`; where one of them alone has no
more than `FEW` colours, as a palette has, `FEW_RMS` and any place. Measured on street scenes of a video (CamVid),
portraits, camera noise and night scenes: copies as JPEG of quality 10 or WebP of 50 lie within 3.5 and 12 levels, at a
quarter of the size within 4.9 and 21, of 64 colours within 4.6 and 69; of two frames of the video none are closer than
4.6 and 38. What correlates as well and lies within `NEAR_RMS` alone is near, and for its owner to judge.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from PIL import Image

from ssl_bench.pixels.channels import eight_bit

SIDE = 32
COPY_RMS, COPY_PIXEL, CORRELATION = 3.5, 16, 0.95
NEAR_RMS, RESIZED_PIXEL = 5.0, 32
FEW, FEW_RMS = 256, 10.0
_BLOCK = 512
_PART = 4096
_LIKELIEST = 8
"""Images compared in every place, for each image."""


@dataclass(frozen=True)
class Print:
    """What tells an image again."""

    content: bytes
    """Hash of shape and pixels."""
    small: np.ndarray
    """(SIDE * SIDE,) uint8."""
    size: tuple[int, ...]
    """Height and width."""
    few: bool
    """No more colours than a palette has."""

    @classmethod
    def of(cls, image: np.ndarray) -> "Print":
        """That of (H, W, C) in the full range of its type; of more channels than three, of the first three."""
        content = hashlib.blake2b(repr((image.shape, image.dtype.str)).encode(), digest_size=16)
        content.update(np.ascontiguousarray(image).data)
        image = eight_bit(image[..., :3])
        few, size = _has_few_colours(image), image.shape[:2]
        grey = Image.fromarray(image).convert("L") if image.shape[2] == 3 else Image.fromarray(image[..., 0])
        small = np.asarray(grey.resize((SIDE, SIDE), Image.Resampling.BILINEAR)).ravel()
        return cls(content.digest(), small, size, few)


NO_PRINTS: Mapping[str, Print] = MappingProxyType({})
"""Where no image was looked at yet."""


@dataclass(frozen=True)
class Pair:
    """Places of two images that show one thing."""

    first: int
    second: int
    exact: bool
    """Pixel for pixel."""
    copy: bool
    """But for encoding, size or noise; else only near."""


def find_pairs(
    first: Sequence[Print], second: Sequence[Print], likeliest: int | None = _LIKELIEST
) -> Iterator[Pair]:
    """The pairs across two groups of images, in the order of the first. `likeliest`: how many images are compared with
    each in every place; None for all that correlate."""
    if not first or not second:
        return
    places: dict[bytes, list[int]] = {}
    for place, one in enumerate(second):
        places.setdefault(one.content, []).append(place)
    others = np.stack([one.small for one in second])
    others_unit = _unit(others)
    for start in range(0, len(first), _BLOCK):
        block = first[start : start + _BLOCK]
        small = np.stack([one.small for one in block])
        likeness = _unit(small) @ others_unit.T
        for row, one in enumerate(block):
            exact = places.get(one.content, [])
            yield from (Pair(start + row, place, True, True) for place in exact)
            likely = np.flatnonzero(likeness[row] >= CORRELATION)
            likely = likely[np.argsort(-likeness[row][likely], kind="stable")]
            likely = likely if likeliest is None else likely[: likeliest + len(exact)]
            for place in (int(place) for place in likely if place not in exact):
                off = np.abs(small[row].astype(np.int16) - others[place])
                rms = float(np.sqrt((off.astype(np.float64) ** 2).mean()))
                copy = _is_copy(one, second[place], rms, int(off.max()))
                if copy or rms <= NEAR_RMS:
                    yield Pair(start + row, place, False, copy)


def _is_copy(one: Print, other: Print, rms: float, most: int) -> bool:
    """Whether two images that correlate are one, by how far they are apart in the mean and at most."""
    if one.few != other.few:
        return rms <= FEW_RMS
    if one.size != other.size:
        return rms <= NEAR_RMS and most <= RESIZED_PIXEL
    return rms <= COPY_RMS and most <= COPY_PIXEL


def _has_few_colours(image: np.ndarray) -> bool:
    """Whether (H, W, C) uint8 has no more than `FEW` colours."""
    pixels = image.reshape(-1, image.shape[2])

    def count(step: int) -> int:
        some = pixels[::step].astype(np.uint32)
        return len(np.unique((some << (8 * np.arange(some.shape[1], dtype=np.uint32))).sum(axis=1)))

    # Of photographs a small part tells.
    return count(max(1, len(pixels) // _PART)) <= FEW and count(1) <= FEW


def _unit(small: np.ndarray) -> np.ndarray:
    """(N, P) uint8 with zero mean and unit length each; zero where there is nothing but one grey."""
    centred = small.astype(np.float32) - small.mean(1, keepdims=True, dtype=np.float32)
    return centred / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-3)
