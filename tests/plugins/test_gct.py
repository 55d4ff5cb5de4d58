"""GCT's algebra by hand, and its gradients against a naive step of four forward passes in float64."""

import math
from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ssl_bench.backbone import TaskNetwork
from ssl_bench.method import Batch, Losses, Progress
from ssl_bench.recipe import Kind, OptimizerSettings, Recipe
from ssl_bench.task import Target
from ssl_bench.testing import TOYS
from ssl_bench.train.trainer import Trainer
from ssl_bench.world.part import Draws
from ssl_bench_plugins.methods import flaw_detector
from ssl_bench_plugins.methods.flaw_maps import both_flawed, exchange, readable
from ssl_bench_plugins.methods.gct import GCT, Guide, View
from ssl_bench_plugins.methods.paper_configs import PAPER_METHODS, GCTConfig

HEIGHT, WIDTH, LABELED, ROWS = 40, 56, 2, 5
SETTINGS: Mapping[str, Any] = {"lambda_fc": 0.7, "lambda_dc": 3.0, "eta_dc": 2, "xi": 0.3, "nu": 1}
STEP, EPOCH = 5, 10.0
IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
RECIPE = Recipe(iterations=20, epochs=2, optimizer=OptimizerSettings(name="sgd", learning_rate=0.1))


