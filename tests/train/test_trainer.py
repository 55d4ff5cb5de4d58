"""The training step: players, gradients from one state, learning rates, losses that are not finite."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import torch
from torch import nn

from ssl_bench.backbone import TaskNetwork
from ssl_bench.errors import CellError, PluginError
from ssl_bench.method import Batch, Losses, Method, Player, Progress
from ssl_bench.recipe import OptimizerSettings, Recipe
from ssl_bench.task import Target
from ssl_bench.testing import ToyRegression, ToyStream
from ssl_bench.toolbox.schedules import learning_rate_factor, ramp_up
from ssl_bench.train.losses import LossLog
from ssl_bench.train.trainer import Trainer, laid_out_like, make_optimizer
from ssl_bench.worker.curves import Curves
from ssl_bench.world.log import Log

SGD = OptimizerSettings(name="sgd", learning_rate=0.5, momentum=0.0, schedule="constant")
RECIPE = Recipe(iterations=4, epochs=2, optimizer=SGD)


class Game(Method):
    """Two scalars whose losses depend on both: each must move by its own loss's gradient at the shared state."""

    def __init__(self, config: Any = None) -> None:
        super().__init__(ToyRegression(), config, lambda *a, **k: None)  # type: ignore[arg-type,return-value]
        self.first = nn.Linear(1, 1, bias=False)
        self.second = nn.Linear(1, 1, bias=False)
        for module, value in ((self.first, 2.0), (self.second, 3.0)):
            nn.init.constant_(module.weight, value)

    @property
    def deployed(self) -> nn.Module:
        return self.first

    def players(self) -> Mapping[str, Player]:
        return {"first": Player(self.first), "second": Player(self.second)}

    def losses(self, batch: Batch, progress: Progress) -> Iterator[Losses]:
        product = (self.first.weight * self.second.weight).sum()
        yield {"first": {"product": product}, "second": {"product": product, "square": product**2}}


def trainer(method: Method, recipe: Recipe = RECIPE) -> Trainer:
    return Trainer(method, recipe, ToyStream("regression"), seed=0)


def test_players_step_together_from_one_state() -> None:
    game = Game()
    terms = trainer(game).step(0)
    # d(ab)/da = 3; d(ab + (ab)^2)/db = 2 + 2 * 6 * 2 = 26, both at a = 2, b = 3.
    assert game.first.weight.item() == pytest.approx(2 - 0.5 * 3)
    assert game.second.weight.item() == pytest.approx(3 - 0.5 * 26)
    assert {name: term.item() for name, term in terms.items()} == {
        "first/product": 6.0,
        "second/product": 6.0,
        "second/square": 36.0,
    }


def test_each_yield_is_a_step_from_the_state_it_finds() -> None:
    class Turns(Game):
        def losses(self, batch: Batch, progress: Progress) -> Iterator[Losses]:
            yield {"first": {"one": (self.first.weight * self.second.weight).sum()}}
            yield {"second": {"two": (self.first.weight * self.second.weight).sum()}}

    game = Turns()
    trainer(game).step(0)
    assert game.first.weight.item() == pytest.approx(0.5)
    assert game.second.weight.item() == pytest.approx(3 - 0.5 * 0.5)


def test_a_loss_that_is_not_finite_stops_before_the_step() -> None:
    class Broken(Game):
        def losses(self, batch: Batch, progress: Progress) -> Iterator[Losses]:
            yield {"first": {"fine": self.first.weight.sum(), "odd": self.first.weight.sum() * math.nan}}

    game = Broken()
    with pytest.raises(CellError, match="loss 'first/odd' is nan at step 3"):
        trainer(game).step(3)
    assert game.first.weight.item() == 2.0


class Turned(Game):
    """Fine until step 2, when the second term is infinite."""

    def losses(self, batch: Batch, progress: Progress) -> Iterator[Losses]:
        weight = self.first.weight.sum()
        yield {"first": {"fine": weight, "odd": weight / (0.0 if progress.step >= 2 else 1.0)}}


def as_on_a_gpu(trainer: Trainer, terms: Mapping[str, torch.Tensor], step: int) -> None:
    """What a GPU does, on the CPU: there too fused optimisers look at the flag."""
    trainer._skip_unless_finite(torch.stack(list(terms.values())))


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_without_waiting_for_the_device_no_player_steps_from_such_a_loss(
    monkeypatch: pytest.MonkeyPatch, optimizer: str
) -> None:
    monkeypatch.setattr(Trainer, "_guard", as_on_a_gpu)
    settings = SGD.model_copy(update={"name": optimizer, "learning_rate": 0.01, "momentum": 0.5})
    game, log, weights = Turned(), LossLog(), []
    stepped = trainer(game, RECIPE.model_copy(update={"optimizer": settings, "iterations": 6}))
    for step in range(5):
        log.add(step, stepped.step(step))
        weights.append(game.first.weight.item())
    assert 2.0 > weights[0] > weights[1] == weights[2] == weights[3] == weights[4]
    with pytest.raises(CellError, match="loss 'first/odd' is inf at step 2; try a lower learning rate"):
        log.read()


