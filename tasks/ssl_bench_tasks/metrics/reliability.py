"""Whether a classification is as sure as it is right, and whether its boundaries lie where the labels' do."""

import math
from typing import Self

import numpy as np
import torch
from scipy.spatial import cKDTree
from torch import Tensor

from ssl_bench import edges

BINS = 15
"""Of confidences, each of one width."""
STEPS = 2**24
"""A confidence is counted in whole parts of this, so that sums are exact, in whichever order images come."""
TOLERANCE = 0.0075
"""Of the image's diagonal: how far off a boundary may lie, one pixel at least."""


class Calibration:
    """Expected calibration error of a test set: the mean over its pixels of |confidence - accuracy| of their bins.

    Guo et al., On Calibration of Modern Neural Networks, ICML 2017, https://arxiv.org/abs/1706.04599. A confidence is
    the largest probability; a bin takes what lies above its lower end and up to its upper one.
    """

    def __init__(self) -> None:
        self._sums = torch.zeros(3, BINS, dtype=torch.int64)
        """Pixels, their confidences in `STEPS`, and those that are right, by bin."""

    def add(self, confidence: Tensor, right: Tensor) -> None:
        """Count in pixels: confidences (N,) in [0, 1], and whether each is right (N,) bool; on the CPU."""
        places = (confidence.double() * BINS).ceil().long().sub_(1).clamp_(0, BINS - 1)
        whole = (confidence.double() * STEPS).round().long()
        for row, values in zip(self._sums, (torch.ones_like(places), whole, right.long()), strict=True):
            row.index_add_(0, places, values)

    def merge(self, other: Self) -> None:
        """Add the pixels of another one."""
        self._sums += other._sums

    def error(self) -> float | None:
        """In per cent; None without any pixel."""
        pixels, sure, right = self._sums.tolist()
        if not sum(pixels):
            return None
        gaps = (abs(c / STEPS - r) for c, r in zip(sure, right, strict=True))
        return 100 * math.fsum(gaps) / sum(pixels)


def boundary_f(found: np.ndarray, label: np.ndarray, valid: np.ndarray) -> float | None:
    """Boundary F1 measure of one image in per cent: the mean over classes of 2 P R / (P + R); None without a boundary.

    `found`, `label`: class ids (H, W); `valid`: (H, W) bool. P is the share of a class's boundary pixels in `found`
    that lie within the tolerance of one in `label`, R the reverse; 0 where only one of the two has any. A boundary
    pixel touches, by an edge, a pixel that is not of its class; void is of no class, in both.
    Csurka et al., What is a good evaluation measure for semantic segmentation?, BMVC 2013.
    """
    reach = max(1.0, TOLERANCE * math.hypot(*label.shape))
    found, label = (np.where(valid, ids, -1) for ids in (found, label))
    own, other = _by_class(found), _by_class(label)
    scores = [_f1(own.get(name), other.get(name), reach) for name in sorted({*own, *other})]
    return 100 * math.fsum(scores) / len(scores) if scores else None


def _by_class(ids: np.ndarray) -> dict[int, np.ndarray]:
    """Class to the places (N, 2) of its boundary pixels."""
    places = np.argwhere(edges(ids) & (ids >= 0))
    classes = ids[tuple(places.T)]
    return {int(name): places[classes == name] for name in np.unique(classes)}


def _f1(found: np.ndarray | None, label: np.ndarray | None, reach: float) -> float:
    if found is None or label is None:
        return 0.0
    precision, recall = (
        float(np.isfinite(cKDTree(there).query(here, distance_upper_bound=reach + 1e-6)[0]).mean())
        for here, there in ((found, label), (label, found))
    )
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0
