"""`ssl-bench run` as a user types it, in a process forked from this one, where torch is imported already."""

import importlib
import multiprocessing
import os
import signal
import sys
from collections.abc import Sequence
from multiprocessing import forkserver
from multiprocessing.process import BaseProcess
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from benchmarks.survival import shims
from ssl_bench.cli import main

# What the workers use, imported once for all of them.
for name in (
    *("torch._dynamo", "torch._inductor.config", "ssl_bench.worker.worker", "ssl_bench.cli.run"),
    *("ssl_bench_tasks.night", "ssl_bench_tasks.layouts.pairs", "ssl_bench_plugins.backbones.unet_small"),
    *("ssl_bench_plugins.methods.supervised", "ssl_bench_plugins.methods.mean_teacher"),
    "ssl_bench_plugins.executors.local",
):
    importlib.import_module(name)

STEPS = 12
ARGUMENTS = (
    *("run", "--tasks", "night", "--methods", "supervised,mt,full", "--labels", "2"),
    *("--devices", "cpu", "--jobs", "2", "--checkpoint-steps", "2", "--hang-seconds", "20"),
    *(
        part
        for field in (f"iterations={STEPS}", "crop=16", "labeled_rows=1", "unlabeled_rows=1", "evaluations=2")
        for part in ("--set", f"night.{field}")
    ),
)

FORK = multiprocessing.get_context("fork")


def make_data(folder: Path) -> None:
    """Ten pairs of pictures of 20 x 24 px."""
    generator = np.random.default_rng(0)
    for kind in ("input", "target"):
        (folder / kind).mkdir(parents=True)
        for index in range(10):
            pixels = generator.integers(0, 256, (20, 24, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / kind / f"{index}.png")


def start(data: Path, out: Path, orders: Path, said: Path) -> BaseProcess:
    """Start the command; what it says goes to the end of `said`."""
    torch.set_num_threads(1)
    process = FORK.Process(target=_run, args=(data, out, orders, said))
    process.start()
    return process


def _run(data: Path, out: Path, orders: Path, said: Path) -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    with said.open("a") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    sys.stdout = os.fdopen(1, "w", buffering=1, closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, closefd=False)
    shims.install(orders)
    # Its workers are forked from it, not from a server that would import torch anew for every command; as there, they
    # begin with the system's own answer to SIGTERM.
    multiprocessing.get_context = lambda method=None: FORK  # type: ignore[assignment]
    forkserver.ensure_running = lambda: None  # type: ignore[method-assign]
    os.register_at_fork(after_in_child=lambda: signal.signal(signal.SIGTERM, signal.SIG_DFL))
    arguments: Sequence[str] = (*ARGUMENTS, "--data", f"night={data}", "--out", str(out))
    sys.argv = ["ssl-bench", *arguments]
    main()
