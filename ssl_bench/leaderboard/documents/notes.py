"""What is said below the tables of scores: how to read them, and what they come from."""

from collections.abc import Iterator

from ssl_bench.leaderboard.documents.settings import TRIALS
from ssl_bench.leaderboard.documents.unlike import listed, several_notes, titles_of, unlike_notes
from ssl_bench.leaderboard.model import Span, joined, words
from ssl_bench.leaderboard.reading.board import Board, Section
from ssl_bench.leaderboard.reading.columns import runs_text
from ssl_bench.leaderboard.reading.rows import column_titles
from ssl_bench.words import number_of

BEST = (
    "In bold, or with a star: methods that are better than {than} at 95 %, over the pairs of split and seed that both "
    "have, and than which no method with at least as many runs is better at 95 %; never from a single run."
)

SHOWN = 3
"""Rows that a note names."""


def reading_notes(board: Board) -> list[tuple[Span, ...]]:
    """How to read a table of scores."""
    rows = board.rows
    standings = [standing for section in board.sections for standing in section.standings]
    baselines = titles_of(standing.baseline for standing in standings)
    controls = titles_of(standing.control for standing in standings)
    bounds = titles_of(row for row in rows if row.head.role == "upper_bound")
    columns = [column for section in board.sections for column in section.table.columns]
    several = dict.fromkeys(runs_text(column) for column in columns if len(column.split_seeds) > 1)
    over = " " + "; ".join(several) + "." if several else ""
    notes = [words(f"Scores: mean ± sample standard deviation over n runs.{over}")]
    if baselines:
        than = "the baseline, and than the control where there is one," if controls else "the baseline"
        notes.append(words(BEST.format(than=than)))
        notes += _seeds_alone(board)
        names = joined(list(baselines), " or ")
        pairs = "pairs of split and seed" if several else "seeds"
        alike = ", each split counting alike" if several else ""
        notes.append(
            words("Signed figures: difference to ", *names, f", over the {pairs} that both have{alike}.")
        )
    if any(standing.labels == "not missing" for standing in standings):
        notes.append(
            words(
                "Labels are not what is missing: the gain of all labels does not stand at 95 %, and so "
                "nobody is ranked in that column."
            )
        )
    if any(len(cells) == 1 for row in rows for cells in row.cells):
        notes.append(words("n=1: a single run, which tells nothing of its spread."))
    notes += unlike_notes(rows)
    notes += several_notes(board)
    if controls:
        names = joined(list(controls), " and ")
        notes.append(
            words(
                *names,
                ": the control, which does not compete. A gain over it is the method's own.",
            )
        )
    if bounds:
        names = joined(list(bounds), " and ")
        notes.append(words(*names, ": an upper bound, which does not compete for bold."))
    return notes


def _seeds_alone(board: Board) -> Iterator[tuple[Span, ...]]:
    """Which of the best were compared over seeds alone."""
    found = [
        f"{row.name}, {title}"
        for section in board.sections
        for title, standing in zip(column_titles(section.table), section.standings, strict=True)
        for row in section.rows
        if standing.is_best(row) and standing.over_seeds_alone(row)
    ]
    if found:
        more = (f" and {len(found) - SHOWN} more",) if len(found) > SHOWN else ()
        yield words(
            "Of these over seeds alone, for scores of single images are not known, and so not of other images: ",
            *joined(found[:SHOWN], "; "),
            *more,
            ".",
        )


def making_notes(board: Board) -> list[tuple[Span, ...]]:
    """How to read the tables, then what they were made from."""
    rows, notes = board.rows, reading_notes(board)
    everywhere = titles_of(row for row in rows if row.head.uses_all_labels)
    versions = {version for entry in board.entries for _, version in entry.versions}
    versions |= {entry.provider for entry in board.entries}
    if any(standing.bound for section in board.sections for standing in section.standings):
        notes.append(
            words(
                "Shares of the gap: given where there is one, the 95 % interval of the difference between its two ends "
                "leaving out zero. A single run has no interval; its share is no more than a hint."
            )
        )
    if everywhere:
        names = joined(list(everywhere), " and ")
        notes.append(words(*names, ": trained on every label of the training set, whatever the split."))
    notes.append(
        words(
            "What ranks is the score after the last iteration, never the best one of a run, "
            "which would be a choice made on test data."
        )
    )
    none = "How many settings were tried before these runs: not stated."
    notes.append(words(none if all(entry.trials is None for entry in board.entries) else TRIALS))
    left_out = f" {board.repeated} more repeat a run and are left out." if board.repeated else ""
    notes.append(words(f"Made from {number_of(len(board.entries), 'record')}.{left_out}"))
    notes.append(words("Hardware: ", *listed(entry.device for entry in board.entries), "."))
    notes.append(words("Versions: ", *listed(versions), "."))
    return notes


def ends_text(section: Section) -> str:
    """From which method to which one a gap reaches, where all columns agree."""
    ends = {
        (low.title, high.title)
        for standing in section.standings
        if (low := standing.baseline) and (high := standing.bound)
    }
    return " from {} to {}".format(*ends.pop()) if len(ends) == 1 else ""
