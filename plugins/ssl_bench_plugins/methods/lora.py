"""Supervised learning with low-rank adaptation of the encoder.

Hu et al., LoRA: Low-Rank Adaptation of Large Language Models, ICLR 2022, https://arxiv.org/abs/2106.09685.

    W' = W + (alpha / r) B A,   A: r x in ~ U(-1 / sqrt(in), 1 / sqrt(in)),   B: out x r = 0

in every linear and convolutional layer of a frozen encoder. Decoder and head learn as in supervised learning. W of a
convolution is the matrix of its out channels by what one output reads, as in the authors' code for groups of one; B A
is then a convolution to r channels and one of 1 x 1 after it. At first W' = W, and what was learnt is merged into the
weights that `predict` and `export` use: a network of the same size as before.

Deviations: the paper adapts the attention weights of language models alone, and bounds r by what serves these. A layer
whose weight has no more than r rows or columns stays as it is, since a full change of it would be no larger. There is
no dropout on the change. W' is made before the layer runs, as for a merged network, which is less work for
convolutions than running B A beside W; a step costs no less than one that trains everything, and saves the memory of
gradients and of the optimiser's state alone.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from ssl_bench import NetworkFactory, Task
from ssl_bench_plugins.methods.labeled_configs import LoRAConfig
from ssl_bench_plugins.methods.supervised import Supervised


class LoRA(Supervised):
    """One network, one loss, and an encoder whose weights change by matrices of a low rank."""

    def __init__(self, task: Task, config: LoRAConfig, build_network: NetworkFactory) -> None:
        super().__init__(task, config, build_network)
        adapt(self.model.freeze_encoder(), config.rank, config.alpha_lora)


class LowRank(nn.Module):
    """The change of a weight of `rows` x `columns`: none at first."""

    def __init__(self, rows: int, columns: int, rank: int, alpha: float) -> None:
        super().__init__()
        self.scale = alpha / rank
        bound = 1 / math.sqrt(columns)
        self.down = nn.Parameter(torch.empty(rank, columns).uniform_(-bound, bound))
        self.up = nn.Parameter(torch.zeros(rows, rank))

    def forward(self, weight: Tensor) -> Tensor:
        """Take a layer's weight W to W', of the same shape."""
        return weight + self.scale * (self.up @ self.down).view_as(weight)


def adapt(encoder: nn.Module, rank: int, alpha: float) -> None:
    """Let the weights of a module's linear and convolutional layers change by matrices of a rank."""
    for layer in list(encoder.modules()):
        if isinstance(layer, nn.Linear | nn.Conv2d):
            rows, columns = layer.weight.flatten(1).shape
            if rank < min(rows, columns):
                parametrize.register_parametrization(layer, "weight", LowRank(rows, columns, rank, alpha))
