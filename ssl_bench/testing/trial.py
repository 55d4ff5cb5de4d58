"""Runs of a method on a toy task, which the checks look at."""

import copy
from collections.abc import Collection, Mapping, Sequence
from functools import cached_property

import torch
from torch import Tensor
from torch.nn import functional as F

from ssl_bench.method import Batch, Method, Progress
from ssl_bench.observe.observer import Observer
from ssl_bench.recipe import Kind
from ssl_bench.specs import MethodSpec
from ssl_bench.testing.toys import (
    RECIPE,
    STEPS,
    ToyProbe,
    ToyStream,
    build_toy,
    rest_batch_norm,
    toy_trainer,
    train_toy,
)
from ssl_bench.train.trainer import Trainer
from ssl_bench.world.part import Draws

Terms = Mapping[str, Mapping[str, Tensor]]
"""Of a yield, by player and name."""
SHORT = 3
"""Steps after which a draw from the wrong generator, or a term that is not finite, has shown."""


class Averages:
    """Finds, while a trainer steps, parameters of players that `after_step` moves straight towards others."""

    def __init__(self, trainer: Trainer) -> None:
        self.method = trainer.method
        self.owners = {id(p): name for name, player in trainer.players.items() for p in player.parameters()}
        self.found: dict[str, str] = {}
        self._after_step = self.method.after_step
        self.method.after_step = self._watched  # type: ignore[method-assign]

    def _watched(self, progress: Progress) -> None:
        before = {name: p.detach().clone() for name, p in self.method.named_parameters()}
        self._after_step(progress)
        now = dict(self.method.named_parameters())
        for name, old in before.items():
            change = now[name].detach() - old
            if id(now[name]) in self.owners and change.numel() >= 8 and change.any():
                others = (p.detach() for other, p in now.items() if other != name and p.shape == old.shape)
                if any(F.cosine_similarity((p - old).flatten(), change.flatten(), 0) > 0.999 for p in others):
                    self.found[name] = self.owners[id(now[name])]


class Trial:
    """The runs that the checks of one method on one kind of task look at, each made once."""

    averages: "Averages"
    """Of the run behind `trained`."""
    early: Mapping[str, Tensor]
    """State of that run after `SHORT` steps."""

    def __init__(self, spec: MethodSpec, kind: Kind, tasks: Collection[str] = ()) -> None:
        """`tasks`: names of those that are there."""
        self.spec, self.kind, self.tasks = spec, kind, tasks

    def stream(self, under_void: float = 0) -> ToyStream:
        """Batches as this method gets them."""
        return ToyStream(self.kind, uses_unlabeled=self.spec.uses_unlabeled, under_void=under_void)

    @cached_property
    def fresh(self) -> Method:
        """The method as it is before training."""
        return build_toy(self.spec, self.kind)

    @cached_property
    def trained(self) -> Method:
        """Trained from first to last step."""
        trainer = toy_trainer(self.spec, self.kind)
        self.averages = Averages(trainer)
        for step in range(STEPS):
            trainer.step(step)
            if step == SHORT - 1:
                self.early = copy.deepcopy(trainer.method.state_dict())
        return trainer.method

    @cached_property
    def resumed(self) -> Method:
        """Trained with a resume half-way."""
        return train_toy(self.spec, self.kind, resume_at=STEPS // 2)

    @cached_property
    def elsewhere(self) -> Method:
        """Trained on other unlabelled images."""
        return train_toy(self.spec, self.kind, unlabeled_seed=1)

    def observed(self, drawn: int = 0) -> Method:
        """Trained for `SHORT` steps, while an observer looks after each. `drawn`: which labels it has."""
        trainer = toy_trainer(self.spec, self.kind)
        teaches = self.spec.uses_unlabeled
        observer = Observer(trainer.method, RECIPE, ToyProbe(self.kind, drawn), 0, teaches=teaches)
        for step in range(SHORT):
            trainer.step(step)
            observer.observe(step + 1)
        return trainer.method

    def in_parts(self, count: int) -> Method:
        """Trained for `SHORT` steps in so many parts of a batch, without what each part would take by itself: BatchNorm
        rests, and all rows have as many valid pixels."""
        stream = ToyStream(self.kind, uses_unlabeled=self.spec.uses_unlabeled, padded=False)
        method = rest_batch_norm(build_toy(self.spec, self.kind))
        trainer = Trainer(method, RECIPE, stream, seed=0, micro_batches=count)
        for step in range(SHORT):
            trainer.step(step)
        return trainer.method

    def terms(self, batch: Batch, method: Method | None = None) -> list[Terms]:
        """What `losses` yields for a batch half-way through the run, one yield after the other. `method`: built anew
        where none is given."""
        torch.manual_seed(0)
        generator = torch.Generator().manual_seed(0)
        draws = Draws(generator)
        progress = Progress(STEPS // 2, RECIPE.iterations, RECIPE.iterations_per_epoch, draws)
        return list((method or build_toy(self.spec, self.kind)).losses(batch, progress))


def differing_term(one: Sequence[Terms], other: Sequence[Terms], within: float = 0.0) -> str | None:
    """Name the first term, as `player/term`, in which two passes of `losses` differ by more than a share of it."""
    for losses, others in zip(one, other, strict=True):
        for player, part in losses.items():
            for name, term in part.items():
                if not torch.isclose(term, others[player][name], rtol=within, atol=0):
                    return f"{player}/{name}"
    return None


def difference(first: Mapping[str, Tensor], second: Mapping[str, Tensor]) -> str | None:
    """Name the first entry in which two states differ."""
    return next((name for name, value in first.items() if not torch.equal(value, second[name])), None)
