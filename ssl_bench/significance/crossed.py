"""The variance of the mean of runs that share their splits and their seeds.

Runs of one split share their labelled images, runs of one seed their initial weights and the order of their batches,
and so n runs are no n draws. With splits k and seeds s crossed, a figure is taken as

    d_ks = mean + split effect_k + seed effect_s + rest_ks,

and the variance of the mean follows by the method of moments from the mean squares of the two-way analysis of variance
with random effects, (MS_split + MS_seed - MS_rest) / n (Searle, Casella, McCulloch: Variance Components, Wiley, 1992,
chapter 4), with degrees of freedom by Satterthwaite (Biometrics Bulletin 2, 1946). With three splits a mean square has
two degrees of freedom, and intervals would be very wide where splits do not matter at all; so a factor that an F test
against the rest does not find at a level of 0.25 is pooled with the rest, as Bancroft proposes (Annals of Mathematical
Statistics 15, 1944; the level: Bancroft, Han: International Statistical Review 45, 1977).

Where splits have unlike numbers of runs, each counts alike: the mean is that of the splits' means, for who asks of
other splits learns more from a new one than from further seeds on an old one. Such sets of runs, and those with holes
in them, are read the same way: the F test is then the partial one of least squares, and for a mean square stand the
squares of the effects by least squares, less what the rest brings to them (unweighted means; Searle, Casella,
McCulloch, chapter 5), which is the same where nothing is missing. A factor then counts by how much of the mean each of
its levels is. No run is left out for it. A factor that has one level in all, or a level of its own for every run, has
no part: over one split alone, or where each split has a seed of its own, this is the variance of independent runs.

What the pooling costs: in simulations of 5 seeds x 3 splits, intervals of 95 % cover at 97 % where splits do not
matter, and at 91 to 94 % where they do; with two splits at 86 % at worst. So take three splits or more. With five seeds
on three splits and one on two or five further ones they cover at 94 to 97 %; if every run counted alike, it would be
89 to 91 % where splits matter most.
"""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

POOL = 0.25
"""Level of the F test above which a factor is pooled."""

Run = tuple[str | None, str]
"""Split and seed of a run; None for a run that does not depend on the split, and so serves all of them."""


@dataclass(frozen=True)
class Factor:
    """Which runs share a split, or a seed."""

    name: str
    members: np.ndarray
    """(runs, levels), 1 where a run has a level."""


@dataclass(frozen=True)
class Variance:
    """Variance of the mean of some runs."""

    value: float
    kept: tuple[Factor, ...]
    """The factors that are not pooled."""
    degrees: float
    """Degrees of freedom of the value."""
    of_splits: float = 0.0
    """The part of the value that only further splits would shrink."""


def split_weights(runs: Sequence[Run]) -> np.ndarray:
    """How much each run is of a mean in which splits count alike, (runs,)."""
    counts = Counter(split for split, _ in runs)
    return np.array([1 / (len(counts) * counts[split]) for split, _ in runs])


def _together(parts: Sequence[np.ndarray], rest: np.ndarray) -> np.ndarray:
    """Variance of the mean from what each factor alone would give it, and what none would."""
    found: np.ndarray = np.maximum(sum(parts) - (len(parts) - 1) * rest, np.max(parts, 0)) if parts else rest
    return found


