"""DeepLab-v2: a dilated encoder and four dilated classifiers, summed.

Chen et al., DeepLab: Semantic Image Segmentation with Deep Convolutional Nets, Atrous Convolution, and Fully Connected
CRFs, PAMI 2018, https://arxiv.org/abs/1606.00915. Deviations:

- Output stride 16 by default and multi-grid (1, 2, 4) in the last stage, both from DeepLab-v3 (arXiv:1706.05587),
  because the published semi-supervised numbers have them. `deeplabv2-os8` has stride 8, and as in DeepLab-v3 all
  rates doubled, so that a rate spans the same pixels. (The paper's own net has rates 6, 12, 18, 24 at stride 8.)
- No CRF and no multi-scale inputs: one forward pass, as in the published comparison.
- The public code of that comparison has a `return` inside the loop over the branches, so that its classifier is the sum
  of the first two alone (rates 6 and 12). Here all four are summed, as in the paper.
- The image is padded to a multiple of the stride plus 1 and its corners are aligned with those of the logits, which
  puts every logit over the pixel that it was computed at; at 321 px, the paper's crop, nothing is padded. Encoders
  that cut the image into patches (ConvNeXt) have logits between pixels: a multiple, and corners not aligned.
"""

from collections import defaultdict
from pathlib import Path

import segmentation_models_pytorch as smp
from torch import Tensor, nn
from torch.nn import functional as F

from ssl_bench_plugins.backbones import DEEPLAB_STRIDES
from ssl_bench_plugins.backbones.encoder_weights import download
from ssl_bench_plugins.backbones.encoders import encoder_name, statistics_of, try_out

RATES = (6, 12, 18, 24)
"""Of the four branches at output stride 16."""
MULTI_GRID = (1, 2, 4)
DEFAULT_ENCODER = "resnet101"


class DeepLabV2(nn.Module):
    """(B, in, H, W) to (B, out, H, W), H and W as they come; `output_stride` 8 or 16."""

    encoding = ("encoder",)

    def __init__(self, encoder: str, in_channels: int, out_channels: int, output_stride: int = 16) -> None:
        super().__init__()
        self.encoder_name, self.in_channels, self.output_stride = encoder, in_channels, output_stride
        self.statistics = statistics_of(encoder)
        self.encoder = smp.encoders.get_encoder(
            encoder, in_channels=in_channels, depth=5, weights=None, output_stride=output_stride
        )
        set_multi_grid(self.encoder, MULTI_GRID)
        self.patches = cuts_patches(self.encoder)
        self.head = ASPP(
            self.encoder.out_channels[-1], out_channels, [rate * 16 // output_stride for rate in RATES]
        )

    def forward(self, inputs: Tensor) -> Tensor:
        """Take normalised images (B, in, H, W) to logits (B, out, H, W)."""
        return self.from_features(self.features(inputs), inputs)

    def features(self, inputs: Tensor) -> list[Tensor]:
        """Normalised images to the encoder's last map, all that the classifiers read."""
        down, right = self._padding(inputs)
        padded = F.pad(inputs, (0, right, 0, down), mode="replicate") if down or right else inputs
        return [self.encoder(padded)[-1]]

    def from_features(self, features: list[Tensor], inputs: Tensor) -> Tensor:
        """That map to logits of the size of `inputs`."""
        (height, width), (down, right) = inputs.shape[-2:], self._padding(inputs)
        logits = self.head(features[-1])
        size = (height + down, width + right)
        logits = F.interpolate(logits, size=size, mode="bilinear", align_corners=not self.patches)
        return logits[..., :height, :width]

    def _padding(self, inputs: Tensor) -> tuple[int, int]:
        """Rows below and columns to the right, to a multiple of the stride, or to one plus 1."""
        extra = 0 if self.patches else 1
        down, right = ((extra - side) % self.output_stride for side in inputs.shape[-2:])
        return down, right


class ASPP(nn.Module):
    """Atrous spatial pyramid pooling as in v2: one dilated 3 x 3 classifier per rate, and their sum."""

    def __init__(self, in_channels: int, out_channels: int, rates: list[int]) -> None:
        super().__init__()
        branches = [nn.Conv2d(in_channels, out_channels, 3, padding=rate, dilation=rate) for rate in rates]
        for branch in branches:
            nn.init.normal_(branch.weight, std=0.01)
            assert branch.bias is not None
            nn.init.zeros_(branch.bias)
        self.branches = nn.ModuleList(branches)

    def forward(self, features: Tensor) -> Tensor:
        """(B, in, h, w) to (B, out, h, w)."""
        total: Tensor = sum(branch(features) for branch in self.branches)
        return total


def set_multi_grid(encoder: nn.Module, grid: tuple[int, ...]) -> None:
    """Multiply the dilation of the last blocks of the last dilated stage by `grid`, one factor per block.

    A block is what holds convolutions larger than 1 x 1 side by side. In a ResNet-50 or -101 these are the three blocks
    of `layer4`. ValueError for an encoder without dilation.
    """
    blocks: defaultdict[str, list[nn.Conv2d]] = defaultdict(list)
    for name, part in encoder.named_modules():
        if isinstance(part, nn.Conv2d) and max(part.kernel_size) > 1:
            blocks[name.rpartition(".")[0]].append(part)
    rate = max((part.dilation[0] for parts in blocks.values() for part in parts), default=1)
    if rate == 1:
        raise ValueError("the encoder has no dilated convolutions")
    last = [parts for parts in blocks.values() if any(part.dilation[0] == rate for part in parts)]
    last = last[-len(grid) :]
    for parts, factor in zip(last, grid[-len(last) :], strict=True):
        for part in parts:
            part.dilation = (part.dilation[0] * factor, part.dilation[1] * factor)
            if not isinstance(part.padding, str):
                # Where a layer pads for itself by its dilation, this is 0 and stays so.
                part.padding = (part.padding[0] * factor, part.padding[1] * factor)


def cuts_patches(encoder: nn.Module) -> bool:
    """Whether the encoder goes down by kernels of even size, whose centres lie between pixels."""
    convolutions = (part for part in encoder.modules() if isinstance(part, nn.Conv2d))
    return any(part.stride[0] > 1 and part.kernel_size[0] % 2 == 0 for part in convolutions)


def build(name: str, in_channels: int, out_channels: int) -> DeepLabV2:
    """Build the network by its name, freshly initialised."""
    return DeepLabV2(encoder_of(name), in_channels, out_channels, DEEPLAB_STRIDES[name.partition("/")[0]])


def encoder_of(name: str) -> str:
    """The encoder of a backbone, as smp names it."""
    return encoder_name(name.partition("/")[2] or DEFAULT_ENCODER, name)


def find_weights(name: str) -> Path:
    """The file of the encoder's published weights."""
    return download(encoder_of(name))


def validate(name: str) -> None:
    """UsageError unless the encoder exists and can be dilated."""
    try_out(name, build)
