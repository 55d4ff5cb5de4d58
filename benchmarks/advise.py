"""Does `ssl-bench advise` keep its promises? Sets of which all labels are known, most of them hidden from it.

Of each draw a few images keep their labels, some lie beside them without one, and the rest is hidden. `advise` sees the
first two; then every method that it tried learns from the same labels once more, scored on the hidden images. With
`--keep` a draw that was made is not made again, and the tables stand after every one.
"""

import argparse
import contextlib
import json
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.measure import table
from ssl_bench import Bench
from ssl_bench.advise.advice import Advice, read_advice
from ssl_bench.advise.start import TIER, settings_of
from ssl_bench.cli.data.check import find_layout
from ssl_bench.dataset import Dataset
from ssl_bench.pixels.channels import eight_bit
from ssl_bench.registry.loading import load_registry
from ssl_bench.specs import resolve

TITLE = "Advice against hidden labels"
HIDDEN = 0.4
"""Share of the images that are hidden."""
SEEDS = (0, 1)
"""Of the runs that are scored on the hidden images."""


@dataclass(frozen=True)
class Truth:
    """What the hidden labels say of one draw, and how long its advice took."""

    seconds: float
    hidden: dict[str, float]
    """Score on the hidden images by method."""
    asked: float | None
    """The baseline's with the images labelled that were asked for."""
    at_random: float | None
    """The same with as many others."""


@dataclass(frozen=True)
class Draw(Truth):
    """What came of one draw of the labelled images."""

    advice: Advice


def add_options(parser: argparse.ArgumentParser) -> None:
    """Which sets, how many draws, how many labels and minutes."""
    parser.add_argument("sets", nargs="+", metavar="TASK=FOLDER", help="a set all of whose labels are known")
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--labels", type=int, default=12)
    parser.add_argument("--minutes", type=float, default=15.0)
    parser.add_argument("--methods", default="", help="as of `ssl-bench advise`")
    parser.add_argument("--keep", type=Path, help="folder for the runs, which then go on where they stood")
    parser.add_argument(
        "--beside", default="", metavar="TEXT", help="what else runs on the machine, for the header"
    )


def how(options: argparse.Namespace) -> str:
    """What was done, in a sentence."""
    beside = f" Beside it ran {options.beside}: times are upper bounds." if options.beside else ""
    return (
        f"{options.labels} labels, {options.minutes:g} minutes asked for each; {HIDDEN:.0%} of the images hidden and "
        f"scored afterwards, {len(SEEDS)} seeds.{beside}"
    )


def run(options: argparse.Namespace) -> Iterator[str]:
    """A table of the draws of each set, and how many promises were kept: after every draw of all sets."""
    draws: dict[str, list[Draw]] = {}
    with contextlib.ExitStack() as stack:
        root = options.keep or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        for number in range(options.draws):
            for entry in options.sets:
                task, _, text = entry.partition("=")
                folder = Path(text)
                made = _kept_draw(task, folder, number, options, root / f"{folder.name}-{number}")
                draws.setdefault(f"## {folder.name}, {task}", []).append(made)
                print(_said(made), flush=True)
                yield (
                    "\n\n".join(f"{title}\n\n{_table(of)}\n\n{_promises(of)}" for title, of in draws.items())
                    + "\n"
                )


def _kept_draw(task: str, folder: Path, number: int, options: argparse.Namespace, root: Path) -> Draw:
    """A draw, made or, where it was made before, read."""
    path = root / "draw.json"
    if not path.is_file():
        truth = _draw(task, folder, number, options, root)
        path.write_text(json.dumps(asdict(truth)))
    advice = read_advice(root / "runs")
    assert advice is not None
    return Draw(**json.loads(path.read_text()), advice=advice)


def _draw(task: str, folder: Path, number: int, options: argparse.Namespace, root: Path) -> Truth:
    registry = load_registry()
    dataset: Dataset = resolve(find_layout(registry, folder, task, None).dataset).open(folder)
    names = sorted([*dataset.train, *dataset.test])
    random.Random(number).shuffle(names)
    hidden, seen = names[: round(HIDDEN * len(names))], names[round(HIDDEN * len(names)) :]
    labeled, others = seen[: options.labels], seen[options.labels :]
    few, all_known = root / "few", root / "all"
    for place, targets, tested in ((few, labeled, []), (all_known, seen, hidden)):
        shutil.rmtree(place, ignore_errors=True)
        write_set(dataset, place, seen, targets)
        if tested:
            write_set(dataset, place / "test", tested, tested)
        if dataset.classes:
            (place / "classes.txt").write_text("".join(f"{name}\n" for name in dataset.classes))
    started = time.monotonic()
    command = [sys.executable, "-m", "ssl_bench", "advise", task, str(few), "--minutes", str(options.minutes)]
    command += ["--methods", options.methods] if options.methods else []
    subprocess.run([*command, "--out", str(root / "runs")], check=True)
    seconds = time.monotonic() - started
    advice = read_advice(root / "runs")
    assert advice is not None

    bench = Bench(root / "truth")

    def score(methods: Sequence[str], chosen: Sequence[str], title: str) -> Mapping[str, float]:
        """On the hidden images, of methods that learn from the chosen labels; the recipe is that of the advice."""
        path = root / f"{title}.txt"
        path.write_text("".join(f"{_safe(name)}\n" for name in chosen))
        crop = advice.setting.rpartition("crops of ")[2].partition(" ")[0]
        specs = [registry.method(row.partition(":")[0]) for row in methods]
        plan = bench.plan(
            tasks=task,
            methods=methods,
            control=False,
            labels=str(path),
            tier=TIER,
            data={task: all_known},
            settings=settings_of(registry.task(task), specs, int(crop)),
            seeds=SEEDS,
        )
        found = bench.run(plan)
        metric = next(iter(registry.task(task).metrics)).name
        means: Mapping[str, float] = found.groupby("method")[metric].mean().to_dict()
        return means

    rows = [one.row for one in advice.evidence.scored]
    truth = dict(score(rows, labeled, "labeled"))
    wanted = {Path(path).stem for path in advice.wanted}
    asked = [name for name in others if _safe(name) in wanted]
    count = len(asked)
    chance = random.Random(1000 + number).sample(others, count)
    baseline = next(one.row for one in advice.evidence.scored if one.role == "baseline")
    with_asked = score([baseline], [*labeled, *asked], "asked")[baseline] if count else None
    at_random = score([baseline], [*labeled, *chance], "random")[baseline] if count else None
    return Truth(seconds, truth, with_asked, at_random)


