"""Gradients of several players from one state, and what of their graphs stays in memory."""

import weakref
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn

from ssl_bench.method import Batch, Losses, Method, Player, Progress
from ssl_bench.recipe import OptimizerSettings, Recipe
from ssl_bench.testing import ToyRegression, ToyStream
from ssl_bench.train.gradients import gradients_of
from ssl_bench.train.trainer import Trainer


class Box:
    """A tensor that a graph keeps."""

    def __init__(self, tensor: Tensor) -> None:
        self.tensor = tensor


class Judged(Method):
    """A network that pleases a critic, and a critic that rates what the network gives."""

    def __init__(self) -> None:
        super().__init__(ToyRegression(), None, lambda *a, **k: None)  # type: ignore[arg-type,return-value]
        torch.manual_seed(0)
        self.network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Tanh(), nn.Conv2d(4, 3, 3), nn.Tanh())
        self.critic = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Tanh(), nn.Conv2d(4, 1, 1))

    @property
    def deployed(self) -> nn.Module:
        return self.network

    def players(self) -> Mapping[str, Player]:
        return {"network": Player(self.network), "critic": Player(self.critic)}

    def losses(self, batch: Batch, progress: Progress) -> Iterator[Losses]:
        given = self.network(batch.images)
        rated = self.critic(given).square().mean()
        told = self.critic(given.detach()).sub(1).square().mean()
        yield {"network": {"pleases": rated}, "critic": {"tells": told}}


def stepped(parts: int) -> tuple[int, Tensor]:
    """Numbers that graphs keep at most during a step of that many parts, and the weights after it."""
    kept: list[weakref.ref[Box]] = []
    most = 0

    def pack(tensor: Tensor) -> Box:
        nonlocal most
        box = Box(tensor.detach())  # With its graph it would keep itself.
        kept.append(weakref.ref(box))
        most = max(most, sum(held.tensor.numel() for one in kept if (held := one())))
        return box

    method, optimizer = Judged(), OptimizerSettings(name="sgd", learning_rate=0.1, momentum=0.0)
    recipe = Recipe(iterations=2, optimizer=optimizer)
    trainer = Trainer(method, recipe, ToyStream("regression"), 0, micro_batches=parts)
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda box: box.tensor):
        trainer.step(0)
    assert not [one for one in kept if one() is not None]
    return most, torch.cat([each.detach().flatten() for each in method.parameters()])


def test_graphs_of_parts_are_in_memory_one_at_a_time() -> None:
    (whole, expected), (halves, found) = stepped(1), stepped(2)
    assert halves < 0.6 * whole
    torch.testing.assert_close(found, expected)


def test_in_whatever_order_players_come_their_gradients_are_those_of_one_state() -> None:
    first, second = torch.tensor(2.0, requires_grad=True), torch.tensor(3.0, requires_grad=True)
    for several in (False, True):
        product = (first * second).square()
        found = gradients_of(
            {"one": product, "other": product + second.square()},
            {"one": [first], "other": [second, first]},
            several=several,
        )
        assert list(found) == ["one", "other"]
        assert [[float(each) for each in own] for own in found.values()] == [[36.0], [30.0, 36.0]]  # type: ignore[arg-type]
