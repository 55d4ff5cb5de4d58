"""What a plan will take: schedules, prices, and how far off they were."""

import contextlib
import itertools
import json
import re
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import Said
from hypothesis import given
from hypothesis import strategies as st
from inline import InlineExecutor
from trees import save

from ssl_bench.cli.estimate import estimate
from ssl_bench.errors import CellError
from ssl_bench.forecast.prices import (
    Price,
    keep_errors,
    keep_prices,
    kept_makespan,
    kept_prices,
    kind_of,
    makespan,
    price_of,
)
from ssl_bench.machine import devices
from ssl_bench.machine.files import write_json
from ssl_bench.plan.cell import Cell
from ssl_bench.plan.order import Order
from ssl_bench.plan.plan import Plan, Request, make_plan
from ssl_bench.recipe import PLAIN
from ssl_bench.registry.loading import load_registry
from ssl_bench.run.start import start_of
from ssl_bench.run.timing import Timed
from ssl_bench.store.heartbeat import Heartbeat
from ssl_bench.store.record import Cost, Estimate
from ssl_bench.store.results import ResultStore, read_records
from ssl_bench.worker.cell_run import CellRun
from ssl_bench.worker.stopwatch import Stopwatch

REGISTRY, CPU = load_registry(), torch.device("cpu")


@pytest.fixture
def arguments(tmp_path: Path) -> dict[str, Any]:
    for number in range(10):
        save(tmp_path / f"night/input/{number}.png", 12 * number)
        save(tmp_path / f"night/target/{number}.png", 255 - 12 * number)
    settings = ["night.iterations=6", "night.crop=8", "night.evaluations=3"]
    return {
        "tasks": "night",
        "data": [f"night={tmp_path / 'night'}"],
        "labels": ("1/2",),
        "settings": settings,
    }


def orders(arguments: dict[str, Any], **request: Any) -> tuple[Order, ...]:
    return make_plan(REGISTRY, Request(**{"control": False, **arguments, **request})).orders


def cells(arguments: dict[str, Any], **request: Any) -> tuple[Cell, ...]:
    return tuple(order.cell for order in orders(arguments, **request))


def test_a_schedule_by_hand() -> None:
    # 7 | 5 1 1: the longest alone, the others behind one another.
    assert makespan([1, 5, 1, 7], 2) == 7
    assert makespan([1, 5, 1, 7], 1) == 14
    assert makespan([3, 3, 2, 2, 2], 2) == 7  # Longest first is no optimum: 3 3 | 2 2 2 would end at 6.
    assert makespan([1, 2], 5) == 2


@given(st.lists(st.floats(0.1, 50), min_size=1, max_size=6), st.integers(1, 3))
def test_a_schedule_is_near_the_best_one(seconds: list[float], slots: int) -> None:
    best = min(
        max(
            sum(s for s, place in zip(seconds, places, strict=True) if place == slot) for slot in range(slots)
        )
        for places in itertools.product(range(slots), repeat=len(seconds))
    )
    # Graham's bound.
    assert best - 1e-6 <= makespan(seconds, slots) <= best * (4 / 3 - 1 / (3 * slots)) + 1e-6


def test_cells_of_one_price(arguments: dict[str, Any]) -> None:
    first, second = cells(arguments, methods="mt", seeds=(0, 1))
    assert kind_of(first) == kind_of(second)
    others = [
        *cells(arguments, methods="mt", seeds=(5,), labels=("3",)),
        *cells(arguments, methods="supervised,full"),
        *cells(arguments, methods="mt", threads=2),
        *cells(arguments, methods="mt", held_out="1/2"),
        *cells(arguments, methods="mt", settings=["mt.noise=none"]),
    ]
    assert kind_of(others[0]) == kind_of(first)
    assert len({kind_of(cell) for cell in others}) == len(others)


