"""Convolutions of TensorFlow's padding, in a graph that serves every size.

timm's pad by the size that comes in (kernel k, stride s, dilation d, side n):

    ceil(n / s) s - s + (k - 1) d + 1 - n,   at least 0

In a graph of any size that is a formula, every layer's longer by all those before it, until it takes minutes to write.
Where s divides n it is (k - 1) d + 1 - s, a number; and s does, since images are padded to a multiple of the whole
network's stride before they come in.
"""

import torch
from timm.layers import Conv2dSame
from torch import Tensor, nn
from torch.nn import functional as F


class ExportableConv2dSame(Conv2dSame):
    """timm's own, but while it is exported."""

    def forward(self, inputs: Tensor) -> Tensor:
        """(B, in, H, W) to (B, out, H / s, W / s); of a side that s does not divide, and not exported, rounded up."""
        if not torch.compiler.is_exporting():
            outputs: Tensor = super().forward(inputs)
            return outputs
        down, right = (
            max((kernel - 1) * dilation + 1 - stride, 0)
            for kernel, dilation, stride in zip(self.kernel_size, self.dilation, self.stride, strict=True)
        )
        padded = F.pad(inputs, (right // 2, right - right // 2, down // 2, down - down // 2))
        return F.conv2d(padded, self.weight, self.bias, self.stride, 0, self.dilation, self.groups)


def make_exportable(network: nn.Module) -> None:
    """Put those in the place of timm's, with the same weights under the same names."""
    for part in network.modules():
        if type(part) is Conv2dSame:
            part.__class__ = ExportableConv2dSame
