"""CutMix, FixMatch and CPS against naive steps in float64, and what their papers say of special cases."""

import copy
import math
from typing import Any

import pytest
import torch
from references import (
    ITERATIONS,
    LABELED,
    RECIPE,
    Stream,
    average,
    build,
    compare,
    draws_of,
    make_batch,
    over,
    pasted,
)
from torch import Tensor
from torch.nn import functional as F

from ssl_bench.method import Batch, Method, Progress
from ssl_bench.recipe import Kind
from ssl_bench.toolbox.mixing import draw_boxes
from ssl_bench.train.trainer import Trainer
from ssl_bench.world.part import Draws

KINDS: tuple[Kind, ...] = ("classification", "regression")


def progress(step: int = 4) -> Progress:
    return Progress(step, ITERATIONS, ITERATIONS / 3, draws_of(step))


def terms(method: Method, step: int = 4) -> dict[str, Tensor]:
    """Every term of one iteration."""
    found = {}
    for losses in method.losses(make_batch(method.task.kind, step), progress(step)):
        for player, part in losses.items():
            found |= {f"{player}/{name}": term for name, term in part.items()}
    return found


def cross_entropy(logits: Tensor, classes: Tensor) -> Tensor:
    """(B, O, H, W) and (B, H, W) to (B, H, W)."""
    return -(logits - logits.logsumexp(1, keepdim=True)).gather(1, classes[:, None])[:, 0]


def naive_cutmix(method: Method, batch: Batch, step: int, draws: Draws) -> dict[str, Tensor]:
    config, task = method.config, method.task
    images, valid = batch.images[LABELED:], batch.valid[LABELED:]
    views = task.perturb(images, draws, config.noise)
    boxes = draw_boxes(config.mix, draws, images)
    with torch.no_grad():
        target = pasted(task.activate(method.teacher(images)), boxes)
    valid = pasted(valid, boxes)
    logits = method.student(torch.cat([batch.images[:LABELED], pasted(views, boxes)]))
    error = (task.activate(logits[LABELED:]) - target) ** 2
    sure = (target.max(1)[0] >= config.tau_cm).double()
    if task.kind == "regression":
        unsupervised = over(error[:, 0], valid)
    elif config.gate == "rate":
        unsupervised = over(sure, valid) * over(error[:, 0] + error[:, 1] + error[:, 2], valid)
    else:
        unsupervised = over(sure * (error[:, 0] + error[:, 1] + error[:, 2]), valid)
    return {"student": task.loss(logits[:LABELED], batch.targets) + config.lambda_cm * unsupervised}


def naive_fixmatch(method: Method, batch: Batch, step: int, draws: Draws) -> dict[str, Tensor]:
    config, task = method.config, method.task
    images, valid = batch.images[LABELED:], batch.valid[LABELED:]
    weak = [task.perturb(images, draws, config.weak) for _ in range(2 if config.gate == "agreement" else 1)]
    strong = task.perturb(images, draws, "strong")
    boxes = draw_boxes(config.mix, draws, images)
    if config.teacher == "average":
        teacher = copy.deepcopy(method.teacher).eval()
        predictions = [task.activate(teacher(view)) for view in weak]
        logits = method.student(torch.cat([batch.images[:LABELED], pasted(strong, boxes)]))
        unlabeled = logits[LABELED:]
    else:
        logits = method.student(torch.cat([batch.images[:LABELED], *weak]))
        predictions = [task.activate(one) for one in logits[LABELED:].detach().chunk(len(weak))]
        unlabeled = method.student(pasted(strong, boxes))
    if config.gate == "confidence":
        keep = predictions[0].max(1)[0] >= config.tau_fm
    else:
        differs = (predictions[0] - predictions[1]).abs().mean(1)
        share = 0.5 + 0.5 * step / ITERATIONS
        limits = [torch.quantile(row[known[0]], share) for row, known in zip(differs, valid, strict=True)]
        keep = torch.stack([row <= limit for row, limit in zip(differs, limits, strict=True)])
    keep = pasted(keep[:, None], boxes)[:, 0]
    target = pasted(predictions[0], boxes)
    valid = pasted(valid, boxes)
    if task.kind == "regression":
        error = (unlabeled - target).abs().mean(1)
    elif config.target == "hard":
        error = cross_entropy(unlabeled, target.argmax(1))
    else:
        error = -(target * unlabeled.log_softmax(1)).sum(1)
    pseudo = over(error * keep, valid)
    return {"student": task.loss(logits[:LABELED], batch.targets) + config.lambda_fm * pseudo}


