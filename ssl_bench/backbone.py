"""From a backbone to a task network: normalised input, padded to the network's stride, residual where due."""

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol, Self, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ssl_bench.errors import PluginError
from ssl_bench.recipe import Learning
from ssl_bench.toolbox.teachers import evaluating


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
PROBE = 128
"""Side of the image by which a network is asked how many channels its features have, px; no smaller one goes through a
PAN."""


class Backbone(Protocol):
    """Builds one network, normalised images (B, in, H, W) to logits (B, out, H, W).

    The module may have `stride: int`, of which H and W must be multiples (1 where absent), `encoder` and `head`,
    modules whose learning rates a recipe may multiply (it may also freeze the encoder), and `statistics: Statistics`,
    by which its input is normalised (`IMAGENET` where absent).

    A module with `features(inputs) -> list[Tensor]` and `from_features(features, inputs) -> Tensor` shows where its
    encoder ends (`BackboneSpec.has_features`): normalised images to what the decoder reads, (B, C_i, H_i, W_i) each,
    the deepest last, and on to logits. Its forward pass is the one after the other; `from_features` changes nothing
    in place, and takes more of `inputs` than their size only where the network lets them past its features. `encoding`
    then names the submodules that `features` alone runs.
    """

    def __call__(self, name: str, in_channels: int, out_channels: int) -> nn.Module:
        """Build the network called `name`, freshly initialised from torch's global generator."""


class Halves(Protocol):
    """What a module has that shows its features."""

    encoding: Sequence[str]

    def features(self, inputs: Tensor) -> list[Tensor]:
        """Normalised images (B, in, H, W) to features (B, C_i, H_i, W_i)."""

    def from_features(self, features: list[Tensor], inputs: Tensor) -> Tensor:
        """These to logits (B, out, H, W)."""


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
        return self._outputs(self.network(self._inputs(images)), images)

    @property
    def has_features(self) -> bool:
        """Whether `features` and `from_features` can be called."""
        return all(callable(getattr(self.network, name, None)) for name in ("features", "from_features"))

    def features(self, images: Tensor) -> list[Tensor]:
        """(B, C, H, W) in [0, 1] to what the decoder reads, (B, C_i, H_i, W_i) each, the deepest last."""
        return self._halves.features(self._inputs(images))

    def from_features(self, features: Sequence[Tensor], images: Tensor) -> Tensor:
        """Features, changed or not, to logits (B, O, H, W).

        `images` (B, C, H, W), which they are of, state the size, and are added where the network is residual:
        `from_features(features(images), images)` is the forward pass.
        """
        return self._outputs(self._halves.from_features(list(features), self._inputs(images)), images)

    def feature_channels(self) -> list[int]:
        """C_i of each of its features, found by a small image."""
        with evaluating(self):
            image = self.mean.new_zeros(1, self.mean.shape[1], PROBE, PROBE)
            return [level.shape[1] for level in self.features(image)]

    def shed_encoder(self) -> Self:
        """Keep what `from_features` runs, and nothing else: a decoder for another network's features."""
        for name in self._halves.encoding:
            self.network.set_submodule(name, nn.Identity())
        return self

    @property
    def _halves(self) -> Halves:
        if not self.has_features:
            raise PluginError(
                f"{type(self.network).__name__} has no `features` and `from_features`; let the method's config say by "
                "`without_features` that it cannot do without"
            )
        return cast(Halves, self.network)

    def _inputs(self, images: Tensor) -> Tensor:
        """Images as the network takes them, normalised and padded to its stride."""
        height, width = images.shape[-2:]
        down, right = -height % self.stride, -width % self.stride
        inputs = self.normalize(images)
        # A graph that is exported serves every size: in it, even no padding is padding.
        if torch.compiler.is_exporting() or torch.jit.is_tracing() or down or right:
            # Repeating the edge, and not zeros, keeps the last rows of the output free of a seam.
            inputs = F.pad(inputs, (0, right, 0, down), mode="replicate")
        return inputs

    def _outputs(self, logits: Tensor, images: Tensor) -> Tensor:
        """What the network gives as logits of the images: without padding, and their sum where it is residual."""
        height, width = images.shape[-2:]
        logits = logits[..., :height, :width]
        return images + logits if self.residual else logits


NetworkFactory = Callable[..., TaskNetwork]
"""`build_network(index=0, backbone=None)`: the index-th task network of a cell. Network 0 has the same initial
weights for every method at one seed; `backbone` replaces the cell's own for a network of another architecture."""
