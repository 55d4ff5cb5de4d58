"""How many further seeds would tell two methods apart."""

import bisect
import math
from typing import Literal

from ssl_bench.statistics.comparison import LEVEL, Difference, freedom, quantile

POWER = 0.8
MOST = 1000
"""Seeds beyond which the answer is that there are too many."""


def further_seeds(difference: Difference) -> int | Literal["too many", "images"]:
    """Further seeds for which the 95 % interval would leave out zero in 80 % of repetitions.

    As if the difference and its spread stayed as they are. 0 where the interval leaves out zero already; `images`
    where the test images alone leave so much open that no number of seeds would do.
    """
    low, high = difference.interval
    if low > 0 or high < 0:
        return 0
    tail = 0.5 + LEVEL / 2

    def needed(seeds: float, seed_variance: float) -> float:
        degrees = freedom(seed_variance, seeds, difference.image_variance, difference.images)
        both = quantile(tail, degrees) + quantile(POWER, degrees)
        return both * math.sqrt(seed_variance + difference.image_variance)

    def reached(seeds: int) -> bool:
        return abs(difference.mean) >= needed(seeds, difference.seed_variance * difference.seeds / seeds)

    if difference.image_variance and abs(difference.mean) <= needed(math.inf, 0.0):
        return "images"
    candidates = range(difference.seeds + 1, MOST + 1)
    place = bisect.bisect_left(candidates, True, key=reached)
    return candidates[place] - difference.seeds if place < len(candidates) else "too many"