def naive_cps(method: Method, batch: Batch, step: int, draws: Draws) -> dict[str, Tensor]:
    config, task = method.config, method.task
    networks = [method.first, method.second]
    images, valid, rows = batch.images, batch.valid, slice(None)
    if config.mix == "none":
        logits = [network(images) for network in networks]
        targets = [task.activate(one.detach()) for one in logits]
    else:
        rows = slice(LABELED, None)
        boxes = draw_boxes(config.mix, draws, images[rows])
        with torch.no_grad():
            targets = [pasted(task.activate(network(images[rows])), boxes) for network in networks]
        valid = pasted(valid[rows], boxes)
        mixed = torch.cat([images[:LABELED], pasted(images[rows], boxes)])
        logits = [network(mixed) for network in networks]
    ramp = (
        math.exp(-5 * (1 - min(step / (config.eta_cps * ITERATIONS / 3), 1)) ** 2) if config.eta_cps else 1.0
    )
    found = {}
    for name, own, target in zip(("first", "second"), logits, targets[::-1], strict=True):
        if task.kind == "regression":
            error = (own[rows] - target).abs().mean(1)
        else:
            error = cross_entropy(own[rows], target.argmax(1))
        exchange = config.lambda_cps * ramp * over(error, valid)
        found[name] = task.loss(own[:LABELED], batch.targets) + exchange
    return found


def following(decay: float) -> Any:
    return lambda method, step: average(method.teacher, method.student, step, decay)


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        ("classification", {"tau_cm": 0.6, "lambda_cm": 2.0}),
        ("classification", {"tau_cm": 0.6, "gate": "pixel", "mix": "toggle", "noise": "strong"}),
        ("regression", {"mix": "aspect", "noise": "weak"}),
    ],
)
def test_cutmix_is_the_naive_one(kind: Kind, settings: dict[str, Any]) -> None:
    compare(build("cutmix", kind, alpha_cm=0.6, **settings), naive_cutmix, after=following(0.6))


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        ("classification", {"tau_fm": 0.6, "lambda_fm": 2.0}),
        ("classification", {"tau_fm": 0.6, "teacher": "self", "target": "soft", "weak": "weak"}),
        ("classification", {"gate": "agreement", "teacher": "self", "weak": "weak"}),
        ("regression", {"mix": "half"}),
    ],
)
def test_fixmatch_is_the_naive_one(kind: Kind, settings: dict[str, Any]) -> None:
    after = None if settings.get("teacher") == "self" else following(0.6)
    compare(build("fixmatch", kind, alpha_fm=0.6, **settings), naive_fixmatch, after=after)


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        ("classification", {}),
        ("classification", {"mix": "toggle", "lambda_cps": 1.0}),
        ("regression", {"eta_cps": 2}),
        ("regression", {"mix": "none", "eta_cps": 0}),
    ],
)
def test_cps_is_the_naive_one(kind: Kind, settings: dict[str, Any]) -> None:
    compare(build("cps", kind, **settings), naive_cps)


def pointwise(method: Method) -> Method:
    """Networks that look at one pixel at a time, all of one weight."""
    for network in method.children():
        network.network[0].weight.data[..., [0, 0, 0, 1, 1, 2, 2, 2], [0, 1, 2, 0, 2, 0, 1, 2]] = 0.0
        network.load_state_dict(next(method.children()).state_dict())
    return method


