"""A training step of every method against the plain supervised step, beside the work that its passes are.

Work is counted, and so without noise: floating-point operations of a step, forward and backward, of convolutions and
matrix products in all networks, and images that pass through task networks, with a gradient (three forward passes'
worth) and without. Whatever the registry has is measured.
"""

import argparse
import statistics
from collections.abc import Sequence

import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.measure import peak_memory, table
from benchmarks.passes import BACKBONE, CLASSES, ROWS, TASKS, Passes, Run, runs
from ssl_bench.machine.heap import keep_heap
from ssl_bench.recipe import Kind

TITLE = "Training steps"
ROUNDS = 5
GOAL = 1.15


def add_options(parser: argparse.ArgumentParser) -> None:
    """Sizes and rounds."""
    parser.add_argument("--sides", default="128", help="sides of the images, px, separated by commas")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="timed steps of each method")


def how(options: argparse.Namespace) -> str:
    """How it was measured."""
    return (
        "One thread; CPU time; methods interleaved in one process, a step each a round; medians of "
        f"{options.rounds} steps after one to warm up."
    )


def run(options: argparse.Namespace) -> str:
    """A table per side."""
    torch.set_num_threads(1)
    keep_heap()
    notes = (
        f"{BACKBONE} from scratch, {ROWS} rows, half of them labelled (all of them for what takes no others),\n"
        f"{CLASSES} classes or a picture, float32, the middle of a run, no perturbation. Work: floating-point\n"
        "operations of a step, forward and backward, over those of the supervised step; counted. Time over work: the\n"
        f"ratio of times over that of work, at most {GOAL} by intention. Images: through a task network, with a\n"
        "gradient + without, the mean of the steps; ideal: as many as the method needs by its page. `gct, naive`:\n"
        "passes of their own for targets, networks and detector, C with dense convolutions.\n"
    )
    return "\n".join([*(_table(int(side), options.rounds) for side in options.sides.split(",")), notes])


def _table(side: int, rounds: int) -> str:
    found = runs(side)
    work = {run.name: run.flops() for run in found}
    for _ in range(rounds):
        for each in found:
            each.step()
    memory = {each.name: peak_memory(each.step) for each in found}
    per_image = _forward_flops(found)
    rows, missed = [], []
    for each in found:
        like = next(
            one for one in found if one.kind == each.kind and one.spec.role == "baseline" and one.stated
        )
        reference = statistics.median(like.seconds[:rounds])
        # Of the very steps: some draw how many passes they take.
        counts = [_units(passes) for passes in each.passes]
        works = [
            work[each.name] + per_image[each.kind] * (count - counts[0]) for count in counts[1 : rounds + 1]
        ]
        ratios = [seconds / reference for seconds in each.seconds[:rounds]]
        over = [ratio / (own / work[like.name]) for ratio, own in zip(ratios, works, strict=True)]
        excess = statistics.median(over)
        missed += [f"{each.name} ({excess:.2f})"] if excess > GOAL else []
        figures = [statistics.median(each.seconds[:rounds]), statistics.median(ratios)]
        figures += [statistics.fmean(works) / work[like.name], excess]
        peak = "-" if memory[each.name] is None else f"{memory[each.name]:.0f}"
        rows.append([each.name, *(f"{figure:.2f}" for figure in figures), each.images, each.stated, peak])
    head = ["method", "s per step", "ratio to supervised", "work", "time over work"]
    head += ["images", "ideal", "peak memory added, MB"]
    seconds = {each.name: statistics.median(each.seconds[:rounds]) for each in found}
    said = f"Above {GOAL}: {', '.join(missed)}." if missed else f"None is above {GOAL}."
    naive = seconds["gct, naive"] / seconds["gct"]
    return f"## {side} x {side}\n\n{table(head, rows)}\n{said} GCT against its naive form: {naive:.2f} times as fast.\n"


def _units(passes: Passes) -> float:
    """Forward passes' worth of images."""
    return sum(count * (3 if gradient else 1) / 2 for (_, gradient), count in passes.items())


def _forward_flops(found: Sequence[Run]) -> dict[Kind, float]:
    """Of one image through a task network of each kind."""
    flops: dict[Kind, float] = {}
    for each in found:
        if each.kind not in flops:
            network = each.build(TASKS[each.kind]())()
            with FlopCounterMode(display=False) as counter, torch.no_grad():
                network(torch.rand(1, 3, each.side, each.side))
            flops[each.kind] = float(counter.get_total_flops())
    return flops
