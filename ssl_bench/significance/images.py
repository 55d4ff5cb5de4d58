"""Scores of a run on resampled test images."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

DRAWS = 1000
"""Resamplings: the standard error of an interval's half width is then 2 %."""
_CHUNK = 100
"""Resamplings held in memory at a time."""
_TOLERANCE = 1e-6


def resampled(ids: Sequence[str], draws: int = DRAWS) -> Iterator[np.ndarray]:
    """How often each image is drawn, (up to 100, len(ids)) int64 a time, `draws` rows in all.

    Drawn with replacement by a generator seeded from the ids: the same images are drawn for every run, so that
    differences are paired, and on every machine (the stream of `RandomState` is frozen, NEP 19).
    """
    seed = int.from_bytes(hashlib.sha256("\0".join(ids).encode()).digest()[:4], "little")
    random, size = np.random.RandomState(seed), len(ids)
    for start in range(0, draws, _CHUNK):
        rows = min(_CHUNK, draws - start)
        drawn = random.randint(0, size, (rows, size)) + np.arange(rows)[:, None] * size
        yield np.bincount(drawn.ravel(), minlength=rows * size).reshape(rows, size)


class ImageScores:
    """The score of a set of images as a function of how often each one counts.

    Two kinds are known: the mean over the images that have a score, and `specs.Ratio`, the mean over classes of a part
    over a whole, both summed over images.
    """

    def __init__(self, part: np.ndarray, whole: np.ndarray, scale: float) -> None:
        self.part, self.whole, self.scale = part, whole, scale

    def __call__(self, counts: np.ndarray) -> np.ndarray:
        """(draws,) float64 from (draws, images); NaN where nothing drawn has a score."""
        return _scores(self.part, self.whole, np.array([self.scale]), counts)[:, 0]


def resampled_scores(functions: Sequence[ImageScores], ids: Sequence[str]) -> list[np.ndarray]:
    """Each function's scores on the images of `resampled`, (draws,) float64 each; all at once, which is quicker."""
    alike: dict[int, list[int]] = {}
    for number, function in enumerate(functions):
        alike.setdefault(function.part.shape[1], []).append(number)
    found: list[np.ndarray] = [np.empty(0)] * len(functions)
    draws = [counts.astype(np.float64) for counts in resampled(ids)] if functions else []
    for numbers in alike.values():
        own = [functions[number] for number in numbers]
        part, whole = (
            np.hstack(columns) for columns in zip(*((one.part, one.whole) for one in own), strict=True)
        )
        scale = np.array([one.scale for one in own])
        scores = np.concatenate([_scores(part, whole, scale, counts) for counts in draws]).T
        for number, values in zip(numbers, scores, strict=True):
            found[number] = values
    return found


def _scores(part: np.ndarray, whole: np.ndarray, scale: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """(draws, functions) float64 from (images, functions x classes), (functions,) scales and (draws, images)."""
    shape = len(counts), len(scale), -1
    parts, wholes = (counts @ part).reshape(shape), (counts @ whole).reshape(shape)
    ratio = np.divide(parts, wholes, out=np.full(parts.shape, np.nan), where=wholes > 0)
    if ratio.shape[2] == 1:
        alone: np.ndarray = scale * ratio[:, :, 0]
        return alone
    # The plain mean over the classes that occur.
    there = np.isfinite(ratio).sum(2)
    total = np.nansum(ratio, axis=2)
    found: np.ndarray = scale * np.divide(total, there, out=np.full(total.shape, np.nan), where=there > 0)
    return found


OVERLAP = {"part": "intersection", "whole": "union", "scale": 100.0}
"""The ratio that records without a statement may mean."""


def image_scores(
    per_image: Mapping[str, Any], metric: str, score: float, aggregate: Any = None
) -> ImageScores | None:
    """How a record's per-image figures make up its score; None where they do not give it back.

    `aggregate`: what the record states of the metric, `"mean"` or the fields of a `specs.Ratio`; None for a record that
    states nothing: then it is the first of a mean and mean IoU that gives back the score.
    """
    for stated in ("mean", OVERLAP) if aggregate is None else (aggregate,):
        candidate = _aggregate(per_image, metric, stated)
        if candidate is not None:
            value = candidate(np.ones((1, len(candidate.part))))[0]
            if abs(value - score) <= _TOLERANCE * max(1.0, abs(score)):
                return candidate
    return None


def _aggregate(per_image: Mapping[str, Any], metric: str, stated: Any) -> ImageScores | None:
    if stated == "mean":
        return _mean_of(per_image.get(metric))
    if not isinstance(stated, Mapping):
        return None
    part, whole, scale = (stated.get(name) for name in ("part", "whole", "scale"))
    if not isinstance(part, str) or not isinstance(whole, str) or not isinstance(scale, int | float):
        return None
    return _ratio_of(per_image.get(part), per_image.get(whole), float(scale))


def _mean_of(values: Any) -> ImageScores | None:
    if not isinstance(values, list | tuple) or not values:
        return None
    numbers = [value if isinstance(value, int | float) else None for value in values]
    there = np.array([[value is not None] for value in numbers], dtype=np.float64)
    part = np.array([[value or 0.0] for value in numbers], dtype=np.float64)
    return ImageScores(part, there, 1.0) if np.isfinite(part).all() else None


def _ratio_of(parts: Any, wholes: Any, scale: float) -> ImageScores | None:
    try:
        part, whole = np.array(parts, dtype=np.float64), np.array(wholes, dtype=np.float64)
    except (TypeError, ValueError):
        return None
    # One number per image is one class.
    part, whole = (array[:, None] if array.ndim == 1 else array for array in (part, whole))
    if part.ndim != 2 or part.shape != whole.shape or not part.size:
        return None
    return ImageScores(part, whole, scale) if np.isfinite(part).all() and np.isfinite(whole).all() else None
