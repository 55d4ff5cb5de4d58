"""HDRNet: a bilateral grid of affine colour transforms, predicted at low resolution and sliced by a learnt guide.

Gharbi, Chen, Barron, Hasinoff, Durand, Deep Bilateral Learning for Real-Time Image Enhancement, SIGGRAPH 2017,
https://arxiv.org/abs/1707.02880. Layers, grid and guide as in section 3 of the paper: 256 x 256 low-resolution
input, 16 x 16 x 8 grid, batch normalisation between feature maps but not after the first layer nor before the fusion
of the local and the global path, He initialisation. 482,080 parameters with three channels in and out, the figure that
later comparisons give. Deviations:

- The input comes normalised (`TaskNetwork`), which is undone first: the curves of the guide lie over [0, 1], and a gain
  of a dark image is easily learnt where black is 0, and hardly where it is -2.
- He's factor of 2 is for a ReLU that follows, so layers without one have none, and the head starts at a tenth: else the
  first outputs lie far outside of [0, 1], which hundreds of steps go to undoing (on 70 dark photographs 200 steps
  of Adam at 1e-3 come to 19 dB so, and to 13 dB without).
- The low-resolution input is resampled with an anti-aliasing filter, so that no pixel of a large image goes unseen. It
  is 256 x 256 for every image, larger or smaller.
- The fully connected layers' batch normalisation falls back on running statistics for a batch of one image, which has
  no variance of its own.

Slicing is one trilinear `grid_sample` of the grid at every pixel, where cells are centred as pixels are and the border
cells extend outwards. Its backward pass adds in no fixed order on a GPU, where torch has no deterministic form of it.
"""

import math
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ssl_bench import IMAGENET

SIDE = 256
"""Of the low-resolution input, px."""
CELLS = 16
"""Sides of the grid, in cells."""
BINS = 8
"""Depth of the grid, over the guide's range [0, 1]."""
KNOTS = 16
"""Of each curve of the guide."""
WIDTH = 64
"""Channels of the features that are fused."""
HEAD_GAIN = 0.1
"""Of the initial coefficients, over those of a layer that keeps the variance."""


def build(name: str, in_channels: int, out_channels: int) -> nn.Module:
    """Build the network by its name, freshly initialised."""
    return HDRNet(in_channels, out_channels)


