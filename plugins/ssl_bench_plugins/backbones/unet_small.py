"""A small U-Net, fast on a CPU: the default of the small tiers.

Ronneberger et al., U-Net: Convolutional Networks for Biomedical Image Segmentation, MICCAI 2015,
https://arxiv.org/abs/1505.04597. Deviations, for speed: BatchNorm, one convolution per decoder level, nearest
upsampling, padded convolutions, few channels.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

WIDTHS = (16, 32, 64, 96)


def build(name: str, in_channels: int, out_channels: int) -> nn.Module:
    """The network, freshly initialised."""
    return SmallUNet(in_channels, out_channels)


class SmallUNet(nn.Module):
    """(B, in, H, W) to (B, out, H, W), H and W multiples of `stride`."""

    stride = 2 ** (len(WIDTHS) - 1)

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.encoder = nn.ModuleList()
        channels = in_channels
        for width in WIDTHS:
            self.encoder.append(nn.Sequential(_convolution(channels, width), _convolution(width, width)))
            channels = width
        self.decoder = nn.ModuleList()
        for width in WIDTHS[-2::-1]:
            self.decoder.append(_convolution(channels + width, width))
            channels = width
        self.head = nn.Conv2d(channels, out_channels, 1)

    def forward(self, inputs: Tensor) -> Tensor:
        """Normalised images to logits."""
        features = inputs
        skips: list[Tensor] = []
        for level, stage in enumerate(self.encoder):
            features = stage(F.max_pool2d(features, 2) if level else features)
            skips.append(features)
        for stage, skip in zip(self.decoder, skips[-2::-1], strict=True):
            # Nearest upsampling, in half the time that F.interpolate takes on a CPU.
            larger = features.repeat_interleave(2, 2).repeat_interleave(2, 3)
            features = stage(torch.cat([larger, skip], 1))
        logits: Tensor = self.head(features)
        return logits


def _convolution(in_channels: int, out_channels: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
    )
