"""Pretrained weights: part of a cell's identity, had before any compute or an error in one line, and truly loaded."""

import json
import pickle
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
import timm
import torch
from conftest import Said
from huggingface_hub.errors import LocalEntryNotFoundError
from safetensors.torch import save_file

from ssl_bench.errors import CellError, UsageError
from ssl_bench.plan.cell import Cell
from ssl_bench.plan.order import Order
from ssl_bench.plan.plan import Request, make_plan
from ssl_bench.plan.weights import Weights, check_weights, file_identity
from ssl_bench.registry.loading import load_registry
from ssl_bench.specs import resolve
from ssl_bench.store.results import ResultStore
from ssl_bench.worker.build import build_method
from ssl_bench.worker.worker import run_cell

REGISTRY = load_registry()
TINY = "mobilenetv3_small_050"
Command = Callable[..., Said]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of whole classifiers, as timm writes them."""
    folder = tmp_path_factory.mktemp("weights")
    torch.manual_seed(7)
    for name in (TINY, "resnet18", "vit_tiny_patch16_224"):
        settings = {"depth": 2} if name.startswith("vit") else {}
        torch.save(timm.create_model(name, **settings).state_dict(), folder / f"{name}.pth")
    save_file(torch.load(folder / f"{TINY}.pth", weights_only=True), folder / f"{TINY}.safetensors")
    return folder


def orders(backbone: str, methods: str = "supervised", **request: Any) -> tuple[Order, ...]:
    settings = ["segmentation.iterations=1", "segmentation.crop=32"]
    arguments = {"tasks": "segmentation", "methods": methods, "backbones": backbone, "settings": settings}
    return make_plan(REGISTRY, Request(**{"control": False, **arguments, **request})).orders


def cells(backbone: str, methods: str = "supervised", **request: Any) -> tuple[Cell, ...]:
    return tuple(order.cell for order in orders(backbone, methods, **request))


def build(name: str, channels: int = 3) -> Any:
    return resolve(REGISTRY.backbone(name).backbone)(name, channels, 2)


def load(name: str, file: Path, channels: int = 3) -> Any:
    network = build(name, channels)
    Weights("sha256:", str(file)).load(REGISTRY.backbone(name), network, name)
    return network


# What a cell is


def test_networks_start_from_published_weights_where_they_take_any() -> None:
    def starts(**request: Any) -> dict[str, str]:
        plan = make_plan(REGISTRY, Request(methods="supervised", **request))
        return {cell.backbone: cell.pretrained for cell in plan.cells}

    paper = {"deeplabv2": "published", "dhdn": "", "unet/resnet50": "published", "hdrnet": ""}
    assert starts(tier="paper") == starts(tier="paper", pretrained=True) == paper
    assert set(starts(tier="paper", pretrained=False).values()) == {""}
    assert starts(tier="lite", backbones="unet-small") == {"unet-small": ""}
    assert starts(tier="smoke", backbones=f"unet/{TINY}") == {f"unet/{TINY}": "published"}


def test_the_choice_is_part_of_the_identity(folder: Path, tmp_path: Path) -> None:
    file = folder / f"{TINY}.pth"
    copied = tmp_path / "renamed.pth"
    copied.write_bytes(file.read_bytes())
    (scratch,), (published,) = cells(f"unet/{TINY}", pretrained=False), cells(f"unet/{TINY}")
    (ordered,), (again,) = (orders(f"unet/{TINY}", weights=str(path)) for path in (file, copied))
    local = ordered.cell
    (other,) = cells(f"unet/{TINY}", weights=str(folder / "resnet18.pth"))
    assert local.id == again.cell.id
    assert len({scratch.id, published.id, local.id, other.id}) == 4
    assert local.pretrained == file_identity(file)
    assert local.coordinates()["pretrained"] == local.pretrained
    assert ordered == Order.from_json(json.loads(json.dumps(ordered.to_json())))
    assert "pretrained" not in scratch.identity
    # Another network of the command takes them, this one does not.
    assert [cell.pretrained for cell in cells(f"unet/{TINY},unet-small", pretrained=True)] == [
        "published",
        "",
    ]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--pretrained"], "no network here takes any (unet-small)"),
        (["--weights", "there-is-none.pth"], "--weights there-is-none.pth: cannot be read (No such file"),
        (["--weights", "."], "--weights .: cannot be read (Is a directory)"),
        (["--weights", "x", "--no-pretrained"], "contradict"),
    ],
)
def test_what_cannot_be_meant(command: Command, arguments: list[str], words: str) -> None:
    said = command("plan", "--tasks", "night", *arguments)
    assert said.status == 2
    assert said.err.count("\n") == 1
    assert words in said.err


def test_a_suite_may_say_so(command: Command, tmp_path: Path) -> None:
    suite = tmp_path / "suite.toml"
    suite.write_text(
        f'tasks = "night"\nmethods = "supervised"\nbackbones = "unet/{TINY}"\npretrained = true\n'
    )
    said = [command("plan", suite, *more).out for more in ([], ["--no-pretrained"], ["--pretrained"])]
    first, second, third = (re.findall(r"night-synthetic\S+", out) for out in said)
    assert len(first) == 1
    assert first == third != second


# Loading


@pytest.mark.parametrize(
    ("name", "file", "ours", "theirs"),
    [
        ("unet/resnet18", "resnet18.pth", "layer3.1.conv2.weight", "layer3.1.conv2.weight"),
        ("deeplabv2/resnet18", "resnet18.pth", "layer4.1.conv2.weight", "layer4.1.conv2.weight"),
        ("pspnet/tu-resnet18", "resnet18.pth", "model.layer2.0.conv1.weight", "layer2.0.conv1.weight"),
        (
            f"fpn/{TINY}",
            f"{TINY}.safetensors",
            "model.blocks.2.0.conv_dw.weight",
            "blocks.2.0.conv_dw.weight",
        ),
        (f"deeplabv2/{TINY}", f"{TINY}.pth", "model.blocks.5.0.conv.weight", "blocks.5.0.conv.weight"),
    ],
)
def test_the_encoder_holds_the_file(folder: Path, name: str, file: str, ours: str, theirs: str) -> None:
    torch.manual_seed(1)
    network = load(name, folder / file)
    stored = torch.load(folder / f"{file.partition('.')[0]}.pth", weights_only=True)
    assert torch.equal(network.encoder.state_dict()[ours], stored[theirs])
    torch.manual_seed(1)
    fresh = build(name)
    own = {id(parameter) for parameter in network.encoder.parameters()}
    for (key, loaded), start in zip(network.named_parameters(), fresh.parameters(), strict=True):
        assert id(loaded) in own or torch.equal(loaded, start), key
    network.eval()(torch.zeros(1, 3, 32, 64))


@pytest.mark.parametrize("name", ["unet/resnet18", "unet/tu-resnet18"])
def test_more_channels_share_the_first_layer(folder: Path, name: str) -> None:
    first = next(iter(load(name, folder / "resnet18.pth", 6).encoder.parameters()))
    stored = torch.load(folder / "resnet18.pth", weights_only=True)["conv1.weight"]
    assert torch.allclose(first, stored.repeat(1, 2, 1, 1) / 2)


@pytest.mark.parametrize(
    ("name", "file", "words"),
    [
        ("unet/resnet34", "resnet18.pth", "no weights for encoder 'resnet34' (Missing key"),
        ("unet/tu-resnet34", "resnet18.pth", "(it does not hold model.layer1.2.conv1.weight)"),
        (f"unet/{TINY}", "resnet18.pth", "(size mismatch for bn1.weight"),
        ("unet/resnet18", f"{TINY}.safetensors", "(Missing key"),
    ],
)
def test_weights_of_another_network(folder: Path, name: str, file: str, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        load(name, folder / file)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert file in str(caught.value)


class Intruder:
    """What a pickle may carry."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("suffix", ["pth", "pickle", "safetensors", "cut.pth", "text.pth"])
