"""What the engine adds to the work of cells: makespan, overhead, finished plans, many records.

Real cells of uneven length, through `ssl-bench run` in this process, its executor and its workers; what each cost is
read off its record. To be run on a machine that does nothing else.
"""

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any
from unittest import mock

from benchmarks.measure import table
from ssl_bench.cli.commands import cli
from ssl_bench.leaderboard import render
from ssl_bench.machine.files import write_json
from ssl_bench.plan.plan import Plan, Request, make_plan
from ssl_bench.registry.loading import load_registry
from ssl_bench.run import loop
from ssl_bench.store.folder import CellFolder
from ssl_bench.store.outcomes import Outcome
from ssl_bench.store.record import Record
from ssl_bench.store.results import ResultStore, read_records
from ssl_bench_plugins.executors.local import LocalExecutor

TITLE = "Scheduling"
HOW = "Wall time unless it says otherwise; a cell has one thread."
SLOTS = 2
STEPS = {"segmentation": 80, "denoising": 150, "matting": 300, "night": 600}
"""Uneven lengths: tasks differ in steps, methods in what a step costs."""
SEEDS = 5
GIVEN = {"methods": "supervised,mt", "labels": "1/8,1/4,1/16", "seeds": "0-41"}
MANY = Request(**GIVEN, control=False)
RECORDS = Path(__file__).parent.parent / "leaderboards" / "records"


def run(steps: dict[str, int] | None = None, seeds: int = SEEDS) -> str:
    """The tables."""
    return f"{_cells(steps or STEPS, seeds)}\n{_finished_plan()}\n{_many_records()}"


def _cells(steps: dict[str, int], seeds: int) -> str:
    with tempfile.TemporaryDirectory() as out:
        settings = [part for task, n in steps.items() for part in ("--set", f"{task}.iterations={n}")]
        arguments = [
            *("run", "--tasks", ",".join(steps), "--methods", "supervised,mt", "--devices", "cpu"),
            *("--jobs", str(SLOTS), "--seeds", ",".join(map(str, range(seeds))), "--out", out, *settings),
        ]
        with _watched() as (outcomes, ends), Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere):
            cli.main(arguments, standalone_mode=False)
        costs = {record.cell.id: record.cost for record in read_records(Path(out) / "cells")}
    if unfinished := [outcome for outcome in outcomes if outcome.status != "finished"]:
        raise SystemExit(f"{len(unfinished)} cells did not finish: {unfinished[0]}")
    work = {
        cell: (cost.seconds or 0.0) - (cost.seconds_before_first_step or 0.0) for cell, cost in costs.items()
    }
    overheads = [outcome.seconds - work[outcome.cell] for outcome in outcomes]
    makespan = ends[-1] - ends[0]
    ideal = max(sum(work.values()) / SLOTS, *work.values())
    rows = [
        ["makespan, s", f"{makespan:.1f}"],
        ["ideal (work over slots, or the longest cell), s", f"{ideal:.1f}"],
        ["makespan over ideal (goal: at most 1.1)", f"{makespan / ideal:.3f}"],
        ["shortest and longest cell, s of work", f"{min(work.values()):.1f} and {max(work.values()):.1f}"],
        ["overhead per cell, median, s (goal: below 2)", f"{statistics.median(overheads):.2f}"],
        ["overhead per cell, most, s", f"{max(overheads):.2f}"],
    ]
    head = [f"{len(work)} cells on {SLOTS} CPU slots", ""]
    return (
        f"{table(head, rows)}\nWork is what a cell takes from its first step to the end of its evaluation; overhead is "
        "the rest of its process's life,\nthe parent's notice of its end included. The makespan includes the start of "
        "the server that cells are forked from.\n"
    )


@contextmanager
def _watched() -> Iterator[tuple[list[Outcome], list[float]]]:
    """Outcomes of the cells, and when the local executor was opened and all of them had ended."""
    outcomes: list[Outcome] = []
    times: list[float] = []
    original_open, original_run = LocalExecutor.open, loop.run_cells

    def open_(self: LocalExecutor) -> None:
        times.append(time.perf_counter())
        original_open(self)

    def run_cells(*arguments: Any) -> list[Outcome]:
        outcomes.extend(original_run(*arguments))
        times.append(time.perf_counter())
        return outcomes

    with mock.patch.object(LocalExecutor, "open", open_), mock.patch.object(loop, "run_cells", run_cells):
        yield outcomes, times


def _finished_plan() -> str:
    """`ssl-bench run` on a plan whose cells have all finished, in a process of its own."""
    plan = make_plan(load_registry(), MANY)
    with tempfile.TemporaryDirectory() as out:
        store = ResultStore(Path(out))
        for record in committed_records(plan):
            folder = CellFolder(store.cells / record["cell"]["id"])
            folder.path.mkdir(parents=True)
            write_json(folder.record, record, durable=False)
        line = [sys.executable, "-m", "ssl_bench", "run", "--no-control", "--out", out]
        line += [text for name, value in GIVEN.items() for text in (f"--{name}", value)]
        taken = [_timed(line) for _ in range(4)]
        status = [_timed([sys.executable, "-m", "ssl_bench", "status", out]) for _ in range(3)]
    rows = [
        ["first time, tables written", *_columns(taken[:1])],
        ["again (goal: below 2)", *_columns(taken[1:])],
        ["`ssl-bench status`", *_columns(status)],
    ]
    return table([f"a finished plan of {len(plan.cells)} cells", "wall, s", "CPU, s"], rows)


def _many_records(count: int = 10_000) -> str:
    plan = make_plan(load_registry(), MANY)
    contents = [
        {**record, "cell": {**record["cell"], "id": f"{copy}-{record['cell']['id']}", "tier": f"tier{copy}"}}
        for copy in range(count // len(plan.cells) + 1)
        for record in committed_records(plan)
    ][:count]
    records = [Record.of(content) for content in contents]
    wall, cpu = time.perf_counter(), time.process_time()
    render(records)
    taken = [(time.perf_counter() - wall, time.process_time() - cpu)]
    return table(["tables", "wall, s", "CPU, s"], [[f"{count} records (goal: below 10)", *_columns(taken)]])


def committed_records(plan: Plan) -> Iterator[dict[str, Any]]:
    """A committed record for every cell, under the cell's name."""
    models: dict[tuple[str, str], Any] = {}
    for path in sorted(RECORDS.glob("*.json")):
        record = json.loads(path.read_text())
        models.setdefault((record["cell"]["task"], record["cell"]["method"]), record)
    for cell in plan.cells:
        yield {**models[cell.task, cell.method], "cell": cell.coordinates(), "describe": dict(cell.describe)}


def _timed(line: Sequence[str]) -> tuple[float, float]:
    """Wall and CPU seconds of a process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    subprocess.run(line, check=True, capture_output=True)
    wall = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _columns(taken: Sequence[tuple[float, float]]) -> list[str]:
    return [f"{statistics.median(column):.2f}" for column in zip(*taken, strict=True)]
