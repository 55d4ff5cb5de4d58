"""How a cell is computed: part of its identity only where it is not the plain form."""

import json
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import Said

from ssl_bench.dataset import GuardedDataset
from ssl_bench.machine import devices
from ssl_bench.plan.order import Order
from ssl_bench.plan.plan import Request, make_plan
from ssl_bench.recipe import PLAIN, Execution, execution_in_words
from ssl_bench.registry.loading import load_registry
from ssl_bench.store.record import Record
from ssl_bench.store.results import ResultStore, same
from ssl_bench.train.acceleration import accelerate
from ssl_bench.train.evaluate import WAITING, evaluate, groups_by_size
from ssl_bench.worker import build as cell_parts
from ssl_bench.worker import cell_run, worker

REGISTRY = load_registry()
Command = Callable[..., Said]


def order(**execution: Any) -> Order:
    request = {"precision": "fp32", "gpus_per_cell": execution.pop("processes", 1), **execution}
    return make_plan(REGISTRY, Request(tasks="night", methods="mt", control=False, **request)).orders[0]


def test_the_plain_form_leaves_no_trace() -> None:
    plain = order().cell
    assert plain.execution == PLAIN
    assert PLAIN.chosen() == {}
    assert "execution" not in plain.identity
    assert "execution" not in plain.coordinates()
    assert order().to_json()["execution"] == {}
    # A name from before there was a choice.
    names = ("task", "dataset", "data", "split", "backbone", "method", "seed", "tier", "recipe", "config")
    assert set(plain.identity) == {*names, "threads", "providers"}


def test_any_other_form_is_another_cell() -> None:
    choices: list[dict[str, Any]] = [
        {"precision": "bf16"},
        {"channels_last": True},
        {"compile": True},
        {"micro_batches": 2},
        {"processes": 2},
    ]
    orders = [order(), *(order(**choice) for choice in choices)]
    assert len({one.cell.id for one in orders}) == len(orders)
    for one, choice in zip(orders[1:], choices, strict=True):
        cell = one.cell
        assert cell.execution == Execution(**choice)
        assert (
            cell.identity["execution"]
            == cell.coordinates()["execution"]
            == one.to_json()["execution"]
            == choice
        )
        assert one == Order.from_json(json.loads(json.dumps(one.to_json())))
    assert order(precision="bf16", compile=False).cell.execution.chosen() == {"precision": "bf16"}
    assert execution_in_words(
        order(precision="bf16", channels_last=True, micro_batches=2).cell.execution.chosen()
    ) == ("channels last, 2 micro batches, bf16")


@pytest.mark.parametrize(
    ("driver", "visible", "named", "wanted", "got"),
    [
        (False, "0", "auto", "auto", "fp32"),
        (True, "0", "auto", "auto", "bf16"),
        (True, "", "auto", "auto", "fp32"),
        (True, "0", "cpu", "auto", "fp32"),
        (False, "0", "cuda:1", "auto", "bf16"),
        (True, "0", "cuda", "fp32", "fp32"),
        (False, "0", "cpu", "bf16", "bf16"),
    ],
)
def test_precision_by_itself(
    monkeypatch: pytest.MonkeyPatch, driver: bool, visible: str, named: str, wanted: Any, got: str
) -> None:
    monkeypatch.setattr(devices, "_may_have_gpu", lambda: driver)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert devices.precision_for(wanted, named) == got


def test_the_command_line_and_a_suite_say_so(command: Command, tmp_path: Path) -> None:
    suite = tmp_path / "suite.toml"
    suite.write_text(
        'tasks = "night"\nmethods = "mt"\ncontrol = false\nprecision = "bf16"\nchannels-last = true\n'
    )
    arguments = ("plan", "--tasks", "night", "--methods", "mt", "--no-control", "--devices", "cpu")
    said = [
        command("plan", suite),
        command(*arguments, "--precision", "bf16", "--channels-last"),
        command(*arguments),
        command(*arguments, "--compile"),
    ]
    first, second, plain, compiled = (re.findall(r"night-synthetic\S+", one.out)[0] for one in said)
    assert first == second
    assert plain == order().cell.id
    assert compiled == order(compile=True).cell.id
    assert command(*arguments, "--precision", "fp16").status == 2


# In a worker


