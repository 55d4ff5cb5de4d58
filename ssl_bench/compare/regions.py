"""Where the outputs of several methods differ most, as boxes."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

SHARE = 0.3
"""Side of a box, as a share of the image's shorter side."""
LEAST = 8
"""Of that side, px."""
WORTH = 0.2
"""A further box holds at least this share of the first one's differences."""


class Box(NamedTuple):
    """A square region: column and row of its first pixel, and its side, px."""

    left: int
    top: int
    side: int


def difference(
    outputs: Sequence[np.ndarray], *, classes: bool, valid: np.ndarray | None = None
) -> np.ndarray:
    """How much outputs of one image disagree, (H, W) float64 >= 0, and 0 where not `valid` (H, W) bool.

    Class ids (H, W): the chance that two methods drawn at random name different classes (Gini's index). Images
    (H, W, O) of integers: their standard deviation over methods, the mean of the channels.
    """
    if classes:
        stack = np.stack(outputs)
        shares = [(stack == one).mean(0) for one in np.unique(stack)]
        spread = 1.0 - np.sum(np.square(shares), axis=0)
    else:
        spread = np.stack([image / np.iinfo(image.dtype).max for image in outputs]).std(0).mean(-1)
    return spread if valid is None else np.where(valid, spread, 0.0)


def find_boxes(spread: np.ndarray, count: int = 2) -> list[Box]:
    """Up to `count` squares that do not overlap, the first where differences (H, W) are densest, left to right.

    Pixels count more towards the middle of a box, so that what differs stands there. None where nothing differs.
    """
    side = min(max(LEAST, round(SHARE * min(spread.shape))), *spread.shape)
    weighted = _tent(spread, side)
    boxes: list[Box] = []
    first = 0.0
    while len(boxes) < count:
        top, left = np.unravel_index(int(weighted.argmax()), weighted.shape)
        worth = float(weighted[top, left])
        if worth <= max(1e-12, WORTH * first):
            break
        first = first or worth
        box = Box(int(left), int(top), side)
        boxes.append(box)
        weighted[
            max(0, box.top - side + 1) : box.top + side, max(0, box.left - side + 1) : box.left + side
        ] = 0
    return sorted(boxes)


def _tent(values: np.ndarray, side: int) -> np.ndarray:
    """Sums over all squares of a side, by weights that fall off linearly from their middle."""
    half = (side + 1) // 2
    return _sums(_sums(values, half), side - half + 1)


def _sums(values: np.ndarray, side: int) -> np.ndarray:
    total = np.pad(values, ((1, 0), (1, 0))).cumsum(0).cumsum(1)
    sums: np.ndarray = (
        total[side:, side:] - total[:-side, side:] - total[side:, :-side] + total[:-side, :-side]
    )
    return sums
