"""Layers and facts about layers that methods share."""

from torch import Tensor, nn
from torch.nn import functional as F


class SameConv2d(nn.Conv2d):
    """A 4 x 4 convolution of stride 1 or 2 with *same* zero padding: (n,) to ceil(n / stride) per side.

    Stride 1 pads (1, 2); stride 2 pads (1, 1) where n is even and (1, 2) where it is odd.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__(in_channels, out_channels, kernel_size=4, stride=stride, padding=1)

    def forward(self, images: Tensor) -> Tensor:
        """(B, in, H, W) to (B, out, ceil(H / stride), ceil(W / stride))."""
        bottom, right = (int(self.stride[0] == 1 or length % 2 == 1) for length in images.shape[-2:])
        if bottom or right:
            images = F.pad(images, (0, right, 0, bottom))
        return super().forward(images)


def draws_at_random(module: nn.Module) -> bool:
    """Whether two forward passes in training differ: it holds dropout or stochastic depth of a rate above 0."""
    return any(_rate(part) > 0 for part in module.modules())


def _rate(module: nn.Module) -> float:
    attribute = "drop_prob"  # timm's DropPath and DropBlock
    if isinstance(module, nn.modules.dropout._DropoutNd) or type(module).__name__ == "StochasticDepth":
        attribute = "p"  # the latter is torchvision's
    elif isinstance(module, nn.MultiheadAttention | nn.RNNBase):
        attribute = "dropout"
    return float(getattr(module, attribute, 0.0) or 0.0)
