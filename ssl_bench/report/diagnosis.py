"""What observations of a method's targets say, in a sentence."""

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ssl_bench.store.observed import Figure, Observation, Seen

MARGIN = {"%": 0.5, "dB": 0.1}
"""By which a target is better or worse than the student, in points of accuracy or dB; less is about as good."""
BLIND, SEES = 0.6, 0.8
"""Areas under the ROC below and above which doubt is said to tell little, and much."""
UNSURE, SURE = 0.1, 0.4
"""The same of rank correlations."""
NOTHING = 0.05
"""Share of pixels below which a gate keeps next to nothing."""
SURER = 0.05
"""Confidence over accuracy, or below, that is told."""


@dataclass(frozen=True)
class Moment:
    """What was seen of one target after a step, the mean over runs."""

    step: int
    seen: Seen

    @property
    def taught(self) -> Figure:
        """Score of the pixels that are taught."""
        return self.seen.score if self.seen.kept is None else self.seen.score_kept

    @property
    def student(self) -> Figure:
        """Of who is taught, on the same pixels."""
        return self.seen.student if self.seen.kept is None else self.seen.student_kept


def moments(runs: Sequence[Sequence[Observation]]) -> dict[str, list[Moment]]:
    """Name of a target to its means over the runs, step by step."""
    found: dict[str, dict[int, list[Seen]]] = defaultdict(lambda: defaultdict(list))
    for run in runs:
        for observation in run:
            for name, seen in observation.seen.items():
                found[name][observation.step].append(seen)
    return {
        name: [Moment(step, mean_of(every)) for step, every in sorted(steps.items())]
        for name, steps in found.items()
    }


def mean_of(every: Sequence[Seen]) -> Seen:
    """The mean of what several runs have of one target at one step; bins are pooled, each run weighing the same."""
    figures = (
        "kept",
        "score",
        "score_kept",
        "student",
        "student_kept",
        "calibration",
        "detection",
        "correlation",
    )
    means: dict[str, object] = {}
    for name in figures:
        values = [value for each in every if (value := getattr(each, name)) is not None]
        means[name] = math.fsum(values) / len(values) if values else None
    return Seen.model_validate(
        {
            "pixels": sum(each.pixels for each in every),
            "labeled": every[0].labeled,
            "bins": _pooled([each.bins for each in every]),
            **means,
        }
    )


def _pooled(runs: Sequence[Sequence[Sequence[Figure]]]) -> list[list[Figure]]:
    sums: dict[int, list[float]] = defaultdict(lambda: [0.0, 0.0, 0.0])
    for bins in runs:
        for each in bins:
            if len(each) == 3 and None not in each:
                share, sure, right = (float(value or 0) for value in each)
                cell = sums[math.ceil(15 * sure)]
                cell[0] += share / len(runs)
                cell[1] += share * sure / len(runs)
                cell[2] += share * right / len(runs)
    return [[s, c / s, r / s] for _, (s, c, r) in sorted(sums.items()) if s > 0]


def sentences(targets: Mapping[str, Sequence[Moment]], unit: str) -> Iterator[str]:
    """A sentence for each target. `unit`: of scores, `%` or `dB`."""
    for name, seen in targets.items():
        parts = [
            part for part in (_against_student(seen, unit), _gate(seen), _doubt(seen), _sure(seen)) if part
        ]
        if parts:
            yield f"{name}: {'; '.join(parts)}."


def _against_student(seen: Sequence[Moment], unit: str) -> str:
    gaps = [
        (each.step, float(each.taught) - float(each.student))
        for each in seen
        if each.taught is not None and each.student is not None
    ]
    if not gaps:
        return ""
    margin = MARGIN[unit]

    def lasting(sign: int) -> int | None:
        """The step from which on all gaps have that sign and more than the margin; None where the last has not."""
        since = None
        for step, gap in reversed(gaps):
            if sign * gap <= margin:
                break
            since = step
        return since

    last = f"{abs(gaps[-1][1]):.1f} {'points' if unit == '%' else unit}"
    for sign, word, means in (
        (-1, "worse", "consistency pulls down"),
        (1, "better", "there is something to learn"),
    ):
        since = lasting(sign)
        if since is not None:
            when = "throughout" if since == gaps[0][0] and len(gaps) > 1 else f"from step {since} on"
            return f"targets are {word} than the student {when} ({last} at the end): {means}"
    return "targets are about as good as the student at the end: there is little to learn from them"


def _gate(seen: Sequence[Moment]) -> str:
    last = seen[-1].seen
    if last.kept is None:
        return ""
    if last.kept < NOTHING:
        return f"the gate keeps next to nothing ({100 * last.kept:.1f} %)"
    return f"the gate keeps {100 * last.kept:.0f} %"


def _doubt(seen: Sequence[Moment]) -> str:
    last = seen[-1].seen
    if last.correlation is not None:
        much = _degree(last.correlation, UNSURE, SURE)
        return f"what it doubts says {much} of where errors are (rank correlation {last.correlation:.2f})"
    if last.detection is not None:
        much = _degree(last.detection, BLIND, SEES)
        return (
            f"what it is unsure of says {much} of which targets are bad (area under ROC {last.detection:.2f})"
        )
    return ""


def _degree(value: float, low: float, high: float) -> str:
    return "hardly anything" if value < low else "much" if value > high else "something"


def _sure(seen: Sequence[Moment]) -> str:
    bins = [[float(value or 0) for value in each] for each in seen[-1].seen.bins]
    if not bins:
        return ""
    gap = math.fsum(share * (sure - right) for share, sure, right in bins)
    if abs(gap) < SURER:
        return ""
    return f"it is {'surer' if gap > 0 else 'less sure'} than right, by {100 * abs(gap):.0f} points"
