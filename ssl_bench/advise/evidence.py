"""What the folds show: scores, gains over training on the labels alone, and what a label is worth."""

import math
import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from ssl_bench.significance.folds import FoldMean, mean_of_folds
from ssl_bench.specs import Metric, Role

Scores = Mapping[str, float]
"""Score by repeat and number of the fold, `0.3`."""


@dataclass(frozen=True)
class Entrant:
    """A method and its scores."""

    row: str
    """As the command names it."""
    title: str
    role: Role
    scores: Scores
    seconds: tuple[float, ...] = ()
    """Of each run."""

    @property
    def cost(self) -> float | None:
        """Mean seconds of a run; None where there is none."""
        return statistics.fmean(self.seconds) if self.seconds else None


@dataclass(frozen=True)
class Evidence:
    """The scores of a study so far, and what follows from them; a pure function of them."""

    task: str
    metric: Metric
    labels: int
    """Labelled images in all."""
    unlabeled: int
    """Images without a label."""
    learnt: int
    """Labels that each method learnt from on a fold."""
    tested: float
    """Images that a fold tests, in the mean."""
    entrants: tuple[Entrant, ...]
    fewer: Mapping[int, Scores]
    """Of the first baseline on fewer labels, by their count."""

    @property
    def ratio(self) -> float:
        """Images tested on a fold over those learnt from."""
        return self.tested / self.learnt

    @property
    def sign(self) -> int:
        """1 where a higher score is better, else -1."""
        return 1 if self.metric.higher_is_better else -1

    @cached_property
    def scored(self) -> list[Entrant]:
        """The methods that have a score, on a fold that the first baseline has one on as well."""
        found = [one for one in self.entrants if one.scores]
        first = next((one for one in found if one.role == "baseline"), None)
        return found if first is None else [one for one in found if one.scores.keys() & first.scores.keys()]

    @cached_property
    def first(self) -> Entrant:
        """The first baseline that has a score."""
        return next(one for one in self.scored if one.role == "baseline")

    @cached_property
    def reference(self) -> Entrant:
        """What labels alone give: the baseline that is best in the mean.

        They cost alike, so that the likelier one is taken, whether or not it stands above the others; and whoever
        learns from unlabelled images has to be better than the best that labels give without them.
        """
        return max((one for one in self.scored if one.role == "baseline"), key=self.level)

    @cached_property
    def control(self) -> Entrant | None:
        """The first control that has scores: the forward passes of such methods without their loss."""
        return next((one for one in self.scored if one.role == "control"), None)

    @property
    def candidates(self) -> list[Entrant]:
        """All that learn from unlabelled images, or pass them through the network: what may be better than labels
        alone."""
        return [one for one in self.scored if one.role in ("ssl", "control")]

    def level(self, one: Entrant) -> float:
        """The mean score, higher for better, as if on all folds.

        A method that was left out of later ones is the first baseline's difference away from it on those that both
        have: folds are of unlike difficulty.
        """
        common = one.scores.keys() & self.first.scores.keys()
        own, first = (statistics.fmean(each.scores[fold] for fold in common) for each in (one, self.first))
        return self.sign * (statistics.fmean(self.first.scores.values()) + own - first)

    def mean(self, one: Entrant) -> FoldMean | None:
        """The score itself with its interval: what other images may bring."""
        return mean_of_folds(list(one.scores.values()), self.ratio)

    def gain(self, one: Entrant, other: Entrant, among: int = 1) -> FoldMean | None:
        """How much better a method is than another, over the folds that both have; above 0 is better."""
        common = sorted(one.scores.keys() & other.scores.keys())
        gains = [self.sign * (one.scores[fold] - other.scores[fold]) for fold in common]
        return mean_of_folds(gains, self.ratio, among)

    def gain_among_all(self, one: Entrant, other: Entrant) -> FoldMean | None:
        """As `gain`, of one among all candidates, for which intervals hold together."""
        return self.gain(one, other, max(1, len(self.candidates)))

    def over_reference(self, one: Entrant) -> FoldMean | None:
        """The gain over labels alone, of one among all candidates."""
        return self.gain_among_all(one, self.reference)

    @cached_property
    def standing(self) -> list[Entrant]:
        """The candidates whose gain over labels alone stands, best first."""
        found = [
            one
            for one in self.candidates
            if (gain := self.over_reference(one)) and gain.stands and gain.mean > 0
        ]
        return sorted(found, key=self.level, reverse=True)

    @cached_property
    def chosen(self) -> Entrant:
        """The best of those that stand; where nothing does, labels alone."""
        return self.standing[0] if self.standing else self.reference

    def in_contention(self, one: Entrant) -> bool:
        """Whether a method may yet be the best: it is not behind the one that leads."""
        leader = max(self.scored, key=self.level)
        gain = self.gain(one, leader)
        return one is leader or gain is None or gain.interval[1] >= 0

    @cached_property
    def doubling(self) -> FoldMean | None:
        """What the first baseline gains where labels double, by the fewest and the most that it has learnt from."""
        if not self.fewer:
            return None
        first, few = self.first, min(self.fewer)
        common = sorted(first.scores.keys() & self.fewer[few].keys())
        octaves = math.log2(self.learnt / few)
        gains = [self.sign * (first.scores[fold] - self.fewer[few][fold]) / octaves for fold in common]
        return mean_of_folds(gains, self.ratio)

    def worth_in_labels(self, gain: float) -> float | None:
        """How many further labels would bring a gain over labels alone, by what a doubling brings.

        None where that does not stand, or is known of another baseline than the one that the gain is over.
        """
        doubling = self.doubling
        if self.reference is not self.first or doubling is None or not doubling.stands or doubling.mean <= 0:
            return None
        # Beyond four times as many the line says nothing any more.
        return self.labels * (2 ** min(2.0, gain / doubling.mean) - 1)
