"""Losses for classes of which some are rare: weights by frequency, hard pixels, overlap. Each row of a batch counts for
itself, so that a batch in parts has the loss of the whole.
"""

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor

from ssl_bench import VOID, Target, masked_mean
from ssl_bench.toolbox import row_mean, smallest


def inverse_frequencies(labels: Iterable[np.ndarray], classes: int) -> Tensor:
    """Weights (O,) float32 of classes: inverse to their share of the pixels of labels (H, W) uint8, void ones left out.

    Their mean over these pixels is 1. A class that has none weighs 1: nothing ever asks for it.
    """
    counts = np.zeros(VOID + 1, np.int64)
    for label in labels:
        counts += np.bincount(label.ravel(), minlength=VOID + 1)
    known = torch.from_numpy(counts[:classes]).double()
    present = known > 0
    even = known.sum() / present.sum().clamp_min(1)
    return torch.where(present, even / known.clamp_min(1), 1.0).float()


def hard_mean(errors: Tensor, probabilities: Tensor, valid: Tensor, below: float, share: float) -> Tensor:
    """Mean of errors (B, 1, H, W) over each row's hard pixels, and of that over the rows that have a valid one; scalar.

    Hard is a pixel whose class has a probability (B, 1, H, W) of at most `below`, and the `share` in [0, 1] of a
    row's valid pixels where it is lowest in any case. Online hard example mining: Shrivastava et al., CVPR 2016,
    https://arxiv.org/abs/1604.03540, in its form for pixels. Published code takes the least number of pixels over a
    whole batch.
    """
    probabilities = probabilities.detach()
    hard = valid & ((probabilities <= below) | smallest(probabilities, share, valid))
    return _mean_of_rows(row_mean(errors, hard), valid)


def dice(prediction: Tensor, encoded: Tensor, valid: Tensor) -> Tensor:
    """1 - 2 |P and Y| / (|P| + |Y|), in [0, 1]: the mean over the classes that a row's label has, and then over rows.

    `prediction`: probabilities (B, O, H, W); `encoded`: the label in their space, 0 where void; `valid`: (B, 1, H, W).
    Milletari et al., V-Net, 3DV 2016, https://arxiv.org/abs/1606.04797, without squares in the denominator. A class
    that a row does not have is left out: what is predicted of it there is missing in the others.
    """
    both = (prediction * encoded).flatten(2).sum(2)
    size = encoded.flatten(2).sum(2)
    either = torch.where(valid, prediction, 0.0).flatten(2).sum(2) + size
    present = size > 0
    missed = torch.where(present, 1 - 2 * both / either.where(present, 1.0), 0.0).sum(1)
    return _mean_of_rows(missed / present.sum(1).clamp_min(1), valid)


def at_labels(values: Tensor, target: Target) -> Tensor:
    """Of values (B, O, H, W), or (O,) for all pixels, those of each pixel's class, (B, 1, H, W)."""
    if values.dim() == 1:
        return values[target.value].unsqueeze(1)
    return values.gather(1, target.value.unsqueeze(1))


def _mean_of_rows(values: Tensor, valid: Tensor) -> Tensor:
    known = valid.flatten(1).any(1).view(-1, 1, 1, 1)
    return masked_mean(values.view(-1, 1, 1, 1), known)
