"""What GCT reads off two flaw maps: which prediction to trust where, and where neither is.

Source: GCT (https://arxiv.org/abs/2008.05258).

Deviations: a flawless map is zero; the public code makes it a negative constant.
"""

import torch
from torch import Tensor

from ssl_bench.toolbox import gaussian_blur, minmax, odd_size

FLAWLESS = 0.1
"""A blurred map that nowhere exceeds it shows no flaw."""


@torch.no_grad()
def readable(flaws: Tensor, valid: Tensor) -> Tensor:
    """F's output (B, 1, H, W) made comparable: in [0, 1] per image, 0 where not `valid`; the output is left as it is.

    Negative values are cut, the map is blurred by (H/16, W/16), and scaled unless the image is flawless.
    """
    height, width = flaws.shape[-2:]
    flaws = torch.where(valid, flaws.clamp_min(0.0), 0.0)
    flaws = gaussian_blur(flaws, (odd_size(height, 16), odd_size(width, 16)))
    flaws = torch.where(valid, flaws, 0.0)
    flawed = flaws.amax((1, 2, 3), keepdim=True) > FLAWLESS
    return torch.where(flawed & valid, minmax(flaws), 0.0)


def exchange(
    predictions: tuple[Tensor, Tensor], maps: tuple[Tensor, Tensor], xi: float
) -> tuple[Tensor, Tensor]:
    """Pseudo targets of both networks: the other's prediction where one's own is flawed more, else one's own.

    Beyond `xi` all flaws count the same; in a tie each keeps its own. Predictions (B, O, H, W), readable maps
    (B, 1, H, W).
    """
    (first, second), (a_1, a_2) = predictions, (torch.where(flaws > xi, 1.0, flaws) for flaws in maps)
    return torch.where(a_1 > a_2, second, first), torch.where(a_2 > a_1, first, second)


def both_flawed(maps: tuple[Tensor, Tensor], xi: float) -> Tensor:
    """M, (B, 1, H, W) bool: where no prediction is to be trusted."""
    return (maps[0] > xi) & (maps[1] > xi)
