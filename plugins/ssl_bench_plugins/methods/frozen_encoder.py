"""Supervised learning on a frozen encoder: what pretraining alone is worth.

The encoder stays as its pretrained weights have it, in evaluation mode, so that its BatchNorm normalises by the
statistics that it came with; decoder and head learn. A recipe's `encoder = frozen` does the same to every method of a
comparison; this is a row beside `supervised`, which trains it all.
"""

from typing import Any

from ssl_bench import NetworkFactory, Task
from ssl_bench_plugins.methods.supervised import Supervised


class FrozenEncoder(Supervised):
    """One network, one loss, and an encoder that does not learn."""

    def __init__(self, task: Task, config: Any, build_network: NetworkFactory) -> None:
        super().__init__(task, config, build_network)
        self.model.freeze_encoder()