def finished(execution: Execution, root: Path, *, stop_after: int = 99) -> Record:
    settings = ["matting.iterations=4", "matting.crop=32"]
    request = Request(
        tasks="matting",
        methods="mt",
        control=False,
        settings=settings,
        **execution.model_dump(exclude={"processes"}),
        backbones="unet-small",
    )
    (order,) = make_plan(REGISTRY, request).orders
    store = ResultStore(root)
    folder = store.stage(order).path
    signals = Countdown(stop_after)
    try:
        worker.run_cell(folder, torch.device("cpu"), REGISTRY, signals)
    except worker.Interrupted:
        worker.run_cell(folder, torch.device("cpu"), REGISTRY)
    record = store.finished(order.cell)
    assert record is not None
    return record


class Countdown(list):
    """Signals that arrive at the end of a step."""

    def __init__(self, steps: int) -> None:
        super().__init__()
        self.left = steps

    def __bool__(self) -> bool:
        self.left -= 1
        return self.left < 0


def test_an_accelerated_cell_resumes_to_the_same_record(tmp_path: Path) -> None:
    execution = Execution(precision="bf16", channels_last=True)
    straight = finished(execution, tmp_path / "straight")
    broken = finished(execution, tmp_path / "broken", stop_after=2)
    assert len(broken.provenance.resumed_at) == 1
    assert same(straight, broken)
    assert straight.cell.execution == {"precision": "bf16", "channels_last": True}
    assert "compiled" not in straight.provenance.to_json()
    assert straight.cost.seconds_per_step > 0
    plain = finished(PLAIN, tmp_path / "plain")
    assert "execution" not in plain.cell.to_json()
    assert plain.metrics != straight.metrics
    assert plain.metrics["psnr"] == pytest.approx(straight.metrics["psnr"], abs=0.2)


def test_a_record_says_what_was_not_compiled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(graph: Any, inputs: Any) -> Any:
        raise RuntimeError("no compiler")

    monkeypatch.setattr(cell_run, "accelerate", partial(accelerate, backend=broken))
    record = finished(Execution(compile=True), tmp_path)
    failure = "RuntimeError: no compiler"
    assert record.provenance.compiled == {"student": failure, "teacher": failure}


def test_images_of_one_size_wait_for_each_other() -> None:
    shapes = {"a": (4, 4), "b": (4, 6), "c": (4, 4), "d": (4, 4), "e": (4, 6), "f": (9, 9)}
    images = {name: np.zeros((*shape, 3), np.uint8) for name, shape in shapes.items()}

    def groups(pixels: int) -> list[str]:
        return [
            "".join(name for name, _ in group) for group in groups_by_size(images.get, list(shapes), pixels)
        ]

    assert groups(0) == list("abcdef")
    # Two of 16 px, or one of 24: the second would be one too many.
    assert groups(47) == ["b", "ac", "e", "f", "d"]
    assert groups(10**9) == ["acd", "be", "f"]
    many = {str(number): np.zeros((1 + number, 1, 3), np.uint8) for number in range(WAITING + 3)}
    held = [len(group) for group in groups_by_size(many.get, list(many), 10**9)]
    assert held == [1] * len(many)


@pytest.mark.parametrize("task", ["segmentation", "matting"])
def test_images_evaluated_together_score_as_alone(monkeypatch: pytest.MonkeyPatch, task: str) -> None:
    (order,) = make_plan(REGISTRY, Request(tasks=task, methods="supervised", backbones="unet-small")).orders
    dataset = cell_parts.open_cell_data(order, REGISTRY)
    cell = order.cell
    method = cell_parts.build_method(cell, REGISTRY, dataset.classes).eval()
    data, names = GuardedDataset(dataset, cell.split.labeled), list(dataset.test[:5])
    calls: list[int] = []

    def predict(images: torch.Tensor) -> torch.Tensor:
        calls.append(len(images))
        assert not torch.backends.cudnn.allow_tf32  # On a GPU, in whole float32, however it was trained.
        return method.predict(images)

    before = torch.backends.cudnn.allow_tf32
    alone = evaluate(predict, method.task, data, names, torch.device("cpu"))
    monkeypatch.setattr(
        "ssl_bench.train.evaluate.groups_by_size",
        lambda image, names, pixels: groups_by_size(image, names, 10**9),
    )
    together = evaluate(predict, method.task, data, names, torch.device("cpu"))
    assert calls == [1] * 5 + [5]
    assert torch.backends.cudnn.allow_tf32 == before
    assert alone.per_image.keys() == together.per_image.keys()
    for name, values in alone.per_image.items():
        if isinstance(values[0], float):
            assert together.per_image[name] == pytest.approx(values, rel=1e-4)
    assert {name: score for name, score in together.scores.items() if score is not None} == pytest.approx(
        {name: score for name, score in alone.scores.items() if score is not None}, rel=1e-3
    )
