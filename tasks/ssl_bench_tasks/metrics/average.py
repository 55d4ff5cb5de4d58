"""Scores per image, averaged over the images that have them."""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import ClassVar, Self

from torch import Tensor

from ssl_bench import Scores, Target


class ImageAverage(ABC):
    """The plain mean, image by image, of every score in `names`."""

    names: ClassVar[tuple[str, ...]]

    def __init__(self) -> None:
        self._images: list[Scores] = []

    @abstractmethod
    def score(self, prediction: Tensor, target: Target, unknown: Tensor | None) -> Scores:
        """Scores of one image by name, None where one does not exist; arguments as of `Metrics.update`."""

    def update(self, prediction: Tensor, target: Target, unknown: Tensor | None = None) -> Scores:
        """Add one image and return its scores."""
        scores = self.score(prediction, target, unknown)
        self._images.append(scores)
        return scores

    def merge(self, other: Self) -> None:
        """Add the images of another one."""
        self._images += other._images

    def compute(self) -> Scores:
        """Means by name; None where no image has the score."""
        return {name: mean_of([image[name] for image in self._images]) for name in self.names}


def mean_of(scores: Iterable[float | None]) -> float | None:
    """The mean of the scores that there are, in whichever order; None of none."""
    values = [value for value in scores if value is not None]
    # fsum is exact, so the order of the images does not matter.
    return math.fsum(values) / len(values) if values else None
