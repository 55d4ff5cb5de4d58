"""Real Image Denoising: the clean photograph behind a noisy one."""

from collections.abc import Mapping
from typing import ClassVar

from ssl_bench import Strength
from ssl_bench_tasks.metrics.image import ImageMetrics
from ssl_bench_tasks.perturbations import Perturbation, SensorNoise
from ssl_bench_tasks.regression import ImageRegression


class Denoising(ImageRegression):
    """The network predicts the noise, taken off by addition.

    The clean image does not depend on how much noise of zero mean lies over it, and on nothing else: a change
    of exposure, colour or focus would change the clean image just as much. So both strengths add noise only.
    """

    residual: ClassVar[bool] = True
    perturbations: ClassVar[Mapping[Strength, Perturbation]] = {
        "weak": SensorNoise((0.002, 0.015)),
        "strong": SensorNoise((0.03, 0.06)),
    }

    def metrics(self) -> ImageMetrics:
        """Start to measure PSNR, SSIM and MAE."""
        return ImageMetrics()
