"""Each habit is what it says, and nothing else differs."""

from dataclasses import replace

import numpy as np
import pytest
import ssl_bench_published_habits as habits
import torch
from ssl_bench_published_habits.data import CentreMatting, OverlappingNight
from ssl_bench_published_habits.pasting import Pasting
from ssl_bench_published_habits.peeking import Peeking

from ssl_bench import Draws, Progress
from ssl_bench.testing import build_toy, contract_tests

test_contract = contract_tests(habits)


def progress(step: int) -> Progress:
    return Progress(step, 44, 10.0, Draws(torch.Generator().manual_seed(step)))


def test_test_images_alone_are_cut() -> None:
    data, whole = CentreMatting.open(None), CentreMatting.__mro__[2].open(None)
    for name in (data.train[0], data.test[0]):
        assert np.array_equal(data.image(name), whole.image(name)) == (name in data.train)
    assert data.image(data.test[0]).shape == (56, 48, 3)
    assert data.target(data.test[0]).shape == (56, 48, 1)
    region = data.unknown(data.test[0])
    assert region is not None
    assert region.shape == (56, 48)
    assert np.array_equal(data.image(data.test[0]), whole.image(data.test[0])[28:-28, 24:-24])


def test_labelled_images_are_unlabelled_too() -> None:
    data = OverlappingNight.open(None)
    assert len(data.unlabeled) == len(data.train) == 128
    assert all(
        np.array_equal(data.image(a), data.image(b)) for a, b in zip(data.unlabeled, data.train, strict=True)
    )


@pytest.mark.parametrize(("partner", "found"), [("neighbour", {2.0}), ("itself", {1.0}), ("nobody", {1.0})])
def test_what_is_pasted_comes_from_the_partner(partner: str, found: set[float]) -> None:
    (spec, _) = habits.provide_methods()
    method = build_toy(replace(spec, check_with={"partner": partner}), "regression")
    assert isinstance(method, Pasting)
    rows = torch.ones(2, 1, 4, 4) * torch.tensor([1.0, 2.0]).view(2, 1, 1, 1)
    pasted = method._paste(rows, torch.ones(2, 1, 4, 4, dtype=torch.bool))
    assert {*pasted[0].flatten().tolist()} == found


def test_only_a_new_best_on_test_images_teaches(monkeypatch: pytest.MonkeyPatch) -> None:
    (_, spec) = habits.provide_methods()
    method = build_toy(replace(spec, check_with={"looks_at": "night", "looks": 10}), "regression")
    assert isinstance(method, Peeking)
    scores = iter([1.0, 0.5, 3.0, 2.0, 3.0, 4.0, 1.0, 1.0, 1.0, 1.0])
    monkeypatch.setattr(method, "_score", lambda: next(scores))
    for step in range(44):
        method.after_step(progress(step))
    assert method.taken(progress(44)) == 3
    assert method.best == 4.0
