"""Our training against the plain PyTorch loop that one would write for a paper (`benchmarks/plain_loop.py`).

    python -m benchmarks peer           steps side by side, and whole runs of one cell
    python -m benchmarks peer --plan    also a plan of twelve cells on two cores: on a quiet machine alone

Methods MT, FixMatch and CPS; segmentation and denoising, with the networks, crops and rows of tier lite.
"""

import argparse
import copy
import itertools
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn

from benchmarks import plain_loop
from benchmarks.measure import interleaved, peak_memory, table
from benchmarks.plain_loop import Normalized, Training
from benchmarks.variants import CLASSES, OneBatch
from ssl_bench.backbone import TaskNetwork
from ssl_bench.machine.heap import keep_heap
from ssl_bench.method import Method
from ssl_bench.plan.networks import network_factory
from ssl_bench.plan.order import Order
from ssl_bench.plan.plan import Request, make_plan
from ssl_bench.plan.settings import resolve_config
from ssl_bench.recipe import Recipe
from ssl_bench.registry.loading import load_registry
from ssl_bench.registry.registry import Registry
from ssl_bench.seeds import seed_for
from ssl_bench.specs import TaskSpec, resolve
from ssl_bench.store.results import ResultStore
from ssl_bench.train.trainer import Trainer
from ssl_bench.worker.worker import run_cell

TITLE = "Against a plain PyTorch loop"
TASKS, METHODS = ("segmentation", "denoising"), ("mt", "fixmatch", "cps")
GOAL = 1.05
SIDE, LABELED, TRAINING, TEST = 128, 4, 24, 6
"""Side of the pictures of whole runs, px, and how many there are."""
IDS = 5
CPU = torch.device("cpu")


def add_options(parser: argparse.ArgumentParser) -> None:
    """How much is run."""
    parser.add_argument("--rounds", type=int, default=30, help="timed steps of each")
    parser.add_argument(
        "--runs", type=int, default=3, help="runs of each whole cell, the first of several not timed; 0: none"
    )
    parser.add_argument("--iterations", type=int, default=60, help="of whole runs")
    parser.add_argument("--plan", action="store_true", help="also twelve cells on two cores, by the clock")


def how(options: argparse.Namespace) -> str:
    """What is measured."""
    return f"One thread; CPU time; both interleaved in one process; medians of {options.rounds} steps."


