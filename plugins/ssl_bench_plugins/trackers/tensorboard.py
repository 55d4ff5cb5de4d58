"""Loss terms and scores as TensorBoard curves: `tensorboard --logdir OUT/cells`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch.utils.tensorboard.writer import SummaryWriter

from ssl_bench.tracker import Tracker


class TensorBoardTracker(Tracker):
    """Writes event files to CELL/tensorboard; after a resume the repeated steps replace the earlier ones."""

    def start(self, folder: Path, cell: Mapping[str, Any], step: int) -> None:
        """Open the event file."""
        self.writer = SummaryWriter(folder / "tensorboard", purge_step=step or None)

    def step(self, step: int, terms: Mapping[str, float]) -> None:
        """One scalar per loss term."""
        for name, value in terms.items():
            self.writer.add_scalar(f"loss/{name}", value, step)

    def evaluation(self, step: int, scores: Mapping[str, float | None]) -> None:
        """One scalar per score."""
        for name, value in scores.items():
            if value is not None:
                self.writer.add_scalar(f"test/{name}", value, step)

    def end(self, record: Mapping[str, Any]) -> None:
        """Flush and close."""
        self.writer.close()
