"""Training steps of every method on every network, with and without each switch, and their share of the device's peak.

    python -m benchmarks train                 the papers' networks and sizes on a GPU, a small network on a CPU
    python -m benchmarks train --networks unet-small --methods supervised,mt --side 64 --rows 4
    python -m benchmarks train --against FILE  a plain reference loop beside ours

FILE is Python, or a folder with `reference.py`, and makes one training step of the reference on random RGB images,
`channels` classes or channels out; `kind` is "classification" or "regression"; None: nothing to compare with:

    def make_step(network: str, kind: str, side: int, rows: int, channels: int, device: torch.device)
        -> Callable[[], object] | None
"""

import argparse
import gc
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.measure import added_memory, interleaved, table
from benchmarks.variants import Step, Workload, load_reference, reference_step, training_step, workloads
from ssl_bench.recipe import PLAIN, Execution, Precision, execution_in_words
from ssl_bench.registry.loading import load_registry
from ssl_bench.registry.registry import Registry, pick
from ssl_bench.specs import MethodSpec
from ssl_bench.words import names_in
from ssl_bench.worker.build import prepare_torch

TITLE = "Training steps with and without each switch"
BASELINE = "supervised"
SWITCHES = (
    PLAIN,
    Execution(precision="bf16"),
    Execution(channels_last=True),
    Execution(precision="bf16", channels_last=True),
    Execution(micro_batches=2),
)
COMPILED = Execution(precision="bf16", channels_last=True, compile=True)
"""Of the baseline alone: of all methods it would take minutes of compiling each."""
LIMIT = 540.0
"""Seconds after which no further variant is begun."""
ROUNDS = 7
SECONDS = 3.0
"""Of timed steps, after which a variant sits out the rest of its rounds."""
DTYPES: dict[Precision, torch.dtype] = {"fp32": torch.float32, "bf16": torch.bfloat16}
HEAD = (
    *("network, task, rows", "method", "form", "ms per step", "images per s", "times as fast as plain"),
    *(f"over the plain {BASELINE} step", "GFLOP per step", "TFLOP/s", "share of peak", "memory added, MB"),
)


@dataclass
class Variant:
    """One line of the table."""

    name: str
    call: Step | None
    """None where there is nothing to time."""
    note: str = ""
    precision: Precision | None = None
    """None for a reference, of which nothing is known."""


