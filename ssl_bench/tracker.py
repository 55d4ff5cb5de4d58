"""What follows a cell while it runs: the interface of a tracker."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any


class Tracker:
    """Called in the cell's own process. A tracker that raises is dropped with a warning in the cell's log."""

    def start(self, folder: Path, cell: Mapping[str, Any], step: int) -> None:
        """The cell starts, or resumes, at `step`."""

    def step(self, step: int, terms: Mapping[str, float]) -> None:
        """A step was taken; `terms` maps `player/term` to its loss."""

    def evaluation(self, step: int, scores: Mapping[str, float | None]) -> None:
        """The test set was evaluated."""

    def end(self, record: Mapping[str, Any]) -> None:
        """The cell finished with this record."""
