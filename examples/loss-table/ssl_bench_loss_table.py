"""Loss Table. Say here who is told; this one writes every loss term to `loss-table.csv` in the cell's folder."""

import csv
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ssl_bench import Tracker, TrackerSpec, hookimpl

COLUMNS = ["step", "term", "loss"]


class LossTableTracker(Tracker):
    """Called in the cell's own process. If it raises, it is dropped, and the cell goes on."""

    def start(self, folder: Path, cell: Mapping[str, Any], step: int) -> None:
        """Open the file. After an interruption the steps beyond `step` are taken again: their rows go."""
        path = folder / "loss-table.csv"
        rows: list[list[str]] = []
        if step and path.is_file():
            with path.open(newline="") as before:
                rows = [row for row in csv.reader(before) if row[0].isdigit() and int(row[0]) <= step]
        self.file = path.open("w", newline="")
        self.writer = csv.writer(self.file, lineterminator="\n")
        self.writer.writerows([COLUMNS, *rows])

    def step(self, step: int, terms: Mapping[str, float]) -> None:
        """`terms` maps `player/term` to its loss."""
        self.writer.writerows([step, name, value] for name, value in terms.items())

    def end(self, record: Mapping[str, Any]) -> None:
        """The cell has finished; `record` holds its scores."""
        self.file.close()


@hookimpl
def provide_trackers() -> Iterable[TrackerSpec]:
    """What ssl-bench finds here."""
    return [TrackerSpec(name="loss-table", title="Loss Table", tracker=LossTableTracker)]