class Bench:
    """One run: where, what, and until when."""

    def __init__(self, registry: Registry, device: torch.device, options: argparse.Namespace) -> None:
        self.registry, self.device = registry, device
        self.ends = time.monotonic() + options.seconds
        named = pick(registry, "methods", names_in(options.methods), registry.method)
        # Full supervision takes the same step as the baseline.
        self.methods = [spec for spec in map(registry.method, named) if spec.role != "upper_bound"]
        self.compiles = device.type == "cuda" if options.compile is None else options.compile
        self.make_reference = load_reference(options.against) if options.against else None
        self.per_call = 3 if device.type == "cuda" else 1
        """Steps between two looks at the clock: on a GPU the host runs ahead of the device, as in training."""
        self.side = 8192 if device.type == "cuda" else 1024
        """Of the matrices whose product is taken for the peak."""
        self.peaks = {precision: self._peak(dtype) for precision, dtype in DTYPES.items()}

    def rows(self, workload: Workload, method: MethodSpec) -> list[list[str]]:
        """Lines of a method on a network, with the plain step of the baseline timed beside all of its forms."""
        if reason := method.unsupported(workload.task):
            return [_line(workload, method.name, "-", reason)]
        forms = [*SWITCHES, *([COMPILED] if self.compiles and method.name == BASELINE else [])]
        flops: list[float] = []
        variants = [self._variant(workload, method, form, flops) for form in forms]
        if self.make_reference is not None and method.name == BASELINE:
            made = reference_step(self.make_reference, workload, self.device)
            variants.append(Variant("reference", made, "" if made else "there is none"))
        calls = {
            variant.name: self._repeated(variant.call) for variant in variants if variant.call is not None
        }
        plain = execution_in_words(PLAIN.chosen())
        if plain not in calls:
            return [_line(workload, method.name, variant.name, variant.note) for variant in variants]
        beside = calls[plain]
        if method.name != BASELINE:
            spec = self.registry.method(BASELINE)
            beside = self._repeated(training_step(self.registry, workload, spec, PLAIN, self.device)[0])
        timed = {"baseline": beside, **calls}
        times = interleaved(timed, seconds=SECONDS, rounds=ROUNDS, device=self.device)
        times = {name: seconds / self.per_call for name, seconds in times.items()}
        lines = []
        for variant in variants:
            if variant.name not in calls:
                lines.append(_line(workload, method.name, variant.name, variant.note))
                continue
            seconds = times[variant.name]
            figures = [f"{1000 * seconds:.1f}", f"{workload.rows / seconds:.1f}"]
            figures += [f"{times[plain] / seconds:.2f}", f"{seconds / times['baseline']:.2f}"]
            figures += self._rates(variant, flops, seconds)
            memory = added_memory(calls[variant.name], self.device)
            figures.append("-" if memory is None else f"{memory:.0f}")
            lines.append(_line(workload, method.name, variant.name, variant.note, figures))
        return lines

    def _variant(
        self, workload: Workload, method: MethodSpec, form: Execution, flops: list[float]
    ) -> Variant:
        """A form that has taken its first step; the plain one adds the FLOPs of a step to `flops`."""
        name = execution_in_words(form.chosen())
        if time.monotonic() > self.ends:
            return Variant(name, None, "no time was left")
        try:
            step, networks = training_step(self.registry, workload, method, form, self.device)
            if form == PLAIN:
                with FlopCounterMode(display=False) as counter:
                    step()
                flops.append(float(counter.get_total_flops()))
            step()
        except torch.OutOfMemoryError:
            return Variant(name, None, "out of memory")
        failures = [f"not compiled: {network.failure}" for network in networks if network.failure]
        return Variant(name, step, ", ".join(failures), form.precision)

    def _rates(self, variant: Variant, flops: Sequence[float], seconds: float) -> list[str]:
        if variant.precision is None or not flops:
            return ["-"] * 3
        rate = flops[0] / seconds
        share = rate / self.peaks[variant.precision]
        return [f"{flops[0] / 1e9:.1f}", f"{rate / 1e12:.3g}", f"{100 * share:.0f} %"]

    def _repeated(self, step: Step) -> Callable[[], None]:
        def call() -> None:
            for _ in range(self.per_call):
                step()

        return call

    def _peak(self, dtype: torch.dtype) -> float:
        """FLOP/s of a large matrix product, the best of several; on a GPU with TF32, as convolutions have it."""
        first, second = (torch.rand(self.side, self.side, device=self.device).to(dtype) for _ in range(2))
        before = torch.backends.cuda.matmul.allow_tf32
        torch.backends.cuda.matmul.allow_tf32 = True
        call = {"product": lambda: first @ second}
        times = interleaved(call, seconds=3, rounds=10, device=self.device, reduce=min)
        torch.backends.cuda.matmul.allow_tf32 = before
        return 2 * self.side**3 / times["product"]

    def notes(self) -> str:
        """What the figures mean."""
        peaks = ", ".join(f"{name} {rate / 1e12:.3g} TFLOP/s" for name, rate in self.peaks.items())
        tf32 = "; float32 is TF32 there, as in convolutions" if self.device.type == "cuda" else ""
        return (
            f"Peak: what a product of two {self.side} x {self.side} matrices reaches in this run: {peaks}{tf32}.\n"
            "FLOPs of a step: counted in its convolutions and matrix products, forward and backward, a multiply and\n"
            "an add as two, in the plain form. `plain`: float32. Half of the rows are labelled, and all of them for\n"
            "the supervised step. One random batch lies on the device: loading is not timed. Memory: what a step\n"
            "adds at its peak to weights and optimiser state, of tensors on a GPU, of the process on a CPU.\n"
        )


def add_options(parser: argparse.ArgumentParser) -> None:
    """What may be chosen on the command line."""
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument(
        "--networks", default="", help="a list; default: those of tier paper, unet-small on a CPU"
    )
    parser.add_argument("--task", default="segmentation", help="of --networks")
    parser.add_argument("--methods", default="all", help="all, or a list such as a,b")
    parser.add_argument("--side", type=int, help="of a square crop, px")
    parser.add_argument("--rows", type=_rows, help="images of an iteration, a multiple of 4")
    parser.add_argument("--compile", action=argparse.BooleanOptionalAction, help="default: on a GPU")
    parser.add_argument("--against", type=Path, metavar="FILE|DIR", help="a reference loop to time beside")
    parser.add_argument("--seconds", type=float, default=LIMIT, help="after which no more variants are begun")


def how(options: argparse.Namespace) -> str:
    """What is measured, and where."""
    device = torch.device(options.device)
    if device.type == "cpu":
        return "One thread; CPU time; variants interleaved in one process; medians."
    name = torch.cuda.get_device_name(device)
    return f"{name}; time until the device is done; variants interleaved in one process; medians."


def run(options: argparse.Namespace) -> str:
    """One table."""
    device = torch.device(options.device)
    prepare_torch(1, device)  # as cells do
    registry = load_registry()
    bench = Bench(registry, device, options)
    lines = []
    for workload in workloads(registry, device, options):
        for method in bench.methods:
            try:
                lines += bench.rows(workload, method)
            except torch.OutOfMemoryError:
                lines.append(_line(workload, method.name, "-", "out of memory with all forms in it"))
            # Networks and the functions made of them hold each other.
            gc.collect()
            torch._dynamo.reset()
            if device.type == "cuda":
                torch.cuda.empty_cache()
    return f"{table(HEAD, lines)}\n{bench.notes()}"


def _line(workload: Workload, method: str, form: str, note: str, figures: Sequence[str] = ()) -> list[str]:
    shown = f"{form} ({note})" if note else form
    return [workload.title, method, shown, *(figures or ["-"] * (len(HEAD) - 3))]


def _rows(text: str) -> int:
    rows = int(text)
    if rows < 4 or rows % 4:
        raise argparse.ArgumentTypeError("half of the rows are labelled, and both halves are split in two")
    return rows
