"""Supervised learning: the task's loss on labelled rows alone.

As `supervised` it is the baseline that every semi-supervised method is measured against; as `full`, with every
label there is, it is the upper bound.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from torch import nn

from ssl_bench import Batch, Losses, Method, NetworkFactory, Player, Progress, Task


class Supervised(Method):
    """One network, and one loss on labelled rows."""

    def __init__(self, task: Task, config: Any, build_network: NetworkFactory) -> None:
        super().__init__(task, config, build_network)
        self.model = build_network()

    def players(self) -> Mapping[str, Player]:
        """The model, the only one that learns."""
        return {"model": Player(self.model)}

    def losses(self, batch: Batch, progress: Progress) -> Iterator[Losses]:
        """L = task loss of the labelled rows."""
        logits = self.model(batch.labeled_images)
        yield {"model": {"task": self.task.loss(logits, batch.targets)}}

    @property
    def deployed(self) -> nn.Module:
        """The network that is evaluated: the model."""
        return self.model
