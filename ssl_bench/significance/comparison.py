"""Paired comparison of two methods on the same splits, the same seeds and the same test images.

A score s of run k on images i is taken as s = mean + run effect + image effect + the rest. The variance of a mean
difference has a part that further runs would shrink and one that further images would; the first is read off the
runs, as `crossed` says, the second by a bootstrap of the images, in which both methods and all runs meet the same
draw. A draw of images also shifts the runs against each other; that share, which both parts hold, counts once. With
few runs a percentile interval is far too narrow, so the interval is Student's, with degrees of freedom by
Satterthwaite (Biometrics Bulletin 2, 1946). These grow where a part of many degrees joins one of few, so much that
the sum of both may have the narrower interval; so the widest counts, of both together, of the runs alone and of the
images alone: no source of doubt makes a difference surer. In simulations of 3 runs on 40 images it covers at 95 to 96 %
wherever the doubt comes from, and that of the sum alone at 92 to 95 %.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from ssl_bench.significance.crossed import Run, design_of, split_weights

LEVEL = 0.95
T = TypeVar("T")
Part = tuple[float, float]
"""A part of a variance and its degrees of freedom."""


@dataclass(frozen=True)
class Sample:
    """Scores of one method, run by run."""

    scores: Mapping[Run, float]
    """By split and seed."""
    replicates: Mapping[Run, np.ndarray]
    """Scores on resampled images, (draws,) each; without runs for which there are none."""
    images: int = 0
    """How many there are."""


@dataclass(frozen=True)
class Difference:
    """A mean difference and where its uncertainty comes from."""

    mean: float
    """Over splits, so that each counts alike however many runs it has."""
    runs: int
    """Pairs of split and seed that both methods have."""
    images: int
    """How many were resampled; 1 where there is but one. 0 where the scores of images are not known. In both cases runs
    alone are looked at."""
    run_variance: float
    """Of the mean, and falling with the number of runs."""
    image_variance: float
    """Of the mean, and falling with the number of images alone."""
    degrees: float | None = None
    """Of freedom of the runs' variance; None: those of independent runs."""
    seeds: int | None = None
    """How many there are among the runs; None: each run has its own."""
    splits: int = 1
    split_variance: float = 0.0
    """What of the runs' variance only further splits would shrink."""

    @property
    def run_degrees(self) -> float:
        """Degrees of freedom of the runs' variance."""
        return self.runs - 1 if self.degrees is None else self.degrees

    @property
    def _sources(self) -> list[Part]:
        """Of runs and images together, and of each alone where it has any: none makes a difference surer."""
        return alone_and_together(
            [(self.run_variance, self.run_degrees)], [(self.image_variance, self.images - 1)]
        )

    @property
    def interval(self) -> tuple[float, float]:
        """Where the true difference lies, at a level of 95 %: the widest interval over runs, images and both."""
        level = 0.5 + LEVEL / 2
        width = max(quantile(level, degrees) * math.sqrt(variance) for variance, degrees in self._sources)
        return self.mean - width, self.mean + width

    @property
    def stands(self) -> bool:
        """Whether the interval leaves out zero."""
        low, high = self.interval
        return low > 0 or high < 0

    @property
    def p_value(self) -> float:
        """How likely a difference as large as this one is where there is none: the largest, as of the interval."""
        from scipy.special import stdtr

        if self.run_variance == self.image_variance == 0:
            return 0.0 if self.mean else 1.0
        size = abs(self.mean)
        return max(
            float(2 * stdtr(degrees, -size / math.sqrt(variance))) for variance, degrees in self._sources
        )


def common_runs(*methods: Mapping[Run, T]) -> list[Run]:
    """The pairs of split and seed that all of some methods have, in order.

    A run that serves all splits is a partner of every run of its seed.
    """
    bound = [set(runs) for runs in methods if any(split is not None for split, _ in runs)]
    free = [{seed for _, seed in runs} for runs in methods if all(split is None for split, _ in runs)]
    if not bound:
        return sorted((None, seed) for seed in set.intersection(*free)) if free else []
    found = [run for run in set.intersection(*bound) if all(run[1] in seeds for seeds in free)]
    return sorted(found, key=str)


def of_run(method: Mapping[Run, T], run: Run) -> T:
    """What a method has of a pair, by that split or by a run that serves all of them. KeyError for neither."""
    return method[run] if run in method else method[None, run[1]]


def _has(method: Mapping[Run, T], run: Run) -> bool:
    return run in method or (None, run[1]) in method


def compare(first: Sample, second: Sample) -> Difference | None:
    """First minus second over the pairs that both have, each split counting alike; None with fewer than two, or with a
    single run of one of the two, which show no spread.

    What images bring is measured on the pairs in which both have scores on resampled images.
    """
    runs = common_runs(first.scores, second.scores)
    if len(runs) < 2:
        return None
    gains = np.array([of_run(first.scores, run) - of_run(second.scores, run) for run in runs])
    design = design_of(tuple(runs))
    # One run that serves all splits of its seed is in the gain of each of them: whatever it has by chance they share.
    shared = any(run not in scores for scores in (first.scores, second.scores) for run in runs)
    if shared and len({seed for _, seed in runs}) < 2:
        return None
    found = design.estimate(gains, ("seed",) if shared else ())
    splits, seeds = (len(set(levels)) for levels in zip(*runs, strict=True))

    def difference(images: int, of_images: float) -> Difference:
        mean = float((design.weights * gains).sum())
        return Difference(
            mean, len(runs), images, found.value, of_images, found.degrees, seeds, splits, found.of_splits
        )

    if first.images == second.images == 1:
        return difference(1, 0.0)
    paired = [run for run in runs if all(_has(method.replicates, run) for method in (first, second))]
    if not paired or first.images != second.images or first.images < 2:
        return difference(0, 0.0)
    draws = np.stack([of_run(first.replicates, run) - of_run(second.replicates, run) for run in paired])
    draws = draws[:, np.isfinite(draws).all(0)]
    # A bootstrap of n draws from n has (n - 1) / n of the variance.
    correction = first.images / (first.images - 1)
    means = (split_weights(paired)[:, None] * draws).sum(0)
    of_images = float(means.var(ddof=1)) * correction
    if len(paired) < len(runs):
        # What both parts hold is not known of all runs: on the safe side, it counts twice.
        return difference(first.images, of_images)
    of_draws = float(design.variance(draws, found.kept).mean())
    twice = max(0.0, (of_draws - found.value) * correction)
    return difference(first.images, of_images - min(twice, found.value, of_images))


def alone_and_together(runs: Sequence[Part], images: Sequence[Part]) -> list[Part]:
    """The sum of all parts, then that of the runs and that of the images where they have any variance.

    Degrees of freedom by Satterthwaite; parts without any are exact. Of variances that are all 0: the first one's.
    """
    alone = (_sum(parts) for parts in (runs, images) if parts)
    return [_sum([*runs, *images]), *(one for one in alone if one[0] > 0)]


def _sum(parts: Sequence[Part]) -> Part:
    below = sum(variance**2 / degrees for variance, degrees in parts if degrees > 0)
    total = sum(variance for variance, _ in parts)
    return total, total**2 / below if below else parts[0][1]


def quantile(probability: float, degrees: float) -> float:
    """Quantile of Student's distribution with so many degrees of freedom."""
    from scipy.special import stdtrit

    return float(stdtrit(degrees, probability))
