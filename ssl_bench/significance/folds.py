"""What the scores of repeated cross-validation can tell.

The folds of one set of labels share most of what they learn from, so that n scores are no n draws, and an interval
that takes them for such is far too narrow. The variance of their mean is therefore taken as

    (1 / n + tested / learnt) s^2,

with n - 1 degrees of freedom (Nadeau, Bengio: Inference for the Generalization Error. Machine Learning 52, 2003; for
repeated cross-validation: Bouckaert, Frank: Evaluating the Replicability of Significance Tests. PAKDD 2004). More
repeats make the first part small, and only more labels the second.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ssl_bench.significance.comparison import LEVEL, quantile


@dataclass(frozen=True)
class FoldMean:
    """A mean over folds and how sure it is."""

    mean: float
    folds: int
    variance: float
    """Of the mean, corrected."""
    interval: tuple[float, float]

    @property
    def stands(self) -> bool:
        """Whether the interval leaves out zero."""
        low, high = self.interval
        return low > 0 or high < 0


def mean_of_folds(values: Sequence[float], ratio: float, among: int = 1) -> FoldMean | None:
    """The mean of one figure a fold with its interval at 95 %; None for fewer than three, which show too little.

    `ratio`: tested images over those that are learnt from. `among`: of how many such figures the best is to be
    picked; their intervals then hold at 95 % all together (Bonferroni).
    """
    if len(values) < 3:
        return None
    figures = np.asarray(values, float)
    mean = float(figures.mean())
    variance = (1 / len(figures) + ratio) * float(figures.var(ddof=1))
    width = quantile(1 - (1 - LEVEL) / 2 / among, len(figures) - 1) * math.sqrt(variance)
    return FoldMean(mean, len(figures), variance, (mean - width, mean + width))
