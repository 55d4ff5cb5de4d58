"""Portrait Image Matting: how much of each pixel is the person."""

from collections.abc import Mapping
from typing import ClassVar

from torch import Tensor

from ssl_bench import Strength
from ssl_bench_tasks.metrics.matting import MattingMetrics
from ssl_bench_tasks.perturbations import Perturbation, Photometric
from ssl_bench_tasks.regression import ImageRegression


class Matting(ImageRegression):
    """Squared error of a sigmoid.

    An image is alpha * F + (1 - alpha) * B, so an affine change of colour changes F and B and leaves alpha
    exactly as it is, up to clipping. A blur would blur alpha with it: the strong one stays within 1 px.
    """

    channels: ClassVar[int | None] = 1
    perturbations: ClassVar[Mapping[Strength, Perturbation]] = {
        "weak": Photometric(jitter=0.1, hue=0.1, noise=(0.0, 0.01)),
        "strong": Photometric(jitter=0.4, hue=0.4, noise=(0.01, 0.05), blur=1.0, gray=0.2),
    }

    def activate(self, logits: Tensor) -> Tensor:
        """Alpha (B, 1, H, W) in [0, 1]; float32, or float64 for float64 logits."""
        return super().activate(logits).sigmoid()

    def metrics(self) -> MattingMetrics:
        """PSNR, SAD, MSE, gradient and connectivity errors."""
        return MattingMetrics()
