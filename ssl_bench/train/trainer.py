"""The training step. All it knows of a method: players, and a yield is an optimiser step."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from ssl_bench.errors import PluginError
from ssl_bench.method import Batch, Losses, Method, Player, Progress
from ssl_bench.recipe import OptimizerSettings, Recipe
from ssl_bench.seeds import seed_for
from ssl_bench.toolbox.schedules import learning_rate_factor
from ssl_bench.train.gradients import Gathered, gradients_of
from ssl_bench.train.losses import check_finite, is_loss
from ssl_bench.world.forwards import Forwards
from ssl_bench.world.log import Log
from ssl_bench.world.part import Draws
from ssl_bench.world.world import ALONE, World, stepping


class Stream(Protocol):
    """Batches as a function of the step."""

    def batch(self, step: int) -> Batch:
        """The batch of a step, on the device of the method."""


class Trainer:
    """Steps a method's players through a stream of batches.

    Its whole state is the method's and the optimisers': everything else is a function of the step.

    `stream` gives the rows of this process; it takes them in `micro_batches` equal parts, one after the other. All
    parts' generators of losses advance one yield at a time, and a player's gradient is the mean over all parts of all
    processes. A micro-batch is on its own in its BatchNorm statistics and in its count of valid pixels.
    """

    def __init__(
        self,
        method: Method,
        recipe: Recipe,
        stream: Stream,
        seed: int,
        *,
        micro_batches: int = 1,
        world: World = ALONE,
    ) -> None:
        self.method = method
        self.micro_batches = micro_batches
        self.world = world
        self.recipe = recipe
        self.stream = stream
        self.seed = seed
        self.forward = Forwards(recipe.forward)
        self.players = dict(method.players())
        check_players(method, self.players)
        self.settings = {name: p.optimizer or recipe.optimizer for name, p in self.players.items()}
        self.optimizers = {
            name: make_optimizer(player, self.settings[name]) for name, player in self.players.items()
        }
        self.spoilt: Tensor | None = None
        """On a GPU 1 since a loss was not finite, else 0: what keeps the optimisers from stepping."""

    def step(self, step: int) -> dict[str, Tensor]:
        """Take one iteration; `player/term` to its loss, and the names of what was logged to values: scalars on the
        device.

        No player steps from a loss that is not finite, nor afterwards. On a CPU that is a Diverged at once; a GPU is
        not waited for, so there whoever reads the losses finds out, before anything is saved (`LossLog.read`).
        """
        # One seed per step: dropout and a method's own draws repeat exactly after a resume.
        own = (self.world.rank,) if self.world.rank else ()
        torch.manual_seed(seed_for("step", self.seed, step, *own))
        recipe = self.recipe
        for name, optimizer in self.optimizers.items():
            factor = learning_rate_factor(self.settings[name], step, recipe.iterations)
            for group in optimizer.param_groups:
                group["lr"] = self.settings[name].learning_rate * group["multiplier"] * factor
        values: dict[str, Tensor] = {}
        batches = self.stream.batch(step).split(self.micro_batches)
        progresses = self._progresses(step, batches)
        runs = [
            self.method.losses(batch, progress) for batch, progress in zip(batches, progresses, strict=True)
        ]
        with stepping(self.world):
            while (terms := self._turn(runs, progresses, step)) is not None:
                values |= terms
        if not any(map(is_loss, values)):
            raise PluginError(
                f"{type(self.method).__name__}.losses yielded nothing at step {step}; yield "
                "{player: {term: loss}} once per optimiser step"
            )
        self._check_forwards(batches[0])
        self.method.after_step(progresses[0])
        return values

    def _check_forwards(self, batch: Batch) -> None:
        """PluginError where a recipe says who shares a pass, and the method does not ask."""
        apart = self.forward.mode == "separate" and len(batch.images) > batch.labeled
        if apart and not self.forward.used:
            raise PluginError(
                f"forward=separate: {type(self.method).__name__}.losses calls its networks itself, so labelled and "
                "unlabelled rows may share a pass; let it call progress.forward(network, images, labeled), or set "
                "forward=joint"
            )

    def _progresses(self, step: int, batches: Sequence[Batch]) -> list[Progress]:
        """One per part; what they draw is drawn from one generator, for the whole batch."""
        generator = torch.Generator().manual_seed(seed_for("draws", self.seed, step))
        shared: list[Tensor] | None = [] if len(batches) > 1 else None
        recipe, made = self.recipe, []
        for part, batch in zip(self.world.part.split(len(batches)), batches, strict=True):
            kinds = (batch.labeled, len(batch.images) - batch.labeled)
            draws = Draws(generator, part, kinds, shared)
            log = Log(alone=False)
            made.append(
                Progress(step, recipe.iterations, recipe.iterations_per_epoch, draws, self.forward, log)
            )
        return made

    def _turn(
        self, runs: Sequence[Iterator[Losses]], progresses: Sequence[Progress], step: int
    ) -> dict[str, Tensor] | None:
        """The next yield of every part, an optimiser step of the players it names; None after the last."""
        gathered = self._advance(runs[0], progresses[0].log)
        for run, progress in zip(runs[1:], progresses[1:], strict=True):
            more = self._advance(run, progress.log)
            if (more is None) != (gathered is None):
                raise PluginError(
                    f"{type(self.method).__name__}.losses yields more often for some rows than for others"
                )
            gathered = None if gathered is None or more is None else gathered.plus(more)
        if gathered is None:
            return None
        terms, gradients, logged = gathered.mean(len(runs), self.world)
        for progress in progresses:
            progress.log.tell(logged)
        if terms:
            self._guard(terms, step)
        for player, own in gradients.items():
            for parameter, gradient in zip(self.players[player].parameters(), own, strict=True):
                parameter.grad = laid_out_like(parameter, gradient)
        for player in gradients:
            self.optimizers[player].step()
            self.optimizers[player].zero_grad(set_to_none=True)
        return {**terms, **{name: value.float() for name, value in logged.items()}}

    def _advance(self, run: Iterator[Losses], log: Log) -> Gathered | None:
        """The next yield of one part: every gradient is taken from the one state that it finds. None after the last.

        No graph is left when it returns, so that the parts' graphs are in memory one at a time.
        """
        losses = next(run, None)
        if losses is None:
            return None
        terms = {
            f"{player}/{name}": term.detach().float()
            for player, part in losses.items()
            for name, term in part.items()
        }
        totals = {player: torch.stack(list(part.values())).sum() for player, part in losses.items()}
        own = {player: self.players[player].parameters() for player in totals}
        return Gathered(terms, gradients_of(totals, own, several=self.micro_batches > 1), log.take())

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
        """Restore what `state_dict` gave, weights and optimisers."""
        self.method.load_state_dict(state["method"])
        for name, optimizer in self.optimizers.items():
            optimizer.load_state_dict(state["optimizers"][name])


def laid_out_like(parameter: Tensor, gradient: Tensor | None) -> Tensor | None:
    """The gradient in its parameter's layout: fused optimisers go through memory in order, whatever the strides."""
    if gradient is None or gradient.stride() == parameter.stride():
        return gradient
    return torch.empty_like(parameter).copy_(gradient)


def make_optimizer(player: Player, settings: OptimizerSettings) -> torch.optim.Optimizer:
    """The optimiser of a player, with its network's encoder and head as groups of their own where rates differ."""
    parts = (
        (player.encoder_parameters(), settings.encoder_multiplier),
        (player.head_parameters(), settings.head_multiplier),
    )
    apart: list[dict[str, Any]] = [
        {"params": own, "multiplier": multiplier} for own, multiplier in parts if own and multiplier != 1
    ]
    taken = {id(parameter) for group in apart for parameter in group["params"]}
    rest = [parameter for parameter in player.parameters() if id(parameter) not in taken]
    groups = [{"params": rest, "multiplier": 1.0}, *apart]
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
