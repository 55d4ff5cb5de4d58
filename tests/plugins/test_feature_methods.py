"""Methods that change features against naive steps in float64, and what their papers say of special cases."""

import copy
import math
from typing import Any

import pytest
import torch
from references import (
    ITERATIONS,
    LABELED,
    RECIPE,
    UNLABELED,
    Stream,
    average,
    build,
    compare,
    draws_of,
    make_batch,
    over,
    pasted,
)
from torch import Tensor, nn

from ssl_bench.backbone import TaskNetwork
from ssl_bench.method import Batch, Method, Progress
from ssl_bench.plan.plan import Request, make_plan
from ssl_bench.recipe import Kind
from ssl_bench.registry.loading import load_registry
from ssl_bench.toolbox.mixing import draw_boxes
from ssl_bench.train.trainer import Trainer
from ssl_bench.world.part import Draws

KINDS: tuple[Kind, ...] = ("classification", "regression")
LAW = "aspect"


def hidden(network: TaskNetwork, images: Tensor) -> Tensor:
    """What comes before the last layer, (B, 5, H, W)."""
    for layer in [lambda x: (x - network.mean) / network.std, *list(network.network)[:-1]]:
        images = layer(images)
    return images


def without(features: Tensor, drawn: Tensor, rate: float) -> Tensor:
    """Channel by channel."""
    kept = features.clone()
    for row, channel in torch.cartesian_prod(*map(torch.arange, drawn.shape)).tolist():
        kept[row, channel] = features[row, channel] / (1 - rate) if drawn[row, channel] >= rate else 0.0
    return kept


def agreeing(first: Tensor, second: Tensor, valid: Tensor, share: float) -> Tensor:
    """Of each row the share of its valid pixels on which two views differ least, (B, H, W)."""
    found = []
    for row, known in zip((first - second).abs().mean(1), valid, strict=True):
        found.append(row <= torch.quantile(row[known[0]], share))
    return torch.stack(found)


def error_of(kind: Kind, logits: Tensor, target: Tensor) -> Tensor:
    """Absolute difference, or cross-entropy to the likeliest class, (B, H, W)."""
    if kind == "regression":
        return (logits - target).abs().mean(1)
    chosen = logits.gather(1, target.argmax(1, keepdim=True))[:, 0]
    return logits.exp().sum(1).log() - chosen


def seen(method: Method, batch: Batch, draws: Draws) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
    """Weak views, strong views and boxes, in the order in which they are drawn."""
    images, config, task = batch.images[LABELED:], method.config, method.task
    weak = [task.perturb(images, draws, config.weak) for _ in range(2 if config.gate == "agreement" else 1)]
    strong = [task.perturb(images, draws, "strong") for _ in range(2)]
    return weak, strong, [draw_boxes(LAW, draws, images) for _ in range(2)]


def naive_unimatch(method: Method, batch: Batch, step: int, draws: Draws) -> dict[str, Tensor]:
    config, task, kind, model = method.config, method.task, method.task.kind, method.model
    weak, strong, boxes = seen(method, batch, draws)
    valid = batch.valid[LABELED:]
    features = hidden(model, torch.cat([batch.images[:LABELED], *weak]))
    dropped = without(features[LABELED : LABELED + UNLABELED], draws.rand(UNLABELED, 5), config.rate)
    logits = model.network[-1](features)
    views = model(torch.cat([pasted(view, box) for view, box in zip(strong, boxes, strict=True)]))
    predictions = [task.activate(each).detach() for each in logits[LABELED:].chunk(len(weak))]
    if config.gate == "confidence":
        keep = predictions[0].max(1)[0] >= config.tau_um
    else:
        keep = agreeing(*predictions, valid, 0.5 + 0.5 * step / ITERATIONS)
    total = task.loss(logits[:LABELED], batch.targets)
    for view, box in zip(views.chunk(2), boxes, strict=True):
        error = error_of(kind, view, pasted(predictions[0], box)) * pasted(keep[:, None], box)[:, 0]
        total = total + config.lambda_um / 2 * over(error, pasted(valid, box))
    error = error_of(kind, model.network[-1](dropped), predictions[0]) * keep
    return {"model": total + config.lambda_fp * over(error, valid)}