def test_a_file_that_is_no_weights_runs_no_code(folder: Path, tmp_path: Path, suffix: str) -> None:
    file, witness = tmp_path / f"x.{suffix}", tmp_path / "intruded"
    if suffix == "pth":
        torch.save({"state_dict": {"conv1.weight": Intruder(witness)}}, file)
    elif suffix == "pickle":
        file.write_bytes(pickle.dumps(Intruder(witness), protocol=2))
    else:
        file.write_bytes((folder / "resnet18.pth").read_bytes()[:5000] if suffix == "cut.pth" else b"weights")
    for name in ("unet/resnet18", "unet/tu-resnet18"):
        with pytest.raises(UsageError, match="it cannot be read"):
            load(name, file)
    assert not witness.exists()


def test_every_method_starts_from_the_same_weights(folder: Path) -> None:
    file = folder / f"{TINY}.pth"
    planned = orders(f"pspnet/{TINY}", "supervised,mt,gct", weights=str(file))
    methods = [
        build_method(order.cell, REGISTRY, ("a", "b"), Weights(order.cell.pretrained, order.weights))
        for order in planned
    ]
    first, *others = [method.deployed.state_dict() for method in methods]
    for other in others:
        assert all(torch.equal(first[key], other[key]) for key in first)
    stored = torch.load(file, weights_only=True)["conv_stem.weight"]
    second = dict(methods[-1].named_modules())["second"].state_dict()
    stem = next(key for key in first if key.endswith("conv_stem.weight"))
    assert torch.equal(first[stem], stored)
    assert torch.equal(second[stem], stored)
    assert any(not torch.equal(first[key], second[key]) for key in first)  # their decoders


