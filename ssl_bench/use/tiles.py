"""Large images in tiles whose overlaps are blended, so that memory is bounded and no seam shows."""

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ssl_bench.train.batches import whole_image

WHOLE = 2**21
"""Pixels of the largest image that is taken whole, as evaluation does: a little above full HD."""
TILE = 1024
"""Side of a tile, px."""
OVERLAP = 256
"""Of two neighbours, px."""
MARGIN = 64
"""Pixels at an inner edge of a tile that are not used, since they see too little of their surroundings.

Where a network looks no farther than this, tiles give what the whole image would, to rounding. One that looks
farther, or at the image as a whole (global pooling, attention), sees each tile as an image of its own; there
the blend over the rest of the overlap hides the seam.
"""


class Span(NamedTuple):
    """A tile along one axis, and how much each of its pixels counts; over all tiles a pixel's weights sum to 1."""

    start: int
    weight: np.ndarray

    @property
    def stop(self) -> int:
        """One past the last pixel."""
        return self.start + len(self.weight)


def spans(length: int, stride: int) -> list[Span]:
    """Tiles along an axis of `length` px. They start at multiples of `stride`, as cells of a network's coarsest
    grid do in the whole image, and overlap by `OVERLAP` or, for the last one, more."""
    side, overlap = (stride * math.ceil(size / stride) for size in (TILE, OVERLAP))
    starts = list(range(0, max(1, length - side), side - overlap))
    if length > side:
        starts.append(math.ceil((length - side) / stride) * stride)
    ranges = [(start, min(start + side, length)) for start in dict.fromkeys(starts)]
    weights = np.zeros((len(ranges), length), np.float32)
    for row, (start, stop) in zip(weights, ranges, strict=True):
        places = np.arange(start, stop) + 0.5
        # The image's own edges are edges for the whole image, too.
        edge = np.minimum(
            np.inf if start == 0 else places - start, np.inf if stop == length else stop - places
        )
        row[start:stop] = np.clip((edge - MARGIN) / (overlap - 2 * MARGIN), 0, 1)
    weights /= weights.sum(0)
    return [Span(start, row[start:stop]) for row, (start, stop) in zip(weights, ranges, strict=True)]


def prediction_bands(
    predict: Callable[[Tensor], Tensor], image: np.ndarray, stride: int, device: torch.device
) -> Iterator[Tensor]:
    """`predict`, (B, C, H, W) in [0, 1] to (B, O, H, W), of an image (H, W, C) of any depth, in bands of whole rows.

    Each band is (1, O, rows, W), and valid until the next is asked for. An image of up to `WHOLE` pixels is one
    band, predicted whole. Memory beyond the image is that of one tile and of one row of tiles.
    """
    height, width = image.shape[:2]
    if height * width <= WHOLE:
        yield predict(whole_image(image, device))
        return
    # A network that states no stride may have one: 32 suits the usual ones.
    align = math.lcm(stride, 32)
    rows, columns = spans(height, align), spans(width, align)
    band: Tensor | None = None
    ends = [row.start for row in rows[1:]] + [height]
    for row, end in zip(rows, ends, strict=True):
        for column in columns:
            part = predict(whole_image(image[row.start : row.stop, column.start : column.stop], device))
            part = part * torch.from_numpy(row.weight[:, None] * column.weight).to(device)
            if band is None:
                deepest = max(len(other.weight) for other in rows)
                band = part.new_zeros(1, part.shape[1], deepest, width)
            band[:, :, : len(row.weight), column.start : column.stop] += part
        assert band is not None
        done = end - row.start
        yield band[:, :, :done]
        unfinished = band[:, :, done:].clone()
        band.zero_()[:, :, : unfinished.shape[2]] = unfinished
