"""Loss terms and scores as TensorBoard curves: `tensorboard --logdir OUT/cells`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch.utils.tensorboard.writer import SummaryWriter

from ssl_bench import Tracker, is_loss


class TensorBoardTracker(Tracker):
    """Writes event files to CELL/tensorboard. No step is there twice after a resume, or a start from the beginning."""

    def start(self, folder: Path, cell: Mapping[str, Any], step: int) -> None:
        """Open an event file that takes the place of all later steps in the earlier ones."""
        events = folder / "tensorboard"
        self.scored = "held_out" if cell["split"].get("held_out") else "test"
        # The step itself is kept, for its losses are not told again; its evaluation may be.
        self.known = {(tag, step) for tag in scalars_at(events, step)} if step else set()
        self.writer = SummaryWriter(str(events), purge_step=step + 1)

    def step(self, step: int, terms: Mapping[str, float]) -> None:
        """One scalar per loss term, under `loss/`, and per value that the method logged, under `value/`."""
        for name, value in terms.items():
            self.writer.add_scalar(f"{'loss' if is_loss(name) else 'value'}/{name}", value, step)

    def evaluation(self, step: int, scores: Mapping[str, float | None]) -> None:
        """One scalar per score, under `test/`, or `held_out/` in a search."""
        for name, value in scores.items():
            tag = f"{self.scored}/{name}"
            if value is not None and (tag, step) not in self.known:
                self.writer.add_scalar(tag, value, step)

    def save(self, step: int) -> None:
        """Write down what waits to be written."""
        self.writer.flush()

    def end(self, record: Mapping[str, Any]) -> None:
        """Write what is left, and close the file."""
        self.writer.close()


def scalars_at(events: Path, step: int) -> set[str]:
    """Tags of the scalars that the event files in a folder hold of a step."""
    if not events.is_dir():
        return set()
    accumulator = EventAccumulator(str(events), size_guidance={"scalars": 0})
    accumulator.Reload()
    tags = accumulator.Tags()["scalars"]
    return {tag for tag in tags if any(event.step == step for event in accumulator.Scalars(tag))}
