"""Loss terms and scores of a cell as one run of Weights & Biases, grouped by task.

Nothing leaves the machine unless asked: the mode is `offline` where $WANDB_MODE does not say otherwise, and
`wandb sync CELL/wandb/offline-run-*` uploads later. $WANDB_PROJECT and $WANDB_ENTITY are wandb's own.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import wandb

from ssl_bench import Tracker


class WandbTracker(Tracker):
    """One run per cell; a resumed cell goes on in its run."""

    def start(self, folder: Path, cell: Mapping[str, Any], step: int) -> None:
        """Begin the run, or go on."""
        self.scored = "held_out" if cell["split"].get("held_out") else "test"
        self.run = wandb.init(
            project=os.environ.get("WANDB_PROJECT", "ssl-bench"),
            mode=os.environ.get("WANDB_MODE", "offline"),
            dir=folder,
            id=cell["id"].rpartition("-")[2],
            name=cell["id"],
            group=cell["task"],
            config=dict(cell),
            resume="allow",
        )
        # wandb's own step must never go back, and a resume repeats the steps since the last checkpoint.
        self.run.define_metric("*", step_metric="iteration")

    def step(self, step: int, terms: Mapping[str, float]) -> None:
        """A value per loss term."""
        self.run.log({"iteration": step, **{f"loss/{name}": value for name, value in terms.items()}})

    def evaluation(self, step: int, scores: Mapping[str, float | None]) -> None:
        """A value per score that exists, under `test/`, or `held_out/` in a search."""
        found = {f"{self.scored}/{name}": value for name, value in scores.items() if value is not None}
        self.run.log({"iteration": step, **found})

    def end(self, record: Mapping[str, Any]) -> None:
        """The final scores as the run's summary."""
        for name, value in record["metrics"].items():
            self.run.summary[name] = value
        self.run.finish()