@pytest.fixture(autouse=True)
def narrow_detector(monkeypatch: pytest.MonkeyPatch) -> None:
    """The algebra does not depend on F's width, and the time does."""
    narrow = tuple((channels // 16, stride) for channels, stride in flaw_detector.LAYERS)
    monkeypatch.setattr(flaw_detector, "LAYERS", narrow)


def progress(step: int = STEP) -> Progress:
    return Progress(step, 100, EPOCH, Draws(torch.Generator().manual_seed(0)))


def make(kind: Kind = "classification", dropout: float = 0.0, **settings: Any) -> GCT:
    """GCT on a toy task, in float64, with a detector whose maps say something."""
    parent = TOYS[kind]

    class Exact(parent):  # type: ignore[misc, valid-type]
        def activate(self, logits: Tensor) -> Tensor:
            return logits.softmax(1) if kind == "classification" else logits

    task = Exact()

    def build_network(index: int = 0, backbone: str | None = None) -> TaskNetwork:
        torch.manual_seed(index)
        layers = nn.Sequential(
            nn.Conv2d(3, 6, 5, padding=2),
            nn.BatchNorm2d(6),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Conv2d(6, task.out_channels, 3, padding=1),
        )
        return TaskNetwork(layers, in_channels=3, residual=False)

    torch.manual_seed(7)
    method = GCT(task, GCTConfig(**{**SETTINGS, **settings}), build_network)
    last = method.detector.layers[-1]
    last.weight.data *= 6
    last.bias.data.fill_(0.3)
    return method.double().train()


def make_batch(kind: Kind = "classification", seed: int = 0) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    images = torch.rand(ROWS, 3, HEIGHT, WIDTH, generator=generator).double()
    valid = torch.ones(ROWS, 1, HEIGHT, WIDTH, dtype=torch.bool)
    valid[1, :, :, 25:] = False  # padding of a labelled row
    valid[3, :, 33:] = False  # padding of an unlabelled row
    known = valid[:LABELED].clone()
    known[0, :, 5:15, 3:20] = False  # void
    if kind == "classification":
        value = torch.randint(0, 3, (LABELED, HEIGHT, WIDTH), generator=generator) * known[:, 0]
    else:
        value = torch.rand(LABELED, 1, HEIGHT, WIDTH, generator=generator).double() * known
    return Batch(images, valid, Target(value, known))


def gradients(method: GCT, yields: list[Losses] | None = None) -> dict[str, list[Tensor]]:
    """What the trainer takes at each yield, without stepping."""
    found = {}
    for losses in method.losses(make_batch(method.task.kind), progress()) if yields is None else yields:
        for player, terms in losses.items():
            total = torch.stack(list(terms.values())).sum()
            found[player] = list(
                torch.autograd.grad(total, method.players()[player].parameters(), retain_graph=True)
            )
    return found


def largest_difference(first: list[Tensor], second: list[Tensor]) -> float:
    pairs = zip(first, second, strict=True)
    return max(((a - b).abs().max() / (a.abs().max() + 1e-3)).item() for a, b in pairs)


# The naive reference: four forward passes of networks and detector, OpenCV for every blur.


def blur(image: np.ndarray, divisor: int) -> np.ndarray:
    sizes = [length // divisor + (length // divisor % 2 == 0) for length in image.shape]
    sigmas = [0.3 * ((size - 1) * 0.5 - 1) + 0.8 for size in sizes]
    return cv2.GaussianBlur(image, (sizes[1], sizes[0]), sigmas[1], sigmaY=sigmas[0])


def normalize(image: np.ndarray) -> np.ndarray:
    return (image - image.min()) / (image.max() - image.min())


def naive_map(flaws: np.ndarray, valid: np.ndarray) -> np.ndarray:
    blurred = blur(np.maximum(flaws, 0) * valid, 16) * valid
    return normalize(blurred) * valid if blurred.max() > 0.1 else np.zeros_like(blurred)


def naive_truth(prediction: np.ndarray, label: np.ndarray) -> np.ndarray:
    flaws = blur(normalize(np.abs(prediction - label).sum(0)), 8)
    flaws = blur(cv2.dilate(flaws, np.ones((3, 3), np.uint8)), 4)
    return normalize(flaws)


def mean_where(values: Tensor, valid: Tensor) -> Tensor:
    return values[valid.expand_as(values)].mean()


def naive_gradients(method: GCT) -> dict[str, list[Tensor]]:
    config, task, detector = method.config, method.task, method.detector
    batch = make_batch(task.kind)
    images, labeled = batch.images, batch.labeled
    valid = torch.cat([batch.targets.valid, batch.valid[labeled:]])
    networks = {"first": method.first, "second": method.second}
    # F sees what networks see.
    seen = (images - torch.tensor(IMAGENET[0]).view(3, 1, 1)) / torch.tensor(IMAGENET[1]).view(3, 1, 1)
    with torch.no_grad():
        predictions = [task.activate(network(images)) * valid for network in networks.values()]
        maps = [
            np.stack(
                [naive_map(f[0].numpy(), v[0].numpy()) for f, v in zip(detector(p, seen), valid, strict=True)]
            )
            for p in predictions
        ]
    flawed = [np.where(m > config.xi, 1.0, m) for m in maps]
    swap = [
        torch.from_numpy(flawed[0] > flawed[1])[:, None],
        torch.from_numpy(flawed[1] > flawed[0])[:, None],
    ]
    mask = torch.from_numpy((maps[0] > config.xi) & (maps[1] > config.xi))[:, None].double()
    assert 0.05 < swap[0].double().mean() < 0.95
    assert mask.any()
    assert not mask.all()

    rows = slice(labeled, None) if config.constraints_on == "unlabeled" else slice(None)
    ramp = math.exp(-5 * (1 - STEP / (config.eta_dc * EPOCH)) ** 2)
    found = {}
    for k, (name, network) in enumerate(networks.items()):
        logits = network(images)
        prediction = task.activate(logits) * valid
        target = torch.where(swap[k], predictions[1 - k], prediction.detach())
        flaws = detector(prediction, seen)
        loss = task.loss(logits[:labeled], batch.targets)
        if config.mode != "fc":
            outputs = 21 if task.kind == "classification" else task.out_channels
            squares = ((prediction - target) ** 2 * valid)[rows].sum() / (valid.sum() * outputs)
            loss = loss + ramp * config.lambda_dc * squares
        if config.mode != "dc":
            weight = mask[rows] if config.mode == "gct" else 1.0
            loss = loss + config.lambda_fc * mean_where(weight * flaws[rows] ** 2, valid[rows])
        found[name] = list(torch.autograd.grad(loss, list(network.parameters())))
    label, known = task.encode(batch.targets)
    errors = []
    for prediction in predictions:
        truth = [naive_truth(prediction[row].numpy(), label[row].double().numpy()) for row in range(labeled)]
        flaws = detector(prediction, seen)[:labeled]
        errors.append(mean_where((flaws - torch.from_numpy(np.stack(truth))[:, None]) ** 2, known))
    found["detector"] = list(torch.autograd.grad(sum(errors) / 2, list(detector.parameters())))
    return found


@pytest.mark.parametrize(
    ("kind", "mode", "rows"),
    [
        ("classification", "gct", "unlabeled"),
        ("regression", "gct", "all"),
        ("classification", "fc", "unlabeled"),
        ("regression", "dc", "unlabeled"),
    ],
)
def test_gradients_equal_a_naive_step(kind: Kind, mode: str, rows: str) -> None:
    method = make(kind, mode=mode, constraints_on=rows)
    mine, naive = gradients(method), naive_gradients(method)
    assert list(mine) == ["first", "second", "detector"]
    for player, expected in naive.items():
        assert largest_difference(expected, mine[player]) < 1e-9, player


@pytest.mark.parametrize("mode", ["gct", "fc"])
def test_low_memory_has_the_same_gradients_and_one_network_at_a_time(mode: str) -> None:
    method = make(mode=mode, low_memory=True)
    yields = method.losses(make_batch(), progress())
    low = {}
    for losses in yields:
        assert len(losses) == 1
        low |= gradients(method, [losses])
        # As a step would: later yields must still be of the state at the first.
        player = method.players()[next(iter(losses))]
        with torch.no_grad():
            for parameter in player.parameters():
                parameter.mul_(1.01)
    default = gradients(make(mode=mode))
    assert list(low) == list(default)
    assert all(largest_difference(default[player], low[player]) < 1e-9 for player in default)


def test_exchange_by_hand() -> None:
    first, second = torch.full((1, 1, 1, 6), 1.0), torch.full((1, 1, 1, 6), 2.0)
    #                      1 worse  2 worse  tie  both beyond xi  1 beyond xi  2 beyond xi
    map_1 = torch.tensor([0.30, 0.10, 0.20, 0.70, 0.50, 0.10]).view(1, 1, 1, 6)
    map_2 = torch.tensor([0.20, 0.20, 0.20, 0.90, 0.40, 1.00]).view(1, 1, 1, 6)
    targets = exchange((first, second), (map_1, map_2), xi=0.4)
    assert targets[0].flatten().tolist() == [2, 1, 1, 1, 2, 1]
    assert targets[1].flatten().tolist() == [2, 1, 2, 2, 2, 1]
    assert both_flawed((map_1, map_2), xi=0.4).flatten().tolist() == [False, False, False, True, False, False]


def test_readable_maps() -> None:
    flaws = torch.full((3, 1, 32, 48), -1.0)
    flaws[0, :, 4:20, 4:20] = 5.0  # a flaw
    flaws[1] = 0.09  # flawless: below the threshold everywhere
    flaws[2, :, :, :24], flaws[2, :, :, 24:] = 2.0, 100.0  # the larger flaw lies in the void
    valid = torch.ones(3, 1, 32, 48, dtype=torch.bool)
    valid[2, :, :, 24:] = False
    before = flaws.clone()
    maps = readable(flaws, valid)
    assert torch.equal(flaws, before)
    assert maps[0, 0, 10, 10] == 1
    assert maps[0, 0, 30, 40] == 0
    assert not maps[1].any()
    assert not maps[2, :, :, 24:].any()
    assert maps[2, 0, 16, 5] == 1
    expected = normalize(blur(np.maximum(before[0, 0].double().numpy(), 0), 16))
    assert np.abs(maps[0, 0].numpy() - expected).max() < 1e-6


def test_consistency_ramps_up() -> None:
    method, batch = make(), make_batch()

    def term(step: int) -> float:
        (losses,) = method.losses(batch, progress(step))
        return losses["first"]["consistency"].item()

    end = term(20)  # eta = 2 epochs of 10 iterations
    assert end > 0
    assert term(0) / end == pytest.approx(math.exp(-5))
    assert term(10) / end == pytest.approx(math.exp(-1.25))
    assert term(90) == pytest.approx(end)


def test_a_weight_means_the_same_for_any_number_of_classes_and_rows() -> None:
    """100 of the appendix's mean is 14 of a plain mean over 6 classes and half of the rows."""
    torch.manual_seed(0)
    squares = torch.rand(4, 6, 8, 8)
    valid = torch.ones(4, 1, 8, 8, dtype=torch.bool)
    target = torch.zeros_like(squares)

    class SixClasses(TOYS["classification"]):  # type: ignore[misc]
        out_channels = 6

        def loss(self, logits: Tensor, target: Target) -> Tensor:
            return logits.sum() * 0

    def consistency(kind: Kind, rows: str) -> float:
        task = SixClasses() if kind == "classification" else TOYS["regression"]()
        config = GCTConfig(mode="dc", lambda_dc=100, eta_dc=0, constraints_on=rows)
        method = GCT(task, config, lambda *_: nn.Identity())  # type: ignore[arg-type]
        values = squares[:, : task.out_channels]
        view, guide = View(values, values.sqrt(), valid), Guide(target[:, : task.out_channels], valid)
        images = torch.zeros(4, 3, 8, 8)
        batch = Batch(images, valid, Target(torch.zeros(2, 1, 8, 8), valid[:2]))
        return method._terms(view, guide, batch, valid, progress())["consistency"].item()

    assert consistency("classification", "unlabeled") == pytest.approx(
        100 * 6 / 21 / 2 * squares[2:].mean().item()
    )
    assert pytest.approx(14, abs=0.3) == 100 * 6 / 21 / 2
    assert consistency("classification", "all") == pytest.approx(100 * 6 / 21 * squares.mean().item())
    # A regression task's outputs are the paper's own.
    assert consistency("regression", "unlabeled") == pytest.approx(100 / 2 * squares[2:, :1].mean().item())


@pytest.mark.parametrize("kind", TOYS)
def test_labels_under_void_change_nothing(kind: Kind) -> None:
    method, batch = make(kind), make_batch(kind)
    known = batch.targets.valid[:, 0] if kind == "classification" else batch.targets.valid
    other = torch.where(known, batch.targets.value, 1)
    assert not torch.equal(other, batch.targets.value)
    changed = Batch(batch.images, batch.valid, Target(other, batch.targets.valid))
    (first,), (second,) = (list(method.losses(b, progress())) for b in (batch, changed))
    for player, terms in first.items():
        for name, term in terms.items():
            assert term == second[player][name], (player, name)


class OneBatch:
    def batch(self, step: int) -> Batch:
        return make_batch()


def after_one_step(**settings: Any) -> GCT:
    method = make(**settings)
    Trainer(method, RECIPE, OneBatch(), seed=0).step(3)
    return method


def same_weights(first: nn.Module, second: nn.Module) -> bool:
    return all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))


def test_no_step_of_a_network_reaches_the_detector_nor_the_other_way() -> None:
    base, constrained, taught = after_one_step(), after_one_step(lambda_fc=50.0), after_one_step(nu=5)
    assert not same_weights(base.first, constrained.first)
    assert same_weights(base.detector, constrained.detector)
    assert not same_weights(base.detector, taught.detector)
    assert same_weights(base.first, taught.first)
    assert same_weights(base.second, taught.second)


@pytest.mark.parametrize(
    ("settings", "networks", "detector"),
    [
        ({}, 2, 2),
        ({"mode": "fc", "dropout": 0.5}, 2, 2),
        ({"dropout": 0.5}, 4, 4),
        ({"low_memory": True}, 4, 6),
    ],
)
def test_forward_passes(settings: Mapping[str, Any], networks: int, detector: int) -> None:
    method, calls = make(**settings), []
    for module in (method.first, method.second, method.detector):
        module.register_forward_hook(lambda module, _, __: calls.append(module))
    list(method.losses(make_batch(), progress()))
    assert sum(module is not method.detector for module in calls) == networks
    assert sum(module is method.detector for module in calls) == detector
    calls.clear()
    method.eval().predict(make_batch().images)
    assert calls == [method.first]
    method.predict_beside()["second"](make_batch().images)
    assert calls == [method.first, method.second]


def test_dropout_gives_targets_a_draw_of_their_own() -> None:
    """With one draw for both, a pixel that keeps its own target would never have a gradient."""
    method = make(dropout=0.5, xi=1.0)
    method.detector.layers[-1].bias.data.fill_(-100.0)  # flawless: every pixel keeps its own
    (losses,) = method.losses(make_batch(), progress())
    assert losses["first"]["consistency"] > 0


def test_modes_hold_their_terms() -> None:
    def terms(mode: str) -> set[str]:
        (losses,) = make(mode=mode).losses(make_batch(), progress())
        return set(losses["first"])

    assert terms("gct") == {"task", "consistency", "correction"}
    assert terms("fc") == {"task", "correction"}
    assert terms("dc") == {"task", "consistency"}


def test_second_network_may_have_another_architecture() -> None:
    asked = []

    def build_network(index: int = 0, backbone: str | None = None) -> TaskNetwork:
        asked.append((index, backbone))
        return TaskNetwork(nn.Sequential(nn.Conv2d(3, 3, 1)), in_channels=3, residual=False)

    GCT(TOYS["classification"](), GCTConfig(second_backbone="other"), build_network)
    assert asked == [(0, None), (1, "other")]


APPENDIX = {
    "s4l": {r"\lambda_{S4L}": (0.10, 1.00, 1.00, 1.00)},
    "advssl": {
        r"\lambda_{Adv}^l": (0.01, 0.001, 0.01, 0.001),
        r"\lambda_{Adv}^u": (0.001, 0.001, 0.01, 0.001),
    },
    "gct": {
        r"\lambda_{fc}": (1.00, 0.10, 1.00, 0.10),
        r"\lambda_{dc}": (100, 1.00, 100, 1.00),
        r"\eta_{dc}": (3, 5, 5, 5),
        r"\xi": (0.40, 0.60, 0.40, 0.60),
    },
}
TASKS = {
    "segmentation": "classification",
    "denoising": "regression",
    "matting": "regression",
    "night": "regression",
}


@pytest.mark.parametrize("spec", PAPER_METHODS, ids=lambda spec: spec.name)
def test_defaults_are_the_appendix_s(spec: Any) -> None:
    fields = spec.config.model_fields
    symbols = {f.json_schema_extra["symbol"]: name for name, f in fields.items() if f.json_schema_extra}
    assert list(symbols) == list(APPENDIX[spec.name])
    for column, (task, kind) in enumerate(TASKS.items()):
        overrides = {**spec.config.kind_defaults.get(kind, {}), **spec.config.task_defaults.get(task, {})}
        config = spec.config(**overrides)
        for symbol, row in APPENDIX[spec.name].items():
            assert getattr(config, symbols[symbol]) == row[column], (task, symbol)


def test_pipeline_settings_are_the_appendix_s() -> None:
    found = {}
    for task, kind in TASKS.items():
        config = GCTConfig(
            **{**GCTConfig.kind_defaults.get(kind, {}), **GCTConfig.task_defaults.get(task, {})}
        )
        found[task] = (config.mu, config.nu)
    assert found == {
        "segmentation": (1 / 2, 1),
        "denoising": (1 / 3, 10),
        "matting": (1, 1),
        "night": (1 / 3, 5),
    }