def naive_unimatch2(method: Method, batch: Batch, step: int, draws: Draws) -> dict[str, Tensor]:
    config, task, student = method.config, method.task, method.student
    weak, strong, boxes = seen(method, batch, draws)
    valid = batch.valid[LABELED:]
    teacher = copy.deepcopy(method.teacher).eval()
    predictions = [task.activate(teacher(view)) for view in weak]
    mixed = [pasted(view, box) for view, box in zip(strong, boxes, strict=True)]
    features = hidden(student, torch.cat([batch.images[:LABELED], *mixed])).clone()
    whole, drawn = draws.rand(UNLABELED, 1), draws.rand(UNLABELED, 5)
    for row in range(UNLABELED):
        for channel in range(5) if whole[row] >= 0.5 else ():
            mine = 2.0 if drawn[row, channel] < 0.5 else 0.0
            features[LABELED + row, channel] *= mine
            features[LABELED + UNLABELED + row, channel] *= 2 - mine
    logits = student.network[-1](features)
    if config.gate == "confidence":
        keep = predictions[0].max(1)[0] >= config.tau_um2
    else:
        keep = agreeing(*predictions, valid, 0.5 + 0.5 * step / ITERATIONS)
    total = task.loss(logits[:LABELED], batch.targets)
    for view, box in zip(logits[LABELED:].chunk(2), boxes, strict=True):
        error = error_of(task.kind, view, pasted(predictions[0], box)) * pasted(keep[:, None], box)[:, 0]
        total = total + config.lambda_um2 / 2 * over(error, pasted(valid, box))
    return {"student": total}


def naive_cct(method: Method, batch: Batch, step: int, draws: Draws) -> dict[str, Tensor]:
    config, task, model = method.config, method.task, method.model
    features = hidden(model, batch.images)
    logits, mine = model.network[-1](features), features[LABELED:]
    target = task.activate(logits[LABELED:]).detach()
    dropout = without(mine, draws.rand(UNLABELED, 5), 0.5)
    noise = mine + mine * (0.6 * draws.once(*mine.shape[1:]).double() - 0.3)
    share, strongest = 0.7 + 0.2 * draws.once(1).double().item(), mine.clone()
    for row in range(UNLABELED):
        attention = mine[row].mean(0)
        strongest[row, :, attention >= share * attention.max()] = 0.0
    unlabelled = torch.zeros(())
    for changed, decoder in zip((dropout, noise, strongest), method.auxiliary, strict=True):
        error = (task.activate(decoder.network[-1](changed)) - target) ** 2
        unlabelled = unlabelled + over(error.mean(1), batch.valid[LABELED:]) / 3
    ramp = math.exp(-5 * (1 - min(step / (config.ramp_cct * ITERATIONS), 1)) ** 2)
    return {"model": task.loss(logits[:LABELED], batch.targets) + config.lambda_cct * ramp * unlabelled}


def naive_ucvme(method: Method, batch: Batch, step: int, draws: Draws) -> dict[str, Tensor]:
    config, networks = method.config, (method.first, method.second)
    features = [hidden(network, batch.images) for network in networks]

    def believe(number: int, rows: slice) -> tuple[Tensor, Tensor]:
        mine = features[number][rows]
        fewer = without(mine, draws.rand(*mine.shape[:2]), config.rate)
        variance = (method.first_variance, method.second_variance)[number].network[-1](fewer)
        return networks[number].network[-1](fewer), variance.clamp(-10, 5)

    own = [believe(number, slice(None)) for number in (0, 1)]
    every = [believe(number, slice(LABELED, None)) for _ in range(config.passes) for number in (0, 1)]
    mean, spread = (sum(each).detach() / len(every) for each in zip(*every, strict=True))
    (first, s1), (second, s2) = [(m[:LABELED], s[:LABELED]) for m, s in own]
    common, unit, label = (s1 + s2) / 2, config.sigma_uc**2, batch.targets.value
    labelled = (s1 - s2) ** 2
    for prediction in (first, second):
        labelled = labelled + ((prediction - label) ** 2 / unit / common.exp() + common) / 2
    supposed = torch.zeros(())
    for m, s in own:
        supposed = supposed + ((m[LABELED:] - mean) ** 2 / unit / spread.exp() + spread) / 2
        supposed = supposed + (s[LABELED:] - spread) ** 2
    unlabelled = over(supposed[:, 0], batch.valid[LABELED:])
    return {"pair": over(labelled[:, 0], batch.targets.valid) + config.lambda_uc * unlabelled}


def following(decay: float) -> Any:
    return lambda method, step: average(method.teacher, method.student, step, decay)


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        ("classification", {"tau_um": 0.6, "lambda_fp": 0.7}),
        ("classification", {"gate": "agreement", "weak": "weak", "rate": 0.3}),
        ("regression", {}),
    ],
)
def test_unimatch_is_the_naive_one(kind: Kind, settings: dict[str, Any]) -> None:
    compare(build("unimatch", kind, **settings), naive_unimatch)


