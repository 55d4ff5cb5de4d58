"""Baselines that learn from labelled images alone: with a frozen encoder, and with one that is adapted by low rank."""

import copy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from conftest import Said
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parametrize
from written import render

from ssl_bench.backbone import TaskNetwork
from ssl_bench.method import Method
from ssl_bench.plan.plan import Plan, Request, make_plan
from ssl_bench.registry.loading import load_registry
from ssl_bench.store.results import ResultStore, read_records
from ssl_bench.testing import TOYS, ToyStream
from ssl_bench.testing.toys import RECIPE
from ssl_bench.train.merged import merge, merged
from ssl_bench.train.trainer import Trainer
from ssl_bench.use.export import export, load_weights
from ssl_bench.use.trained import load_trained
from ssl_bench.worker.meter import Meter
from ssl_bench.worker.worker import run_cell
from ssl_bench_plugins.backbones.unet_small import SmallUNet
from ssl_bench_plugins.methods.frozen_encoder import FrozenEncoder
from ssl_bench_plugins.methods.labeled_configs import FrozenConfig, LoRAConfig
from ssl_bench_plugins.methods.lora import LoRA, LowRank, adapt
from ssl_bench_plugins.methods.supervised import Supervised

REGISTRY = load_registry()
ENCODER = "mobilenetv3_small_050"
Command = Callable[..., Said]


def make(kind: type[Method], config: Any = None) -> Method:
    """On a small U-Net, regression."""

    def build_network(index: int = 0, backbone: str | None = None) -> TaskNetwork:
        torch.manual_seed(3)
        return TaskNetwork(SmallUNet(3, 1), in_channels=3, residual=False)

    torch.manual_seed(5)
    return kind(TOYS["regression"](), config, build_network).train()


def trained(method: Method, steps: int = 3, micro_batches: int = 1) -> Method:
    # A part counts its own valid pixels.
    stream = ToyStream("regression", uses_unlabeled=False, padded=False)
    trainer = Trainer(method, RECIPE, stream, seed=0, micro_batches=micro_batches)
    for step in range(steps):
        trainer.step(step)
    return method


# Low rank


@pytest.mark.parametrize(
    ("layer", "rank"),
    [
        (nn.Linear(7, 9), 3),
        (nn.Conv2d(6, 8, 3, padding=1), 5),
        (nn.Conv2d(6, 8, (1, 3), stride=2), 2),
        (nn.Conv2d(6, 6, 3, groups=6), 4),
        (nn.Conv2d(6, 8, 3, groups=2, bias=False), 4),
    ],
)
def test_a_layer_computes_what_the_paper_says(layer: nn.Linear | nn.Conv2d, rank: int) -> None:
    layer = copy.deepcopy(layer).double()
    inputs = torch.rand(2, 7).double() if isinstance(layer, nn.Linear) else torch.rand(2, 6, 9, 11).double()
    before, plain = layer(inputs), copy.deepcopy(layer)
    adapt(nn.ModuleList([layer]), rank, alpha=6.0)
    layer.double()
    assert torch.equal(layer(inputs), before)
    change = layer.parametrizations.weight[0]
    assert change.down.shape == (rank, plain.weight[0].numel())
    with torch.no_grad():
        change.up.normal_()
    # Two layers beside the first: to r channels by A, from these by B.
    if isinstance(layer, nn.Linear):
        beside = F.linear(F.linear(inputs, change.down), change.up)
    elif layer.groups == 1:
        down = change.down.view(rank, *plain.weight.shape[1:])
        inner = F.conv2d(inputs, down, None, layer.stride, layer.padding, layer.dilation)
        beside = F.conv2d(inner, change.up[:, :, None, None])
    else:
        shared = torch.einsum("or,rk->ok", change.up, change.down).view(plain.weight.shape)
        beside = F.conv2d(inputs, shared, None, layer.stride, layer.padding, layer.dilation, layer.groups)
    expected = before + 6.0 / rank * beside
    torch.testing.assert_close(layer(inputs), expected)
    merge(nn.ModuleList([layer]))
    assert not parametrize.is_parametrized(layer)
    assert layer.state_dict().keys() == plain.state_dict().keys()
    torch.testing.assert_close(layer(inputs), expected)


