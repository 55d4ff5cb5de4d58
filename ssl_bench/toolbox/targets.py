"""What a pseudo target costs a prediction: errors per pixel, (B, 1, H, W), to be weighed, gated and averaged.

The mean of an error over pixels is `ssl_bench.task.masked_mean(gated(error, keep), valid)`: it divides by the valid
pixels, kept or not, so that a gate which is nearly closed makes a small loss, and parts of a batch add up.
"""

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from ssl_bench.recipe import Kind

Form = Literal["hard", "soft"]
"""A class, or the prediction as it is."""


def pseudo_error(kind: Kind, logits: Tensor, prediction: Tensor, target: Tensor, form: Form) -> Tensor:
    """Of logits and their activation T(x), both (B, O, H, W), to a target in the space of T(x), without its gradient.

    Classes: cross-entropy to the target's likeliest class (`hard`) or to all its probabilities (`soft`).
    Regression: absolute difference, the mean over outputs.
    """
    target = target.detach()
    if kind == "regression":
        return (prediction - target).abs().mean(1, keepdim=True)
    classes = target.argmax(1) if form == "hard" else target
    return F.cross_entropy(logits, classes, reduction="none")[:, None]


def squared_error(kind: Kind, prediction: Tensor, target: Tensor) -> Tensor:
    """Squared difference of T(x) (B, O, H, W): the sum over classes, of which there are more or fewer, so that the
    gradient does not depend on how many; for regression the mean over outputs."""
    error = (prediction - target.detach()).square()
    return error.sum(1, keepdim=True) if kind == "classification" else error.mean(1, keepdim=True)


def gated(error: Tensor, keep: Tensor) -> Tensor:
    """An error (B, 1, H, W) where `keep` (B, 1, H, W) bool holds, and 0 elsewhere."""
    return torch.where(keep, error, 0.0)
