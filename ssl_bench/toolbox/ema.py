"""Exponential moving averages of networks."""

import torch
from torch import nn


def decay_at(step: int, largest: float) -> float:
    """min(1 - 1 / (step + 1), largest), steps from 0: the first update copies, and until `largest` is reached the
    average is the plain mean of all states so far."""
    return min(1 - 1 / (step + 1), largest)


@torch.no_grad()
def update_average(average: nn.Module, source: nn.Module, decay: float) -> None:
    """average = decay * average + (1 - decay) * source, over parameters and floating-point buffers.

    Buffers that count (of integer type) are copied. Both modules have the same structure.
    """
    mine, theirs = ([*module.parameters(), *module.buffers()] for module in (average, source))
    pairs = list(zip(mine, theirs, strict=True))
    # One launch on a GPU for all that are of one type, and not one each.
    counts = [pair for pair in pairs if not pair[0].is_floating_point()]
    if counts:
        torch._foreach_copy_([old for old, _ in counts], [new for _, new in counts])
    values = [pair for pair in pairs if pair[0].is_floating_point()]
    torch._foreach_lerp_([old for old, _ in values], [new for _, new in values], 1.0 - decay)
