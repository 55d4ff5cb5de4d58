"""What parts of the benchmark of a GPU share: their options, and a clock that knows the device."""

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch


def read_options(about: str | None) -> argparse.Namespace:
    """The options that every part is started with."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--device", type=torch.device, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--data", type=Path)
    return parser.parse_args()


def seconds_of(call: Callable[[], object], device: torch.device, *, calls: int, rounds: int) -> float:
    """Median over rounds of the time of one call, s: so many are begun at once, as in training, where a host runs ahead
    of its GPU. The first round warms up."""
    times = []
    for _ in range(rounds + 1):
        finish(device)
        start = time.perf_counter()
        for _ in range(calls):
            call()
        finish(device)
        times.append((time.perf_counter() - start) / calls)
    return statistics.median(times[1:])


def finish(device: torch.device) -> None:
    """Wait until a GPU has done all that it was told to."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