class Design:
    """Which runs there are of which splits and seeds; at least two. Means are over splits."""

    def __init__(self, runs: Sequence[Run]) -> None:
        self.runs = len(runs)
        found = []
        for name, levels in zip(("split", "seed"), zip(*runs, strict=True), strict=True):
            distinct = sorted(set(levels), key=str)
            if 1 < len(distinct) < len(runs):
                found.append(
                    Factor(name, np.array([[level == own for own in distinct] for level in levels], float))
                )
        self.factors = tuple(found)
        self.weights = split_weights(runs)

    def kept(self, values: np.ndarray, shared: Collection[str] = ()) -> tuple[Factor, ...]:
        """The factors that are not pooled for (runs,) figures. `shared`: names of those that are known to be there."""
        from scipy.special import fdtrc

        deviations = values - values.mean()
        left, rank = self._left(self.factors, deviations)
        free = self.runs - rank
        kept = []
        for factor in self.factors:
            others = tuple(other for other in self.factors if other is not factor)
            more, lower = self._left(others, deviations)
            steps = rank - lower
            if factor.name in shared or free == 0 or steps == 0:
                # Known, or nothing to test against: on the safe side.
                kept.append(factor)
            elif more > left and (
                left <= 0 or fdtrc(steps, free, (more - left) / steps / (left / free)) <= POOL
            ):
                kept.append(factor)
        return tuple(kept)

    def variance(self, values: np.ndarray, kept: Sequence[Factor]) -> np.ndarray:
        """Of the mean: (...) from (runs, ...) figures, with the factors that are not pooled."""
        return _together(*self._parts(values, tuple(kept)))

    def estimate(self, values: np.ndarray, shared: Collection[str] = ()) -> Variance:
        """Variance of the mean of (runs,) figures, its degrees of freedom, and what of it is of the splits."""
        kept = self.kept(values, shared)
        parts, rest = self._parts(values, kept)
        value = float(_together(parts, rest))
        degrees = [self._effects(factor, kept)[1] for factor in kept]
        of_splits = sum(
            float(part - rest) for factor, part in zip(kept, parts, strict=True) if factor.name == "split"
        )
        of_splits = min(max(of_splits, 0.0), value)
        if len(kept) < 2:
            return Variance(value, kept, degrees[0] if kept else self.runs - 1, of_splits)
        free = self.runs - self._projection(kept)[1]
        below = float(rest) ** 2 / free if free else 0.0
        below += sum(float(part) ** 2 / steps for part, steps in zip(parts, degrees, strict=True))
        return Variance(value, kept, value**2 / below if below else self.runs - 1, of_splits)

    def _parts(self, values: np.ndarray, kept: tuple[Factor, ...]) -> tuple[list[np.ndarray], np.ndarray]:
        """Variance of the mean if one of the kept factors alone were there, for each, and if none were."""
        deviations = values - values.mean(0)
        projection, rank = self._projection(kept)
        free, each = self.runs - rank, float((self.weights**2).sum())
        left = deviations - np.tensordot(projection, deviations, 1)
        noise = (left**2).sum(0) / free if free else np.zeros(values.shape[1:])
        parts = []
        for factor in kept:
            estimates, steps = self._effects(factor, kept)
            effects = (np.tensordot(estimates, deviations, 1) ** 2).sum(0)
            of_noise = float((estimates**2).sum())
            share = float(((self.weights @ factor.members) ** 2).sum()) / steps
            # No less than if all that the effects show were noise.
            least = min(share, each / of_noise) * effects
            parts.append(np.maximum(share * (effects - of_noise * noise) + each * noise, least))
        return parts, each * noise

    def _effects(self, factor: Factor, kept: tuple[Factor, ...]) -> tuple[np.ndarray, int]:
        """What gives the effects of a factor's levels by least squares, (levels, runs), and how many are free."""
        names = tuple(other.name for other in (factor, *kept))
        if names not in self._estimates:
            others, lower = self._projection(tuple(other for other in kept if other is not factor))
            alone = np.linalg.pinv(factor.members - others @ factor.members, rcond=1e-9)
            self._estimates[names] = alone, self._projection(kept)[1] - lower
        return self._estimates[names]

    def _left(self, factors: Sequence[Factor], deviations: np.ndarray) -> tuple[float, int]:
        """Sum of squares that factors leave, and the rank of their model."""
        projection, rank = self._projection(tuple(factors))
        return float(((deviations - projection @ deviations) ** 2).sum()), rank

    def _projection(self, factors: tuple[Factor, ...]) -> tuple[np.ndarray, int]:
        """Onto what the mean and some factors explain, and its rank."""
        key = tuple(factor.name for factor in factors)
        if key not in self._projections:
            columns = np.hstack([np.ones((self.runs, 1)), *(factor.members for factor in factors)])
            left, sizes, _ = np.linalg.svd(columns, full_matrices=False)
            basis = left[:, sizes > 1e-9 * sizes[0]]
            self._projections[key] = basis @ basis.T, basis.shape[1]
        return self._projections[key]

    @cached_property
    def _estimates(self) -> dict[tuple[str, ...], tuple[np.ndarray, int]]:
        return {}

    @cached_property
    def _projections(self) -> dict[tuple[str, ...], tuple[np.ndarray, int]]:
        return {}


@lru_cache(maxsize=256)
def design_of(runs: tuple[Run, ...]) -> Design:
    """The design of some runs; most methods of a column have the same."""
    return Design(runs)
