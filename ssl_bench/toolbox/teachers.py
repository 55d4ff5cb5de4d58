"""Networks that teach: copies that no gradient moves, how they are run, and snapshots at fixed steps."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch
from torch import nn

Network = TypeVar("Network", bound=nn.Module)


def frozen_copy(network: Network) -> Network:
    """A copy of a network that learns from nobody's gradient."""
    return copy.deepcopy(network).requires_grad_(False)


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """While it lasts, there is no gradient, and a network is in evaluation mode: BatchNorm goes by running statistics,
    and nothing is dropped."""
    modes = [(module, module.training) for module in network.modules()]
    network.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for module, mode in modes:
            module.training = mode


def keep_running_statistics(network: nn.Module) -> None:
    """Let a network normalise by its batch's statistics without changing its running ones."""
    for module in network.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.momentum = 0.0


def snapshots_taken(step: int, iterations: int, count: int) -> int:
    """How many of `count` snapshots, evenly spaced over a run, were taken before a step: the k-th of them after
    round(k iterations / (count + 1)) steps."""
    return sum(step >= round(k * iterations / (count + 1)) for k in range(1, count + 1))