def run(options: argparse.Namespace) -> str:
    """Tables of steps, of whole runs, and of a plan."""
    torch.set_num_threads(1)
    keep_heap()  # As workers do; both gain.
    registry = load_registry()
    parts = [_steps(registry, options.rounds)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_pictures(folder)
        if options.runs:
            parts.append(_cells(registry, folder, options))
        if options.plan:
            parts.append(_plan(folder, options.iterations))
    return "\n".join(parts)


class Pair:
    """One method on one task: the step of a trainer and that of the plain loop, from the same weights, on the same
    batch, with the same draws."""

    def __init__(
        self, registry: Registry, task: TaskSpec, method: str, network: str, side: int, recipe: Recipe
    ) -> None:
        made = resolve(task.task)(CLASSES if task.kind == "classification" else ())
        spec = registry.method(method)
        build = network_factory(registry.backbone, made, network, 0)
        rows = recipe.labeled_rows + recipe.unlabeled_rows
        stream = OneBatch(made, side, rows, recipe.labeled_rows)
        networks = [_bare(build(index)) for index in range(1 + (method == "cps"))]
        ready: Method = resolve(spec.method)(made, resolve_config(task, spec, {}), build)
        self._trainer = Trainer(ready.train(), recipe, stream, seed=0)
        self._draws = torch.Generator()
        perturb, boxes = plain_loop.changes(made, self._draws)
        batch = stream.batch(0)
        plain = (batch.labeled_images, batch.targets.value, batch.unlabeled_images)
        training = Training(
            task.kind,
            networks,
            itertools.repeat(plain),
            perturb,
            boxes,
            recipe.iterations,
            recipe.optimizer.learning_rate,
            recipe.iterations_per_epoch,
        )
        self._loop = plain_loop.LOOPS[method](training)
        self._ours, self._theirs = itertools.count(), itertools.count()

    def ours(self) -> dict[str, float]:
        """Losses of the trainer's next step."""
        values = self._trainer.step(next(self._ours))
        return {name: value.item() for name, value in values.items()}

    def theirs(self) -> dict[str, float]:
        """Losses of the plain loop's next step, with the draws that the trainer has in it."""
        step = next(self._theirs)
        torch.manual_seed(seed_for("step", 0, step))
        self._draws.manual_seed(seed_for("draws", 0, step))
        return next(self._loop)


def _bare(network: TaskNetwork) -> nn.Module:
    """The network as it is in a plain loop, with the same weights."""
    inner = copy.deepcopy(network.network)
    mean, std = (values.flatten().tolist() for values in (network.mean, network.std))
    # smp's own model, without what is put around it.
    return Normalized(getattr(inner, "model", inner), mean, std, network.residual).train()


def pairs(registry: Registry) -> Iterator[tuple[str, Pair]]:
    """Every method on every task."""
    for name in TASKS:
        task = registry.task(name)
        recipe, network = task.recipes["lite"], task.backbones["lite"]
        # As many steps as are wanted: the schedule costs the same.
        recipe = recipe.model_copy(update={"iterations": 10_000})
        for method in METHODS:
            title = f"{name}, {network}, {recipe.labeled_rows + recipe.unlabeled_rows} of {recipe.crop} px, {method}"
            yield title, Pair(registry, task, method, network, recipe.crop, recipe)


def _steps(registry: Registry, rounds: int) -> str:
    rows, ratios = [], []
    for title, pair in pairs(registry):
        calls: dict[str, Callable[[], object]] = {"plain": pair.theirs, "ours": pair.ours}
        times = interleaved(calls, seconds=float("inf"), rounds=rounds)
        memory = [peak_memory(call) for call in calls.values()]
        ratios.append(times["ours"] / times["plain"])
        rows.append(
            [
                title,
                *(f"{1000 * seconds:.1f}" for seconds in times.values()),
                f"{ratios[-1]:.2f}",
                *("-" if value is None else f"{value:.0f}" for value in memory),
            ]
        )
        print(" | ".join(rows[-1]), flush=True)
    head = ["a step of", "plain loop, ms", "ours, ms", "ours over plain", "plain loop, MB", "ours, MB"]
    middle = statistics.median(ratios)
    return (
        f"{table(head, rows)}\nAt most {GOAL} by intention; here {middle:.2f} in the middle, {max(ratios):.2f} at most."
        " Memory: what a step adds at its peak to\nweights and optimiser state. One batch lies ready; random changes "
        "of images are the same functions in both, and\nthe losses are the same (`tests/test_benchmarks.py`).\n"
    )


def write_pictures(folder: Path) -> None:
    """Sets of both tasks, `TASK/{train,test}/{input,target}`: blocks of colour, and noise over them."""
    rng = np.random.default_rng(0)
    for task, part, count in itertools.product(TASKS, ("train", "test"), range(TRAINING)):
        if part == "test" and count >= TEST:
            continue
        ids = rng.integers(0, IDS, (8, 8), dtype=np.uint8).repeat(SIDE // 8, 0).repeat(SIDE // 8, 1)
        clean = np.stack([40 * ids, 255 - 50 * ids, 30 + 20 * ids], 2).astype(np.uint8)
        noisy = (clean + rng.normal(0, 20, clean.shape)).clip(0, 255).astype(np.uint8)
        for kind, picture in (("input", noisy), ("target", ids if task == "segmentation" else clean)):
            path = folder / task / part / kind / f"{count}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(picture).save(path)


def request(folder: Path, iterations: int, seeds: str = "0") -> dict[str, Any]:
    """What the plain loop is to match, as options of a request: from scratch, four labels."""
    return {
        "tasks": ",".join(TASKS),
        "methods": ",".join(METHODS),
        "seeds": seeds,
        "labels": str(LABELED),
        "tier": "lite",
        "control": False,
        "pretrained": False,
        "devices": "cpu",
        "data": [f"{task}={folder / task}" for task in TASKS],
        "settings": ["mt.lambda_mt=1", *(f"{task}.iterations={iterations}" for task in TASKS)],
    }


def _cells(registry: Registry, folder: Path, options: argparse.Namespace) -> str:
    """A whole cell in this process, imports not counted, against the whole of the plain script."""
    rows = []
    for order in make_plan(registry, Request(**request(folder, options.iterations))).orders:
        cell, tries = order.cell, itertools.count()

        def ours(order: Order = order, tries: Iterator[int] = tries) -> None:
            store = ResultStore(folder / f"runs-{next(tries)}")
            run_cell(store.stage(order).path, CPU, registry)

        theirs = partial(
            plain_loop.train,
            folder / cell.task,
            cell.task,
            cell.method,
            0,
            options.iterations,
            IDS,
            LABELED,
        )
        with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere):
            times = interleaved(
                {"plain": theirs, "ours": ours}, seconds=float("inf"), rounds=options.runs - 1
            )
        ratio = times["ours"] / times["plain"]
        rows.append(
            [f"{cell.task}, {cell.method}", f"{times['plain']:.2f}", f"{times['ours']:.2f}", f"{ratio:.2f}"]
        )
        print(" | ".join(rows[-1]), flush=True)
    head = [f"a run of {options.iterations} steps", "plain loop, s", "ours, s", "ours over plain"]
    return (
        f"{table(head, rows)}\nLoading {TRAINING} pictures of {SIDE} px, training, and scoring {TEST}. Ours also scores"
        " the network beside the deployed one,\nand by all metrics, and writes checkpoints, a record and weights. "
        "Imports are not counted.\n"
    )


def _plan(folder: Path, iterations: int) -> str:
    """Twelve cells by the clock: `ssl-bench run` against the script, one after the other or two at a time."""
    script, lines = [sys.executable, "-m", "benchmarks.plain_loop"], []
    for task, method, seed in itertools.product(TASKS, METHODS, range(2)):
        line = [*script, str(folder / task), "--task", task, "--method", method, "--seed", str(seed)]
        line += ["--iterations", str(iterations), "--out", str(folder / f"{task}-{method}-{seed}.json")]
        lines.append(line)
    found = {
        "plain loop, one after the other, torch's own threads": _timed(partial(_at_once, lines, 1, None)),
        "plain loop, two at a time, a thread each": _timed(partial(_at_once, lines, 2, "1")),
    }
    line = [sys.executable, "-m", "ssl_bench", "run", "--jobs", "2", "--out", str(folder / "plan")]
    for name, given in request(folder, iterations, "0,1").items():
        option = {"settings": "set"}.get(name, name)
        if isinstance(given, bool):
            line.append(f"--{option}" if given else f"--no-{option}")
            continue
        for value in [given] if isinstance(given, str) else given:
            line += [f"--{option}", value]
    found["`ssl-bench run --jobs 2`"] = _timed(partial(subprocess.run, line, check=True, capture_output=True))
    ours = list(found.values())[-1]
    rows = [[name, f"{seconds:.0f}", f"{ours / seconds:.2f}"] for name, seconds in found.items()]
    return table(["twelve cells, imports included", "seconds by the clock", "ours over it"], rows)


def _at_once(lines: list[list[str]], jobs: int, threads: str | None) -> None:
    environment = {**os.environ, **({"OMP_NUM_THREADS": threads} if threads else {})}
    waiting, running = iter(lines), list[subprocess.Popen[bytes]]()
    for line in waiting:
        running.append(subprocess.Popen(line, stdout=subprocess.DEVNULL, env=environment))
        while len(running) == jobs:
            time.sleep(0.05)
            running = [process for process in running if process.poll() is None]
    for process in running:
        process.wait()


def _timed(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start
