"""Who shares a forward pass of a task network, and so a BatchNorm batch."""

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor, nn

from ssl_bench.recipe import Forward


class InHalves(Protocol):
    """A network of two halves, as a `TaskNetwork` is that shows its features."""

    def features(self, images: Tensor) -> list[Tensor]:
        """Images (B, C, H, W) to features, the deepest last."""

    def from_features(self, features: Sequence[Tensor], images: Tensor) -> Tensor:
        """Features of images to logits (B, O, H, W)."""


class Forwards:
    """Runs rows through a task network: labelled and unlabelled ones in one pass, or in a pass each, as the recipe
    has it.

    The first `labeled` rows of all that it is given are labelled ones, or copies of such; what it returns is in the
    rows' order.
    """

    def __init__(self, mode: Forward = "joint") -> None:
        self.mode = mode
        self.used = False
        """Whether the method runs its networks by it; without, nobody could say who shares a pass."""

    def __call__(self, network: nn.Module, images: Tensor, labeled: int) -> Tensor:
        """Logits (B, O, H, W) of images (B, C, H, W)."""
        return _joined([network(images[rows]) for rows in self._passes(len(images), labeled)])

    def features(self, network: InHalves, images: Tensor, labeled: int) -> list[Tensor]:
        """Features (B, C_i, H_i, W_i) of images (B, C, H, W): `TaskNetwork.features`."""
        passes = [network.features(images[rows]) for rows in self._passes(len(images), labeled)]
        return [_joined(level) for level in zip(*passes, strict=True)]

    def from_features(
        self, network: InHalves, features: Sequence[Tensor], images: Tensor, labeled: int
    ) -> Tensor:
        """Logits (B, O, H, W) of features, changed or not, of images (B, C, H, W): `TaskNetwork.from_features`."""
        return _joined(
            [
                network.from_features([level[rows] for level in features], images[rows])
                for rows in self._passes(len(images), labeled)
            ]
        )

    def _passes(self, rows: int, labeled: int) -> list[slice]:
        self.used = True
        if self.mode == "joint" or not 0 < labeled < rows:
            return [slice(rows)]
        return [slice(labeled), slice(labeled, rows)]


def _joined(parts: Sequence[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(list(parts))
