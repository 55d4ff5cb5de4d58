"""One habit: what is done, by whom, and what it does to a number."""

import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from benchmarks.audit.runs import Collection, Runs, Words, common, difference
from ssl_bench.significance.comparison import Difference

# As published: a tier's own settings come from a search.
MT = {"lambda_mt": 1.0}
CUTMIX = {"lambda_cm": 1.0}
FIXMATCH = {"lambda_fm": 1.0}
PREVMATCH = {"lambda_pm": 1.0}


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


def number(value: float, words: Words) -> str:
    """`+1.53 dB`."""
    return f"{value:+.{words.digits}f} {words.unit}"


def interval(found: Difference, words: Words) -> str:
    """`[0.30, 2.76]`."""
    low, high = found.interval
    return f"[{low:.{words.digits}f}, {high:.{words.digits}f}]"


def less(one: Runs, other: Runs) -> Runs:
    """Differences over the pairs of split and seed that both have."""
    return {pair: one[pair] - other[pair] for pair in one if pair in other}


def row_of(words: Words, what: str, honest: Runs, habit: Runs) -> Row | None:
    """What a habit adds to the honest runs; None of fewer than two pairs."""
    adds = difference(habit, honest)
    if adds is None:
        return None
    pairs = list(common(honest, habit))
    honest_mean, habit_mean = (statistics.fmean(column) for column in zip(*pairs, strict=True))
    return Row(words, what, len(pairs), honest_mean, habit_mean, adds)


def of_tasks(found: Collection, rows: Callable[[Words, str], Iterator[Row | None]]) -> list[Row]:
    """The rows that can be made of what was found, task by task."""
    return [row for task in found.tasks() for row in rows(found.words(task), task) if row is not None]
