"""The fixed crops that an observer looks at, and, apart from them, their labels."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch

from ssl_bench.data.splits import LabelSplit, observable
from ssl_bench.dataset import Dataset, GuardedDataset
from ssl_bench.method import Batch
from ssl_bench.recipe import Kind, Recipe
from ssl_bench.seeds import seed_for
from ssl_bench.task import Target
from ssl_bench.train.batches import BatchStream, as_target, of_one_depth

ROWS = 16
"""Unlabelled crops, at most, or one batch of them."""
SHARE = 80
"""Steps of a run for each batch that is looked at: what keeps observing cheap in short runs."""


class Probe:
    """Batches like those of training, of a seed of their own: the same for every method at one seed and split.

    The labels of unlabelled rows are read when they are asked for, and kept nowhere.
    """

    def __init__(
        self,
        dataset: Dataset,
        split: LabelSplit,
        recipe: Recipe,
        kind: Kind,
        seed: int,
        device: torch.device,
        parts: int = 1,
    ) -> None:
        """`parts`: how many each batch of training is taken in; a batch here is as large as one."""
        shares = {
            "labeled_rows": recipe.labeled_rows // parts,
            "unlabeled_rows": recipe.unlabeled_rows // parts,
        }
        self._target: Callable[[str], np.ndarray] = dataset.target
        self._kind: Kind = kind
        self._stream = BatchStream(
            GuardedDataset(dataset, split.labeled, split.held_out),
            replace(split, unlabeled=observable(dataset, split)),
            recipe.model_copy(update=shares),
            kind,
            seed=seed_for("observe", seed),
            uses_unlabeled=True,
            device=device,
        )
        wanted = -(-ROWS // self._stream.unlabeled_rows)
        self.batches = max(1, min(wanted, recipe.iterations * parts // SHARE))
        """How many batches there are."""

    @property
    def rows(self) -> int:
        """How many unlabelled crops there are in all."""
        return self.batches * self._stream.unlabeled_rows

    def batch(self, number: int) -> Batch:
        """A batch without labels of its unlabelled rows, on the device."""
        return self._stream.batch(number)

    def truth(self, number: int) -> Target:
        """The labels of its unlabelled rows, on the CPU; padding is void."""
        found = self._stream.unlabeled_windows(number)
        labels = [window.cut_target(self._target(name), self._kind) for name, window in found]
        target = as_target(torch.stack(of_one_depth(labels)), self._kind, torch.device("cpu"))
        inside = torch.stack([window.valid() for _, window in found])
        return Target(target.value, target.valid & inside)
