"""What a method promises of its predictions: a title, and a sentence with the likely cause where it is broken."""

import copy

import torch

from ssl_bench.testing.toys import build_toy
from ssl_bench.testing.trial import Trial, difference


def predictions_have_the_right_shape(trial: Trial) -> str | None:
    """Look at predictions of an image whose sides are multiples of nothing."""
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


def predictions_are_logits(trial: Trial) -> str | None:
    """Look whether predictions of classes were activated already."""
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


def evaluation_changes_nothing(trial: Trial) -> str | None:
    """Look whether predicting changes any state."""
    method = build_toy(trial.spec, trial.kind).eval()
    state = copy.deepcopy(method.state_dict())
    with torch.no_grad():
        for predict in (method.predict, *method.predict_beside().values()):
            predict(torch.rand(1, 3, 19, 13))
    name = difference(state, method.state_dict())
    return (
        f"evaluation changes '{name}': `predict` must only read; learn in `losses` or `after_step`"
        if name
        else None
    )
