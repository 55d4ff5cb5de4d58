"""From a backbone to a task network: normalised input, padded to the network's stride, residual where due."""

from collections.abc import Callable
from typing import NamedTuple, Protocol, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ssl_bench.errors import PluginError
from ssl_bench.recipe import Learning


class Statistics(NamedTuple):
    """Mean and standard deviation of the channels that a network was trained on, of images in [0, 1], RGB."""

    mean: tuple[float, ...]
    std: tuple[float, ...]

    def tensors(self, in_channels: int) -> tuple[Tensor, Tensor]:
        """Both as (1, C, 1, 1); of more channels than are stated, the stated ones are repeated."""
        repeats = -(-in_channels // len(self.mean))
        mean, std = (
            torch.tensor((tuple(values) * repeats)[:in_channels]).view(1, -1, 1, 1) for values in self
        )
        return mean, std


IMAGENET = Statistics((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""What most encoders were trained on, and what networks get that state none of their own."""


class Backbone(Protocol):
    """Builds one network, normalised images (B, in, H, W) to logits (B, out, H, W).

    The module may have `stride: int`, of which H and W must be multiples (1 where absent), `encoder` and `head`,
    modules whose learning rates a recipe may multiply (it may also freeze the encoder), and `statistics: Statistics`,
    by which its input is normalised (`IMAGENET` where absent).
    """

    def __call__(self, name: str, in_channels: int, out_channels: int) -> nn.Module:
        """Build the network called `name`, freshly initialised from torch's global generator."""


class TaskNetwork(nn.Module):
    """Images in [0, 1], of any size, to logits of the same size.

    A frozen encoder never learns, and is in evaluation mode whatever the network's. With `batch_norm` frozen all
    BatchNorm layers are, so that they normalise by running statistics, which then stay; scale and shift learn.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        network: nn.Module,
        *,
        in_channels: int,
        residual: bool,
        encoder: Learning = "train",
        batch_norm: Learning = "train",
    ) -> None:
        super().__init__()
        self.network = network
        self.encoder_learns, self.statistics_move = encoder == "train", batch_norm == "train"
        stride = getattr(network, "stride", 1)
        # A bare convolution has a stride of another meaning, a tuple.
        self.stride = stride if isinstance(stride, int) else 1
        self.residual = residual
        if residual:
            self._start_at_identity()
        mean, std = getattr(network, "statistics", IMAGENET).tensors(in_channels)
        self.register_buffer("mean", mean, persistent=False)
        self.register_buffer("std", std, persistent=False)
        if not self.encoder_learns:
            self.freeze_encoder()
        elif not self.statistics_move:
            self.train(self.training)

    def freeze_encoder(self) -> nn.Module:
        """Keep the encoder as it is from now on, in evaluation mode, and return it. PluginError where there is none."""
        encoder = self._encoder().requires_grad_(False)
        self.encoder_learns = False
        self.train(self.training)
        return encoder

    def train(self, mode: bool = True) -> Self:
        """As of any module, but what is frozen stays in evaluation mode."""
        super().train(mode)
        if not self.encoder_learns:
            self._encoder().eval()
        for part in self.modules() if not self.statistics_move else ():
            if isinstance(part, nn.modules.batchnorm._BatchNorm):
                part.eval()
        return self

    def _encoder(self) -> nn.Module:
        encoder = getattr(self.network, "encoder", None)
        if not isinstance(encoder, nn.Module):
            raise PluginError(
                f"{type(self.network).__name__} has no `encoder` to freeze; mend its BackboneSpec.has_encoder, or set "
                "encoder=train"
            )
        return encoder

    def _start_at_identity(self) -> None:
        """Zero the head's last layer: a residual network's first prediction is then its input, and not its input
        spoilt, which hundreds of steps are spent on undoing. A network without a `head` starts as it is, and a head
        that sums several layers keeps the others."""
        head = getattr(self.network, "head", None)
        layers = [] if head is None else [m for m in head.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
        for parameter in layers[-1].parameters() if layers else ():
            nn.init.zeros_(parameter)

    def normalize(self, images: Tensor) -> Tensor:
        """Give images (B, C, H, W) in [0, 1] as the network sees them: by the statistics that it was trained on."""
        return (images - self.mean) / self.std

    def forward(self, images: Tensor) -> Tensor:
        """(B, C, H, W) in [0, 1] to logits (B, O, H, W)."""
        height, width = images.shape[-2:]
        down, right = -height % self.stride, -width % self.stride
        inputs = self.normalize(images)
        # A graph that is exported serves every size: in it, even no padding is padding.
        if torch.compiler.is_exporting() or torch.jit.is_tracing() or down or right:
            # Repeating the edge, and not zeros, keeps the last rows of the output free of a seam.
            inputs = F.pad(inputs, (0, right, 0, down), mode="replicate")
        logits: Tensor = self.network(inputs)[..., :height, :width]
        return images + logits if self.residual else logits


NetworkFactory = Callable[..., TaskNetwork]
"""`build_network(index=0, backbone=None)`: the index-th task network of a cell. Network 0 has the same initial
weights for every method at one seed; `backbone` replaces the cell's own for a network of another architecture."""
