"""What follows a cell while it runs: the interface of a tracker."""

import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any


class Tracker:
    """Called in the cell's own process; override what is of interest."""

    def start(self, folder: Path, cell: Mapping[str, Any], step: int) -> None:
        """The cell starts, or resumes, at `step`; `cell` holds its coordinates.

        After a kill what was told of later steps is told again, and so may be an evaluation at this one.
        """
        return None

    def step(self, step: int, terms: Mapping[str, float]) -> None:
        """A step was taken; `terms` maps `player/term` to its loss, and names without a slash to values that the
        method logged, which need not be finite."""
        return None

    def evaluation(self, step: int, scores: Mapping[str, float | None]) -> None:
        """The test set was evaluated; in a search, where `cell["split"]` has `held_out`, the images held out."""
        return None

    def save(self, step: int) -> None:
        """A checkpoint of this step is about to be written: what came before will not be told again."""
        return None

    def end(self, record: Mapping[str, Any]) -> None:
        """The cell finished with this record."""
        return None


class Trackers(Tracker):
    """Several trackers as one. One that raises is dropped, with its traceback in the cell's log: no
    measurement is lost to its observer, nor changed by it, who is given copies."""

    def __init__(self, makers: Mapping[str, Callable[[], Tracker]]) -> None:
        """`makers`: name of a tracker to what makes it."""
        self.trackers: dict[str, Tracker] = {}
        for name, make in makers.items():
            with self._guard(name):
                self.trackers[name] = make()

    def start(self, folder: Path, cell: Mapping[str, Any], step: int) -> None:
        """As `Tracker.start`."""
        self._each(lambda tracker: tracker.start(folder, deepcopy(cell), step))

    def step(self, step: int, terms: Mapping[str, float]) -> None:
        """As `Tracker.step`."""
        self._each(lambda tracker: tracker.step(step, deepcopy(terms)))

    def evaluation(self, step: int, scores: Mapping[str, float | None]) -> None:
        """As `Tracker.evaluation`."""
        self._each(lambda tracker: tracker.evaluation(step, deepcopy(scores)))

    def save(self, step: int) -> None:
        """As `Tracker.save`."""
        self._each(lambda tracker: tracker.save(step))

    def end(self, record: Mapping[str, Any]) -> None:
        """As `Tracker.end`."""
        self._each(lambda tracker: tracker.end(deepcopy(record)))

    def _each(self, call: Callable[[Tracker], None]) -> None:
        for name, tracker in list(self.trackers.items()):
            with self._guard(name):
                call(tracker)

    @contextmanager
    def _guard(self, name: str) -> Iterator[None]:
        try:
            yield
        except (Exception, SystemExit):
            traceback.print_exc()
            print(f"tracker '{name}' raised and is dropped", flush=True)
            self.trackers.pop(name, None)
