"""How a cell is computed: part of its identity only where it is not the plain form."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import Said

from ssl_bench import devices
from ssl_bench.cell import Cell, execution_of
from ssl_bench.execution import PLAIN, Execution, in_words
from ssl_bench.plan import Request, make_plan
from ssl_bench.registry import load_registry

REGISTRY = load_registry()
Command = Callable[..., Said]


def cell(**execution: Any) -> Cell:
    request = Request(tasks="night", methods="mt", execution=Execution(**execution))
    return make_plan(REGISTRY, request).cells[0]


def test_the_plain_form_leaves_no_trace() -> None:
    plain = cell()
    assert PLAIN.chosen() == plain.execution == {}
    assert "execution" not in plain.identity
    assert "execution" not in plain.coordinates()
    assert execution_of(plain) == PLAIN
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
    cells = [cell(), *(cell(**choice) for choice in choices)]
    assert len({one.id for one in cells}) == len(cells)
    for one, choice in zip(cells[1:], choices, strict=True):
        assert one.execution == one.identity["execution"] == one.coordinates()["execution"] == choice
        assert one == Cell.from_json(json.loads(json.dumps(one.to_json())))
    assert cell(precision="bf16", compile=False).execution == {"precision": "bf16"}
    assert in_words(cell(precision="bf16", channels_last=True, micro_batches=2).execution) == (
        "channels last, 2 micro batches, bf16"
    )


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
    suite.write_text('tasks = "night"\nmethods = "mt"\nprecision = "bf16"\nchannels-last = true\n')
    arguments = ("plan", "--tasks", "night", "--methods", "mt", "--devices", "cpu")
    said = [
        command("plan", suite),
        command(*arguments, "--precision", "bf16", "--channels-last"),
        command(*arguments),
        command(*arguments, "--compile"),
    ]
    first, second, plain, compiled = (re.findall(r"night-synthetic\S+", one.out)[0] for one in said)
    assert first == second
    assert plain == cell().id
    assert compiled == cell(compile=True).id
    assert command(*arguments, "--precision", "fp16").status == 2