def test_prices_are_kept_and_compared(tmp_path: Path, arguments: dict[str, Any]) -> None:
    store = ResultStore(tmp_path / "out")
    store.prepare()
    ordered = orders(arguments, methods="supervised,mt", seeds=(0, 1))
    planned = [order.cell for order in ordered]
    assert keep_errors(store, planned) is None
    prices = dict(zip((cell.id for cell in planned), map(Price, (10.0, 20.0, 30.0, None)), strict=True))
    keep_prices(store, dict(list(prices.items())[:1]), "A", 2)
    keep_prices(store, dict(list(prices.items())[1:]), "B", 2)
    assert kept_prices(store) == prices
    for order, took in zip(ordered, (11.0, 15.0, None, 5.0), strict=True):
        if took is not None:
            cost = {"seconds": took, "gpu_energy_joules": 7}
            record = {"schema": 1, "cell": {"id": order.cell.id}, "metrics": {}, "cost": cost}
            write_json(store.stage(order).path / "result.json", record)
    error = keep_errors(store, planned)
    assert error is not None
    assert kept_makespan(store, planned[:3]) == (30.0, 2)
    assert kept_makespan(store, planned) is None
    assert (error.cells, error.predicted, error.measured) == (2, 30.0, 26.0)
    assert (error.total, error.median, error.worst) == pytest.approx((-4 / 30, (0.1 + 0.25) / 2, -0.25))
    keep_prices(store, {}, "", 2, without=[planned[3].id, "of another plan"])
    assert kept_prices(store) == {name: price for name, price in prices.items() if name != planned[3].id}
    keep_prices(store, {planned[3].id: prices[planned[3].id]}, "B", 2)
    content = json.loads((store.root / "forecast.json").read_text())["cells"][planned[0].id]
    assert content["device"] == "A"
    assert content["measured"]["seconds"] == 11.0
    assert content["measured"]["joules"] == 7.0
    assert kept_prices(store) == prices
    # A forecast is no record, and one that is not whole is none at all.
    assert len(list(read_records(store.root))) == 3
    (store.root / "forecast.json").write_text('{"cells": {"x"')
    assert kept_prices(store) == {}
    (store.root / "forecast.json").write_text('{"cells": {"x": 1, "y": {"predicted": {"seconds": "z"}}}}')
    assert kept_prices(store) == {"y": Price()}


@pytest.mark.parametrize(
    ("method", "images", "rows", "beside"), [("supervised", 4, 2, 0), ("mt", 8, 4, 1), ("gct", 8, 4, 2)]
)
def test_the_price_of_a_cell(
    tmp_path: Path, arguments: dict[str, Any], method: str, images: int, rows: int, beside: int
) -> None:
    (order,) = orders(arguments, methods=method)
    assert len(order.cell.split.labeled) == 4
    with contextlib.closing(CellRun(order, tmp_path, CPU, REGISTRY, (), Heartbeat(tmp_path))) as run:
        watch = Stopwatch(run, time.perf_counter() - 1000)
        assert watch.rows == rows
        parts = (watch.step(), watch.image(), watch.first_read())
        assert all(0 <= part < 60 for part in parts)
        assert min(parts[:2]) > 0
        watch.step, watch.image, watch.first_read = lambda: 20.0, lambda: 300.0, lambda: 5.0  # type: ignore[method-assign]
        before = time.perf_counter() - watch.started
        price = price_of(watch.extrapolate().cost)
    assert price.seconds is not None
    assert price.gpu_bytes is price.joules is None
    assert price.resident_bytes is not None
    assert price.resident_bytes > 50e6
    # The first step and what comes before it; five more; what is read for the first time; three evaluations, and
    # one for each network beside and for the pixels that the method doubts, of two images.
    rest = 5 * 20 + images * 5 + (3 + beside) * 2 * 300
    assert before <= price.seconds - rest <= before + 60


@pytest.mark.slow
def test_an_estimate_and_its_error(
    tmp_path: Path, arguments: dict[str, Any], command: Callable[..., Said]
) -> None:
    settings = [word for setting in arguments["settings"] for word in ("--set", setting)]
    options = [
        *("--tasks", "night", "--methods", "supervised", "--seeds", "0,1", "--labels", "1/2"),
        *(
            "--data",
            *arguments["data"],
            *settings,
            "--devices",
            "cpu",
            "--jobs",
            "2",
            "--out",
            tmp_path / "out",
        ),
    ]
    said = command("plan", "--estimate", *options)
    assert said.status == 0, said.err
    assert "night · supervised · unet-small  2 of 2" in said.out
    assert "2 cells left:" in said.out
    assert "with 2 at a time, energy -" in said.out
    store = ResultStore(tmp_path / "out")
    prices = list(kept_prices(store).values())
    assert len(prices) == 2
    assert prices[0] == prices[1]
    assert (prices[0].seconds or 0) > 0
    assert not list(store.cells.iterdir())

    said = command("run", *options)
    assert said.status == 0, said.err
    assert "estimates of 2 finished cells:" in said.out
    assert "from start to end:" in said.out
    said = command("plan", "--estimate", *options)
    assert "estimates of 2 finished cells:" in said.out
    assert "timing" not in said.out
    assert "night · supervised · unet-small  0 of 2" in said.out


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ("fpu avx512_bf16 amx_bf16", "(AMX), 2 cells would take 8.0 s, not 20.0 s"),
        ("fpu avx512_bf16", "(AVX-512), 2 cells would take 8.0 s, not 20.0 s"),
        ("fpu avx2", None),
        (None, None),
    ],
)
def test_what_bf16_would_save_on_a_cpu_that_has_it(
    tmp_path: Path,
    arguments: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    flags: str | None,
    words: str | None,
) -> None:
    def time_cells(registry: Any, plan: Plan, *others: Any, **chosen: Any) -> Timed:
        seconds = {"fp32": 10.0, "bf16": 4.0}
        costs = {cell.id: Cost(seconds=seconds[cell.execution.precision]) for cell in plan.cells}
        return Timed({name: Estimate(cost=cost, device="a CPU") for name, cost in costs.items()}, at_once=1)

    information = tmp_path / "cpuinfo"
    if flags is not None:
        information.write_text(f"processor : 0\nmodel name : amx_bf16\nflags\t\t: {flags}\n")
    monkeypatch.setattr(devices, "CPU_INFORMATION", information)
    monkeypatch.setattr("ssl_bench.cli.estimate.time_cells", time_cells)
    monkeypatch.setattr("ssl_bench.cli.estimate.processor_name", lambda: "a CPU")
    plan = make_plan(REGISTRY, Request(**arguments, control=False, methods="supervised", seeds=(0, 1)))
    store = ResultStore(tmp_path / "out")
    store.prepare()
    start = start_of(REGISTRY.executor("local"), {})
    estimate(REGISTRY, plan, store, start, devices="cpu", jobs=1)
    said = capsys.readouterr().out
    assert (f"in bf16, for which this CPU has instructions {words}" in said) if words else "bf16" not in said
    # What is kept, and what a cell is, are the plain form's.
    assert {price.seconds for price in kept_prices(store).values()} == {10.0}
    assert all(cell.execution == PLAIN for cell in plan.cells)


