"""Losses for classes of which some are rare, against naive references, and as fields of a recipe."""

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import Said
from test_tasks import CLASSES, other_under_void
from torch import Tensor
from torch.nn import functional as F
from written import render

from ssl_bench.errors import UsageError
from ssl_bench.plan.plan import Request, make_plan
from ssl_bench.recipe import Recipe, in_words
from ssl_bench.registry.loading import load_registry
from ssl_bench.specs import TaskSpec
from ssl_bench.store.results import ResultStore, read_records
from ssl_bench.task import Target
from ssl_bench.testing.contract import check_task
from ssl_bench.worker.worker import run_cell
from ssl_bench_tasks.segmentation import Segmentation
from ssl_bench_tasks.specs import SEGMENTATION
from ssl_bench_tasks.uneven_classes import dice, inverse_frequencies

REGISTRY = load_registry()
LABELS = [
    np.array([[0, 0, 0, 1], [0, 0, 255, 255]], np.uint8),
    np.array([[0, 1, 0, 255]], np.uint8),
]
"""Class 0 has 7 pixels, class 1 has 2, class 2 none."""


def task_with(**form: Any) -> Segmentation:
    task = Segmentation(CLASSES)
    task.prepare(SEGMENTATION.recipe(iterations=1, loss=form), iter(LABELS))
    return task


def rows(count: int = 4) -> tuple[Tensor, Target]:
    """Logits in float64, and labels without class 2; the last row is all void, and others in part."""
    generator = torch.Generator().manual_seed(3)
    logits = 2 * torch.randn(count, 3, 5, 7, generator=generator, dtype=torch.float64)
    valid = torch.rand(count, 1, 5, 7, generator=generator) > 0.2
    valid[-1] = False
    value = torch.randint(2, (count, 5, 7), generator=generator) * valid[:, 0]
    return logits.requires_grad_(), Target(value, valid)


def naive(
    logits: Tensor, target: Target, weights: list[float], below: float, share: float, weight: float
) -> Tensor:
    """Pixel by pixel, row by row."""
    everything, of_rows, overlaps = [], [], []
    for row, value, valid in zip(logits, target.value, target.valid[:, 0], strict=True):
        places = [(int(y), int(x)) for y, x in valid.nonzero()]
        if not places:
            continue
        odds = {place: row[:, *place].exp() / row[:, *place].exp().sum() for place in places}
        classes = {place: int(value[place]) for place in places}
        errors = {place: -weights[classes[place]] * odds[place][classes[place]].log() for place in places}
        everything += errors.values()
        ordered = sorted(places, key=lambda place: float(odds[place][classes[place]].detach()))
        least = math.floor(share * (len(places) - 1)) + 1
        hard = [p for n, p in enumerate(ordered) if n < least or float(odds[p][classes[p]].detach()) <= below]
        of_rows.append(sum(errors[place] for place in hard) / len(hard))
        missed = []
        for one in {*classes.values()}:
            both = sum(odds[place][one] for place in places if classes[place] == one)
            size = sum(odds[place][one] + (classes[place] == one) for place in places)
            missed.append(1 - 2 * both / size)
        overlaps.append(sum(missed) / len(missed))
    error = sum(of_rows) / len(of_rows) if below < 1 else sum(everything) / len(everything)
    loss: Tensor = error + weight * sum(overlaps) / len(overlaps)
    return loss


BALANCED = [9 / 2 / 7, 9 / 2 / 2, 1.0]


@pytest.mark.parametrize(
    ("form", "weights", "below", "share", "weight"),
    [
        ({}, [1, 1, 1], 1, 1, 0),
        ({"class_weights": "inverse_frequency"}, BALANCED, 1, 1, 0),
        ({"ohem": 0.3, "ohem_kept": 0.1}, [1, 1, 1], 0.3, 0.1, 0),
        ({"ohem": 1e-9, "ohem_kept": 0.5}, [1, 1, 1], 1e-9, 0.5, 0),
        ({"dice": 2.0}, [1, 1, 1], 1, 1, 2),
        ({"class_weights": "inverse_frequency", "ohem": 0.4, "dice": 1.0}, BALANCED, 0.4, 0.15, 1),
    ],
)
def test_values_and_gradients_are_those_of_a_naive_loss(
    form: dict[str, Any], weights: list[float], below: float, share: float, weight: float
) -> None:
    logits, target = rows()
    loss, expected = (
        task_with(**form).loss(logits, target),
        naive(logits, target, weights, below, share, weight),
    )
    torch.testing.assert_close(loss, expected, rtol=1e-7, atol=0)
    got, wanted = (torch.autograd.grad(value, logits, retain_graph=True)[0] for value in (loss, expected))
    torch.testing.assert_close(got, wanted, rtol=1e-6, atol=1e-9)


