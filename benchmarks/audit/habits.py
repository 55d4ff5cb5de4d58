"""The habits: what is done, by whom, and what it does to a number."""

import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.audit.runs import Collection, Runs, Words, best, better_of_two, common, difference, final
from ssl_bench.significance.comparison import Difference

LOOKS = 20
"""Evaluations on the way, in the runs that look for the best one."""
MT = {"lambda_mt": 1.0}


@dataclass(frozen=True)
class Row:
    """What one habit does on one task."""

    words: Words
    what: str
    runs: int
    honest: float
    habit: float
    adds: Difference


@dataclass(frozen=True)
class Habit:
    """One section of the page."""

    title: str
    text: str
    columns: tuple[str, str]
    """What the honest number and the other one are called."""
    rows: list[Row] = field(default_factory=list)
    further: Sequence[str] = ()
    """Sentences below the table."""


def habits(found: Collection) -> Iterator[Habit]:
    """All sections, in the order of the page."""
    for make in (
        best_epoch,
        starved_baseline,
        chosen_teacher,
        chosen_pool,
        pasted_from_itself,
        overlapping_lists,
        rate_times_gpus,
        centre_crop,
        batch_norm,
        one_seed,
    ):
        yield make(found)


def best_epoch(found: Collection) -> Habit:
    """The best of many looks at the test set, against the last one."""

    def rows(words: Words, task: str) -> Iterator[Row | None]:
        for method, name in (("supervised", "SupOnly"), ("fixmatch", "FixMatch")):
            habit, honest = (found.runs(task, method, read, evaluations=LOOKS) for read in (best, final))
            yield _row(words, name, honest, habit)
        last, top = (found.runs(task, "fixmatch", read, evaluations=LOOKS) for read in (final, best))
        base = found.runs(task, "supervised", final, evaluations=LOOKS)
        yield _row(
            words, "gain of FixMatch, its best over SupOnly's last", _less(last, base), _less(top, base)
        )

    return Habit(
        "The best epoch on the test set",
        f"The score is looked at on the test set {LOOKS} times in a run, and the best one is reported. The public code "
        "of UniMatch, UniMatch V2, FixMatch in both, ST++ and PrevMatch keeps the epoch that is best on the set that "
        "the tables report.",
        ("last step", f"best of {LOOKS} looks"),
        _all(found, rows),
    )


def starved_baseline(found: Collection) -> Habit:
    """A baseline of fewer steps than the method beside it."""
    steps = {
        7: {"segmentation": 17, "denoising": 43, "matting": 17, "night": 43},
        119: {"segmentation": 2, "denoising": 3, "matting": 2, "night": 3},
    }

    def rows(words: Words, task: str) -> Iterator[Row | None]:
        control, equal = found.runs(task, "control"), found.runs(task, "supervised")
        for factor, taken in steps.items():
            starved = found.runs(task, "supervised", iterations=taken.get(task))
            yield _row(
                words,
                f"gain of the control over a baseline of 1/{factor} of its steps",
                _less(control, equal),
                _less(control, starved),
            )

    return Habit(
        "A starved baseline",
        "The baseline runs as many epochs as the method, of a list that is far shorter, and so takes a fraction of its "
        "steps: a seventh in the mildest published case that we counted, a 119th in the worst. The method here is the "
        "control, which learns nothing from unlabelled images: whatever it gains in the right column is the habit's. "
        "A 119th of a run of tier `lite` is two or three steps, less than anybody's baseline; read it as the end of "
        "a scale.",
        ("over equal steps", "over fewer"),
        _all(found, rows),
    )


def chosen_teacher(found: Collection) -> Habit:
    """The better of student and teacher, by the test score."""

    def rows(words: Words, task: str) -> Iterator[Row | None]:
        for method, name, settings in (
            ("control", "Control", {}),
            ("mt", "MT, λ = 1", MT),
            ("fixmatch", "FixMatch", {}),
        ):
            honest = found.runs(task, method, settings=settings)
            yield _row(words, name, honest, found.runs(task, method, better_of_two, settings=settings))

    return Habit(
        "Student or teacher, whichever scores better",
        "Both networks are scored on the test set, and the better one is reported. Here the teacher is deployed, which "
        "is said before the run.",
        ("teacher", "better of both"),
        _all(found, rows),
    )


def chosen_pool(found: Collection) -> Habit:
    """Teachers that scored best on test images."""

    def rows(words: Words, task: str) -> Iterator[Row | None]:
        yield _row(words, "PrevMatch", found.runs(task, "prevmatch"), found.runs(task, "peeking"))

    return Habit(
        "Teachers chosen on test images",
        "A state of the network becomes a teacher whenever its score on the reported set is a new best (the public "
        "code of PrevMatch; ST++ labels with its best epoch likewise). Here states are taken at fixed steps.",
        ("fixed steps", "new bests on test"),
        _all(found, rows),
    )


