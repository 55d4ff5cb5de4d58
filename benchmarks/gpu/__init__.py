"""All that a GPU can show: parts, each in a process of its own, whose result is kept as soon as it is there.

    python -m benchmarks gpu                        within eight minutes on one GPU
    python -m benchmarks gpu --device cpu --quick   the same in small, to see that the parts themselves work
    python -m benchmarks gpu --data FOLDER          with a folder of your own sets, one per task, for the last part

A part that fails, hangs or runs out of its time says so in its place, and the others run.
"""

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import torch

from ssl_bench.words import names_in

TITLE = "What a GPU shows"
RESULTS = Path(__file__).parent.parent / "results" / "gpu"
MINUTES = 8.0
GRACE = 20.0
"""Seconds beyond its share after which a part is killed."""
TAIL = 1500
"""Characters of what a part that failed said last."""


@dataclass(frozen=True)
class Part:
    """A module of this package, and its share of the time; the last one has what is left."""

    name: str
    title: str
    share: float


PARTS = (
    Part("tests", "Tests that need a GPU", 0.28),
    Part("pipeline", "Pipeline C against its peers", 0.08),
    Part("steps", "A step of every method with each switch", 0.28),
    Part("launches", "Small cells: computing, or launching", 0.08),
    Part("cells", "Cells side by side on one device", 0.08),
    Part("lite", "Tier lite", 0.2),
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """What may be chosen on the command line."""
    parser.add_argument("--device", default="cuda")
    parser.add_argument(
        "--quick", action="store_true", help="few repeats at small sizes: of no use as figures"
    )
    parser.add_argument("--minutes", type=float, default=MINUTES, help="for all parts together")
    parser.add_argument("--parts", default="", help="a list of: " + ", ".join(part.name for part in PARTS))
    parser.add_argument("--data", type=Path, help="a folder with a folder per task, for the last part")
    parser.add_argument("--out", type=Path, default=RESULTS, help="where each part's result is written")


def how(options: argparse.Namespace) -> str:
    """What is measured, and where."""
    where = device_name(options.device)
    small = " In small: nothing here is a measurement." if options.quick else ""
    return f"{where}; each part in a process of its own.{small}"


def device_name(device: str) -> str:
    """A GPU's own name; CPU for a CPU."""
    if torch.device(device).type != "cuda":
        return "CPU"
    return torch.cuda.get_device_name(device) if torch.cuda.is_available() else "no CUDA device"


def run(options: argparse.Namespace) -> str:
    """The parts' tables, in their order. SystemExit for a device that is not there, or a part that is not known."""
    if torch.device(options.device).type == "cuda" and not torch.cuda.is_available():
        raise SystemExit("no CUDA device; --device cpu --quick tries the parts in small")
    named = names_in(options.parts)
    if unknown := set(named) - {part.name for part in PARTS}:
        raise SystemExit(f"--parts {min(unknown)}: known are {', '.join(part.name for part in PARTS)}")
    parts = [part for part in PARTS if not named or part.name in named]
    options.out.mkdir(parents=True, exist_ok=True)
    ends = time.monotonic() + 60 * options.minutes
    texts = []
    for number, part in enumerate(parts):
        left = ends - time.monotonic()
        share = part.share / sum(later.share for later in parts[number:])
        seconds = share * left
        text = f"## {part.title}\n\n{_run(part, options, seconds)}"
        (options.out / f"{part.name}.md").write_text(text, encoding="utf-8")
        print(text, flush=True)
        texts.append(text)
    return "\n".join(texts)


def command_of(part: Part) -> list[str]:
    """How a part is started."""
    return [sys.executable, "-m", f"benchmarks.gpu.{part.name}"]


def _run(part: Part, options: argparse.Namespace, seconds: float) -> str:
    """What a part printed; or why there is nothing."""
    if seconds < 1:
        return "Not run: no time was left.\n"
    line = [*command_of(part), "--device", options.device, "--seconds", f"{seconds:.0f}"]
    line += ["--out", str(options.out), *(["--quick"] if options.quick else [])]
    line += ["--data", str(options.data)] if options.data else []
    started = time.monotonic()
    # A group of its own: what a part has started ends with it.
    process = subprocess.Popen(
        line,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    try:
        said, complaint = process.communicate(timeout=seconds + GRACE)
    except subprocess.TimeoutExpired:
        said, complaint = _stopped(process)
        return f"Stopped after {time.monotonic() - started:.0f} s without an end. It said:\n\n{_tail(said + complaint)}"
    took = f"\n({time.monotonic() - started:.0f} s)\n"
    if process.returncode == 0:
        return said.strip() + "\n" + took
    return f"Failed with exit status {process.returncode}. It said:\n\n{_tail(said + complaint)}{took}"


def _stopped(process: "subprocess.Popen[str]") -> tuple[str, str]:
    """What a part had said until it was made to end, with all that it had started."""
    for sign in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, sign)
        with contextlib.suppress(subprocess.TimeoutExpired):
            return process.communicate(timeout=GRACE / 2)
    return "", ""


def _tail(text: str) -> str:
    return "".join(f"    {line}\n" for line in text[-TAIL:].splitlines())
