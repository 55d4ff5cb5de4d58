"""Pipeline C: the ground truth of the flaw detector on labelled rows.

Source: GCT, appendix A, algorithm 1 (https://arxiv.org/abs/2008.05258).

Deviations: C also stretches the error to [0, 1] before its first blur, which changes nothing in exact arithmetic and
keeps a flat error flat. Where the algorithm is silent, kernel sizes are rounded down and made odd, and sigma and border
are those of OpenCV.
"""

import torch
from torch import Tensor

from ssl_bench.toolbox import dilate, gaussian_blur, minmax, odd_size


@torch.no_grad()
def flaw_target(
    prediction: Tensor, target: Tensor, *, mu: float, nu: int, valid: Tensor | None = None
) -> Tensor:
    """F_gt = C(T(x), y), (B, 1, H, W) in [0, 1], 0 everywhere for a flat error; without gradient.

    `prediction`, `target`: (B, O, H, W), the target one-hot for classes. `mu`: weight of the sum over channels, which
    the normalisation cancels. `nu`: times to dilate and blur. `valid`: (B, 1, H, W) bool; the error is 0 elsewhere.
    """
    height, width = prediction.shape[-2:]
    flaws = torch.linalg.vector_norm(prediction - target, 1, dim=1, keepdim=True) * mu
    if valid is not None:
        flaws = torch.where(valid, flaws, 0.0)
    # C is invariant under an affine map; on [0, 1] rounding stays small and a flat map stays exactly flat.
    flaws = minmax(flaws)
    flaws = gaussian_blur(flaws, (odd_size(height, 8), odd_size(width, 8)))
    for _ in range(nu):
        # C also commutes with a shift: about 0, rounding shrinks with the contrast, which each blur lowers.
        flaws = dilate(flaws.sub_(flaws[:, :, height // 2, width // 2, None, None].clone()))
        flaws = gaussian_blur(flaws, (odd_size(height, 4), odd_size(width, 4)))
    return minmax(flaws)
