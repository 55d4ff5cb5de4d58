"""Who shares a forward pass of a task network, and so a BatchNorm batch."""

import torch
from torch import Tensor, nn

from ssl_bench.recipe import Forward


class Forwards:
    """Runs rows through a task network: labelled and unlabelled ones in one pass, or in a pass each, as the recipe
    has it."""

    def __init__(self, mode: Forward = "joint") -> None:
        self.mode = mode
        self.used = False
        """Whether the method runs its networks by it; without, nobody could say who shares a pass."""

    def __call__(self, network: nn.Module, images: Tensor, labeled: int) -> Tensor:
        """Logits (B, O, H, W) of images (B, C, H, W), in their order. The first `labeled` are labelled rows, or
        copies of such."""
        self.used = True
        if self.mode == "joint" or not 0 < labeled < len(images):
            logits: Tensor = network(images)
            return logits
        return torch.cat([network(images[:labeled]), network(images[labeled:])])
