"""`ssl-bench check` copies each network, as methods do that make a teacher of it."""

import warnings
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations

from ssl_bench.specs import BackboneSpec
from ssl_bench.testing.findings import Subject
from ssl_bench.testing.parts import backbone_checks


class Plain(nn.Module):
    """One layer, which tests change."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.head = nn.Conv2d(3, channels, 3, padding=1)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.head(images)
        return logits


def findings(change: Callable[[Plain], object]) -> list[str]:
    def build(name: str, in_channels: int, out_channels: int) -> nn.Module:
        network = Plain(out_channels)
        change(network)
        return network

    spec = BackboneSpec(name="plain", backbone=build)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return Subject("plain", lambda: backbone_checks(spec, "plain")).findings()


def set_lazy(network: Plain) -> None:
    network.head = nn.LazyConv2d(5, 3, padding=1)


def hook_of_its_own(network: Plain) -> None:
    """Doubles by the first network's weight, in copies as well."""
    scale = network.head.bias
    network.head.register_forward_hook(lambda module, inputs, output: output * scale.abs().sum())


def computed(network: Plain) -> None:
    network.doubled = network.head.weight * 2


def not_in_the_state(network: Plain) -> None:
    network.register_buffer("scale", torch.rand(1), persistent=False)
    network.register_forward_hook(lambda module, inputs, output: output * module.scale)


def view(network: Plain) -> None:
    network.register_buffer("whole", torch.zeros(4))
    network.register_buffer("part", network.whole[:2])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda network: nn.utils.weight_norm(network.head), "copy.deepcopy fails"),
        (computed, "copy.deepcopy fails"),
        (set_lazy, "is made in the first forward pass"),
        (hook_of_its_own, "a copy with the state of another network does not give"),
        (not_in_the_state, "a copy with the state of another network does not give"),
    ],
)
def test_what_no_copy_survives_is_named(change: Callable[[Plain], object], words: str) -> None:
    found = findings(change)
    assert any(words in sentence for sentence in found), found


@pytest.mark.parametrize(
    "change",
    [
        lambda network: None,
        lambda network: parametrizations.weight_norm(network.head),
        lambda network: parametrizations.spectral_norm(network.head),
        lambda network: nn.utils.spectral_norm(network.head),
        view,
    ],
)
def test_what_copies_survive_passes(change: Callable[[Plain], object]) -> None:
    assert findings(change) == []
