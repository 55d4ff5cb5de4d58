"""What a method promises, checked on a toy task: a title, and a sentence with the likely cause where it is broken."""

import copy
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from ssl_bench.errors import CellError, PluginError, first_line
from ssl_bench.method import Batch
from ssl_bench.recipe import Kind
from ssl_bench.specs import MethodSpec
from ssl_bench.task import Target
from ssl_bench.testing.findings import Check
from ssl_bench.testing.settings import SETTINGS_CHECKS
from ssl_bench.testing.toys import LABELED, STEPS, ToyStream, build_toy, train_toy
from ssl_bench.testing.trial import SHORT, Trial
from ssl_bench.train.trainer import check_players


def _every_parameter_has_one_player(trial: Trial) -> str | None:
    check_players(trial.fresh, trial.fresh.players())
    return None


def _losses_are_scalars_of_players(trial: Trial) -> None:
    if fault := _fault_of_losses(trial):
        raise PluginError(fault)  # No run can be made.


def _fault_of_losses(trial: Trial) -> str | None:
    try:
        yields = trial.terms(trial.stream().batch(0))
    except Exception:
        if _serves_where_all_is_labeled(trial):
            return (
                "it reads targets of unlabelled images, which no batch holds: `batch.targets` has the "
                f"{LABELED} labelled rows alone; compare unlabelled rows with predictions"
            )
        raise
    if not yields:
        return "`losses` yields nothing: yield {player: {term: loss}} once per optimiser step"
    players = trial.fresh.players()
    for losses in yields:
        if not isinstance(losses, Mapping) or not all(isinstance(part, Mapping) for part in losses.values()):
            return "`losses` must yield {player: {term: loss}}; was it returned, or is a level missing?"
        for player, part in losses.items():
            if player not in players:
                return (
                    f"`losses` names player '{player}', which `players` does not have: {', '.join(players)}"
                )
            for name, term in part.items():
                if not isinstance(term, Tensor) or term.numel() != 1 or term.dim():
                    return f"term '{player}/{name}' is no scalar tensor; take the mean over valid pixels"
            if not any(term.requires_grad for term in part.values()):
                return f"no term of player '{player}' carries a gradient: is all of it detached, or under no_grad?"
    return None


def _serves_where_all_is_labeled(trial: Trial) -> bool:
    """Whether a batch with targets for every row, which no run has, is what the method waits for."""

    class Leaky(Batch):
        labeled = LABELED

    batch = trial.stream().batch(0)
    rows = torch.arange(len(batch.images)) % LABELED
    targets = Target(batch.targets.value[rows], batch.targets.valid[rows])
    try:
        trial.terms(Leaky(batch.images, batch.valid, targets))
    except Exception:
        return False
    return len(rows) > LABELED


def _labels_under_void_pixels_are_not_read(trial: Trial) -> str | None:
    one, other = (trial.terms(trial.stream(value).batch(0)) for value in (0, 1))
    for losses, others in zip(one, other, strict=True):
        for player, part in losses.items():
            for name, term in part.items():
                if not torch.equal(term, others[player][name]):
                    return (
                        f"term '{player}/{name}' depends on labels of void pixels, which nobody gave: use "
                        "`task.loss`, or `task.encode` with its `valid`"
                    )
    return None


def _every_term_is_finite(trial: Trial) -> None:
    try:
        _ = trial.trained
    except CellError as error:
        cause = "is there a division, root or logarithm without a floor?"
        raise PluginError(f"{_term(error)}: {cause}") from error


def _every_term_is_finite_under_bf16(trial: Trial) -> str | None:
    try:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            train_toy(trial.spec, trial.kind, steps=SHORT)
    except CellError as error:
        return f"{_term(error)} under autocast: compute it from `task.activate`, which is float32"
    except RuntimeError as error:
        return f"it raises under autocast ({first_line(error)}): cast to float32 where precisions meet"
    return None


def _every_player_moves(trial: Trial) -> str | None:
    after = trial.trained.players()
    for name, player in trial.fresh.players().items():
        pairs = zip(player.parameters(), after[name].parameters(), strict=True)
        if all(torch.equal(old, new) for old, new in pairs):
            return f"player '{name}' never moves: no term of `losses` reaches its parameters"
    return None


def _a_teacher_takes_no_gradient(trial: Trial) -> str | None:
    _ = trial.trained
    for name, player in trial.averages.found.items():
        return (
            f"'{name}' is a moving average and a parameter of player '{player}', so that losses pull at it, too: call "
            "requires_grad_(False) on the teacher and leave it out of `players`"
        )
    return None


def _no_randomness_is_hidden(trial: Trial) -> None:
    def weights(other_seed: int) -> Mapping[str, Tensor]:
        return train_toy(trial.spec, trial.kind, steps=SHORT, other_seed=other_seed).state_dict()

    _ = trial.trained
    name = _difference(trial.early, weights(1))
    if name is not None and _difference(trial.early, weights(0)) is None:
        raise PluginError(
            f"'{name}' depends on the global generator of Python's `random` or of NumPy: draw from "
            "`progress.draws`"
        )
    if name is not None:
        raise PluginError(
            f"'{name}' differs when the same run is repeated in one process: a generator of its own, or state that "
            "outlives the method, on its class or module; draw from `progress.draws`, keep state on `self`"
        )


def _a_resume_is_exact(trial: Trial) -> str | None:
    name = _difference(trial.trained.state_dict(), trial.resumed.state_dict())
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


