"""Habits of what a number is compared with."""

from collections.abc import Iterator

from benchmarks.audit.habit import MT, Habit, Row, interval, less, number, of_tasks, row_of
from benchmarks.audit.runs import Collection, Words, common, difference


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
            yield row_of(
                words,
                f"gain of the control over a baseline of 1/{factor} of its steps",
                less(control, equal),
                less(control, starved),
            )

    return Habit(
        "A starved baseline",
        "The baseline runs as many epochs as the method, of a list that is far shorter, and so takes a fraction of its "
        "steps: a seventh in the mildest published case that we counted, a 119th in the worst. The method here is the "
        "control, which learns nothing from unlabelled images: whatever it gains in the right column is the habit's. "
        "A 119th of a run of tier `lite` is two or three steps, less than anybody's baseline; read it as the end of "
        "a scale.",
        ("over equal steps", "over fewer"),
        of_tasks(found, rows),
    )


def rate_times_gpus(found: Collection) -> Habit:
    """A learning rate that code multiplies by the number of GPUs."""

    def rows(words: Words, task: str) -> Iterator[Row | None]:
        optimizer = {**found.usual(task)["optimizer"]}
        optimizer["learning_rate"] = 4 * optimizer["learning_rate"]
        for method, name in (("supervised", "SupOnly"), ("control", "Control")):
            yield row_of(words, name, found.runs(task, method), found.runs(task, method, optimizer=optimizer))

    return Habit(
        "The learning rate times GPUs",
        "Code multiplies the rate by the number of processes (the public code of CPS): whoever runs it on another "
        "number of GPUs, or quotes the rate, compares another method. Four times, here.",
        ("the rate", "times four"),
        of_tasks(found, rows),
    )


def batch_norm(found: Collection) -> Habit:
    """What of a gain is there without any learning from unlabelled images."""

    def rows(words: Words, task: str) -> Iterator[Row | None]:
        base, control = found.runs(task, "supervised"), found.runs(task, "control")
        mt = found.runs(task, "mt", settings=MT)
        yield row_of(words, "gain of MT, λ = 1", less(mt, control), less(mt, base))

    return Habit(
        "BatchNorm's share",
        "A gain is given over SupOnly, whose BatchNorm never sees an unlabelled row. The control makes Mean Teacher's "
        "passes, and learns nothing from them: the gain over it is what is learnt from unlabelled images, and what the "
        "last column adds to that is not.",
        ("over the control", "over SupOnly"),
        of_tasks(found, rows),
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
