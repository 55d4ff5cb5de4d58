"""Paired comparison of two methods on the same seeds and the same test images.

A score s of seed k on images i is taken as s = mean + seed effect + image effect + the rest. The variance of a mean
difference has a part that further seeds would shrink and one that further images would; the first is read off the
seeds, the second by a bootstrap of the images, in which both methods and all seeds meet the same draw. A draw of
images also shifts the seeds against each other; that share, which both parts hold, counts once. With few seeds a
percentile interval is far too narrow, so the interval is Student's, with degrees of freedom by Satterthwaite
(Biometrics Bulletin 2, 1946).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

LEVEL = 0.95


@dataclass(frozen=True)
class Sample:
    """Scores of one method."""

    scores: Mapping[str, float]
    """Seed to score."""
    replicates: Mapping[str, np.ndarray]
    """Seed to scores on resampled images, (draws,) each; without seeds for which there are none."""
    images: int = 0
    """How many there are."""


@dataclass(frozen=True)
class Difference:
    """A mean difference and where its uncertainty comes from."""

    mean: float
    seeds: int
    """How many both methods have."""
    images: int
    """How many were resampled; 0 where the scores of images are not known, and seeds alone are looked at."""
    seed_variance: float
    """Of the mean, and falling with the number of seeds."""
    image_variance: float
    """Of the mean, and falling with the number of images alone."""

    @property
    def variance(self) -> float:
        """Of the mean."""
        return self.seed_variance + self.image_variance

    @property
    def freedom(self) -> float:
        """Degrees of freedom of the variance."""
        return freedom(self.seed_variance, self.seeds, self.image_variance, self.images)

    @property
    def interval(self) -> tuple[float, float]:
        """Where the true difference lies, at a level of 95 %."""
        width = quantile(0.5 + LEVEL / 2, self.freedom) * math.sqrt(self.variance)
        return self.mean - width, self.mean + width

    @property
    def p_value(self) -> float:
        """How likely a difference as large as this one is where there is none."""
        from scipy.special import stdtr

        if self.variance == 0:
            return 0.0 if self.mean else 1.0
        return float(2 * stdtr(self.freedom, -abs(self.mean) / math.sqrt(self.variance)))


def compare(first: Sample, second: Sample) -> Difference | None:
    """First minus second over the seeds that both have; None with fewer than two, which show no spread."""
    seeds = sorted(first.scores.keys() & second.scores.keys())
    if len(seeds) < 2:
        return None
    gains = np.array([first.scores[seed] - second.scores[seed] for seed in seeds])
    seed_variance = float(gains.var(ddof=1)) / len(seeds)
    mean = float(gains.mean())
    known = all(seed in sample.replicates for seed in seeds for sample in (first, second))
    if not known or first.images != second.images or first.images < 2:
        return Difference(mean, len(seeds), 0, seed_variance, 0.0)
    draws = np.stack([first.replicates[seed] - second.replicates[seed] for seed in seeds])
    draws = draws[:, np.isfinite(draws).all(0)]
    # A bootstrap of n draws from n has (n - 1) / n of the variance.
    correction = first.images / (first.images - 1)
    of_images = float(draws.mean(0).var(ddof=1)) * correction
    shared = max(0.0, (float(draws.var(0, ddof=1).mean()) / len(seeds) - seed_variance) * correction)
    own = of_images - min(shared, seed_variance, of_images)
    return Difference(mean, len(seeds), first.images, seed_variance, own)


def freedom(seed_variance: float, seeds: float, image_variance: float, images: float) -> float:
    """Satterthwaite's degrees of freedom of a sum of two variances."""
    parts = seed_variance**2 / (seeds - 1) + (image_variance**2 / (images - 1) if images > 1 else 0.0)
    return (seed_variance + image_variance) ** 2 / parts if parts else seeds - 1


def quantile(probability: float, degrees: float) -> float:
    """Student's."""
    from scipy.special import stdtrit

    return float(stdtrit(degrees, probability))
