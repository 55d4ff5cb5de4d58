"""PSNR, SSIM and mean absolute error of images in [0, 1]."""

import math
from typing import ClassVar

import numpy as np
from scipy.ndimage import gaussian_filter
from torch import Tensor
from torch.nn import functional as F

from ssl_bench import Scores, Target
from ssl_bench_tasks.metrics.average import ImageAverage

PSNR_CAP = 100.0
"""dB; an exact copy scores this and not infinity, which no mean survives."""
WINDOW = 11
"""Side in px of the window of SSIM."""


def mean_squared_error(prediction: Tensor, value: Tensor, region: Tensor) -> float | None:
    """Mean over a region (1, 1, H, W) and all channels of two images (1, O, H, W); None where it is empty."""
    return _mean((prediction.double() - value.double()).square(), region)


def mean_absolute_error(prediction: Tensor, value: Tensor, region: Tensor) -> float | None:
    """As `mean_squared_error`, of absolute differences."""
    return _mean((prediction.double() - value.double()).abs(), region)


def psnr(prediction: Tensor, value: Tensor, region: Tensor) -> float | None:
    """Peak signal-to-noise ratio in dB, for a peak of 1, capped at `PSNR_CAP`; None for an empty region."""
    # Not by torchmetrics, which works in float32 and knows neither the cap nor a region.
    error = mean_squared_error(prediction, value, region)
    if error is None:
        return None
    return min(PSNR_CAP, -10 * math.log10(error)) if error > 0 else PSNR_CAP


def ssim(prediction: Tensor, value: Tensor, valid: Tensor) -> float | None:
    """Structural similarity for a data range of 1: 11 x 11 Gaussian window, sigma 1.5, K = (0.01, 0.03).

    Wang et al.: Image quality assessment: from error visibility to structural similarity. IEEE TIP (2004).
    The mean over all channels of every window that lies in the image and holds no void pixel; None where
    there is no such window, as in images with a side below 11 px.
    """
    if min(value.shape[-2:]) < WINDOW:
        return None
    whole = -F.max_pool2d(-valid[0].double(), WINDOW, stride=1) > 0.5
    if not whole.any():
        return None
    inside = np.s_[WINDOW // 2 : -(WINDOW // 2), WINDOW // 2 : -(WINDOW // 2)]
    pairs = zip(prediction[0].double().cpu().numpy(), value[0].double().cpu().numpy(), strict=True)
    # Channel by channel, so that a photograph of many megapixels fits into memory.
    chosen = whole[0].cpu().numpy()
    return float(np.mean([_ssim_map(x, y)[inside][chosen].mean() for x, y in pairs]))


def _ssim_map(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Two (H, W) float64 to (H, W); windows that hang over the border are to be cut off.

    torchmetrics counts those in its mean, takes 14 times as long in float64, and is off by 3e-5 in float32.
    """
    c1, c2 = 0.01**2, 0.03**2
    mean_x, mean_y, square_x, square_y, product = (
        gaussian_filter(image, sigma=1.5, radius=WINDOW // 2) for image in (x, y, x * x, y * y, x * y)
    )
    variances = (square_x - mean_x**2) + (square_y - mean_y**2)
    covariance = product - mean_x * mean_y
    luminance = (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
    return luminance * (2 * covariance + c2) / (variances + c2)


def _mean(values: Tensor, region: Tensor) -> float | None:
    chosen = values[region.expand_as(values)]
    return float(chosen.mean()) if chosen.numel() else None


class ImageMetrics(ImageAverage):
    """Of a restored image, clamped to [0, 1], over its valid pixels."""

    names: ClassVar[tuple[str, ...]] = ("psnr", "ssim", "mae")

    def score(self, prediction: Tensor, target: Target, unknown: Tensor | None) -> Scores:
        """`psnr` in dB, `ssim`, and `mae` in units of the full range. `unknown` is not looked at."""
        restored = prediction.clamp(0, 1)
        return {
            "psnr": psnr(restored, target.value, target.valid),
            "ssim": ssim(restored, target.value, target.valid),
            "mae": mean_absolute_error(restored, target.value, target.valid),
        }
