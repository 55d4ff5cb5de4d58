"""What parts of the benchmark of a GPU share: their options, and a clock that knows the device."""

import argparse
import math
from collections.abc import Callable
from pathlib import Path

import torch

from benchmarks.measure import interleaved


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
    """Median time of one call, s: so many are begun at once, as in training, where a host runs ahead of its GPU."""

    def begun_together() -> None:
        for _ in range(calls):
            call()

    return interleaved({"": begun_together}, seconds=math.inf, rounds=rounds, device=device)[""] / calls