EVERY = {"class_weights": "inverse_frequency", "ohem": 0.4, "dice": 1.0}


def test_weights_are_those_of_torch_but_for_the_denominator() -> None:
    logits, target = rows()
    weights = inverse_frequencies(LABELS, 3)
    torch.testing.assert_close(weights, torch.tensor(BALANCED))
    known = torch.where(target.valid[:, 0], target.value, -100)
    total = F.cross_entropy(logits, known, weights.double(), reduction="sum")
    loss = task_with(class_weights="inverse_frequency").loss(logits, target)
    torch.testing.assert_close(loss, total / target.valid.sum(), rtol=1e-6, atol=0)
    # Over the labels that they come from, they have the mean 1.
    assert (7 * weights[0] + 2 * weights[1]) / 9 == pytest.approx(1)


def test_dice_is_that_of_a_library() -> None:
    from segmentation_models_pytorch.losses import DiceLoss

    logits, target = rows()
    prediction, encoded = logits.softmax(1), task_with().encode(target).value
    # It gives the mean over all 3 classes, those that a batch lacks as 0; of single rows, and without void.
    whole = torch.ones_like(target.valid[:3])
    full = Target(target.value[:3], whole)
    library = DiceLoss("multiclass", from_logits=True)
    single = [library(logits[row : row + 1], full.value[row : row + 1]) * 3 / 2 for row in range(3)]
    got = dice(prediction[:3], task_with().encode(full).value, whole)
    torch.testing.assert_close(got, torch.stack(single).mean(), rtol=1e-6, atol=0)
    assert dice(encoded, encoded, target.valid) == 0


@pytest.mark.parametrize("form", [{}, EVERY])
def test_what_is_void_changes_nothing(form: dict[str, Any]) -> None:
    task, (logits, target) = task_with(**form), rows()
    losses = [task.loss(logits, each) for each in (target, other_under_void(target))]
    assert losses[0] == losses[1]
    assert not losses[0].isnan()
    (gradient,) = torch.autograd.grad(losses[0], logits)
    assert not gradient[~target.valid.expand_as(gradient)].any()
    nothing = Target(target.value * 0, torch.zeros_like(target.valid))
    assert task.loss(logits, nothing) == 0


def test_a_batch_in_parts_has_the_loss_of_the_whole() -> None:
    task, (logits, target) = task_with(**EVERY), rows(5)
    target.valid[:4, :, 0], target.valid[:4, :, 1:] = False, True
    parts = [slice(0, 2), slice(2, 4)]
    single = [task.loss(logits[part], Target(*(each[part] for each in target))) for part in parts]
    whole = task.loss(logits[:4], Target(*(each[:4] for each in target)))
    torch.testing.assert_close(sum(single) / 2, whole, rtol=1e-7, atol=0)
    # A row that is all void has no part in it.
    torch.testing.assert_close(task.loss(logits, target), whole, rtol=1e-7, atol=0)


def test_bf16_logits_give_float32() -> None:
    logits, target = rows()
    low = task_with(**EVERY).loss(logits.bfloat16(), target)
    assert low.dtype == torch.float32
    assert low.item() == pytest.approx(task_with(**EVERY).loss(logits, target).item(), rel=0.05)


# As fields of a recipe


def ordered(*settings: str, **request: Any) -> Any:
    arguments = {"tasks": "segmentation", "methods": "supervised,fixmatch", "settings": settings}
    return make_plan(REGISTRY, Request(**{"control": False, **arguments, **request})).orders


def planned(*settings: str, **request: Any) -> Any:
    return [order.cell for order in ordered(*settings, **request)]


