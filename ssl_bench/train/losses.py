"""Losses on their way from the device: read in one go every few steps, so that no step waits for the device."""

from collections.abc import Mapping

import torch
from torch import Tensor

from ssl_bench.errors import Diverged

READ_EVERY = 20
"""Steps between two reads on a GPU; on a CPU there is nothing to wait for, and every step is read."""


class LossLog:
    """Losses of the steps since the last read, and the values logged beside them."""

    def __init__(self) -> None:
        self._waiting: list[tuple[int, Mapping[str, Tensor]]] = []

    def add(self, step: int, terms: Mapping[str, Tensor]) -> None:
        """Take note of what a step gave, name to scalar, wherever they are."""
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


def is_loss(name: str) -> bool:
    """Whether a name is `player/term`, a loss, and not that of a value that a method logged."""
    return "/" in name


def check_finite(terms: Mapping[str, float], step: int) -> None:
    """Diverged, naming term and step, for a loss that is not finite; other values may be anything."""
    for name, value in terms.items():
        if is_loss(name) and not abs(value) < float("inf"):
            raise Diverged(f"loss '{name}' is {value} at step {step}; try a lower learning rate")
