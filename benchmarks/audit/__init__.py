"""What published habits do to a number: the page `docs/audit.md`, from committed records."""

import argparse
from collections.abc import Iterator
from pathlib import Path

from benchmarks.audit import baselines, on_test, rows
from benchmarks.audit.habit import Habit, interval, number
from benchmarks.audit.runs import Collection
from benchmarks.measure import table
from ssl_bench.store.results import read_records

ROOT = Path(__file__).parents[2]
TITLE = "An audit: what published habits do to a number"
PAGE = "docs/audit.md"
RECORDS = (ROOT / "leaderboards" / "records", ROOT / "benchmarks" / "results" / "audit")
INTRODUCTION = """\
Each section takes one habit of published protocols for pixel-wise semi-supervised learning, and says what it does to a
number here: tier `lite`, embedded data, two or four labelled images, everything else equal. The honest number and the
other one come from runs of the same splits and seeds, and the last column is their mean difference with an interval of
95 % over runs alone; those of [comparison](../leaderboards/comparison.md) take test images into account as well, and
differ a little. **Bold** is what leaves 0 out. The effects are those of short runs of small networks: their signs
and orders of magnitude are to be cited, rather than their digits.

Made by `python -m benchmarks audit --write` from the records in [leaderboards](../leaderboards/README.md) and in
`benchmarks/results/audit`; what exists for this page alone is in
`examples/published-habits`, with the suites of all runs.
"""

HABITS = (
    on_test.best_epoch,
    baselines.starved_baseline,
    on_test.chosen_teacher,
    on_test.chosen_pool,
    rows.pasted_from_itself,
    rows.overlapping_lists,
    rows.pool_from_the_same_place,
    baselines.rate_times_gpus,
    on_test.centre_crop,
    baselines.batch_norm,
    baselines.one_seed,
)
"""In the order of the page."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Further records, as of runs that are not committed."""
    parser.add_argument(
        "--runs", type=Path, action="append", default=[], help="a results folder to read as well"
    )


def page(options: argparse.Namespace) -> str:
    """The whole page."""
    folders = (*RECORDS, *options.runs)
    found = Collection([record for folder in folders for record in read_records(folder)])
    return f"# {TITLE}\n\n{INTRODUCTION}\n" + "\n".join(_section(habit(found)) for habit in HABITS)


def _section(habit: Habit) -> str:
    return "\n".join([f"## {habit.title}", "", habit.text, "", *_rows(habit), *_further(habit)])


def _rows(habit: Habit) -> Iterator[str]:
    if not habit.rows:
        if any(habit.columns):
            yield "The habit itself is not measured yet.\n"
        return
    yield table(
        ["Task", "", "runs", *habit.columns, "the habit adds, 95 %"],
        [
            [
                row.words.title,
                row.what,
                str(row.runs),
                f"{row.honest:.{row.words.digits}f}",
                f"{row.habit:.{row.words.digits}f}",
                _bold(f"{number(row.adds.mean, row.words)} {interval(row.adds, row.words)}", row.adds.stands),
            ]
            for row in habit.rows
        ],
    )
    yield ""


def _further(habit: Habit) -> Iterator[str]:
    for sentence in habit.further:
        yield f"- {sentence}"
    if habit.further:
        yield ""


def _bold(text: str, stands: bool) -> str:
    return f"**{text}**" if stands else text
