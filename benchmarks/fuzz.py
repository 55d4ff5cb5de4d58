"""Readers of files under a coverage-guided fuzzer, one after the other.

Needs the extra `fuzz` (atheris). What a reader may do with any bytes is said in `benchmarks/fuzzing/oracle.py`. Cases
that it does not let pass are left in `--cases`; once mended, they belong to `tests/fuzz/TARGET/`, which the tests read.
"""

import argparse
import hashlib
import re
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from benchmarks.measure import table

TITLE = "Fuzzing"
CORPUS = Path(__file__).parents[1] / "tests" / "fuzz"
"""Cases that were found once, by target."""
SECONDS = 30
"""Of one input, beyond which it counts as a hang: a dozen readers take it, instrumented, on a busy machine."""
MEMORY = 4096
"""MiB of a process, torch included."""
LENGTH = 1 << 16
"""Bytes of an input."""
KINDS = {"crash": "crashes", "timeout": "hangs", "oom": "out of memory"}
"""What libFuzzer calls a case, and what the table does."""


@dataclass
class Found:
    """What became of one target."""

    executions: int = 0
    seconds: float = 0.0
    branches: int = 0
    inputs: int = 0
    """That each reached something new."""
    memory: int = 0
    """MiB at the most."""
    cases: dict[str, int] = field(default_factory=lambda: dict.fromkeys(KINDS, 0))


def add_options(parser: argparse.ArgumentParser) -> None:
    """The command's own options."""
    parser.add_argument("--minutes", type=float, default=1.0, help="of each target  [1]")
    parser.add_argument("--targets", default="all", help="all, or a list such as 'png,records'")
    parser.add_argument("--seed", type=int, default=0, help="of all that is drawn  [0]")
    parser.add_argument(
        "--cases", type=Path, default=Path("build/fuzz"), help="where cases are left  [build/fuzz]"
    )


def how(options: argparse.Namespace) -> str:
    """The conditions, for the head of the table."""
    return (
        f"atheris {version('atheris') if find_spec('atheris') else '-'}; {options.minutes:g} minutes a target, seed "
        f"{options.seed}; an input that takes {SECONDS} s is a hang, and {MEMORY} MiB are too much memory."
    )


def run(options: argparse.Namespace) -> str:
    """The table of all targets."""
    from benchmarks.fuzzing.targets import TARGETS

    if find_spec("atheris") is None:
        sys.exit("python -m benchmarks fuzz needs atheris; pip install -e '.[fuzz]'")
    names = list(TARGETS) if options.targets == "all" else options.targets.split(",")
    if wrong := [name for name in names if name not in TARGETS]:
        sys.exit(f"--targets: there is no '{wrong[0]}'; known: {', '.join(TARGETS)}")
    rows, all_found = [], []
    for name in names:
        found = _fuzz(name, 60 * options.minutes, options.seed, options.cases / name)
        all_found.append(found)
        figures = (found.executions, *found.cases.values(), found.branches, found.inputs, found.memory)
        rows.append([name, *map(str, figures)])
        print(*rows[-1], flush=True)
    head = ["target", "executions", *KINDS.values(), "branches reached", "inputs kept", "peak MiB"]
    executions, seconds = sum(one.executions for one in all_found), sum(one.seconds for one in all_found)
    totals = ", ".join(f"{sum(one.cases[kind] for one in all_found)} {KINDS[kind]}" for kind in KINDS)
    return f"{table(head, rows)}\n{executions} executions in {seconds / 60:.0f} minutes: {totals}.\n"


def _fuzz(name: str, seconds: float, seed: int, cases: Path) -> Found:
    """A target for so long, begun anew behind each case."""
    from benchmarks.fuzzing.targets import TARGETS

    found, end = Found(), time.monotonic() + seconds
    with tempfile.TemporaryDirectory() as folder:
        corpus, scratch, here = (Path(folder) / part for part in ("corpus", "scratch", "cases"))
        for one in (corpus, scratch, here):
            one.mkdir()
        known = [path.read_bytes() for path in sorted((CORPUS / name).glob("*"))]
        for content in [*TARGETS[name].seeds(), *known]:
            (corpus / hashlib.sha256(content).hexdigest()[:16]).write_bytes(content)
        if not any(corpus.iterdir()):  # A package that it needs is not there.
            return found
        while (left := end - time.monotonic()) > 1:
            started = time.monotonic()
            done = subprocess.run(
                [
                    *(sys.executable, "-m", "benchmarks.fuzzing", name, str(scratch), str(corpus)),
                    *(f"-max_total_time={left:.0f}", f"-timeout={SECONDS}", f"-rss_limit_mb={MEMORY}"),
                    *(
                        f"-artifact_prefix={here}/",
                        f"-seed={seed + 1}",
                        f"-max_len={LENGTH}",
                        "-print_final_stats=1",
                    ),
                ],
                capture_output=True,
                text=True,
                errors="replace",
            )
            found.seconds += time.monotonic() - started
            _read(done.stderr, found)
            new = [path for path in here.iterdir() if not (cases / path.name).exists()]
            for path in new:
                found.cases[path.name.partition("-")[0]] += 1
                cases.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, cases / path.name)
                (cases / f"{path.name}.txt").write_text(f"{done.stdout[-20000:]}\n{done.stderr[-2000:]}")
            if done.returncode and not new and not list(here.iterdir()):
                sys.exit(f"{name} cannot be fuzzed:\n{done.stderr[-3000:]}")
            seed += 1
        found.inputs = len(list(corpus.iterdir()))
    return found


def _read(said: str, found: Found) -> None:
    """What libFuzzer says in the end, added to what it said before."""
    numbers = {key: int(value) for key, value in re.findall(r"stat::(\w+):\s+(\d+)", said)}
    found.executions += numbers.get("number_of_executed_units", 0)
    found.memory = max(found.memory, numbers.get("peak_rss_mb", 0))
    found.branches = max([found.branches, *map(int, re.findall(r" cov: (\d+)", said))])
