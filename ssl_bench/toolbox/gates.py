"""Where a pseudo target is good enough to learn from: masks (B, 1, H, W) bool that depend on each row alone."""

import torch
from torch import Tensor


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


def rising(step: int, iterations: int, start: float) -> float:
    """A share that grows linearly from `start` at step 0 to 1 at the end of a run."""
    return start + (1 - start) * step / iterations