def test_narrow_layers_and_others_stay() -> None:
    parts = nn.ModuleList([nn.Conv2d(1, 3, 3), nn.Linear(4, 4), nn.BatchNorm2d(4), nn.Linear(5, 5)])
    adapt(parts, rank=4, alpha=4.0)
    assert [parametrize.is_parametrized(part) for part in parts] == [False, False, False, True]


# What learns


def changes(before: Method, after: Method) -> Iterator[tuple[str, bool]]:
    old = before.state_dict()
    for name, value in after.state_dict().items():
        yield name, not torch.equal(value, old[name])


def test_a_frozen_encoder_stays_and_the_rest_learns() -> None:
    method = make(FrozenEncoder, FrozenConfig())
    before = copy.deepcopy(method)
    for name, moved in changes(before, trained(method)):
        assert moved == ("network.encoder." not in name), name


def test_low_rank_adaptation_moves_its_own_matrices_and_the_decoder_alone() -> None:
    method = make(LoRA, LoRAConfig(rank=2))
    before = copy.deepcopy(method)
    for name, moved in changes(before, trained(method)):
        own = "network.encoder." not in name or name.endswith((".up", ".down"))
        assert moved == own, name
    learning = {name for name, parameter in method.named_parameters() if parameter.requires_grad}
    assert {name for name in learning if "encoder" in name} == {
        name for name, _ in method.named_parameters() if name.endswith((".up", ".down"))
    }


def test_it_starts_where_a_frozen_encoder_does() -> None:
    frozen, adapted = make(FrozenEncoder, FrozenConfig()), make(LoRA, LoRAConfig(rank=2))
    images = torch.rand(2, 3, 16, 24)
    assert torch.equal(frozen.predict(images), adapted.predict(images))
    # The first gradient of the decoder is the same, and that of A is 0 as long as B is.
    batch = ToyStream("regression", uses_unlabeled=False).batch(0)
    steps = [next(iter(method.losses(batch, None))) for method in (frozen, adapted)]  # type: ignore[arg-type]
    assert steps[0]["model"]["task"] == steps[1]["model"]["task"]
    downs = [part.down for part in adapted.modules() if isinstance(part, LowRank)]
    assert not any(gradient.any() for gradient in torch.autograd.grad(steps[1]["model"]["task"], downs))


def test_parts_of_a_batch_make_no_difference() -> None:
    # The decoder's BatchNorm would: frozen statistics.
    def run(parts: int) -> dict[str, Tensor]:
        method = make(LoRA, LoRAConfig(rank=2))
        method.deployed.statistics_move = False
        return dict(trained(method.train(), micro_batches=parts).state_dict())

    whole, apart = run(1), run(2)
    for name, value in whole.items():
        torch.testing.assert_close(apart[name], value, rtol=1e-4, atol=1e-6, msg=name)


# What it costs and gives


def test_costs_count_what_is_trained_and_what_is_deployed() -> None:
    def cost(kind: type[Method], config: Any = None) -> dict[str, Any]:
        return Meter(torch.device("cpu")).cost(make(kind, config), RECIPE, rows=2)

    plain, frozen, adapted = (
        cost(Supervised),
        cost(FrozenEncoder, FrozenConfig()),
        cost(LoRA, LoRAConfig(rank=2)),
    )
    network = make(Supervised).deployed.network
    encoder = sum(parameter.numel() for parameter in network.encoder.parameters())
    assert plain["parameters_trained"] == plain["parameters"]
    assert frozen["parameters_trained"] == plain["parameters"] - encoder
    matrices = [
        layer.weight.flatten(1).shape for layer in network.encoder.modules() if isinstance(layer, nn.Conv2d)
    ]
    assert adapted["parameters_trained"] == frozen["parameters_trained"] + sum(
        2 * sum(shape) for shape in matrices
    )
    for name in ("parameters", "inference_flops"):
        assert plain[name] == frozen[name] == adapted[name]