def _observing_changes_nothing(trial: Trial) -> str | None:
    if _predictions_have_the_right_shape(trial) or _evaluation_changes_nothing(trial):  # Which was said.
        return None
    _ = trial.trained
    observed = trial.observed().state_dict()
    name = _difference(trial.early, observed)
    if name is None:
        return None
    if _difference(observed, trial.observed(1).state_dict()):
        return (
            f"'{name}' depends on labels of unlabelled images that an observer alone may hold: nothing that is taught "
            "may come from `progress.observe`, nor from whoever looks"
        )
    return (
        f"'{name}' differs when somebody observes: `losses` keeps something outside modules and buffers, or asks "
        "whether it is observed; an observer calls it on a batch of its own, and no step follows"
    )


def _the_number_of_processes_does_not_matter(trial: Trial) -> str | None:
    # Parts of a batch, taken one after the other, are to a method what processes are, but for BatchNorm: it sees
    # each part alone, and all processes together.
    if any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in trial.fresh.modules()):
        return None
    _ = trial.trained
    try:
        apart = train_toy(trial.spec, trial.kind, steps=SHORT, parts=2).state_dict()
    except PluginError as error:
        return str(error)
    fresh = trial.fresh.state_dict()
    for name, value in trial.early.items():
        if not value.is_floating_point():
            continue
        moved, differs = (value - fresh[name]).norm(), (value - apart[name]).norm()
        if differs > 0.01 * moved + 1e-6:
            return (
                f"'{name}' depends on the number of processes: a loss is to be a mean over rows, not their sum or "
                "largest, and what is drawn from `progress.draws` is to be drawn for each row"
            )
    return None


def _unlabeled_images_matter(trial: Trial) -> str | None:
    if not trial.spec.uses_unlabeled:
        return None
    probe = ToyStream(trial.kind).batch(STEPS).labeled_images
    fresh, trained, elsewhere = trial.fresh, trial.trained, trial.elsewhere
    with torch.no_grad():
        learnt = trained.predict(probe)
        moved = (learnt - fresh.predict(probe)).abs().max()
        apart = (learnt - elsewhere.predict(probe)).abs().max()
    # There is no BatchNorm here, by whose statistics a control may depend on them.
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


def _predictions_have_the_right_shape(trial: Trial) -> str | None:
    method = build_toy(trial.spec, trial.kind).eval()
    with torch.no_grad():
        for name, predict in {"predict": method.predict, **method.predict_beside()}.items():
            shape = tuple(predict(torch.rand(1, 3, 19, 13)).shape)
            if shape != (1, method.task.out_channels, 19, 13):
                return f"{name} gives shape {shape} for an image of 19 x 13, not (1, O, 19, 13)"
        doubt = method.doubt(torch.rand(1, 3, 19, 13))
        if doubt is not None and doubt.shape != (1, 1, 19, 13):
            return f"doubt gives shape {tuple(doubt.shape)} for an image of 19 x 13, not (1, 1, 19, 13)"
    return None


def _predictions_are_logits(trial: Trial) -> str | None:
    method = build_toy(trial.spec, trial.kind).eval()
    if (
        method.task.kind != "classification"
    ):  # Where logits are predictions, nothing tells one from the other.
        return None
    with torch.no_grad():
        for name, predict in {"predict": method.predict, **method.predict_beside()}.items():
            given = predict(torch.rand(1, 3, 19, 13))
            sums = given.sum(1)
            if given.min() >= 0 and torch.allclose(sums, torch.ones_like(sums), atol=1e-3):
                return f"{name} gives probabilities, and `task.activate` would be applied to them again; return logits"
    return None


def _evaluation_changes_nothing(trial: Trial) -> str | None:
    method = build_toy(trial.spec, trial.kind).eval()
    state = copy.deepcopy(method.state_dict())
    with torch.no_grad():
        for predict in (method.predict, *method.predict_beside().values()):
            predict(torch.rand(1, 3, 19, 13))
    name = _difference(state, method.state_dict())
    return (
        f"evaluation changes '{name}': `predict` must only read; learn in `losses` or `after_step`"
        if name
        else None
    )


METHOD_CHECKS: tuple[Callable[[Trial], str | None], ...] = (
    *SETTINGS_CHECKS,
    _predictions_have_the_right_shape,
    _predictions_are_logits,
    _evaluation_changes_nothing,
    _every_parameter_has_one_player,
    _losses_are_scalars_of_players,
    _every_term_is_finite,
    _no_randomness_is_hidden,
    _labels_under_void_pixels_are_not_read,
    _a_teacher_takes_no_gradient,
    _every_term_is_finite_under_bf16,
    _every_player_moves,
    _a_resume_is_exact,
    _observing_changes_nothing,
    _the_number_of_processes_does_not_matter,
    _unlabeled_images_matter,
)
"""In this order: what makes no run possible, or none comparable, comes first and ends the checks by raising."""


def method_checks(spec: MethodSpec, kind: Kind, tasks: Collection[str] = ()) -> Iterator[Check]:
    """The checks of a method on tasks of a kind, over one set of runs; `tasks`: names of those that are there."""
    trial = Trial(spec, kind, tasks)
    for check in METHOD_CHECKS:
        yield check.__name__.strip("_").replace("_", " "), partial(check, trial)


def _difference(first: Mapping[str, Tensor], second: Mapping[str, Tensor]) -> str | None:
    """The first entry in which two states differ."""
    return next((name for name, value in first.items() if not torch.equal(value, second[name])), None)


def _term(error: CellError) -> str:
    """`loss 'player/term' is nan at step 0`, without the trainer's advice, which is meant for users."""
    return str(error).partition(";")[0]
