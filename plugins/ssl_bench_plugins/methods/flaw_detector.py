"""The flaw detector F: where a prediction is wrong, seen from prediction and image alone.

Source: GCT, appendix B (https://arxiv.org/abs/2008.05258). Five convolutions of stride 2 make a cell of 32 px: the map
of an image no larger is flat, so it tells GCT nothing.

Deviations: F has the leaky ReLU of 0.2 that the appendix's text names, where its table says ReLU.
"""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ssl_bench import UsageError
from ssl_bench.toolbox import SameConv2d
from ssl_bench_plugins.methods.paper_configs import SMALLEST_IBN

LAYERS = ((64, 2), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), (512, 1))
"""Output channels and stride of the first seven convolutions, all 4 x 4; the eighth gives 1 channel at stride 2."""


class FlawDetector(nn.Module):
    """F. `norm`: `batch` is the paper's; `ibn` the public code's variant.

    The variant normalises half of the channels per batch and half per image, and pads every convolution by 1, so
    that stride 1 shrinks a map by a pixel; it takes images of 92 px or more, of which the map has more than one cell.
    """

    def __init__(self, in_channels: int, norm: Literal["batch", "ibn"] = "batch") -> None:
        super().__init__()
        self.norm = norm
        layers: list[nn.Module] = []
        for channels, stride in LAYERS:
            layers += [self._convolution(in_channels, channels, stride), self._norm(channels)]
            layers += [nn.LeakyReLU(0.2, inplace=True)]
            in_channels = channels
        self.layers = nn.Sequential(*layers, self._convolution(in_channels, 1, 2))

    def forward(self, prediction: Tensor, images: Tensor) -> Tensor:
        """T(x) (B, O, H, W) and x (B, C, H, W), normalised as the network that made T(x) sees it, to a flaw map
        (B, 1, H, W) without a bound, float32 at least."""
        size = images.shape[-2:]
        if self.norm == "ibn" and min(size) < SMALLEST_IBN:
            raise UsageError(
                f"GCT's detector_norm 'ibn' needs images of {SMALLEST_IBN} px or more, for a map of more than one "
                f"cell, not {size[0]} x {size[1]}; set detector_norm=batch or a larger crop"
            )
        flaws = self.layers(torch.cat([prediction, images], 1))
        flaws = flaws.to(torch.promote_types(flaws.dtype, torch.float32))
        return F.interpolate(flaws, size, mode="bilinear", align_corners=True)

    def _convolution(self, in_channels: int, out_channels: int, stride: int) -> nn.Module:
        if self.norm == "ibn":
            return nn.Conv2d(in_channels, out_channels, 4, stride, padding=1)
        return SameConv2d(in_channels, out_channels, stride)

    def _norm(self, channels: int) -> nn.Module:
        return InstanceBatchNorm(channels) if self.norm == "ibn" else nn.BatchNorm2d(channels)


class InstanceBatchNorm(nn.Module):
    """BatchNorm on the first half of the channels, InstanceNorm without scale and shift on the second."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.batch = nn.BatchNorm2d(channels // 2)
        self.instance = nn.InstanceNorm2d(channels - channels // 2)

    def forward(self, features: Tensor) -> Tensor:
        """(B, C, H, W), same shape."""
        across, within = features.split([self.batch.num_features, self.instance.num_features], 1)
        return torch.cat([self.batch(across), self.instance(within)], 1)
