"""Errors of an alpha matte.

Rhemann et al.: A perceptually motivated online benchmark for image matting. CVPR (2009). Where the paper
leaves a constant open, the one in common use is taken: sums in thousands, thresholds in steps of 0.1,
4-neighbours, derivative filters of unit energy. Mattes are compared as they are, not first stretched to
[0, 1] as some evaluation scripts do: a stretch would forgive a matte that is too faint.
"""

from typing import ClassVar

import numpy as np
from scipy import ndimage
from torch import Tensor

from ssl_bench import Scores, Target
from ssl_bench_tasks.metrics.average import ImageAverage
from ssl_bench_tasks.metrics.image import mean_squared_error, psnr

SIGMA = 1.4
RADIUS = 4
"""Of the derivative filters, px: beyond it the Gaussian is below 0.01."""
THRESHOLDS = np.arange(1, 11, dtype=np.float32) / np.float32(10)
THETA = 0.15


def absolute_error(prediction: np.ndarray, alpha: np.ndarray, region: np.ndarray) -> float:
    """SAD: sum of absolute differences of two (H, W) mattes over a region (H, W) bool, in thousands."""
    return float(np.abs(prediction.astype(np.float64) - alpha)[region].sum() / 1000)


def gradient_error(prediction: np.ndarray, alpha: np.ndarray, region: np.ndarray) -> float:
    """Sum over the region of squared differences of gradient magnitudes, in thousands."""
    difference = gradient_magnitude(prediction) - gradient_magnitude(alpha)
    return float(np.square(difference)[region].sum() / 1000)


def gradient_magnitude(matte: np.ndarray) -> np.ndarray:
    """Of an (H, W) matte, by first derivatives of a Gaussian of sigma 1.4; edges repeated; float64."""
    offsets = np.arange(-RADIUS, RADIUS + 1, dtype=np.float64)
    smooth = np.exp(-0.5 * (offsets / SIGMA) ** 2)
    slope = offsets * smooth
    # The outer product of the two, the 2-D filter, has unit energy then.
    smooth, slope = smooth / np.linalg.norm(smooth), slope / np.linalg.norm(slope)
    parts = []
    for axis in (0, 1):
        along = ndimage.correlate1d(matte.astype(np.float64), slope, axis=axis, mode="nearest")
        parts.append(ndimage.correlate1d(along, smooth, axis=1 - axis, mode="nearest"))
    return np.hypot(*parts)


def connectivity_error(prediction: np.ndarray, alpha: np.ndarray, region: np.ndarray) -> float:
    """Sum over the region of differences in the degree of connectivity, in thousands; mattes (H, W) float32.

    A pixel's level is the highest threshold up to which it belongs to the largest component of what both
    mattes have at or above the threshold; a matte's connectivity there falls short of 1 by its excess over
    that level, where the excess is at least 0.15.
    """
    level = np.zeros(alpha.shape, np.float32)
    lower = np.minimum(prediction, alpha)
    connected = np.ones(alpha.shape, bool)
    for threshold in THRESHOLDS:
        connected &= _largest_component(lower >= threshold)
        level[connected] = threshold
    degrees = [1 - np.where(matte - level >= THETA, matte - level, 0) for matte in (prediction, alpha)]
    return float(np.abs(degrees[0] - degrees[1])[region].sum(dtype=np.float64) / 1000)


def _largest_component(mask: np.ndarray) -> np.ndarray:
    """The largest 4-connected component of (H, W) bool, the first of equals; nothing of an empty mask."""
    labels, count = ndimage.label(mask)
    if not count:
        return mask
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    return labels == sizes.argmax()


class MattingMetrics(ImageAverage):
    """PSNR over the valid pixels; the errors over those in the unknown region, where an image has one."""

    names: ClassVar[tuple[str, ...]] = ("psnr", "sad", "mse", "gradient", "connectivity")

    def score(self, prediction: Tensor, target: Target, unknown: Tensor | None) -> Scores:
        """Scores of an alpha (1, 1, H, W); None throughout the errors where the region is empty."""
        region = target.valid if unknown is None else target.valid & unknown.to(target.valid.device)
        # Void pixels are made equal, since filters and components look beyond the region.
        found = prediction.clamp(0, 1).where(target.valid, 0.0)
        truth = target.value.where(target.valid, 0.0)
        scores: Scores = dict.fromkeys(self.names)
        scores["psnr"] = psnr(found, truth, target.valid)
        scores["mse"] = mean_squared_error(found, truth, region)
        if scores["mse"] is not None:
            arrays = [tensor[0, 0].cpu().numpy() for tensor in (found.float(), truth.float(), region)]
            scores["sad"] = absolute_error(*arrays)
            scores["gradient"] = gradient_error(*arrays)
            scores["connectivity"] = connectivity_error(*arrays)
        return scores