def write_set(dataset: Dataset, folder: Path, names: Sequence[str], targets: Sequence[str]) -> None:
    """Pictures below `input/`, and targets of some below `target/`, as PNG of 8 bits."""
    for part, chosen, read in (("input", names, dataset.image), ("target", targets, dataset.target)):
        (folder / part).mkdir(parents=True)
        for name in chosen:
            array = np.squeeze(eight_bit(read(name)))
            Image.fromarray(array).save(folder / part / f"{_safe(name)}.png")


def _safe(name: str) -> str:
    return name.replace("/", "_")


def _said(draw: Draw) -> str:
    return f"{draw.seconds:.0f} s; chosen {draw.advice.evidence.chosen.title}; hidden {draw.hidden}"


def best(draw: Draw) -> str:
    """The method that is best on the hidden images."""
    sign = draw.advice.evidence.sign
    return max(draw.hidden, key=lambda row: sign * draw.hidden[row])


def holds(draw: Draw) -> bool:
    """Whether the score on the hidden images lies where the advice expects it."""
    evidence = draw.advice.evidence
    expected = evidence.mean(evidence.chosen)
    assert expected is not None
    low, high = expected.interval
    return low <= draw.hidden[evidence.chosen.row] <= high


def gains_that_hold(draw: Draw) -> list[bool]:
    """Of each method that learns from unlabelled images: whether its gain on the hidden ones lies in its interval."""
    evidence, found = draw.advice.evidence, []
    for one in evidence.candidates:
        gain = evidence.over_reference(one)
        if one is not evidence.reference and gain is not None:
            hidden = evidence.sign * (draw.hidden[one.row] - draw.hidden[evidence.reference.row])
            found.append(gain.interval[0] <= hidden <= gain.interval[1])
    return found


def said_right(draw: Draw) -> bool | None:
    """Whether the method that is said to pay is above labels alone on the hidden images; None where none is."""
    evidence = draw.advice.evidence
    if not evidence.standing:
        return None
    return evidence.sign * (draw.hidden[evidence.chosen.row] - draw.hidden[evidence.reference.row]) > 0


def regret(draw: Draw) -> float:
    """How much the best method on the hidden images is above the chosen one there."""
    return abs(draw.hidden[best(draw)] - draw.hidden[draw.advice.evidence.chosen.row])


def _table(draws: Sequence[Draw]) -> str:
    rows = []
    for number, draw in enumerate(draws):
        evidence = draw.advice.evidence
        expected, digits = evidence.mean(evidence.chosen), evidence.metric.digits
        assert expected is not None
        rows.append(
            [
                str(number),
                f"{draw.seconds:.0f}",
                evidence.chosen.title,
                f"{expected.mean:.{digits}f} [{expected.interval[0]:.{digits}f}, {expected.interval[1]:.{digits}f}]",
                f"{draw.hidden[evidence.chosen.row]:.{digits}f}",
                ", ".join(f"{row} {score:.{digits}f}" for row, score in draw.hidden.items()),
                "-" if draw.asked is None else f"{draw.asked:.{digits}f}",
                "-" if draw.at_random is None else f"{draw.at_random:.{digits}f}",
            ]
        )
    head = [
        "Draw",
        "Seconds",
        "Chosen",
        "Expected",
        "Hidden",
        "All on hidden",
        "With those asked for",
        "At random",
    ]
    return table(head, rows)


def _promises(draws: Sequence[Draw]) -> str:
    kept = sum(map(holds, draws))
    right = sum(best(draw) == draw.advice.evidence.chosen.row for draw in draws)
    gains = [held for draw in draws for held in gains_that_hold(draw)]
    said = [paid for draw in draws if (paid := said_right(draw)) is not None]
    lines = [
        f"- the score on hidden images lies in the interval: {kept} of {len(draws)}",
        f"- the gain of a method over labels alone lies in its interval: {sum(gains)} of {len(gains)}",
        f"- a method is said to pay in {len(said)} of {len(draws)} draws, and is above labels alone on hidden images "
        f"in {sum(said)} of these",
        f"- the chosen method is the best on hidden images: {right} of {len(draws)}; the best is above it by "
        f"{statistics.fmean(map(regret, draws)):.2f} in the mean",
    ]
    labels = [
        draw.advice.evidence.sign * (draw.asked - draw.at_random)
        for draw in draws
        if draw.asked is not None and draw.at_random is not None
    ]
    if labels:
        lines.append(
            f"- labels asked for over as many at random: {statistics.fmean(labels):+.2f} in the mean, more in "
            f"{sum(gain > 0 for gain in labels)} of {len(labels)}"
        )
    return "\n".join(lines)
