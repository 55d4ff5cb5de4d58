"""Night Image Enhancement: the well-lit photograph of a scene shot in the dark."""

from collections.abc import Mapping
from typing import ClassVar

from ssl_bench import Strength
from ssl_bench_tasks.metrics.image import ImageMetrics
from ssl_bench_tasks.perturbations import Exposure, Perturbation
from ssl_bench_tasks.regression import ImageRegression


class Night(ImageRegression):
    """No residual: the answer is far brighter than the input.

    The well-lit image does not depend on how dark the shot was, nor on its noise. It does depend on the
    colours, which the dark shot alone tells, so that all channels are exposed alike.
    """

    perturbations: ClassVar[Mapping[Strength, Perturbation]] = {
        "weak": Exposure(stops=0.4, gamma=0.05, noise=(0.0, 0.01)),
        "strong": Exposure(stops=1.25, gamma=0.2, noise=(0.01, 0.04)),
    }

    def metrics(self) -> ImageMetrics:
        """Start to measure PSNR, SSIM and MAE."""
        return ImageMetrics()
