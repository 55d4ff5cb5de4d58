"""Pasting a region of one unlabelled image into another, and what belongs to it: CutMix.

Partners are rows 2i and 2i + 1. They do not depend on how many parts a batch is cut in, as long as no part holds half
a pair: a method's config says so by `rows_together`.
"""

from typing import Literal

import torch
from torch import Tensor

from ssl_bench.errors import PluginError
from ssl_bench.toolbox.transfer import on_device
from ssl_bench.world.part import Draws

BoxLaw = Literal["half", "toggle", "aspect"]
"""Which boxes are pasted; `draw_boxes` says by whose law."""

PAIR = 2
"""Rows that are mixed with each other."""
CANDIDATES = 8
"""Boxes drawn for a row, of which the first that lies inside is taken."""


def partners(rows: Tensor) -> Tensor:
    """(B, ...) with rows 2i and 2i + 1 in each other's place. PluginError where a row has no partner."""
    if len(rows) % PAIR:
        raise PluginError(
            f"rows are mixed in pairs, and a part of the batch holds {len(rows)}; let the config's rows_together "
            f"give {PAIR}"
        )
    return rows.unflatten(0, (-1, PAIR)).flip(1).flatten(0, 1)


def mix(rows: Tensor, boxes: Tensor) -> Tensor:
    """(B, C, H, W), inside its box (B, 1, H, W) bool its partner's: for images, predictions and valid masks alike."""
    return torch.where(boxes, partners(rows), rows)


def draw_boxes(law: BoxLaw, draws: Draws, like: Tensor) -> Tensor:
    """Masks (B, 1, H, W) bool for images `like` (B, C, H, W), where they are; the number of draws depends on B alone.

    `half`: one box of half the area, its height the 0.5^u-th of the image's, u ~ U(0, 1), anywhere inside. French
    et al., BMVC 2020, https://arxiv.org/abs/1906.01916.
    `toggle`: three boxes; of area shares p ~ U(0.25, 0.5) and heights p^u, both sides times sqrt(1/3); where an even
    number of them overlaps, nothing is pasted. Chen et al., CVPR 2021, https://arxiv.org/abs/2106.01226, in its code.
    `aspect`: for half of the rows none, else one of an area share U(0.02, 0.4) and height over width U(0.3, 1/0.3).
    Yang et al., CVPR 2023, https://arxiv.org/abs/2208.09910, in its code, where boxes are drawn until one lies
    inside; here the first of 8, or else the first one, shrunk and shifted, so that draws depend on the rows alone.
    In the first two laws' code the box holds the row's own pixels and its partner's are outside: as both rows of a pair
    are mixed, that is the same.
    """
    rows, height, width = len(like), *like.shape[-2:]
    if law == "aspect":
        heights, widths, tops, lefts, there = _by_aspect(draws, rows, height, width)
    else:
        count = 1 if law == "half" else 3
        share, bent, down, right = draws.rand(rows, count, 4).unbind(2)
        share = torch.full_like(share, 0.5) if law == "half" else 0.25 + 0.25 * share
        tall = share**bent
        shrink = count**-0.5
        heights = (tall * shrink * height).round()
        widths = (share / tall * shrink * width).round()
        tops, lefts = ((height - heights) * down).round(), ((width - widths) * right).round()
        there = torch.ones_like(tops, dtype=torch.bool)
    inside = [
        (places >= start[..., None]) & (places < (start + length)[..., None])
        for places, start, length in (
            (torch.arange(height), tops, heights),
            (torch.arange(width), lefts, widths),
        )
    ]
    covered = inside[0][..., :, None] & inside[1][..., None, :] & there[..., None, None]
    # An odd number of boxes.
    return on_device((covered.sum(1, keepdim=True) % 2).bool(), like.device)


def _by_aspect(
    draws: Draws, rows: int, height: int, width: int
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    drawn = draws.rand(rows, 2 + 3 * CANDIDATES)
    there, area = drawn[:, :1] < 0.5, (0.02 + 0.38 * drawn[:, 1:2]) * height * width
    aspect, down, right = drawn[:, 2:].unflatten(1, (3, CANDIDATES)).unbind(1)
    aspect = 0.3 + (1 / 0.3 - 0.3) * aspect
    heights, widths = (area * aspect).sqrt().floor(), (area / aspect).sqrt().floor()
    tops, lefts = (down * height).floor(), (right * width).floor()
    fits = (tops + heights <= height) & (lefts + widths <= width)
    # The first that fits; of none, the first.
    first = fits.int().argmax(1, keepdim=True)
    heights, widths, tops, lefts = (each.gather(1, first) for each in (heights, widths, tops, lefts))
    heights, widths = heights.clamp(max=height), widths.clamp(max=width)
    return heights, widths, torch.minimum(tops, height - heights), torch.minimum(lefts, width - widths), there