@pytest.mark.parametrize(("kind", "settings"), [("classification", {"tau_um2": 0.6}), ("regression", {})])
def test_unimatch2_is_the_naive_one(kind: Kind, settings: dict[str, Any]) -> None:
    compare(build("unimatch2", kind, alpha_um2=0.6, **settings), naive_unimatch2, after=following(0.6))


@pytest.mark.parametrize("kind", KINDS)
def test_cct_is_the_naive_one(kind: Kind) -> None:
    compare(build("cct", kind, ramp_cct=0.5), naive_cct)


def test_ucvme_is_the_naive_one() -> None:
    compare(build("ucvme", "regression", lambda_uc=0.7, sigma_uc=0.8, passes=2, rate=0.3), naive_ucvme)


def terms(method: Method, step: int = 4) -> dict[str, Tensor]:
    """Every term of one iteration."""
    progress = Progress(step, ITERATIONS, ITERATIONS / 3, draws_of(step))
    found = {}
    for losses in method.losses(make_batch(method.task.kind, step), progress):
        for player, part in losses.items():
            found |= {f"{player}/{name}": term for name, term in part.items()}
    return found


def test_without_dropout_the_feature_stream_is_the_prediction_against_itself() -> None:
    method = build("unimatch", "classification", rate=0.0, tau_um=0.5)
    batch, network = make_batch("classification", 4), copy.deepcopy(method.model)
    found = terms(method)["model/features"]
    logits = network(batch.images)[LABELED:]
    probability = logits.softmax(1).max(1)[0]
    expected = over(-probability.log() * (probability >= 0.5), batch.unlabeled_valid)
    torch.testing.assert_close(found, 0.5 * expected)
    assert terms(build("unimatch", "classification", rate=0.5, tau_um=0.5))["model/features"] != found


def test_the_feature_stream_s_gradient_reaches_the_encoder_and_no_target() -> None:
    method = build("unimatch", "classification", tau_um=0.5)
    terms(method)["model/features"].backward()
    assert method.model.network[0].weight.grad.abs().sum() > 0
    # Of all predictions the network makes only the dropped one and the views learn.
    single = build("unimatch", "classification", tau_um=0.0, rate=0.0)
    logits: list[Tensor] = []
    single.model.network[-1].register_forward_hook(lambda _, __, made: logits.append(made))
    found = terms(single)["model/features"]
    (gradient,) = torch.autograd.grad(found, logits[0])
    assert not gradient[: LABELED + UNLABELED].any()
    assert gradient[LABELED + UNLABELED :].any()


@pytest.mark.parametrize("name", ["unimatch", "unimatch2"])
def test_two_views_have_boxes_and_changes_of_their_own(name: str) -> None:
    def difference(**settings: str) -> Tensor:
        method = build(name, "classification", norm=False, **settings)
        network, inputs = method.model if name == "unimatch" else method.student, list[Tensor]()
        network.network[0].register_forward_hook(lambda _, given, __: inputs.append(given[0]))
        terms(method)
        first, second = inputs[-1][-2 * UNLABELED :].chunk(2)
        return first - second

    boxes = difference(strong="none", mix="half").abs().sum(1)
    assert 0 < (boxes > 0).double().mean() < 1
    shifts = difference(mix="none")[:, 0].flatten(1)
    assert (shifts.abs().min(1)[0] > 0).all()
    torch.testing.assert_close(shifts.max(1)[0], shifts.min(1)[0])


def test_complementary_views_of_a_linear_decoder_have_the_whole_one_s_mean() -> None:
    method = build("unimatch2", "classification", norm=False, mix="none", strong="none")
    logits: list[Tensor] = []
    method.student.network[-1].register_forward_hook(lambda _, __, made: logits.append(made))
    terms(method)
    first, second = logits[-1][LABELED:].chunk(2)
    whole = method.student(make_batch("classification", 4).unlabeled_images)
    torch.testing.assert_close((first + second) / 2, whole)
    assert not torch.allclose(first, whole)
    both = build("unimatch2", "classification", norm=False, mix="none", strong="none", complementary=False)
    found = terms(both)
    assert torch.equal(found["student/pseudo"], terms(both)["student/pseudo"])


@pytest.mark.parametrize("name", ["unimatch", "unimatch2"])
def test_a_threshold_above_1_lets_nothing_through(name: str) -> None:
    closed = terms(build(name, "classification", **{f"tau_{name.replace('unimatch', 'um')}": 1.01}))
    assert all(not value for key, value in closed.items() if not key.endswith("task"))
    (kept,) = [
        value.item()
        for key, value in Trainer(build(name, "regression"), RECIPE, Stream("regression"), 0).step(4).items()
        if key == "kept"
    ]
    share = 0.5 + 0.5 * 4 / ITERATIONS
    assert abs(kept - share) < 0.05


