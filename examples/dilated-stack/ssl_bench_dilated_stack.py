"""Dilated Stack. Say here whose network it is; this one looks further with every layer, at full resolution."""

from collections.abc import Iterable

from torch import Tensor, nn

from ssl_bench import BackboneSpec, hookimpl


class DilatedStackNetwork(nn.Module):
    """Dilated convolutions with shortcuts: normalised images (B, in, H, W) to logits (B, out, H, W)."""

    stride = 1
    """What H and W have to be multiples of; images are padded to it."""

    def __init__(self, in_channels: int, out_channels: int, width: int = 24) -> None:
        super().__init__()
        self.stem = nn.Conv2d(in_channels, width, 3, padding=1)
        self.layers = nn.ModuleList(
            nn.Sequential(
                nn.GroupNorm(4, width),
                nn.ReLU(),
                nn.Conv2d(width, width, 3, padding=2**level, dilation=2**level),
            )
            for level in range(5)
        )
        self.head = nn.Conv2d(width, out_channels, 1)
        """Whose learning rate a recipe may multiply."""

    def forward(self, images: Tensor) -> Tensor:
        """As of the class."""
        features = self.stem(images)
        for layer in self.layers:
            features = features + layer(features)
        logits: Tensor = self.head(features)
        return logits


def build(name: str, in_channels: int, out_channels: int) -> nn.Module:
    """The network, freshly initialised from torch's own generator."""
    return DilatedStackNetwork(in_channels, out_channels)


@hookimpl
def provide_backbones() -> Iterable[BackboneSpec]:
    """What ssl-bench finds here."""
    return [BackboneSpec(name="dilated-stack", title="Dilated Stack", backbone=build)]