@pytest.mark.parametrize("kind", KINDS)
def test_who_looks_at_single_pixels_has_nothing_to_be_consistent_about(kind: Kind) -> None:
    method = pointwise(build("cutmix", kind, norm=False, gate="none"))
    assert terms(method)["student/consistency"].abs() < 1e-20
    assert terms(build("cutmix", kind, norm=False, gate="none"))["student/consistency"] > 1e-3


def test_without_boxes_cutmix_is_a_mean_teacher_with_a_sum_over_classes() -> None:
    method = build("cutmix", "classification", gate="none", mix="none")
    teacher = build("mt", "classification", noise="none", lambda_mt=3.0, eta_mt=0)
    method.teacher.network[0].weight.data += 0.1
    teacher.teacher.network[0].weight.data += 0.1
    mine, theirs = terms(method), terms(teacher)
    assert theirs["student/consistency"] > 0
    torch.testing.assert_close(mine, theirs)


@pytest.mark.parametrize(("tau", "expected"), [(1.01, "nothing"), (0.0, "everything")])
def test_thresholds_at_their_ends(tau: float, expected: str) -> None:
    method = build("fixmatch", "classification", tau_fm=tau, mix="none", strong="none")
    (found,) = [terms(method)["student/pseudo"]]
    batch = make_batch("classification", 4)
    logits = method.student(batch.images)[LABELED:]
    classes = copy.deepcopy(method.teacher).eval()(batch.unlabeled_images).argmax(1)
    plain = F.cross_entropy(logits, classes, reduction="none")
    torch.testing.assert_close(
        found, over(plain, batch.unlabeled_valid) if expected == "everything" else 0 * found
    )
    assert terms(build("cutmix", "classification", tau_cm=tau))["student/consistency"].bool() == (tau == 0.0)


def test_no_gradient_of_one_network_flows_through_the_others_target() -> None:
    for settings in ({}, {"mix": "toggle"}):
        method = build("cps", "classification", **settings)
        found = terms(method)
        found["first/exchange"].backward(retain_graph=True)
        assert all(parameter.grad is None for parameter in method.second.parameters())
        assert any(parameter.grad.abs().sum() > 0 for parameter in method.first.parameters())


def test_networks_in_each_others_place_have_each_others_losses() -> None:
    method = build("cps", "classification")
    mine = terms(method)
    method.first, method.second = method.second, method.first
    theirs = terms(method)
    for name in ("task", "exchange"):
        assert torch.equal(mine[f"first/{name}"], theirs[f"second/{name}"])
        assert torch.equal(mine[f"second/{name}"], theirs[f"first/{name}"])


def test_what_is_deployed_is_fixed() -> None:
    average_, own, pair = (
        build("fixmatch", "regression"),
        build("fixmatch", "regression", teacher="self"),
        build("cps", "regression"),
    )
    assert average_.deployed is average_.teacher
    assert average_.predict_beside() == {"student": average_.student}
    assert (own.deployed, own.predict_beside()) == (own.student, {})
    assert (pair.deployed, pair.predict_beside()) == (pair.first, {"second": pair.second})


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["cutmix", "fixmatch", "cps"])
def test_values_of_no_loss_are_told_and_have_their_range(name: str, kind: Kind) -> None:
    told = Trainer(build(name, kind), RECIPE, Stream(kind), 0).step(0)
    values = {key: value.item() for key, value in told.items() if "/" not in key}
    assert all(0 <= value <= 2 for value in values.values())
    expected = {
        "cutmix": {"sure"} if kind == "classification" else set(),
        "fixmatch": {"kept", "confidence" if kind == "classification" else "difference"},
        "cps": {"disagreement"},
    }
    assert values.keys() == expected[name]


def test_cps_starts_with_two_different_networks() -> None:
    method = build("cps", "classification")
    assert not torch.equal(method.first.network[0].weight, method.second.network[0].weight)
