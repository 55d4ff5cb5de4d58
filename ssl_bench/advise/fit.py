"""A recipe for the pictures at hand: a training crop that holds an object at their sizes."""

import statistics
from collections.abc import Sequence

from ssl_bench.dataset import Dataset
from ssl_bench.recipe import Recipe

SHARE = 0.6
"""Of a picture's shorter side: what a crop shows of it."""
STEP, WIDEST = 32, 256
"""Crops are multiples of this, px, as encoders halve five times; wider ones take a CPU minutes."""
LOOKED_AT = 50
"""Pictures whose size is read."""


def shorter_side(dataset: Dataset, names: Sequence[str]) -> int:
    """The median shorter side of some pictures, px."""
    return round(statistics.median(min(dataset.image(name).shape[:2]) for name in names[:LOOKED_AT]))


def fitting_crop(recipe: Recipe, side: int) -> int:
    """Side of the square crop, px: the recipe's, or a wider one that shows most of a picture of that shorter side."""
    wanted = STEP * round(SHARE * side / STEP)
    return max(recipe.crop, min(wanted, WIDEST))