# A run


def test_a_cell_runs_from_a_file(folder: Path, tmp_path: Path, command: Command) -> None:
    file = tmp_path / "w.pth"
    file.write_bytes((folder / f"{TINY}.pth").read_bytes())
    (order,) = orders(f"pspnet/{TINY}", weights=str(file))
    other = replace(order, cell=replace(order.cell, seed=1))
    asked: list[str] = []
    check_weights(REGISTRY, [order, other], asked.append)
    assert asked == [f"pspnet/{TINY}"]
    store = ResultStore(tmp_path / "runs")
    run_cell(store.stage(order).path, torch.device("cpu"), REGISTRY)
    record = store.finished(order.cell)
    assert record is not None
    assert record.cell.pretrained == order.cell.pretrained
    file.write_bytes((folder / "resnet18.pth").read_bytes())
    with pytest.raises(CellError, match="the weights have changed since the run was planned"):
        run_cell(store.stage(other).path, torch.device("cpu"), REGISTRY)
    file.unlink()
    with pytest.raises(CellError, match=r"w\.pth: the weights cannot be read"):
        run_cell(store.stage(other).path, torch.device("cpu"), REGISTRY)
    # A finished cell has weights of its own.
    said = command(
        "show", order.cell.id, "--runs", tmp_path / "runs", "--out", tmp_path / "x.png", "--count", 1
    )
    assert (said.status, said.err) == (0, "")


@pytest.mark.parametrize(
    ("backbone", "words"),
    [
        (
            "deeplabv2/resnet18",
            "encoder 'resnet18' cannot be had from http://127.0.0.1:9/smp-hub/resnet18.imagenet (",
        ),
        (f"unet/{TINY}", f"encoder 'tu-{TINY}' cannot be had from http://127.0.0.1:9/timm/{TINY}."),
    ],
)
def test_without_a_network(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, backbone: str, words: str
) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", absent)
    arguments = ("run", "--tasks", "night", "--backbones", backbone, "--out", tmp_path / "out")
    said = command(*arguments, "--pretrained")
    assert said.status == 2
    assert said.err.count("\n") == 1
    assert words in said.err
    assert "--no-pretrained" in said.err
    assert "--weights FILE" in said.err
    assert not list((tmp_path / "out" / "cells").iterdir())


def absent(*arguments: Any, local_files_only: bool = False, **more: Any) -> str:
    assert local_files_only, "nothing is fetched from a hub that does not answer"
    raise LocalEntryNotFoundError("not in the cache")


@pytest.mark.parametrize(
    ("name", "file", "repository", "revision"),
    [
        ("deeplabv2/resnet18", "resnet18.pth", "smp-hub/resnet18.imagenet", True),
        (f"unet/tu-{TINY}.lamb_in1k", f"{TINY}.pth", f"timm/{TINY}.lamb_in1k", False),
    ],
)
def test_published_weights_come_from_the_hub_s_cache(
    folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, file: str, repository: str, revision: bool
) -> None:
    asked = []

    def cached(repository: str, name: str, *, revision: str | None, local_files_only: bool) -> str:
        asked.append((repository, name, revision is not None, local_files_only))
        return str(folder / file)

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", cached)
    network = build(name)
    Weights("published").load(REGISTRY.backbone(name), network, name)
    assert asked == [(repository, "model.safetensors", revision, True)]
    stored = torch.load(folder / file, weights_only=True)
    assert torch.equal(next(iter(network.encoder.parameters())), next(iter(stored.values())))


def test_encoders_without_published_weights() -> None:
    for name, words in {
        "unet/tu-resnet18.bogus": "Name one of resnet18.a1_in1k, ",
        "fpn/gcvit_xxtiny": "not on the hub but at https://github.com/",
        "unet/tu-resnet18d_": "unknown encoder",
    }.items():
        with pytest.raises(UsageError, match=words):
            resolve(REGISTRY.backbone(name).find_weights)(name)