def test_a_cell_that_cannot_be_timed_says_why(
    tmp_path: Path, arguments: dict[str, Any], command: Callable[..., Said], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ssl_bench_plugins.executors.local.LocalExecutor", InlineExecutor)
    settings = [word for setting in arguments["settings"] for word in ("--set", setting)]
    options = [
        *("plan", "--estimate", "--tasks", "night", "--methods", "supervised", "--labels", "1/2"),
        *("--data", *arguments["data"], *settings, "--devices", "cpu", "--out", tmp_path / "out"),
    ]
    said = command(*options)
    assert said.status == 0, said.err
    assert "1 cell left:" in said.out
    (price,) = kept_prices(ResultStore(tmp_path / "out")).values()
    assert (price.seconds or 0) > 0
    # An estimate leaves no cell behind, nor the folder that it was made in.
    assert [path.name for path in (tmp_path / "out").iterdir() if any(path.glob("*"))] == []

    def fails(self: Stopwatch) -> None:
        raise CellError("too steep")

    monkeypatch.setattr(Stopwatch, "extrapolate", fails)
    said = command(*options[:-1], tmp_path / "other")
    assert said.status == 0
    assert "no estimate for night · supervised · 1/2 labels · seed 0: too steep" in said.err
    assert "timed on -" in said.out
    assert kept_prices(ResultStore(tmp_path / "other")) == {}
    said = command(*options, "--gpus-per-cell", 2)
    assert (said.status, len(said.err.strip().splitlines())) == (2, 1)
    assert "cells in several processes cannot be timed" in said.err


def test_what_cannot_be_timed_here_has_no_price_of_elsewhere(
    tmp_path: Path,
    arguments: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    plan = make_plan(REGISTRY, Request(**arguments, control=False, methods="supervised,mt", seeds=(0, 1)))
    here = {cell.id for cell in plan.cells if cell.method == "supervised"}

    def time_cells(registry: Any, plan: Plan, *others: Any, **chosen: Any) -> Timed:
        (timed,), (fails,) = ({c.id for c in plan.cells} & here, {c.id for c in plan.cells} - here)
        return Timed({timed: Estimate(cost=Cost(seconds=600.0), device="a CPU")}, {fails: "too much memory"})

    monkeypatch.setattr("ssl_bench.cli.estimate.time_cells", time_cells)
    store = ResultStore(tmp_path / "out")
    store.prepare()
    prices = {name: Price(seconds=10.0) for name in (*(cell.id for cell in plan.cells), "of another plan")}
    keep_prices(store, prices, "a GPU", 8)
    estimate(REGISTRY, plan, store, start_of(REGISTRY.executor("local"), {}), devices="cpu", jobs=1)
    said = capsys.readouterr().out
    rows = dict(re.findall(r"^night · (\w+) · unet-small +2 of 2 +(.+?)  ", said, re.MULTILINE))
    assert rows == {"supervised": "10.0 min", "mt": "-"}
    assert "4 cells left (2 of them without estimate, and not counted): 20.0 min in all" in said
    assert {*kept_prices(store)} == {*here, "of another plan"}


def test_an_order_to_time_a_cell_is_stated_and_no_other(arguments: dict[str, Any]) -> None:
    (order,) = orders(arguments, methods="supervised")
    assert order.to_json()["timed"] is False
    timed = replace(order, timed=True)
    assert Order.from_json(timed.to_json()) == timed
    assert timed.cell.id == order.cell.id
