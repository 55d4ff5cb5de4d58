"""Whether small cells compute or only launch: a step's time on the clock beside the time that its kernels take."""

import argparse
import time
from collections.abc import Callable

import torch
from torch.profiler import ProfilerActivity, profile

from benchmarks.gpu.part import read_options, seconds_of
from benchmarks.measure import table
from benchmarks.variants import Workload, training_step
from ssl_bench.recipe import PLAIN
from ssl_bench.registry.loading import load_registry
from ssl_bench.registry.registry import Registry
from ssl_bench.worker.build import prepare_torch

STEPS = 5
"""Of a profile."""


def main() -> None:
    """Print a line for every method on the networks of tier lite."""
    options = read_options(__doc__)
    prepare_torch(1, options.device)
    registry, ends = load_registry(), time.monotonic() + 0.8 * options.seconds
    rows = []
    for workload in lite(registry, options):
        for method in registry.sorted("methods"):
            if method.role == "upper_bound" or method.unsupported(workload.task):
                continue
            if options.quick and rows:
                break
            if time.monotonic() > ends:
                rows.append([workload.title, method.name, "no time was left", "-", "-", "-"])
                continue
            step, _ = training_step(registry, workload, method, PLAIN, options.device)
            calls, rounds = (1, 1) if options.quick else (10, 5)
            seconds = seconds_of(step, options.device, calls=calls, rounds=rounds)
            rows.append(
                [workload.title, method.name, f"{1000 * seconds:.2f}", *busy(step, options.device, seconds)]
            )
    head = [
        "network, task, rows",
        "method",
        "ms per step",
        "kernels per step",
        "ms in kernels",
        "share of the step",
    ]
    print(table(head, rows))
    print("Where the share is small, the device waits for the host: several cells at once pay there.")


def lite(registry: Registry, options: argparse.Namespace) -> list[Workload]:
    """The networks of tier lite at its sizes; one of them at a small one where only the parts are tried."""
    tasks = registry.sorted("tasks")
    found = []
    for task in tasks[:1] if options.quick else tasks:
        recipe = task.recipes["lite"]
        rows = 4 if options.quick else recipe.labeled_rows + recipe.unlabeled_rows
        side = 32 if options.quick else recipe.crop
        network = "unet-small" if options.quick else task.backbones["lite"]
        found.append(Workload(task, network, side, rows, recipe))
    return found


def busy(step: Callable[[], object], device: torch.device, seconds: float) -> list[str]:
    """Kernels of a step, their time in ms, and its share; dashes on a CPU, which launches nothing."""
    if device.type != "cuda":
        return ["-"] * 3
    with profile(activities=[ProfilerActivity.CUDA]) as profiled:
        for _ in range(STEPS):
            step()
        torch.cuda.synchronize(device)
    events = profiled.key_averages()
    kernels = sum(event.count for event in events if event.self_device_time_total > 0) / STEPS
    spent = sum(event.self_device_time_total for event in events) / 1e6 / STEPS
    return [f"{kernels:.0f}", f"{1000 * spent:.2f}", f"{100 * spent / seconds:.0f} %"]


if __name__ == "__main__":
    main()
