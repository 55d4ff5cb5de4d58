"""Exponential moving averages of networks."""

import torch
from torch import nn


@torch.no_grad()
def update_average(average: nn.Module, source: nn.Module, decay: float) -> None:
    """average = decay * average + (1 - decay) * source, over parameters and floating-point buffers.

    Buffers that count (of integer type) are copied. Both modules have the same structure.
    """
    for old, new in zip(average.buffers(), source.buffers(), strict=True):
        if not old.is_floating_point():
            old.copy_(new)
    pairs = [
        (old, new)
        for mine, theirs in (
            (average.parameters(), source.parameters()),
            (average.buffers(), source.buffers()),
        )
        for old, new in zip(mine, theirs, strict=True)
        if old.is_floating_point()
    ]
    torch._foreach_lerp_([old for old, _ in pairs], [new for _, new in pairs], 1.0 - decay)
