"""How many further seeds would tell two methods apart."""

import bisect
import math
from collections.abc import Sequence
from typing import Literal

from ssl_bench.significance.comparison import LEVEL, Difference, Part, alone_and_together, quantile

POWER = 0.8
MOST = 1000
"""Seeds beyond which the answer is that there are too many."""

Further = int | Literal["too many", "images", "splits", "the same"]


def further_seeds(difference: Difference) -> Further:
    """Further seeds for which the 95 % interval would leave out zero in 80 % of repetitions.

    As if the difference and its spread stayed as they are, each seed with every split that there is; where all runs
    have one seed, or each its own, further runs. 0 where the interval leaves out zero already; `images` where the test
    images alone leave so much open that no number of seeds would do, and wherever there is a single test image, of
    which seeds tell nothing; `splits` where no number of seeds on these splits would do; `the same` where the two have
    the same scores.
    """
    if difference.mean == difference.run_variance == difference.image_variance == 0:
        return "the same"
    if difference.images == 1:
        return "images"
    if difference.stands:
        return 0
    gap, units = abs(difference.mean), difference.seeds or 1
    units = units if units > 1 else difference.runs
    of_splits = (difference.split_variance, difference.splits - 1)
    of_images = (difference.image_variance, difference.images - 1)
    rest = difference.run_variance - difference.split_variance
    # Where splits make no difference, a seed brings as many runs as there are splits.
    each = 1.0 if difference.split_variance else difference.run_degrees / (units - 1)

    def reached(seeds: int) -> bool:
        return gap >= _needed([(rest * units / seeds, each * (seeds - 1)), of_splits], [of_images])

    if difference.image_variance and gap <= _needed([], [of_images]):
        return "images"
    if difference.split_variance and gap <= _needed([of_splits], [of_images]):
        return "splits"
    candidates = range(units + 1, MOST + 1)
    place = bisect.bisect_left(candidates, True, key=reached)
    return candidates[place] - units if place < len(candidates) else "too many"


def _needed(runs: Sequence[Part], images: Sequence[Part]) -> float:
    """The difference that is found in 80 % of repetitions, from the parts of the variance."""
    return max(
        (quantile(0.5 + LEVEL / 2, degrees) + quantile(POWER, degrees)) * math.sqrt(variance)
        for variance, degrees in alone_and_together(runs, images)
    )
