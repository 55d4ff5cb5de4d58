"""What a method promises of its losses: a title, and a sentence with the likely cause where it is broken."""

from collections.abc import Mapping

import torch
from torch import Tensor

from ssl_bench.errors import CellError, PluginError, first_line
from ssl_bench.method import Batch
from ssl_bench.task import Target
from ssl_bench.testing.toys import LABELED, train_toy
from ssl_bench.testing.trial import SHORT, Trial, differing_term


def losses_are_scalars_of_players(trial: Trial) -> None:
    """Look at what `losses` yields. PluginError, which ends the checks, where no run can be made of it."""
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


def labels_under_void_pixels_are_not_read(trial: Trial) -> str | None:
    """Look whether other labels where none was given make another loss."""
    one, other = (trial.terms(trial.stream(value).batch(0)) for value in (0, 1))
    if name := differing_term(one, other):
        return (
            f"term '{name}' depends on labels of void pixels, which nobody gave: use `task.loss`, or `task.encode` "
            "with its `valid`"
        )
    return None


def every_term_is_finite(trial: Trial) -> None:
    """Train. PluginError, which ends the checks, where that diverges."""
    try:
        _ = trial.trained
    except CellError as error:
        cause = "is there a division, root or logarithm without a floor?"
        raise PluginError(f"{_term(error)}: {cause}") from error


def every_term_is_finite_under_bf16(trial: Trial) -> str | None:
    """Look whether terms stay finite in half the precision."""
    try:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            train_toy(trial.spec, trial.kind, steps=SHORT)
    except CellError as error:
        return f"{_term(error)} under autocast: compute it from `task.activate`, which is float32"
    except RuntimeError as error:
        return f"it raises under autocast ({first_line(error)}): cast to float32 where precisions meet"
    return None


def _term(error: CellError) -> str:
    """`loss 'player/term' is nan at step 0`, without the trainer's advice, which is meant for users."""
    return str(error).partition(";")[0]
