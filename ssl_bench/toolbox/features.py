"""Features of a network with something missing or added, for a decoder to do without.

Features are maps (B, C_i, H_i, W_i), the deepest last (`TaskNetwork.features`). `levels` says how many of them are
changed, from the deepest on; 0: all. What is drawn depends on the number of rows and on the network alone.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from ssl_bench.toolbox.transfer import on_device
from ssl_bench.world.part import Draws


def drop_channels(features: Sequence[Tensor], draws: Draws, rate: float, *, levels: int = 0) -> list[Tensor]:
    """Each channel of each row gone with probability `rate` in [0, 1), the others over 1 - rate, level by level.

    As `torch.nn.functional.dropout2d`, Tompson et al., CVPR 2015, https://arxiv.org/abs/1411.4280.
    """

    def drop(level: Tensor) -> Tensor:
        there = draws.rand(*level.shape[:2]) >= rate
        return level * _like(there[:, :, None, None], level) / (1 - rate)

    return _changed(features, levels, drop)


def complementary_masks(
    features: Sequence[Tensor], draws: Draws, *, levels: int = 0
) -> tuple[list[Tensor], list[Tensor]]:
    """Factors (B, C_i, 1, 1) for two views whose features are `features`, which one view has twice and the other not
    at all: M and 2 - M, M of {0, 2} with equal probability; for half of the rows, each by a draw of its own, 1.

    Where all levels are equally wide, as a transformer's are, they share their masks; else each has its own.
    Yang et al., TPAMI 2025, https://arxiv.org/abs/2410.10777.
    """
    widths = [level.shape[1] for level in features]
    rows, changed = len(features[0]), _places(features, levels)
    whole = draws.rand(rows, 1) < 0.5
    drawn = [draws.rand(rows, width) for width in (widths[:1] if len(set(widths)) == 1 else widths)]
    if len(drawn) == 1:
        drawn *= len(widths)
    first = []
    for place, (level, numbers) in enumerate(zip(features, drawn, strict=True)):
        kept = (2.0 * (numbers < 0.5)).where(~whole & (place in changed), 1.0)
        first.append(_like(kept[:, :, None, None], level))
    return first, [2 - mask for mask in first]


def add_noise(features: Sequence[Tensor], draws: Draws, bound: float, *, levels: int = 0) -> list[Tensor]:
    """z + z n, n ~ U(-bound, bound) of shape (C_i, H_i, W_i), one draw for all rows of a step.

    Ouali et al., CVPR 2020, https://arxiv.org/abs/2003.09005.
    """

    def disturb(level: Tensor) -> Tensor:
        return level * (1 + bound * (2 * _like(draws.once(*level.shape[1:]), level) - 1))

    return _changed(features, levels, disturb)


def drop_strongest(
    features: Sequence[Tensor], draws: Draws, low: float, high: float, *, levels: int = 0
) -> list[Tensor]:
    """Without the places at which a row's mean over channels is a share u ~ U(low, high) of its largest or more; one
    draw of u for all rows of a step, and for each level.

    Ouali et al., CVPR 2020, https://arxiv.org/abs/2003.09005.
    """

    def drop(level: Tensor) -> Tensor:
        mean = level.detach().mean(1, keepdim=True)
        share = low + (high - low) * _like(draws.once(1), level)
        return torch.where(mean < share * mean.amax((2, 3), keepdim=True), level, 0.0)

    return _changed(features, levels, drop)


def _places(features: Sequence[Tensor], levels: int) -> range:
    count = len(features)
    return range(max(count - levels, 0) if levels else 0, count)


def _changed(features: Sequence[Tensor], levels: int, change: Callable[[Tensor], Tensor]) -> list[Tensor]:
    places = _places(features, levels)
    return [change(level) if place in places else level for place, level in enumerate(features)]


def _like(drawn: Tensor, level: Tensor) -> Tensor:
    """What was drawn on the host, on the device and in the precision of a level."""
    return on_device(drawn.to(level.dtype), level.device)
