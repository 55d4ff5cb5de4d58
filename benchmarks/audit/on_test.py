"""Habits of looking at test images."""

from collections.abc import Iterator

from benchmarks.audit.habit import FIXMATCH, MT, PREVMATCH, Habit, Row, less, of_tasks, row_of
from benchmarks.audit.runs import Collection, Words, best, better_of_two, final

LOOKS = 20
"""Evaluations on the way, in the runs that look for the best one."""


def best_epoch(found: Collection) -> Habit:
    """The best of many looks at the test set, against the last one."""

    def rows(words: Words, task: str) -> Iterator[Row | None]:
        for method, name, settings in (("supervised", "SupOnly", {}), ("fixmatch", "FixMatch", FIXMATCH)):
            habit, honest = (
                found.runs(task, method, read, settings=settings, evaluations=LOOKS) for read in (best, final)
            )
            yield row_of(words, name, honest, habit)
        last, top = (
            found.runs(task, "fixmatch", read, settings=FIXMATCH, evaluations=LOOKS) for read in (final, best)
        )
        base = found.runs(task, "supervised", final, evaluations=LOOKS)
        yield row_of(
            words, "gain of FixMatch, its best over SupOnly's last", less(last, base), less(top, base)
        )

    return Habit(
        "The best epoch on the test set",
        f"The score is looked at on the test set {LOOKS} times in a run, and the best one is reported. The public code "
        "of UniMatch, UniMatch V2, FixMatch in both, ST++ and PrevMatch keeps the epoch that is best on the set that "
        "the tables report. The best of several looks is never below the last; Student's interval does not know that.",
        ("last step", f"best of {LOOKS} looks"),
        of_tasks(found, rows),
    )


def chosen_teacher(found: Collection) -> Habit:
    """The better of student and teacher, by the test score."""

    def rows(words: Words, task: str) -> Iterator[Row | None]:
        for method, name, settings in (
            ("control", "Control", {}),
            ("mt", "MT, λ = 1", MT),
            ("fixmatch", "FixMatch", FIXMATCH),
        ):
            honest = found.runs(task, method, settings=settings)
            yield row_of(words, name, honest, found.runs(task, method, better_of_two, settings=settings))

    return Habit(
        "Student or teacher, whichever scores better",
        "Both networks are scored on the test set, and the better one is reported. Here the teacher is deployed, which "
        "is said before the run.",
        ("teacher", "better of both"),
        of_tasks(found, rows),
    )


def chosen_pool(found: Collection) -> Habit:
    """Teachers that scored best on test images."""

    def rows(words: Words, task: str) -> Iterator[Row | None]:
        yield row_of(
            words, "PrevMatch", found.runs(task, "prevmatch", settings=PREVMATCH), found.runs(task, "peeking")
        )

    return Habit(
        "Teachers chosen on test images",
        "A state of the network becomes a teacher whenever its score on the reported set is a new best (the public "
        "code of PrevMatch; ST++ labels with its best epoch likewise). Here states are taken at fixed steps.",
        ("fixed steps", "new bests on test"),
        of_tasks(found, rows),
    )


def centre_crop(found: Collection) -> Habit:
    """Scores of the middle of test images."""

    def rows(words: Words, task: str) -> Iterator[Row | None]:
        yield row_of(
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
        of_tasks(found, rows),
    )