class HDRNet(nn.Module):
    """(B, in, H, W) to (B, out, H, W), any H and W."""

    encoding = ("splat", "local_path", "global_path")
    mean: Tensor
    std: Tensor

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.in_channels, self.out_channels = in_channels, out_channels
        mean, std = IMAGENET.tensors(in_channels)
        self.register_buffer("mean", mean, persistent=False)
        self.register_buffer("std", std, persistent=False)
        widths = [in_channels, *(BINS * 2**level for level in range(int(math.log2(SIDE // CELLS))))]
        self.splat = nn.Sequential(
            *(_convolution(*pair, stride=2, norm=level > 0) for level, pair in enumerate(pairwise(widths)))
        )
        self.local_path = nn.Sequential(
            _convolution(widths[-1], WIDTH), nn.Conv2d(WIDTH, WIDTH, 3, padding=1, bias=False)
        )
        self.global_path = nn.Sequential(
            _convolution(widths[-1], WIDTH, stride=2),
            _convolution(WIDTH, WIDTH, stride=2),
            nn.Flatten(),
            _connected(WIDTH * (CELLS // 4) ** 2, 4 * WIDTH),
            _connected(4 * WIDTH, 2 * WIDTH),
            nn.Linear(2 * WIDTH, WIDTH),
        )
        self.head = nn.Conv2d(WIDTH, BINS * out_channels * (in_channels + 1), 1)
        self._initialise()
        self.guide = Guide(in_channels)

    def _initialise(self) -> None:
        without_relu = (self.local_path[-1], self.global_path[-1], self.head)
        for part in self.modules():
            if isinstance(part, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(
                    part.weight, nonlinearity="linear" if part in without_relu else "relu"
                )
                if part.bias is not None:
                    nn.init.zeros_(part.bias)
        with torch.no_grad():
            self.head.weight.mul_(HEAD_GAIN)

    def forward(self, inputs: Tensor) -> Tensor:
        """Take normalised images (B, in, H, W) to logits (B, out, H, W)."""
        return self.from_features(self.features(inputs), inputs)

    def features(self, inputs: Tensor) -> list[Tensor]:
        """Normalised images to the local and the global path's sum, of which the grid is made."""
        small = F.interpolate(self._images(inputs), (SIDE, SIDE), mode="bilinear", antialias=True)
        splat = self.splat(small)
        return [F.relu(self.local_path(splat) + self.global_path(splat)[:, :, None, None])]

    def from_features(self, features: list[Tensor], inputs: Tensor) -> Tensor:
        """That sum to logits: the transforms of its grid, sliced by the guide, of the images themselves."""
        images = self._images(inputs)
        sliced = slice_grid(self.grid(features[-1]), self.guide(images))
        transforms = sliced.unflatten(1, (self.out_channels, self.in_channels + 1))
        logits: Tensor = (transforms[:, :, :-1] * images.unsqueeze(1)).sum(2) + transforms[:, :, -1]
        return logits

    def grid(self, fused: Tensor) -> Tensor:
        """(B, out * (in + 1), depth, height, width): an affine transform in every cell, its offset last."""
        grid: Tensor = self.head(fused).unflatten(1, (-1, BINS))
        return grid

    def _images(self, inputs: Tensor) -> Tensor:
        return inputs * self.std + self.mean


class Guide(nn.Module):
    """g = b + sum over channels of curve_c(M_c x + b'_c): (B, in, H, W) to (B, H, W) in [0, 1].

    A curve is a sum of 16 ramps with learnt knots and slopes; it starts as the identity.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.matrix = nn.Conv2d(channels, channels, 1)
        self.knots = nn.Parameter(torch.arange(KNOTS).div(KNOTS).repeat(channels, 1))
        self.slopes = nn.Parameter(torch.zeros(channels, KNOTS))
        self.mix = nn.Conv2d(channels, 1, 1)
        with torch.no_grad():
            # A little noise, as in the paper, tells the channels apart.
            start = torch.eye(channels) + 1e-4 * torch.randn(channels, channels)
            self.matrix.weight.copy_(start[:, :, None, None])
            assert self.matrix.bias is not None
            nn.init.zeros_(self.matrix.bias)
            self.slopes[:, 0] = 1
            nn.init.constant_(self.mix.weight, 1 / channels)
            assert self.mix.bias is not None
            nn.init.zeros_(self.mix.bias)

    def forward(self, images: Tensor) -> Tensor:
        """The guide, clamped."""
        colours = self.matrix(images)
        # One knot after the other: all at once, a photograph of 12 Mpx would take 2.3 GB.
        curves = torch.zeros_like(colours)
        for knot in range(KNOTS):
            offset, slope = (table[:, knot].view(-1, 1, 1) for table in (self.knots, self.slopes))
            curves = torch.addcmul(curves, slope, F.relu(colours - offset))
        guide: Tensor = self.mix(curves).squeeze(1)
        return guide.clamp(0, 1)


def slice_grid(grid: Tensor, guide: Tensor) -> Tensor:
    """Sample (B, C, D, h, w) at every pixel of a guide (B, H, W) in [0, 1]: (B, C, H, W), float32 at least.

    Pixel (y, x) looks at ((x + 1/2) w / W, (y + 1/2) h / H, g D) in a grid whose cell i is centred on i + 1/2, and
    interpolates linearly between the cells around that point.
    """
    height, width = guide.shape[-2:]
    dtype = torch.promote_types(grid.dtype, torch.float32)
    rows, columns = (
        (torch.arange(side, device=guide.device, dtype=dtype) + 0.5) * (2 / side) - 1
        for side in (height, width)
    )
    depths = guide.to(dtype) * 2 - 1
    places = torch.stack([columns.expand_as(guide), rows[:, None].expand_as(guide), depths], dim=-1)
    with torch.autocast(grid.device.type, enabled=False):
        sliced = F.grid_sample(
            grid.to(dtype), places.unsqueeze(1), padding_mode="border", align_corners=False
        )
    return sliced.squeeze(2)


class RowNorm(nn.BatchNorm1d):
    """Batch normalisation over (B, C), by running statistics where a training batch has one row."""

    over_processes = False
    """Whether other processes hold rows of the same batch."""

    def forward(self, rows: Tensor) -> Tensor:
        """Normalise rows (B, C), channel by channel."""
        if len(rows) > 1 or self.over_processes:
            return super().forward(rows)
        return F.batch_norm(rows, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps)


def _convolution(in_channels: int, out_channels: int, stride: int = 1, norm: bool = True) -> nn.Sequential:
    layers = [nn.Conv2d(in_channels, out_channels, 3, stride, padding=1, bias=not norm)]
    return _activated(*layers, *([nn.BatchNorm2d(out_channels)] if norm else []))


def _connected(in_features: int, out_features: int) -> nn.Sequential:
    return _activated(nn.Linear(in_features, out_features, bias=False), RowNorm(out_features))


def _activated(*layers: nn.Module) -> nn.Sequential:
    for layer in layers:
        if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
            # A factor before a ReLU is the next layer's to learn; the published count has none.
            layer.register_parameter("weight", None)
    return nn.Sequential(*layers, nn.ReLU(inplace=True))
