"""What a method promises of its runs, one held against another: a title, and a sentence where it is broken."""

from collections import deque
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn

from ssl_bench.errors import PluginError
from ssl_bench.testing.findings import NotChecked
from ssl_bench.testing.predictions import evaluation_changes_nothing, predictions_have_the_right_shape
from ssl_bench.testing.toys import RECIPE, STEPS, ToyStream, build_toy, train_toy
from ssl_bench.testing.trial import SHORT, Trial, difference
from ssl_bench.train.trainer import Trainer


def no_randomness_is_hidden(trial: Trial) -> None:
    """Look whether a run repeats itself. PluginError, which ends the checks, where it does not."""

    def weights(other_seed: int) -> Mapping[str, Tensor]:
        return train_toy(trial.spec, trial.kind, steps=SHORT, other_seed=other_seed).state_dict()

    _ = trial.trained
    name = difference(trial.early, weights(1))
    if name is not None and difference(trial.early, weights(0)) is None:
        raise PluginError(
            f"'{name}' depends on the global generator of Python's `random` or of NumPy: draw from "
            "`progress.draws`"
        )
    if name is not None:
        raise PluginError(
            f"'{name}' differs when the same run is repeated in one process: a generator of its own, or state that "
            "outlives the method, on its class or module; draw from `progress.draws`, keep state on `self`"
        )


def a_resume_is_exact(trial: Trial) -> str | None:
    """Look whether a run that is stopped and resumed ends as one that is not."""
    name = difference(trial.trained.state_dict(), trial.resumed.state_dict())
    if name is None:
        # What counts for itself may matter only later than a trial lasts.
        one, other = vars(trial.trained), vars(trial.resumed)
        name = next((name for name in one if not _is_alike(one[name], other.get(name))), None)
    if name is None:
        return None
    return (
        f"'{name}' differs after a resume: state outside modules and buffers is lost then; use `progress.step` for "
        "a counter, register_buffer for a tensor, and `progress.draws` in place of a generator of its own"
    )


def _is_alike(one: object, other: object) -> bool:
    """Whether two attributes are equal, as far as they are numbers, texts, tensors, or collections of these."""
    if isinstance(one, Tensor | np.ndarray) and isinstance(other, type(one)):
        return bool(np.array_equal(np.asarray(one), np.asarray(other), equal_nan=one.dtype != np.bool_))
    if isinstance(one, list | tuple | deque) and isinstance(other, type(one)):
        return len(one) == len(other) and all(map(_is_alike, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_is_alike(one[key], other[key]) for key in one)
    if isinstance(one, int | float | str | None) and isinstance(other, int | float | str | None):
        return one == other or one != one
    return True


def observing_changes_nothing(trial: Trial) -> str | None:
    """Look whether a run that is observed ends as one that is not."""
    if predictions_have_the_right_shape(trial) or evaluation_changes_nothing(trial):  # Which was said.
        return None
    _ = trial.trained
    observed = trial.observed().state_dict()
    name = difference(trial.early, observed)
    if name is None:
        return None
    if difference(observed, trial.observed(1).state_dict()):
        return (
            f"'{name}' depends on labels of unlabelled images that an observer alone may hold: nothing that is taught "
            "may come from `progress.observe`, nor from whoever looks"
        )
    return (
        f"'{name}' differs when somebody observes: `losses` keeps something outside modules and buffers, or asks "
        "whether it is observed; an observer calls it on a batch of its own, and no step follows"
    )


def a_recipe_of_separate_passes_can_be_followed(trial: Trial) -> str | None:
    """Step once as a recipe has it by which labelled and unlabelled rows have a pass each."""
    if not trial.spec.uses_unlabeled:
        return None
    recipe = RECIPE.model_copy(update={"forward": "separate"})
    trainer = Trainer(build_toy(trial.spec, trial.kind), recipe, trial.stream(), seed=0)
    try:
        trainer.step(0)
    except PluginError:
        if trainer.forward.used:
            raise
        return (
            "`losses` calls its networks itself, so that a recipe with forward=separate stops it at the first step: "
            "let it call `progress.forward(network, images, labeled)`, with the labelled rows first"
        )
    return None


def the_number_of_processes_does_not_matter(trial: Trial) -> str | None:
    """Look whether parts of a batch, taken one after the other, make another run.

    They are to a method what processes are, but for what a part takes by itself and processes take together. NotChecked
    where BatchNorm still does.
    """
    whole = trial.in_parts(1)
    for name, part in whole.named_modules():
        if isinstance(part, nn.modules.batchnorm._BatchNorm) and not _has_rested(part):
            raise NotChecked(
                f"BatchNorm '{name}' goes by the statistics of its batch, though it was put into evaluation mode; "
                "parts of a batch have their own, where processes share them"
            )
    try:
        apart = trial.in_parts(2).state_dict()
    except PluginError as error:
        return str(error)
    fresh = trial.fresh.state_dict()
    for name, value in whole.state_dict().items():
        if not value.is_floating_point():
            continue
        moved, differs = (value - fresh[name]).norm(), (value - apart[name]).norm()
        if differs > 0.01 * moved + 1e-6:
            return (
                f"'{name}' depends on the number of processes: a loss is to be a mean over rows, not their sum or "
                "largest, and what is drawn from `progress.draws` is to be drawn for each row"
            )
    return None


def _has_rested(layer: nn.modules.batchnorm._BatchNorm) -> bool:
    """Whether it never went by a batch's statistics."""
    return not (layer.training or layer.running_mean is None or layer.num_batches_tracked)


def unlabeled_images_matter(trial: Trial) -> str | None:
    """Look whether other unlabelled images make another network, or, of a control, the same."""
    if not trial.spec.uses_unlabeled:
        return None
    probe = ToyStream(trial.kind).batch(STEPS).labeled_images
    fresh, trained, elsewhere = trial.fresh, trial.trained, trial.elsewhere
    with torch.no_grad():
        learnt = trained.predict(probe)
        moved = (learnt - fresh.predict(probe)).abs().max()
        apart = (learnt - elsewhere.predict(probe)).abs().max()
    # There is no BatchNorm in the networks, by whose statistics a control may depend on them.
    if trial.spec.role == "control":
        return (
            "unlabelled images change what is learnt, without any BatchNorm: a control takes no gradient from them "
            "(declare another role if this is meant)"
            if apart > 1e-6 * moved
            else None
        )
    if apart > 1e-6 * moved:
        return None
    if nothing := _terms_of_nothing(trial):
        return (
            f"unlabelled images change nothing that is learnt: term '{nothing}' is 0 on a toy network. Does a gate "
            "never open there, where no network is ever sure? Then state settings that open it in "
            "MethodSpec.check_with. Or is its weight 0?"
        )
    return (
        "unlabelled images change nothing that is learnt: does the unsupervised loss carry a gradient, or is "
        "it computed from the teacher's output alone? (Declare uses_unlabeled=False if this is meant)"
    )


def _terms_of_nothing(trial: Trial) -> str:
    """The first term, as `player/term`, that carries a gradient and is 0 half-way through a run; empty for none."""
    names = (
        f"{player}/{name}"
        for losses in trial.terms(trial.stream().batch(0))
        for player, part in losses.items()
        for name, term in part.items()
        if term.requires_grad and term.item() == 0
    )
    return next(names, "")
