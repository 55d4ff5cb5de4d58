"""Images that are copies of one another: by their pixels, and by what is left of them at 32 x 32. Free of torch.

A perceptual hash here is the grey picture at 32 x 32. Two images are copies, but for encoding, size or noise, where
these differ by at most `COPY_RMS` of 255 levels (root of the mean square) and `COPY_PIXEL` in any place, and correlate
at `COPY_CORRELATION` or more. Measured on street scenes of a video (CamVid), portraits, camera noise and night scenes:
copies as JPEG of quality 30 or WebP of 50, or at half the size, lie within 1.4 and 8 levels; of two frames of the video
none are closer than 4.6 and 38. What correlates as well and lies within `NEAR_RMS` alone is near, and for its owner to
judge.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from ssl_bench.pixels.channels import eight_bit

SIDE = 32
COPY_RMS, COPY_PIXEL, COPY_CORRELATION = 2.0, 8.0, 0.99
NEAR_RMS = 5.0
_BLOCK = 512
_LIKELIEST = 8
"""Images compared in every place, for each image."""


@dataclass(frozen=True)
class Print:
    """What tells an image again."""

    content: bytes
    """Hash of shape and pixels."""
    small: np.ndarray
    """(SIDE * SIDE,) uint8."""

    @classmethod
    def of(cls, image: np.ndarray) -> "Print":
        """That of (H, W, C) in the full range of its type; of more channels than three, of the first three."""
        content = hashlib.blake2b(repr((image.shape, image.dtype.str)).encode(), digest_size=16)
        content.update(np.ascontiguousarray(image).data)
        image = eight_bit(image[..., :3])
        grey = Image.fromarray(image).convert("L") if image.shape[2] == 3 else Image.fromarray(image[..., 0])
        return cls(content.digest(), np.asarray(grey.resize((SIDE, SIDE), Image.Resampling.BILINEAR)).ravel())


@dataclass(frozen=True)
class Pair:
    """Places of two images that show one thing."""

    first: int
    second: int
    exact: bool
    """Pixel for pixel."""
    copy: bool
    """But for encoding, size or noise; else only near."""


def find_pairs(first: Sequence[Print], second: Sequence[Print]) -> Iterator[Pair]:
    """The pairs across two groups of images, in the order of the first."""
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
            likely = np.flatnonzero(likeness[row] >= COPY_CORRELATION)
            likely = likely[np.argsort(-likeness[row][likely], kind="stable")][: _LIKELIEST + len(exact)]
            for place in (int(place) for place in likely if place not in exact):
                off = np.abs(small[row].astype(np.int16) - others[place])
                rms = float(np.sqrt((off.astype(np.float64) ** 2).mean()))
                if rms <= NEAR_RMS:
                    yield Pair(start + row, place, False, rms <= COPY_RMS and off.max() <= COPY_PIXEL)


def _unit(small: np.ndarray) -> np.ndarray:
    """(N, P) uint8 with zero mean and unit length each; zero where there is nothing but one grey."""
    centred = small.astype(np.float32) - small.mean(1, keepdims=True, dtype=np.float32)
    return centred / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-3)
