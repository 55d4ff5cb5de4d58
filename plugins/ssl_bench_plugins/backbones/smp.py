"""Every decoder of segmentation-models-pytorch on every encoder that it accepts, as `DECODER/ENCODER`.

Encoders of timm are found under their own name too (`unet/convnext_tiny` is `unet/tu-convnext_tiny`).
"""

import math
from pathlib import Path
from typing import Any

import segmentation_models_pytorch as smp
from timm.layers import PatchEmbed
from torch import Tensor, nn

from ssl_bench import UsageError, suggestion
from ssl_bench_plugins.backbones.dpt import DPT
from ssl_bench_plugins.backbones.encoder_weights import download
from ssl_bench_plugins.backbones.encoders import encoder_name, statistics_of, try_out
from ssl_bench_plugins.backbones.same_padding import make_exportable

DECODERS = {
    "deeplabv3": smp.DeepLabV3,
    "deeplabv3plus": smp.DeepLabV3Plus,
    "dpt": DPT,
    "fpn": smp.FPN,
    "linknet": smp.Linknet,
    "manet": smp.MAnet,
    "pan": smp.PAN,
    "pspnet": smp.PSPNet,
    "segformer": smp.Segformer,
    "unet": smp.Unet,
    "unetplusplus": smp.UnetPlusPlus,
    "upernet": smp.UPerNet,
}

STRIDE = 32
"""A multiple that suits every decoder; inputs are padded to it, and to an encoder's patches, and cropped back."""


class SmpNetwork(nn.Module):
    """A model of smp with the names that the engine looks for."""

    def __init__(self, model: nn.Module, encoder: str, in_channels: int) -> None:
        super().__init__()
        self.model = model
        make_exportable(model)
        self.encoder_name, self.in_channels = encoder, in_channels
        self.statistics = statistics_of(encoder)
        patches = [part.patch_size for part in model.modules() if isinstance(part, PatchEmbed)]
        sides = [side for patch in patches for side in patch]
        own = getattr(model, "stride", None)
        self.stride = own if isinstance(own, int) else math.lcm(STRIDE, *sides)

    @property
    def encoder(self) -> nn.Module:
        """What pretrained weights are for."""
        encoder = self.model.encoder
        assert isinstance(encoder, nn.Module)
        return encoder

    @property
    def head(self) -> nn.Module:
        """The last layer, whose learning rate a recipe may multiply."""
        head = self.model.segmentation_head
        assert isinstance(head, nn.Module)
        return head

    @property
    def encoding(self) -> tuple[str, ...]:
        """Names of the submodules that `features` alone runs."""
        return tuple(f"model.{name}" for name in getattr(self.model, "encoding", ("encoder",)))

    def forward(self, inputs: Tensor) -> Tensor:
        """Take normalised images (B, in, H, W) to logits (B, out, H, W)."""
        return self.from_features(self.features(inputs), inputs)

    def features(self, inputs: Tensor) -> list[Tensor]:
        """Normalised images to all that the encoder gives, whichever of it the decoder reads: of most, the image
        itself comes first."""
        model: Any = self.model
        features: list[Tensor] = (model.features if isinstance(model, DPT) else model.encoder)(inputs)
        return features

    def from_features(self, features: list[Tensor], inputs: Tensor) -> Tensor:
        """Take features, changed or not, to logits (B, out, H, W)."""
        model: Any = self.model
        if isinstance(model, DPT):
            return model.from_features(features, inputs)
        logits: Tensor = model.segmentation_head(model.decoder(features))
        return logits


def build(name: str, in_channels: int, out_channels: int) -> SmpNetwork:
    """The network, freshly initialised, without pretrained weights."""
    decoder = name.partition("/")[0]
    settings = {"encoder_weights": None, "in_channels": in_channels, "classes": out_channels}
    make, wanted = DECODERS[decoder], encoder_of(name)
    try:
        # Vision transformers of timm take images of any size only when they are told to.
        model = make(encoder_name=wanted, dynamic_img_size=True, **settings)
    except TypeError:
        model = make(encoder_name=wanted, **settings)
    return SmpNetwork(model, wanted, in_channels)


def encoder_of(name: str) -> str:
    """The encoder of a backbone, as smp names it."""
    decoder, _, encoder = name.partition("/")
    # DPT takes timm's vision transformers only.
    return encoder_name(encoder, name, timm_only=decoder == "dpt")


def suggest(name: str) -> str | None:
    """`unet/NAME` for the name of an encoder, `NAME/resnet50` for that of a decoder."""
    plain = name.lower()
    if plain in DECODERS:
        return f"{plain}/resnet50" if plain != "dpt" else None
    try:
        encoder_name(plain, name)
    except UsageError:
        return None
    return f"unet/{plain}"


def find_weights(name: str) -> Path:
    """The file of the encoder's published weights."""
    return download(encoder_of(name))


def validate(name: str) -> None:
    """UsageError unless decoder and encoder exist, fit each other and take images of any size."""
    decoder = name.partition("/")[0]
    if decoder not in DECODERS:
        raise UsageError(f"unknown decoder '{decoder}' in backbone '{name}'; {suggestion(decoder, DECODERS)}")
    try_out(name, build)
