"""What a method promises, checked on a toy task: all of its checks, and those of its players."""

from collections.abc import Callable, Collection, Iterator
from functools import partial

import torch

from ssl_bench.recipe import Kind
from ssl_bench.specs import MethodSpec
from ssl_bench.testing.findings import Check
from ssl_bench.testing.losses import (
    every_term_is_finite,
    every_term_is_finite_under_bf16,
    labels_under_void_pixels_are_not_read,
    losses_are_scalars_of_players,
)
from ssl_bench.testing.padding import what_lies_under_padding_is_not_read
from ssl_bench.testing.predictions import (
    evaluation_changes_nothing,
    predictions_are_logits,
    predictions_have_the_right_shape,
)
from ssl_bench.testing.runs import (
    a_recipe_of_separate_passes_can_be_followed,
    a_resume_is_exact,
    no_randomness_is_hidden,
    observing_changes_nothing,
    the_number_of_processes_does_not_matter,
    unlabeled_images_matter,
)
from ssl_bench.testing.settings import SETTINGS_CHECKS
from ssl_bench.testing.trial import Trial
from ssl_bench.train.trainer import check_players


def every_parameter_has_one_player(trial: Trial) -> str | None:
    """Look whether each parameter that learns belongs to a player, and to one only."""
    check_players(trial.fresh, trial.fresh.players())
    return None


def every_player_moves(trial: Trial) -> str | None:
    """Look whether training reaches each player."""
    after = trial.trained.players()
    for name, player in trial.fresh.players().items():
        pairs = zip(player.parameters(), after[name].parameters(), strict=True)
        if all(torch.equal(old, new) for old, new in pairs):
            return f"player '{name}' never moves: no term of `losses` reaches its parameters"
    return None


def a_teacher_takes_no_gradient(trial: Trial) -> str | None:
    """Look for moving averages among the parameters that learn."""
    _ = trial.trained
    for name, player in trial.averages.found.items():
        return (
            f"'{name}' is a moving average and a parameter of player '{player}', so that losses pull at it, too: call "
            "requires_grad_(False) on the teacher and leave it out of `players`"
        )
    return None


METHOD_CHECKS: tuple[Callable[[Trial], str | None], ...] = (
    *SETTINGS_CHECKS,
    predictions_have_the_right_shape,
    predictions_are_logits,
    evaluation_changes_nothing,
    every_parameter_has_one_player,
    losses_are_scalars_of_players,
    every_term_is_finite,
    no_randomness_is_hidden,
    labels_under_void_pixels_are_not_read,
    what_lies_under_padding_is_not_read,
    a_teacher_takes_no_gradient,
    every_term_is_finite_under_bf16,
    every_player_moves,
    a_resume_is_exact,
    observing_changes_nothing,
    a_recipe_of_separate_passes_can_be_followed,
    the_number_of_processes_does_not_matter,
    unlabeled_images_matter,
)
"""In this order: what makes no run possible, or none comparable, comes first and ends the checks by raising."""


def method_checks(spec: MethodSpec, kind: Kind, tasks: Collection[str] = ()) -> Iterator[Check]:
    """The checks of a method on tasks of a kind, over one set of runs; `tasks`: names of those that are there."""
    trial = Trial(spec, kind, tasks)
    for check in METHOD_CHECKS:
        yield check.__name__.replace("_", " "), partial(check, trial)
