"""The training step. All it knows of a method: players, and a yield is an optimiser step."""

from collections.abc import Mapping
from typing import Any, Protocol

import torch
from torch import Tensor

from ssl_bench.errors import PluginError
from ssl_bench.losses import check_finite
from ssl_bench.method import Batch, Losses, Method, Player, Progress
from ssl_bench.recipe import OptimizerSettings, Recipe
from ssl_bench.seeds import seed_for
from ssl_bench.toolbox.schedules import learning_rate_factor


class Stream(Protocol):
    """Batches as a function of the step."""

    def batch(self, step: int) -> Batch:
        """The batch of a step, on the device of the method."""


class Trainer:
    """Steps a method's players through a stream of batches.

    Its whole state is the method's and the optimisers': everything else is a function of the step.
    """

    def __init__(self, method: Method, recipe: Recipe, stream: Stream, seed: int) -> None:
        self.method = method
        self.recipe = recipe
        self.stream = stream
        self.seed = seed
        self.players = dict(method.players())
        check_players(method, self.players)
        self.settings = {name: p.optimizer or recipe.optimizer for name, p in self.players.items()}
        self.optimizers = {
            name: make_optimizer(player, self.settings[name]) for name, player in self.players.items()
        }
        self.spoilt: Tensor | None = None
        """On a GPU 1 since a loss was not finite, else 0: what keeps the optimisers from stepping."""

    def step(self, step: int) -> dict[str, Tensor]:
        """Take one iteration; `player/term` to its loss, a scalar on the device.

        No player steps from a loss that is not finite, nor afterwards. On a CPU that is a Diverged at once; a GPU is
        not waited for, so there whoever reads the losses finds out, before anything is saved (`LossLog.read`).
        """
        # One seed per step: dropout and a method's own draws repeat exactly after a resume.
        torch.manual_seed(seed_for("step", self.seed, step))
        generator = torch.Generator().manual_seed(seed_for("draws", self.seed, step))
        recipe = self.recipe
        progress = Progress(step, recipe.iterations, recipe.iterations_per_epoch, generator)
        for name, optimizer in self.optimizers.items():
            factor = learning_rate_factor(self.settings[name], step, recipe.iterations)
            for group in optimizer.param_groups:
                group["lr"] = self.settings[name].learning_rate * group["multiplier"] * factor
        values: dict[str, Tensor] = {}
        for losses in self.method.losses(self.stream.batch(step), progress):
            values |= self._step_players(losses, step)
        if not values:
            raise PluginError(f"{type(self.method).__name__}.losses yielded nothing at step {step}")
        self.method.after_step(progress)
        return values

    def _step_players(self, losses: Losses, step: int) -> dict[str, Tensor]:
        terms = {
            f"{player}/{name}": term.detach().float()
            for player, part in losses.items()
            for name, term in part.items()
        }
        self._guard(terms, step)
        # Every gradient is taken from the one state at this yield, before any player moves.
        named = list(losses)
        for player in named:
            parameters = self.players[player].parameters()
            total = torch.stack(list(losses[player].values())).sum()
            gradients = torch.autograd.grad(
                total, parameters, retain_graph=player != named[-1], allow_unused=True
            )
            for parameter, gradient in zip(parameters, gradients, strict=True):
                parameter.grad = laid_out_like(parameter, gradient)
        for player in named:
            self.optimizers[player].step()
            self.optimizers[player].zero_grad(set_to_none=True)
        return terms

    def _guard(self, terms: Mapping[str, Tensor], step: int) -> None:
        """Let no optimiser step from losses that are not finite."""
        values = torch.stack(list(terms.values()))
        if values.device.type == "cpu":
            check_finite(dict(zip(terms, values.tolist(), strict=True)), step)
        else:
            self._skip_unless_finite(values)

    def _skip_unless_finite(self, values: Tensor) -> None:
        spoilt = values.isfinite().all().logical_not().float()
        self.spoilt = spoilt if self.spoilt is None else torch.maximum(self.spoilt, spoilt)
        for optimizer in self.optimizers.values():
            # What fused optimisers look at, on the device, for torch's own gradient scaler.
            optimizer.found_inf = self.spoilt  # type: ignore[attr-defined]

    def state_dict(self) -> dict[str, Any]:
        """Weights, buffers and optimiser state."""
        optimizers = {name: optimizer.state_dict() for name, optimizer in self.optimizers.items()}
        return {"method": self.method.state_dict(), "optimizers": optimizers}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what `state_dict` gave."""
        self.method.load_state_dict(state["method"])
        for name, optimizer in self.optimizers.items():
            optimizer.load_state_dict(state["optimizers"][name])


def laid_out_like(parameter: Tensor, gradient: Tensor | None) -> Tensor | None:
    """The gradient in its parameter's layout: fused optimisers go through memory in order, whatever the strides."""
    if gradient is None or gradient.stride() == parameter.stride():
        return gradient
    return torch.empty_like(parameter).copy_(gradient)


def make_optimizer(player: Player, settings: OptimizerSettings) -> torch.optim.Optimizer:
    """The optimiser of a player, with its network's head as a group of its own where rates differ."""
    groups: list[dict[str, Any]] = [{"params": player.parameters(), "multiplier": 1.0}]
    head = player.head_parameters() if settings.head_multiplier != 1 else []
    if head:
        mine = {id(parameter) for parameter in head}
        body = [parameter for parameter in player.parameters() if id(parameter) not in mine]
        groups = [
            {"params": body, "multiplier": 1.0},
            {"params": head, "multiplier": settings.head_multiplier},
        ]
    rate, decay = settings.learning_rate, settings.weight_decay
    if settings.name == "sgd":
        return torch.optim.SGD(groups, lr=rate, momentum=settings.momentum, weight_decay=decay, fused=True)
    kind = torch.optim.Adam if settings.name == "adam" else torch.optim.AdamW
    return kind(groups, lr=rate, betas=settings.betas, weight_decay=decay, fused=True)


def check_players(method: Method, players: Mapping[str, Player]) -> None:
    """PluginError unless every parameter that requires grad belongs to exactly one player."""
    owners: dict[int, str] = {}
    for name, player in players.items():
        for parameter in player.parameters():
            if id(parameter) in owners:
                raise PluginError(
                    f"{type(method).__name__}: players '{owners[id(parameter)]}' and '{name}' share a parameter"
                )
            owners[id(parameter)] = name
    for name, parameter in method.named_parameters():
        if parameter.requires_grad and id(parameter) not in owners:
            raise PluginError(
                f"{type(method).__name__}: parameter '{name}' requires grad but belongs to no player; "
                "give it to one, or call requires_grad_(False) on its module"
            )