def test_defaults_are_not_stored_and_others_make_another_cell() -> None:
    names = ("class_weights=none", "ohem=1", "ohem_kept=0.15", "dice=0")
    base = planned()
    assert "loss" not in base[0].recipe
    assert [cell.id for cell in planned(*(f"segmentation.loss.{name}" for name in names))] == [
        c.id for c in base
    ]
    other = planned("segmentation.loss.dice=0.5", "segmentation.loss.class_weights=inverse_frequency")
    assert {cell.recipe["loss"]["dice"] for cell in other} == {0.5}
    assert not {cell.id for cell in other} & {cell.id for cell in base}
    assert in_words(other[0].recipe) == "loss.class_weights=inverse_frequency, loss.dice=0.5"
    assert in_words({"loss": 3}) == ""


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("segmentation.loss.ohem=0", "segmentation.loss.ohem=0: input should be greater than 0"),
        ("segmentation.loss.class_weights=mean", "input should be 'none' or 'inverse_frequency'"),
        ("segmentation.loss.focal=1", "unknown field 'segmentation.loss.focal'"),
        ("night.loss.dice=1", "unknown field 'night.loss.dice'"),
    ],
)
def test_bad_settings_are_found_with_the_plan(setting: str, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        planned(setting, tasks="segmentation,night")
    assert words in str(caught.value)


def test_a_cell_takes_weights_from_labelled_images_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[np.ndarray] = []
    prepare = Segmentation.prepare

    def watched(self: Segmentation, recipe: Recipe, labels: Iterable[np.ndarray]) -> None:
        def each() -> Iterable[np.ndarray]:
            for label in labels:
                seen.append(label)
                yield label

        prepare(self, recipe, each())

    monkeypatch.setattr(Segmentation, "prepare", watched)
    monkeypatch.setattr("ssl_bench_tasks.synthetic.base.TEST", 2)
    forms = ("class_weights=inverse_frequency", "ohem=0.7", "dice=1")
    settings = [f"segmentation.loss.{form}" for form in forms]
    small = ("segmentation.iterations=2", "segmentation.crop=32")
    orders = ordered(*settings, *small, methods="fixmatch", backbones="unet-small", seeds=(0, 1))
    for order in orders:
        folder = ResultStore(tmp_path / "runs").stage(order).path
        run_cell(folder, torch.device("cpu"), REGISTRY)
    records = list(read_records(tmp_path / "runs"))
    source = make_plan(REGISTRY, Request(tasks="segmentation", methods="supervised")).sources["segmentation"]
    expected = [source.dataset.target(name) for name in orders[0].cell.split.labeled]
    assert len(seen) == 2 * len(expected) == 8
    assert all(np.array_equal(got, wanted) for got, wanted in zip(seen, expected * 2, strict=True))
    assert records[0].config.recipe["loss"] == {
        "class_weights": "inverse_frequency", "ohem": 0.7, "dice": 1.0
    }  # fmt: skip
    files = render(records)
    assert "loss.class_weights=inverse_frequency, loss.dice=1, loss.ohem=0.7" in files["leaderboard.md"]
    # A line for each class that occurs in the few images scored here.
    of_classes = [name for name, score in records[0].metrics.items() if "/" in name and score is not None]
    assert len(of_classes) >= 2
    assert all(name in files["metrics.md"] for name in of_classes)


def test_a_recipe_without_weights_reads_no_label() -> None:
    def none() -> Iterable[np.ndarray]:
        pytest.fail("a label was read")
        yield

    Segmentation(CLASSES).prepare(SEGMENTATION.recipe(iterations=1, loss={"ohem": 0.7}), none())


def test_the_plan_says_so(command: Any) -> None:
    said: Said = command("plan", "--tasks", "segmentation", "--set", "segmentation.loss.ohem=0.7")
    assert said.status == 0
    assert said.out.splitlines()[0].endswith("test images, loss.ohem=0.7")


def test_tiers_with_recipes_of_two_types_are_found() -> None:
    mixed = {**SEGMENTATION.recipes, "paper": Recipe(iterations=1)}
    spec = TaskSpec(**{**vars(SEGMENTATION), "recipes": mixed})
    assert "let them be of one type" in " ".join(check_task(spec))
