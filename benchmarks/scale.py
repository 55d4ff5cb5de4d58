"""Whether cost grows with the number of images, records and cells, and no faster.

    python -m benchmarks scale                                    up to 50,000 images and 10,000 records
    python -m benchmarks scale --images 1000,4000 --cells 4,16    fewer

Time per item is that of the items that one line has more than the line above it: where it rises, cost grows faster than
the number. Images are 16 px a side, so that what is measured is what is done per file, and not per pixel.
"""

import argparse
import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import count, islice
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from PIL import Image

from benchmarks.measure import table
from benchmarks.scheduling import committed_records
from ssl_bench.leaderboard import render
from ssl_bench.machine.files import write_json
from ssl_bench.plan.plan import Plan, Request, make_plan
from ssl_bench.registry.loading import load_registry
from ssl_bench.registry.registry import Registry
from ssl_bench.run.display import PlainDisplay
from ssl_bench.run.loop import check_data
from ssl_bench.store.folder import CellFolder
from ssl_bench.store.heartbeat import Heartbeat
from ssl_bench.store.record import Record
from ssl_bench.store.results import ResultStore, read_records
from ssl_bench.words import names_in
from ssl_bench.worker.cell_run import CellRun

TITLE = "Growth"
NUMBERS = {"images": "1000,5000,20000,50000", "records": "10,100,1000,10000", "cells": "4,16,64"}
SIDE, IDS = 16, 3
TASKS = ("segmentation", "denoising")
FEW = 20
"""Images of the set that many cells learn from."""
SUBREAPER = 36
"""PR_SET_CHILD_SUBREAPER of <sys/prctl.h>."""
Value = TypeVar("Value")


def add_options(parser: argparse.ArgumentParser) -> None:
    """How far it goes."""
    parser.add_argument("--tasks", default=",".join(TASKS), help="of images")
    for name, default in NUMBERS.items():
        parser.add_argument(f"--{name}", default=default, help="rising numbers; empty: not measured")


def how(options: argparse.Namespace) -> str:
    """What is measured."""
    return (
        "CPU time of all threads and processes, so that what else the machine does counts little; each once."
    )


def run(options: argparse.Namespace) -> str:
    """A table for each thing that there can be many of."""
    torch.set_num_threads(1)
    parts = []
    numbers = {name: [int(text) for text in names_in(getattr(options, name))] for name in NUMBERS}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if numbers["images"]:
            parts += [_images(folder, task, numbers["images"]) for task in names_in(options.tasks)]
        if numbers["records"]:
            parts.append(_records(folder, numbers["records"]))
        if numbers["cells"]:
            parts.append(_cells(folder, numbers["cells"]))
    return "\n".join(parts) + "\n" + (__doc__ or "").rpartition("\n\n")[2]


def grown(what: str, numbers: Sequence[int], taken: Sequence[dict[str, float]]) -> str:
    """The table of seconds by number, and of each further item's milliseconds."""
    names = list(taken[0])
    rows = []
    for place, (number, seconds) in enumerate(zip(numbers, taken, strict=True)):
        cells = [f"{number}"]
        for name in names:
            cells.append(f"{seconds[name]:.2f}")
            if place == 0:
                cells.append("-")
                continue
            more = seconds[name] - taken[place - 1][name]
            cells.append(f"{1000 * more / (number - numbers[place - 1]):.3f}")
        rows.append(cells)
    head = [what, *(text for name in names for text in (f"{name}, s", "ms for each more"))]
    return table(head, rows)


def _images(folder: Path, task: str, numbers: Sequence[int]) -> str:
    registry, taken = load_registry(), []
    pictures = _pictures(folder / task, task)
    written = 0
    for number in numbers:
        for _ in islice(pictures, number - written):
            pass
        written = number
        taken.append(_first_step(registry, folder, task))
        print(number, taken[-1], flush=True)
    return grown(f"images, {task}", numbers, taken)


def _pictures(folder: Path, task: str) -> Iterator[None]:
    """One pair more in a folder of pairs at each `next`."""
    rng = np.random.default_rng(0)
    for kind in ("input", "target"):
        (folder / kind).mkdir(parents=True)
    for index in count():
        picture = rng.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
        target = picture[..., 0] % IDS if task == "segmentation" else picture // 2
        Image.fromarray(picture).save(folder / "input" / f"{index}.png", compress_level=1)
        Image.fromarray(target).save(folder / "target" / f"{index}.png", compress_level=1)
        yield


