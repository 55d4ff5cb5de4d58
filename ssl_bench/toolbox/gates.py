"""Where a pseudo target is good enough to learn from: measures and masks that depend on each row alone."""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F


def confidence(prediction: Tensor) -> Tensor:
    """The largest probability at each pixel, (B, O, H, W) to (B, 1, H, W)."""
    return prediction.amax(1, keepdim=True)


def distance(first: Tensor, second: Tensor) -> Tensor:
    """Mean absolute difference of two predictions (B, O, H, W) over outputs, (B, 1, H, W)."""
    return (first - second).abs().mean(1, keepdim=True)


def spread(predictions: Tensor) -> Tensor:
    """Largest less smallest of several predictions (N, B, O, H, W), the mean over outputs, (B, 1, H, W)."""
    return (predictions.amax(0) - predictions.amin(0)).mean(1, keepdim=True)


def smallest(values: Tensor, share: float, valid: Tensor) -> Tensor:
    """The share in [0, 1] of each row's valid pixels whose values (B, 1, H, W) are smallest.

    All that equal the largest of them are taken, so that it is every valid pixel of a row without differences.
    """
    known = values.masked_fill(~valid, torch.nan)
    limit = known.flatten(1).nanquantile(share, dim=1)
    return values <= limit.view(-1, 1, 1, 1)


def row_mean(values: Tensor, valid: Tensor) -> Tensor:
    """Mean of values (B, C, H, W) over each row's valid pixels (B, 1, H, W), (B,); 0 for a row without any."""
    count = valid.expand_as(values).flatten(1).sum(1)
    return torch.where(valid, values, 0.0).flatten(1).sum(1) / count.clamp_min(1)


def row_overlap(first: Tensor, second: Tensor, valid: Tensor) -> Tensor:
    """Mean IoU of the likeliest classes of two predictions (B, O, H, W), over the classes that either has in a row's
    valid pixels, (B,); 0 for a row without any."""
    one, other = (
        F.one_hot(each.argmax(1), each.shape[1]).movedim(-1, 1).bool() & valid for each in (first, second)
    )
    both, either = ((each.flatten(2).sum(2)).to(first.dtype) for each in (one & other, one | other))
    return (both / either.clamp_min(1)).sum(1) / (either > 0).sum(1).clamp_min(1)


def passing(
    gate: Literal["confidence", "agreement", "none"],
    predictions: Sequence[Tensor],
    valid: Tensor,
    *,
    threshold: float,
    share: float,
) -> Tensor:
    """The pixels, (B, 1, H, W) bool, that a gate lets through of predictions T(x) (B, O, H, W) of one or two views.

    `confidence`: where the first one's largest probability is the threshold or more. `agreement`: the share of each
    row's valid pixels on which the first two differ least. `none`: all.
    """
    if gate == "confidence":
        return confidence(predictions[0]) >= threshold
    if gate == "agreement":
        return smallest(distance(*predictions[:2]), share, valid)
    return torch.ones_like(valid)


def rising(step: int, iterations: int, start: float) -> float:
    """A share that grows linearly from `start` at step 0 to 1 at the end of a run."""
    return start + (1 - start) * step / iterations