def test_such_a_run_without_a_bad_loss_is_the_plain_run(monkeypatch: pytest.MonkeyPatch) -> None:
    def run() -> tuple[float, list[tuple[int, dict[str, float]]]]:
        game, log = Turned(), LossLog()
        stepped = trainer(
            game, RECIPE.model_copy(update={"optimizer": SGD.model_copy(update={"name": "adam"})})
        )
        for step in range(2):
            log.add(step, stepped.step(step))
        return game.first.weight.item(), log.read()

    plain = run()
    monkeypatch.setattr(Trainer, "_guard", as_on_a_gpu)
    assert run() == plain
    assert [step for step, _ in plain[1]] == [0, 1]
    assert plain[1][0][1] == {"first/fine": 2.0, "first/odd": 2.0}
    assert LossLog().read() == []


def test_a_gradient_is_laid_out_as_its_parameter() -> None:
    gradient = torch.rand(4, 3, 2, 2)
    parameter = torch.rand(4, 3, 2, 2).to(memory_format=torch.channels_last)
    laid_out = laid_out_like(parameter, gradient)
    assert laid_out is not None
    assert laid_out.stride() == parameter.stride()
    assert torch.equal(laid_out, gradient)
    assert laid_out_like(gradient, gradient) is gradient
    assert laid_out_like(parameter, None) is None


def test_every_parameter_has_exactly_one_player() -> None:
    class Orphan(Game):
        def players(self) -> Mapping[str, Player]:
            return {"first": Player(self.first)}

    class Shared(Game):
        def players(self) -> Mapping[str, Player]:
            return {"first": Player(self.first), "second": Player(self.second), "third": Player(self.first)}

    with pytest.raises(PluginError, match=r"'second.weight' requires grad but belongs to no player"):
        trainer(Orphan())
    with pytest.raises(PluginError, match="'first' and 'third' share"):
        trainer(Shared())


def test_yielding_nothing_is_an_error() -> None:
    class Idle(Game):
        def losses(self, batch: Batch, progress: Progress) -> Iterator[Losses]:
            yield from ()

    with pytest.raises(PluginError, match="yielded nothing"):
        trainer(Idle()).step(0)


def test_learning_rate_is_a_function_of_the_step() -> None:
    polynomial = OptimizerSettings(schedule="polynomial", power=0.9)
    assert learning_rate_factor(polynomial, 0, 100) == 1
    assert learning_rate_factor(polynomial, 50, 100) == pytest.approx(0.5**0.9)
    assert learning_rate_factor(OptimizerSettings(schedule="cosine"), 50, 100) == pytest.approx(0.5)
    recipe = RECIPE.model_copy(update={"optimizer": SGD.model_copy(update={"schedule": "polynomial"})})
    late = Game()
    trainer(late, recipe).step(2)
    assert late.first.weight.item() == pytest.approx(2 - 0.5 * 0.5**0.9 * 3)


def test_ramp_up() -> None:
    assert ramp_up(0, 10) == pytest.approx(math.exp(-5))
    assert ramp_up(5, 10) == pytest.approx(math.exp(-1.25))
    assert ramp_up(10, 10) == ramp_up(99, 10) == ramp_up(0, 0) == 1


@pytest.mark.parametrize("alone", [True, False])
@pytest.mark.parametrize(
    ("rates", "groups"),
    [
        ({}, [("body encoder head", 1.0)]),
        ({"head_multiplier": 10}, [("body encoder", 1.0), ("head", 10.0)]),
        ({"encoder_multiplier": 0.1}, [("body head", 1.0), ("encoder", 0.1)]),
        (
            {"encoder_multiplier": 0.1, "head_multiplier": 10},
            [("body", 1.0), ("encoder", 0.1), ("head", 10.0)],
        ),
    ],
)
def test_encoder_and_head_learn_at_their_own_rates(
    alone: bool, rates: Mapping[str, float], groups: list[tuple[str, float]]
) -> None:
    parts = nn.Module()
    parts.body, parts.encoder, parts.head = nn.Linear(2, 2), nn.Linear(2, 2), nn.Linear(2, 2)
    network = TaskNetwork(parts, in_channels=3, residual=False)
    # With a module beside it, of whose rate no recipe knows.
    player = Player(network if alone else nn.ModuleList([network, nn.Linear(2, 2, bias=False)]))
    optimizer = make_optimizer(player, OptimizerSettings(name="sgd", **rates))
    assert len(optimizer.param_groups) == len(groups)
    for group, (names, multiplier) in zip(optimizer.param_groups, groups, strict=True):
        mine = {id(parameter) for parameter in group["params"]}
        expected = {id(p) for name in names.split() for p in getattr(parts, name).parameters()}
        assert expected <= mine
        assert len(mine - expected) == (not alone and multiplier == 1.0)
        assert group["multiplier"] == multiplier


