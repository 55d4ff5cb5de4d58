"""Measures of targets against the truth, over pixels as flat arrays. None where there is nothing to measure."""

import numpy as np
from scipy import ndimage, stats

from ssl_bench.pixels.edges import edges

BINS = 15
"""Of confidences, each of one width."""
BANDS = (0.0, 2.0, 4.0, 8.0, 16.0)
"""Where bands of distances to a boundary begin, px; the last one has no end."""
WORST = 0.25
"""Share of a regression's pixels that count as bad: those with the largest errors."""
PSNR_CAP = 100.0
"""dB; an exact copy has this and not infinity."""

Row = tuple[float, float, float]


def reliability(confidence: np.ndarray, right: np.ndarray) -> list[Row]:
    """Share of all pixels, mean confidence and accuracy, each in [0, 1], of every bin that has any, from low to high.

    `confidence`: (N,) in [0, 1]. `right`: (N,) bool. A bin takes what lies above its lower end and up to its upper.
    """
    places = np.clip(np.ceil(confidence * BINS).astype(np.int64) - 1, 0, BINS - 1)
    counts = np.bincount(places, minlength=BINS)
    sure = np.bincount(places, weights=confidence, minlength=BINS)
    hits = np.bincount(places, weights=right, minlength=BINS)
    return [
        (float(n / len(right)), float(c / n), float(h / n))
        for n, c, h in zip(counts, sure, hits, strict=True)
        if n
    ]


def calibration_error(rows: list[Row]) -> float | None:
    """ECE, in [0, 1]: the mean over pixels of |confidence - accuracy| of their bins, as `reliability` gives them.

    Guo et al., On Calibration of Modern Neural Networks, ICML 2017, https://arxiv.org/abs/1706.04599.
    """
    return sum(share * abs(sure - right) for share, sure, right in rows) if rows else None


def area_under_roc(score: np.ndarray, positive: np.ndarray) -> float | None:
    """Chance that a positive pixel has a larger score than one that is not, ties by half; None where all are alike.

    `score`: (N,). `positive`: (N,) bool. By ranks: Hanley and McNeil, Radiology 143 (1982).
    """
    ones = int(positive.sum())
    zeros = len(positive) - ones
    if not ones or not zeros:
        return None
    ranks = float(stats.rankdata(score)[positive].sum())
    return (ranks - ones * (ones + 1) / 2) / (ones * zeros)


def rank_correlation(first: np.ndarray, second: np.ndarray) -> float | None:
    """Spearman's, in [-1, 1], of two arrays (N,); None where one of them is constant."""
    if len(first) < 2 or np.ptp(first) == 0 or np.ptp(second) == 0:
        return None
    return float(np.corrcoef(stats.rankdata(first), stats.rankdata(second))[0, 1])


def psnr(squares: np.ndarray) -> float | None:
    """dB, for a peak of 1, of squared errors (N,), pooled; capped at `PSNR_CAP`."""
    if not len(squares):
        return None
    mean = float(squares.mean(dtype=np.float64))
    return min(PSNR_CAP, -10 * float(np.log10(mean))) if mean > 0 else PSNR_CAP


def accuracy(right: np.ndarray) -> float | None:
    """Per cent of pixels (N,) bool that are right."""
    return 100 * float(right.mean()) if len(right) else None


def recall(label: np.ndarray, found: np.ndarray, classes: int) -> list[float | None]:
    """Share of each class's pixels that are found; None for a class without any. `label`: ids (N,); `found`: bool."""
    counts = np.bincount(label, minlength=classes)
    hits = np.bincount(label, weights=found, minlength=classes)
    return [float(h / n) if n else None for h, n in zip(hits, counts, strict=True)]


def by_distance(distance: np.ndarray, wrong: np.ndarray) -> list[Row]:
    """Where each band of `BANDS` begins, its share of the pixels, and the share of them that is wrong; of bands that
    have any."""
    places = np.searchsorted(BANDS, distance, side="right") - 1
    counts = np.bincount(places, minlength=len(BANDS))
    misses = np.bincount(places, weights=wrong, minlength=len(BANDS))
    return [
        (start, float(n / len(wrong)), float(m / n))
        for start, n, m in zip(BANDS, counts, misses, strict=True)
        if n
    ]


def boundary_distance(label: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Distance of each pixel to the nearest one that touches another label, px, (H, W); infinite where none does.

    `label`: (H, W), void as a label of its own. `inside`: (H, W) bool, False on padding, which is no boundary.
    """
    boundary = edges(label, inside)
    if not boundary.any():
        return np.full(label.shape, np.inf)
    return ndimage.distance_transform_edt(~boundary)
