"""Losses on their way from the device: read in one go every few steps, so that no step waits for the device."""

from collections.abc import Mapping

import torch
from torch import Tensor

from ssl_bench.errors import Diverged

READ_EVERY = 20
"""Steps between two reads on a GPU; on a CPU there is nothing to wait for, and every step is read."""


class LossLog:
    """Losses of the steps since the last read."""

    def __init__(self) -> None:
        self._waiting: list[tuple[int, Mapping[str, Tensor]]] = []

    def add(self, step: int, terms: Mapping[str, Tensor]) -> None:
        """Take note of a step's losses, term to scalar, wherever they are."""
        self._waiting.append((step, terms))

    def read(self) -> list[tuple[int, dict[str, float]]]:
        """Steps and their losses, in order, once each. Waits for the device; Diverged at the first that is not
        finite."""
        waiting, self._waiting = self._waiting, []
        if not waiting:
            return []
        values = iter(torch.stack([value for _, terms in waiting for value in terms.values()]).tolist())
        read = [(step, {name: next(values) for name in terms}) for step, terms in waiting]
        for step, terms in read:
            check_finite(terms, step)
        return read


def check_finite(terms: Mapping[str, float], step: int) -> None:
    """Diverged, naming term and step, for a loss that is not finite."""
    for name, value in terms.items():
        if not abs(value) < float("inf"):
            raise Diverged(f"loss '{name}' is {value} at step {step}; try a lower learning rate")
