"""Weights that training holds in parts (`torch.nn.utils.parametrize`), as the single tensors that they amount to."""

import copy

from torch import nn
from torch.nn.utils import parametrize


def merge(module: nn.Module) -> None:
    """Put what it amounts to in the place of every weight in parts. What the module computes stays the same."""
    for part in list(module.modules()):
        for name in list(part.parametrizations) if parametrize.is_parametrized(part) else ():  # type: ignore[arg-type]
            parametrize.remove_parametrizations(part, name, leave_parametrized=True)


def merged(network: nn.Module) -> nn.Module:
    """The network itself where no weight is in parts, else a merged copy."""
    if not any(parametrize.is_parametrized(part) for part in network.modules()):
        return network
    network = copy.deepcopy(network)
    merge(network)
    return network