def test_a_frozen_encoder_has_no_group() -> None:
    parts = nn.Module()
    parts.encoder, parts.head = nn.Linear(2, 2), nn.Linear(2, 2)
    player = Player(TaskNetwork(parts, in_channels=3, residual=False, encoder="frozen"))
    optimizer = make_optimizer(player, OptimizerSettings(encoder_multiplier=0.1))
    assert [len(group["params"]) for group in optimizer.param_groups] == [2]


def test_residual_networks_start_at_the_identity_and_still_learn() -> None:
    layers = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 3, 1))
    body = nn.Conv2d(3, 3, 1)

    class Headed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body, self.head = body, layers

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return self.head(self.body(images))

    network = TaskNetwork(Headed(), in_channels=3, residual=True)
    images = torch.rand(2, 3, 8, 8)
    assert torch.equal(network(images), images)
    network(images).sum().backward()
    assert layers[2].weight.grad.abs().sum() > 0
    assert layers[0].weight.abs().sum() > 0


class Logging(Game):
    """Steps by a mean over the whole batch, of rows alone."""

    def losses(self, batch: Batch, progress: Progress) -> Iterator[Losses]:
        progress.log("mean", batch.images.mean())
        yield {}
        weight = progress.log.mean("mean")
        progress.log("odd", weight / (progress.step % 2))
        yield {"first": {"one": weight * self.first.weight.sum()}}


def test_what_is_logged_is_no_loss_and_reaches_no_gradient() -> None:
    game, log = Logging(), LossLog()
    stepped = trainer(game)
    for step in range(4):
        log.add(step, stepped.step(step))
    curves = Curves(4, 2)
    read = log.read()
    for step, terms in read:
        assert terms.keys() == {"mean", "odd", "first/one"}
        curves.add(step, terms)
    means = curves.means()
    # Of two values in an epoch the one that is finite; the run goes on.
    assert means["odd"] == [read[step][1]["mean"] for step in (1, 3)]
    assert means["mean"] == pytest.approx(
        [(read[step][1]["mean"] + read[step + 1][1]["mean"]) / 2 for step in (0, 2)]
    )
    moved = 2.0 - 0.5 * sum(terms["mean"] for _, terms in read)
    assert game.first.weight.item() == pytest.approx(moved)
    assert game.second.weight.item() == 3.0


def test_a_mean_that_losses_depend_on_is_over_all_parts() -> None:
    images = torch.arange(4.0).view(4, 1, 1, 1).expand(4, 3, 2, 2)
    labels = Target(torch.zeros(4, 2, 2, dtype=torch.int64), torch.ones(4, 1, 2, 2, dtype=torch.bool))

    class Uneven:
        def batch(self, step: int) -> Batch:
            return Batch(images, torch.ones(4, 1, 2, 2, dtype=torch.bool), labels)

    found = []
    for parts in (1, 2, 4):
        game = Logging()
        told = Trainer(game, RECIPE, Uneven(), 0, micro_batches=parts).step(1)
        assert told["mean"] == 1.5
        found.append((told["first/one"].item(), game.first.weight.item()))
    assert found[0] == found[1] == found[2]


def test_a_mean_is_not_there_before_all_parts_have_given_theirs() -> None:
    class Early(Game):
        def losses(self, batch: Batch, progress: Progress) -> Iterator[Losses]:
            progress.log("mean", batch.images.mean())
            yield {"first": {"one": progress.log.mean("mean") * self.first.weight.sum()}}

    with pytest.raises(PluginError, match="before it is needed"):
        trainer(Early()).step(0)
    with pytest.raises(PluginError, match="its name has no slash"):
        Log()("first/one", torch.zeros(()))
    with pytest.raises(PluginError, match="is a scalar"):
        Log()("kept", torch.zeros(2))
    with pytest.raises(PluginError, match="is a scalar tensor"):
        Log()("kept", 0.5)  # type: ignore[arg-type]


def test_yields_of_nobody_alone_are_a_fault() -> None:
    class Nobody(Game):
        def losses(self, batch: Batch, progress: Progress) -> Iterator[Losses]:
            progress.log("mean", batch.images.mean())
            yield {}

    with pytest.raises(PluginError, match="yielded nothing at step 0"):
        trainer(Nobody()).step(0)