def pasted_from_itself(found: Collection) -> Habit:
    """CutMix of an image with itself."""

    def rows(words: Words, task: str) -> Iterator[Row | None]:
        runs = {
            partner: found.runs(task, "pasting", settings={"partner": partner})
            for partner in ("neighbour", "itself", "nobody")
        }
        yield _row(words, "from itself", runs["neighbour"], runs["itself"])
        yield _row(words, "not at all", runs["neighbour"], runs["nobody"])

    return Habit(
        "CutMix with oneself",
        "Two loaders of one order give the same images, so that a box is filled from another crop of the image that "
        "it is pasted into (the public code of FixMatch for pixels, UniMatch, and CPS with CutMix).",
        ("from a neighbour", "otherwise"),
        _all(found, rows),
    )


def overlapping_lists(found: Collection) -> Habit:
    """Labelled images among the unlabelled ones, and lists that differ from paper to paper."""

    def rows(words: Words, task: str) -> Iterator[Row | None]:
        yield _row(
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
        _all(found, rows),
        spread,
    )


def rate_times_gpus(found: Collection) -> Habit:
    """A learning rate that code multiplies by the number of GPUs."""

    def rows(words: Words, task: str) -> Iterator[Row | None]:
        optimizer = {**found.usual(task)["optimizer"]}
        optimizer["learning_rate"] = 4 * optimizer["learning_rate"]
        for method, name in (("supervised", "SupOnly"), ("control", "Control")):
            yield _row(words, name, found.runs(task, method), found.runs(task, method, optimizer=optimizer))

    return Habit(
        "The learning rate times GPUs",
        "Code multiplies the rate by the number of processes (the public code of CPS): whoever runs it on another "
        "number of GPUs, or quotes the rate, compares another method. Four times, here.",
        ("the rate", "times four"),
        _all(found, rows),
    )


def centre_crop(found: Collection) -> Habit:
    """Scores of the middle of test images."""

    def rows(words: Words, task: str) -> Iterator[Row | None]:
        yield _row(
            words,
            "SupOnly",
            found.runs(task, "supervised"),
            found.runs(task, "supervised", dataset="centre"),
        )

    return Habit(
        "A centre crop in evaluation",
        "Test images are cut to their middle, here to half of either side, before they are predicted: what stands at "
        "borders counts no more. The networks are the same ones.",
        ("whole images", "their middle"),
        _all(found, rows),
    )


def batch_norm(found: Collection) -> Habit:
    """What of a gain is there without any learning from unlabelled images."""

    def rows(words: Words, task: str) -> Iterator[Row | None]:
        base, control = found.runs(task, "supervised"), found.runs(task, "control")
        mt = found.runs(task, "mt", settings=MT)
        yield _row(words, "gain of MT, λ = 1", _less(mt, control), _less(mt, base))

    return Habit(
        "BatchNorm's share",
        "A gain is given over SupOnly, whose BatchNorm never sees an unlabelled row. The control makes Mean Teacher's "
        "passes, and learns nothing from them: the gain over it is what is learnt from unlabelled images, and what the "
        "last column adds to that is not.",
        ("over the control", "over SupOnly"),
        _all(found, rows),
    )


def one_seed(found: Collection) -> Habit:
    """How far a single run of each may mislead."""
    sentences = []
    for task in found.tasks():
        words = found.words(task)
        for name, habit, honest in (
            ("MT, λ = 1, over the control", found.runs(task, "mt", settings=MT), found.runs(task, "control")),
            ("the control over SupOnly", found.runs(task, "control"), found.runs(task, "supervised")),
        ):
            whole, gains = difference(habit, honest), [one - other for one, other in common(habit, honest)]
            if whole is None or len(gains) < 10:
                continue
            against = sum((gain > 0) != (whole.mean > 0) for gain in gains)
            sentences.append(
                f"{words.title}, gain of {name}: {number(whole.mean, words)} {interval(whole, words)} over "
                f"{whole.runs} runs. A single one of them gives anything from {number(min(gains), words)} to "
                f"{number(max(gains), words)}, {against} of {len(gains)} with the other sign."
            )
    return Habit(
        "One seed",
        "One run of each method is compared with one run of the other.",
        ("", ""),
        [],
        sentences,
    )


def number(value: float, words: Words) -> str:
    """`+1.53 dB`."""
    return f"{value:+.{words.digits}f} {words.unit}"


def interval(found: Difference, words: Words) -> str:
    """`[0.30, 2.76]`."""
    low, high = found.interval
    return f"[{low:.{words.digits}f}, {high:.{words.digits}f}]"


def _less(one: Runs, other: Runs) -> Runs:
    return {pair: one[pair] - other[pair] for pair in one if pair in other}


def _row(words: Words, what: str, honest: Runs, habit: Runs) -> Row | None:
    adds = difference(habit, honest)
    if adds is None:
        return None
    pairs = list(common(honest, habit))
    honest_mean, habit_mean = (statistics.fmean(column) for column in zip(*pairs, strict=True))
    return Row(words, what, len(pairs), honest_mean, habit_mean, adds)


def _all(found: Collection, rows: Callable[[Words, str], Iterator[Row | None]]) -> list[Row]:
    return [row for task in found.tasks() for row in rows(found.words(task), task) if row is not None]


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