def test_cct_s_main_decoder_learns_from_labels_alone_and_its_encoder_from_all() -> None:
    method = build("cct", "classification", ramp_cct=0)
    terms(method)["model/consistency"].backward()
    assert method.model.network[-1].weight.grad is None
    assert method.model.network[0].weight.grad.abs().sum() > 0
    assert all(decoder.network[-1].weight.grad.abs().sum() > 0 for decoder in method.auxiliary)
    # Decoders that share nothing, not even their start, and bring no encoder.
    heads = [network.network[-1].weight for network in (method.model, *method.auxiliary)]
    assert not any(torch.equal(one, other) for one in heads for other in heads if one is not other)
    assert all(isinstance(decoder.network[0], nn.Identity) for decoder in method.auxiliary)


def test_cct_without_its_weight_is_supervised() -> None:
    # Without statistics of a batch, which rows that share a pass would change.
    methods = (
        build("cct", "regression", lambda_cct=0.0, norm=False),
        build("supervised", "regression", norm=False),
    )
    first, second = (Trainer(method, RECIPE, Stream("regression"), 0) for method in methods)
    for step in range(3):
        assert torch.equal(first.step(step)["model/task"], next(iter(second.step(step).values())))


def test_more_decoders_of_each_kind() -> None:
    method = build("cct", "classification", decoders=2)
    assert method.perturbations == ["dropout"] * 2 + ["noise"] * 2 + ["strongest"] * 2
    assert len(method.auxiliary) == 6
    assert terms(method)["model/consistency"] > 0


def test_the_ensemble_s_target_has_no_gradient_and_deviations_are_those_of_labels() -> None:
    method = build("ucvme", "regression")
    found = terms(method)
    found["pair/ensemble"].backward(retain_graph=True)
    assert all(network.network[0].weight.grad.abs().sum() > 0 for network in (method.first, method.second))
    # Where there is no dropout and both networks are one, they agree on the mean, and nothing pulls at it.
    same = build("ucvme", "regression", rate=0.0, passes=1, norm=False)
    same.second.load_state_dict(same.first.state_dict())
    same.second_variance.load_state_dict(same.first_variance.state_dict())
    alike = terms(same)
    alike["pair/ensemble"].backward()
    assert same.first.network[0].weight.grad.abs().max() < 1e-12
    assert not alike["pair/agreement"]
    images = torch.rand(1, 3, 9, 9).double()
    beside = method.predict_beside()
    torch.testing.assert_close(beside["both"](images), (method.first(images) + method.second(images)) / 2)


def test_the_ensemble_moves_no_running_statistics() -> None:
    method = build("ucvme", "regression", rate=0.0, passes=3, norm=False).train()
    network = method.first.network
    network[-1] = nn.Sequential(nn.BatchNorm2d(5), network[-1]).double()
    batch = make_batch("regression", 4)
    terms(method)
    mean = hidden(method.first, batch.images).mean((0, 2, 3))
    torch.testing.assert_close(network[-1][0].running_mean, 0.1 * mean)
    assert network[-1][0].momentum == 0.1


def test_a_variance_is_no_change_of_the_image() -> None:
    method = build("ucvme", "regression")
    assert not any(decoder.residual for decoder in (method.first_variance, method.second_variance))


def test_what_is_deployed_is_fixed() -> None:
    built = {name: build(name, "regression") for name in ("unimatch", "unimatch2", "cct", "ucvme")}
    assert built["unimatch"].deployed is built["unimatch"].model
    assert built["unimatch2"].deployed is built["unimatch2"].teacher
    assert built["unimatch2"].predict_beside() == {"student": built["unimatch2"].student}
    assert built["cct"].deployed is built["cct"].model
    assert built["ucvme"].deployed is built["ucvme"].first
    assert not any(parameter.requires_grad for parameter in built["unimatch2"].teacher.parameters())


def test_in_the_plan() -> None:
    plan = make_plan(
        load_registry(),
        Request(tasks="segmentation,night", methods="unimatch,unimatch2,cct,ucvme", control=False),
    )
    assert [(cell.task, cell.method) for cell in plan.cells] == [
        ("segmentation", "cct"),
        ("segmentation", "unimatch"),
        ("segmentation", "unimatch2"),
        ("night", "cct"),
        ("night", "unimatch"),
        ("night", "unimatch2"),
        ("night", "ucvme"),
    ]
    (skipped,) = plan.skipped
    assert skipped.reason == "UCVME learns the variance of a number; a class has none"
    for cell in plan.cells:
        if cell.method.startswith("unimatch"):
            assert cell.config["gate"] == ("confidence" if cell.task == "segmentation" else "agreement")
            assert cell.config["levels"] == (0 if cell.task == "segmentation" else 2)