def _first_step(registry: Registry, folder: Path, task: str) -> dict[str, float]:
    """CPU seconds of a plan, of the check of all files, and of a cell until its first step is done."""
    asked = Request(
        tasks=task,
        methods="mt",
        control=False,
        data=[f"{task}={folder / task}"],  # type: ignore[arg-type]
        labels="10",  # type: ignore[arg-type]
        backbones="unet-small",  # type: ignore[arg-type]
        pretrained=False,
        devices="cpu",
        settings=[f"{task}.crop=8", f"{task}.scale=[1,1]"],  # type: ignore[arg-type]
    )
    seconds: dict[str, float] = {}
    plan = _timed("plan", seconds, partial(make_plan, registry, asked))
    with Path(os.devnull).open("w") as nowhere, contextlib.redirect_stdout(nowhere):
        _timed("check", seconds, partial(check_data, plan, plan.cells, PlainDisplay()))
        _timed("first step", seconds, partial(_step, registry, plan))
    return seconds


def _step(registry: Registry, plan: Plan) -> None:
    with tempfile.TemporaryDirectory() as name:
        staged = ResultStore(Path(name)).stage(plan.orders[0]).path
        run = CellRun(plan.orders[0], staged, torch.device("cpu"), registry, (), Heartbeat(staged))
        with contextlib.closing(run):
            run.trainer.step(0)


def _records(folder: Path, numbers: Sequence[int]) -> str:
    """Of `leaderboard`: records read from their files, and its documents made."""
    plan = make_plan(
        load_registry(), Request(methods="supervised,mt", labels="1/8", seeds="0-41", control=False)
    )
    taken, written = [], 0
    contents = _copies(plan)
    for number in numbers:
        for content in islice(contents, number - written):
            path = CellFolder(folder / "records" / content["cell"]["id"])
            path.path.mkdir(parents=True)
            write_json(path.record, content, durable=False)
        written = number
        seconds: dict[str, float] = {}
        records: Iterable[Record] = _timed("read", seconds, lambda: list(read_records(folder / "records")))
        _timed("documents", seconds, partial(render, list(records)))
        taken.append(seconds)
        print(number, seconds, flush=True)
    return grown("records", numbers, taken)


def _copies(plan: Plan) -> Iterator[dict[str, Any]]:
    """Records without end: copies of the plan's, each set of them in a tier of its own name."""
    for copy in count():
        for record in committed_records(plan):
            cell = {**record["cell"], "id": f"{copy}-{record['cell']['id']}", "tier": f"tier{copy}"}
            yield {**record, "cell": cell}


def _cells(folder: Path, numbers: Sequence[int]) -> str:
    """Of `run`: cells of two steps, in all of its processes, and again when all have finished."""
    pictures = _pictures(folder / "few" / "night", "night")
    for _ in islice(pictures, FEW):
        pass
    taken = []
    for number in numbers:
        line = [
            sys.executable,
            "-m",
            "ssl_bench",
            "run",
            "--tasks",
            "night",
            "--methods",
            "supervised",
            "--no-control",
        ]
        line += ["--data", f"night={folder / 'few' / 'night'}", "--devices", "cpu", "--jobs", "2"]
        line += ["--seeds", f"0-{number - 1}", "--out", str(folder / f"cells-{number}")]
        line += ["--set", "night.iterations=2", "--set", "night.crop=8"]
        seconds = {name: cpu_of_all(line) for name in ("run", "run again")}
        taken.append(seconds)
        print(number, seconds, flush=True)
    return grown("cells of two steps", numbers, taken)


COUNTED = f"""
import ctypes, os, resource, subprocess, sys
# What its parent does not wait for becomes a child of this process, and not of init.
ctypes.CDLL(None).prctl({SUBREAPER}, 1, 0, 0, 0)
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
try:
    while True:
        os.wait()
except ChildProcessError:
    taken = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(taken.ru_utime + taken.ru_stime)
"""


def cpu_of_all(line: Sequence[str]) -> float:
    """CPU seconds of a command and of all that it starts, which ends with it."""
    # In a process of its own: who takes in all that is left behind waits for others' children, too.
    counted = subprocess.run(
        [sys.executable, "-c", COUNTED, *line], check=True, stdout=subprocess.PIPE, text=True
    )
    return float(counted.stdout)


def _timed(name: str, seconds: dict[str, float], call: Callable[[], Value]) -> Value:
    start = time.process_time()
    value = call()
    seconds[name] = time.process_time() - start
    return value
