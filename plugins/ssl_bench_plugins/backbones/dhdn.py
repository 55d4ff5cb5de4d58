"""DHDN: a U-shaped denoiser of densely connected residual blocks.

Park, Yu, Jeong, Densely Connected Hierarchical Network for Image Denoising, CVPR Workshops 2019,
https://openaccess.thecvf.com/content_CVPRW_2019/html/NTIRE/Park_Densely_Connected_Hierarchical_Network_for_Image_Denoising_CVPRW_2019_paper.html.

Four levels of 128, 256, 512 and 1,024 channels with two blocks each on the way down, and blocks of twice the channels
on the way up, where the level's own features are concatenated with those from below. Down: 2 x 2 maximum and a 1 x 1
convolution to twice the channels. Up: a 1 x 1 convolution and a pixel shuffle. Every convolution, the last one too, is
followed by a PReLU with one learnt slope. No normalisation. 168.2 M parameters.

Deviation: the residual connection from input to output is the task's to add (`TaskNetwork`), so the network
also serves tasks without one.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

WIDTHS = (128, 256, 512, 1024)
"""Channels of each level on the way down."""


def build(name: str, in_channels: int, out_channels: int) -> nn.Module:
    """Build the network by its name, freshly initialised."""
    return DHDN(in_channels, out_channels)


class DHDN(nn.Module):
    """(B, in, H, W) to (B, out, H, W), H and W multiples of `stride`."""

    encoding = ("stem", "encoder", "down")

    def __init__(self, in_channels: int, out_channels: int, widths: tuple[int, ...] = WIDTHS) -> None:
        super().__init__()
        self.stride = 2 ** (len(widths) - 1)
        self.stem = _convolution(in_channels, widths[0], 1)
        self.encoder = nn.ModuleList(_two_blocks(width) for width in widths)
        self.down = nn.ModuleList(_convolution(width, larger, 1) for width, larger in pairwise(widths))
        # Every way up starts from twice the channels of its level: at the bottom the blocks' input stands beside
        # their output, above it the skip beside what comes from below. A pixel shuffle leaves a quarter of them.
        self.up = nn.ModuleList(_convolution(2 * width, 2 * width, 1) for width in widths[:0:-1])
        self.decoder = nn.ModuleList(_two_blocks(2 * width) for width in widths[-2::-1])
        self.head = _convolution(2 * widths[0], out_channels, 1)

    def forward(self, inputs: Tensor) -> Tensor:
        """Take normalised images (B, in, H, W) to logits (B, out, H, W)."""
        return self.from_features(self.features(inputs), inputs)

    def features(self, inputs: Tensor) -> list[Tensor]:
        """Normalised images to the upper levels, and the lowest one's input beside its output."""
        below = self.stem(inputs)
        skips: list[Tensor] = []
        for blocks, reduce in zip(self.encoder, self.down, strict=False):
            skips.append(blocks(below))
            below = reduce(F.max_pool2d(skips[-1], 2))
        return [*skips, torch.cat([below, self.encoder[-1](below)], 1)]

    def from_features(self, features: list[Tensor], inputs: Tensor) -> Tensor:
        """Turn the maps of all levels, the deepest last, into logits of the size of `inputs`."""
        *skips, below = features
        for enlarge, blocks, skip in zip(self.up, self.decoder, reversed(skips), strict=True):
            below = blocks(torch.cat([skip, F.pixel_shuffle(enlarge(below), 2)], 1))
        logits: Tensor = self.head(below)
        return logits


class DenseResidual(nn.Module):
    """Three 3 x 3 convolutions, each on the concatenation of all before it; the last one's output is added to the
    block's input. (B, C, H, W) to the same shape; C even."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        growth = channels // 2
        self.first = _convolution(channels, growth, 3)
        self.second = _convolution(channels + growth, growth, 3)
        self.last = _convolution(channels + 2 * growth, channels, 3)

    def forward(self, features: Tensor) -> Tensor:
        """The refined features."""
        dense = torch.cat([features, self.first(features)], 1)
        dense = torch.cat([dense, self.second(dense)], 1)
        refined: Tensor = features + self.last(dense)
        return refined


def _two_blocks(channels: int) -> nn.Sequential:
    return nn.Sequential(DenseResidual(channels), DenseResidual(channels))


def _convolution(in_channels: int, out_channels: int, size: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(in_channels, out_channels, size, padding=size // 2), nn.PReLU())