def test_a_network_without_such_weights_is_no_copy() -> None:
    plain, adapted = make(Supervised).deployed, make(LoRA, LoRAConfig(rank=2)).deployed
    assert merged(plain) is plain
    copied = merged(adapted)
    assert any(parametrize.is_parametrized(part) for part in adapted.modules())
    assert copied.state_dict().keys() == plain.state_dict().keys()


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    torch.manual_seed(7)
    torch.save(timm.create_model(ENCODER).state_dict(), tmp_path / "w.pth")
    return tmp_path / "w.pth"


def planned(**request: Any) -> Plan:
    return make_plan(
        REGISTRY,
        Request(**({"tasks": "segmentation", "methods": "supervised,frozen-encoder,lora"} | request)),
    )


def test_three_rows_of_one_table(weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ssl_bench_tasks.synthetic.base.TEST", 2)
    settings = ("segmentation.iterations=2", "segmentation.crop=32")
    plan = planned(settings=settings, backbones=f"fpn/{ENCODER}", weights=str(weights))
    assert [cell.method for cell in plan.cells] == ["supervised", "frozen-encoder", "lora"]
    folders = {order.cell.method: ResultStore(tmp_path / "runs").stage(order).path for order in plan.orders}
    for folder in folders.values():
        run_cell(folder, torch.device("cpu"), REGISTRY)
    files = render(list(read_records(tmp_path / "runs")))
    table = files["leaderboard.md"]
    places = [table.index(name) for name in ("| SupOnly ", "| SupOnly, frozen encoder", "| SupOnly, LoRA")]
    assert places == sorted(places)
    # What is used afterwards is a plain network with what was learnt in it.
    cell = load_trained(folders["lora"], registry=REGISTRY)
    assert not any(parametrize.is_parametrized(part) for part in cell.method.modules())
    path = tmp_path / "network.safetensors"
    assert export(cell, "weights", path) <= 1e-6
    images = torch.rand(1, 3, 33, 45)
    torch.testing.assert_close(load_weights(path, REGISTRY)(images), cell.activations(images))
    plain = load_trained(folders["supervised"], registry=REGISTRY).method.deployed
    assert cell.method.deployed.state_dict().keys() == plain.state_dict().keys()


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        ({"backbones": "dhdn"}, "network 'dhdn' has no part that is its encoder: there is nothing to keep"),
        ({"backbones": "unet-small"}, "the encoder of 'unet-small' starts from random weights"),
        (
            {"backbones": f"unet/{ENCODER}", "pretrained": False},
            "starts from random weights: there is nothing to keep",
        ),
    ],
)
def test_without_a_pretrained_encoder_they_are_skipped(request_: dict[str, Any], words: str) -> None:
    plan = planned(**request_)
    assert [cell.method for cell in plan.cells] == ["supervised"]
    assert [one.title for one in plan.skipped] == ["segmentation · frozen-encoder", "segmentation · lora"]
    assert all(words in one.reason for one in plan.skipped)


def test_where_a_recipe_freezes_every_encoder_they_are_skipped(weights: Path, command: Command) -> None:
    request: dict[str, Any] = {"backbones": f"fpn/{ENCODER}", "weights": str(weights)}
    frozen = "segmentation.encoder=frozen"
    plan = planned(settings=(frozen,), **request)
    assert [cell.method for cell in plan.cells] == ["supervised"]
    assert {one.title: one.reason for one in plan.skipped} == {
        f"segmentation · {name}": f"{frozen} keeps the encoder of every method as it is: {why}; leave it out, or set "
        "encoder=train"
        for name, why in (
            ("frozen-encoder", "this row would be supervised learning once more"),
            ("lora", "this row would change it all the same"),
        )
    }
    # Where the encoder learns, they have their place.
    assert not planned(settings=("segmentation.encoder=train",), **request).skipped
    options = ("--backbones", request["backbones"], "--weights", weights, "--set", frozen)
    said = command("plan", "--tasks", "segmentation", "--methods", "supervised,lora", *options)
    assert said.status == 0
    assert "segmentation · lora" in said.out + said.err
    assert "would change it all the same" in " ".join((said.out + said.err).split())


def test_the_baseline_that_others_are_compared_with_is_one(command: Command, tmp_path: Path) -> None:
    assert command("new", "method", "two", "--out", tmp_path).status == 0
    assert "--methods supervised,two" in (tmp_path / "ssl-bench-two/README.md").read_text()
