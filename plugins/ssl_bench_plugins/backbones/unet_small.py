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
    """Build the network by its name, freshly initialised."""
    return SmallUNet(in_channels, out_channels)


class SmallUNet(nn.Module):
    """(B, in, H, W) to (B, out, H, W), H and W multiples of `stride`."""

    stride = 2 ** (len(WIDTHS) - 1)
    encoding = ("encoder",)

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
        """Take normalised images (B, in, H, W) to logits (B, out, H, W)."""
        return self.from_features(self.features(inputs), inputs)

    def features(self, inputs: Tensor) -> list[Tensor]:
        """Normalised images to the four levels, each half the size of the one before it."""
        skips: list[Tensor] = []
        for stage in self.encoder:
            skips.append(stage(F.max_pool2d(skips[-1], 2) if skips else inputs))
        return skips

    def from_features(self, features: list[Tensor], inputs: Tensor) -> Tensor:
        """The four levels to logits."""
        *skips, below = features
        for stage, skip in zip(self.decoder, reversed(skips), strict=True):
            # Nearest upsampling, in half the time that F.interpolate takes on a CPU.
            larger = below.repeat_interleave(2, 2).repeat_interleave(2, 3)
            below = stage(torch.cat([larger, skip], 1))
        logits: Tensor = self.head(below)
        return logits


def _convolution(in_channels: int, out_channels: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
    )
