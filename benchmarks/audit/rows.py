"""Habits of which images are labelled, and which unlabelled ones are learnt from."""

import statistics
from collections.abc import Iterator
from typing import Any

from benchmarks.audit.habit import CUTMIX, FIXMATCH, MT, Habit, Row, of_tasks, row_of
from benchmarks.audit.runs import Collection, Runs, Words


def pasted_from_itself(found: Collection) -> Habit:
    """CutMix of an image with itself."""

    def rows(words: Words, task: str) -> Iterator[Row | None]:
        runs = {
            partner: found.runs(task, "pasting", settings={"partner": partner})
            for partner in ("neighbour", "itself", "nobody")
        }
        yield row_of(words, "from itself", runs["neighbour"], runs["itself"])
        yield row_of(words, "not at all", runs["neighbour"], runs["nobody"])

    return Habit(
        "CutMix with oneself",
        "Two loaders of one order give the same images, so that a box is filled from another crop of the image that "
        "it is pasted into (the public code of FixMatch for pixels, UniMatch, and CPS with CutMix).",
        ("from a neighbour", "otherwise"),
        of_tasks(found, rows),
    )


def overlapping_lists(found: Collection) -> Habit:
    """Labelled images among the unlabelled ones, and lists that differ from paper to paper."""

    def rows(words: Words, task: str) -> Iterator[Row | None]:
        yield row_of(
            words,
            "MT, λ = 1",
            found.runs(task, "mt", settings=MT),
            found.runs(task, "mt", dataset="overlapping", settings=MT),
        )

    spread = []
    for task in found.tasks():
        words, runs = found.words(task), found.runs(task, "supervised")
        splits, seeds = _spreads(runs)
        if splits is not None and seeds is not None:
            spread.append(
                f"{words.title}: a SupOnly score moves by {splits:.{words.digits}f} {words.unit} (standard deviation) "
                f"with the list of labelled images, by {seeds:.{words.digits}f} with the seed on one list."
            )
    return Habit(
        "Label lists",
        "Labelled images stand among the unlabelled ones, too, as in a public list for VOC; here all of them do, each "
        "half as often as any other image. And papers compare numbers from lists of their own.",
        ("lists apart", "overlapping"),
        of_tasks(found, rows),
        spread,
    )


def pool_from_the_same_place(found: Collection) -> Habit:
    """Unlabelled images as the labelled ones are, against those of another camera, or of other things."""
    ways = {"camera:1": "by another camera", "content:1": "of other things"}
    methods = (
        ("control", "Control", {}),
        ("mt", "MT, λ = 1", MT),
        ("cutmix", "CutMix-MT", CUTMIX),
        ("fixmatch", "FixMatch", FIXMATCH),
    )

    def rows(words: Words, task: str) -> Iterator[Row | None]:
        for way, what in ways.items():
            for method, name, settings in methods:
                same, other = (found.runs(task, method, settings=settings, shift=each) for each in ("", way))
                yield row_of(words, f"{name}; pool {what}", other, same)

    return Habit(
        "A pool from the same place",
        "Papers make unlabelled images by hiding labels of a data set, so that both are of one kind; Oliver et al. "
        "(NeurIPS 2018) say what that hides. Here all unlabelled images are of the same scenes by another camera, or "
        "of things that no labelled image shows; labelled and test images stay.",
        ("elsewhere", "same place"),
        of_tasks(found, rows),
    )


def _spreads(runs: Runs) -> tuple[float | None, float | None]:
    """Standard deviations of the means of lists, and of seeds on one list, over lists with two seeds or more."""
    lists: dict[Any, list[float]] = {}
    for (split, _), score in runs.items():
        lists.setdefault(split, []).append(score)
    several = [scores for scores in lists.values() if len(scores) > 1]
    if len(several) < 2:
        return None, None
    within = statistics.fmean(statistics.variance(scores) for scores in several) ** 0.5
    return statistics.stdev(map(statistics.fmean, several)), within
