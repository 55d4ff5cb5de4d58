"""How a cell went: losses and logged values per nominal epoch, and the evaluations on the way."""

import math
from collections.abc import Sequence
from typing import Any


class Curves:
    """Mean of every loss term and logged value over each nominal epoch."""

    def __init__(self, iterations: int, epochs: int) -> None:
        self.iterations, self.epochs = iterations, min(epochs, iterations)
        self.sums: dict[str, list[float]] = {}
        self.counts: dict[str, list[int]] = {}

    def add(self, step: int, terms: dict[str, float]) -> None:
        """Count in what one step gave; values that are not finite are left out."""
        epoch = step * self.epochs // self.iterations
        for name, value in terms.items():
            if not math.isfinite(value):
                continue
            self.sums.setdefault(name, [0.0] * self.epochs)[epoch] += value
            self.counts.setdefault(name, [0] * self.epochs)[epoch] += 1

    def means(self) -> dict[str, list[float | None]]:
        """Term to its mean in each epoch; None for an epoch in which it did not occur."""
        return {
            name: [s / n if n else None for s, n in zip(sums, self.counts[name], strict=True)]
            for name, sums in self.sums.items()
        }

    def state_dict(self) -> dict[str, Any]:
        """All sums and counts so far, for a checkpoint."""
        return {"sums": self.sums, "counts": self.counts}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` gave, in another process."""
        self.sums, self.counts = state["sums"], state["counts"]


def best_of(evaluations: Sequence[dict[str, Any]], metric: str, higher: bool) -> dict[str, Any] | None:
    """The evaluation with the best score. Recorded, never ranked: it is chosen on test data."""
    scored = [e for e in evaluations if e["metrics"].get(metric) is not None]
    if not scored:
        return None
    return max(scored, key=lambda e: e["metrics"][metric] if higher else -e["metrics"][metric])
