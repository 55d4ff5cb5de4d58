"""Which differences stand: whether labels are missing, ranks of groups, intervals of gains, further seeds."""

import itertools
from collections.abc import Sequence

from ssl_bench.leaderboard.documents.settings import told_alone
from ssl_bench.leaderboard.documents.tables import header, name_cell, references
from ssl_bench.leaderboard.model import (
    Block,
    Cell,
    Document,
    Grid,
    Heading,
    Listing,
    Span,
    Style,
    cell,
    figure,
    missing,
    words,
)
from ssl_bench.leaderboard.reading.board import Board, Numbers, Section, numbered
from ssl_bench.leaderboard.reading.rows import Row, column_titles
from ssl_bench.leaderboard.reading.scores import by_run, mean_difference, shown
from ssl_bench.leaderboard.reading.standing import Standing
from ssl_bench.significance.comparison import Difference
from ssl_bench.significance.ranks import places
from ssl_bench.significance.seeds import MOST, further_seeds
from ssl_bench.specs import Role
from ssl_bench.words import number_of

MOST_PAIRS = 15
"""Those of six methods. Beyond, only pairs with the baseline are listed."""
_NOTES = (
    "Labels: all labels minus the few. Where the interval does not leave out zero, or does so the wrong way "
    "round, labels are not what is missing, and no method is ranked: what is left to win is then less than what "
    "can be measured.",
    "Ranks: the first and last rank that a method may have. Methods that share a rank cannot be told apart at a "
    "level of 95 % for all pairs of the column together (Holm). A method that has fewer runs is not placed above "
    "one that has more; the baseline may have more or fewer. Neither the control nor what has all the labels is "
    "ranked.",
    "Borda: over all tasks of the table in which methods are ranked, a point for every other row that one is better "
    "than, by the mean over the pairs of split and seed that both have and whether or not the difference stands, and "
    "half a point for a tie; only rows with a score in every one of these tasks take part. The control does: a method "
    "with no more points than it has won nothing of its own.",
    "Differences: mean, 95 % interval, number of common pairs of split and seed; in bold where the interval "
    "leaves out zero, each one for itself, but for columns in which nobody is ranked. Pairs share their split, "
    "their seed and the test images; the interval speaks for other splits drawn alike and for other seeds of "
    "training, where there are several (else for this one), and for other images of the same kind. 'One seed': all "
    "pairs have the same one, and so it does not speak for others. 'Seeds alone', or 'splits alone' where there is "
    "one seed: scores of single images are not known, and so it does not speak for other images. 'One image': there "
    "is one test image, and so it does not, either.",
    "A single run has no spread, and so no interval and no rank of its own.",
    "Further seeds: how many more of each method would tell the two apart in four of five repetitions, each "
    "pair for itself, if the difference and its spread stayed as they are. 'More images': too few test images "
    "for any number of seeds, or a single one. 'More splits': too few splits for any number of seeds. "
    "'The same': all scores are.",
)
_SPLITS = (
    "Several splits and seeds: runs of one split share their labelled images, runs of one seed their initial "
    "weights, and the variance of a mean says so (two-way analysis of variance; an effect with p > 0.25 counts "
    "as chance). With three splits intervals of 95 % hold at 91 % at least, with two at 86 %. Each split counts alike "
    "in a difference, however many runs it has; scores are means over runs."
)
_CONTROL = (
    "The control: what others share with a method besides what the method adds, such as a forward pass with "
    "unlabelled images in it. A gain over the control is what the method itself brings."
)


def comparison_document(board: Board) -> Document:
    """Up to five tables a table of the leaderboard."""
    numbers = numbered(board.rows)
    blocks: list[Block] = []
    for section in board.sections:
        parts = (
            _labels(section),
            _ranks(section, numbers),
            _differences(section, numbers, "baseline"),
            _differences(section, numbers, "control"),
            _seeds(section),
        )
        found = [grid for grid in parts if grid.rows]
        blocks += [Heading(section.table.title), *found] if found else []
    several = any(
        len(column.split_seeds) > 1 for section in board.sections for column in section.table.columns
    )
    control = any(standing.control for section in board.sections for standing in section.standings)
    said = (*_NOTES, *((_SPLITS,) if several else ()), *((_CONTROL,) if control else ()))
    notes = Listing([words(note) for note in said])
    return [*blocks, Heading("How to read this"), notes, *references(numbers)]


_MISSING = {"missing": "yes", "not missing": "no", "unknown": "not known"}


def _labels(section: Section) -> Grid:
    """What all labels add in each column, and so whether they are what is missing."""
    rows = []
    if not any(standing.bound and standing.baseline for standing in section.standings):
        return Grid("labels", (), ())
    for title, column, standing in zip(
        column_titles(section.table), section.table.columns, section.standings, strict=True
    ):
        bound, digits = standing.bound, column.head.digits
        added = _difference(standing, bound, standing.baseline, digits) if bound else missing()
        rows.append([cell(title), cell(column.head.metric), added, figure(_MISSING[standing.labels])])
    header = [figure(name) for name in ("Task", "Metric", "All labels minus the few", "Labels are missing")]
    return Grid("labels", header, rows, "Whether labels are what is missing")


def _ranks(section: Section, numbers: Numbers) -> Grid:
    shown = set(map(id, section.rows))
    ranking = [number for number, standing in enumerate(section.standings) if standing.ranks]
    points = _borda(section, ranking) if len(section.standings) > 1 and ranking else {}
    ranked = dict(zip(points, places(list(points.values())), strict=True))
    rows = []
    for row in section.compared:
        # What does not compete is ranked nowhere, and may have points.
        if id(row) not in shown or not (row.competes or id(row) in points):
            continue
        cells = [_rank(row, standing) for standing in section.standings]
        if points:
            both = (points[id(row)], ranked[id(row)]) if id(row) in points else None
            cells.append(
                figure(f"{both[0]:g} ({both[1]})", points=both[0], place=both[1]) if both else missing()
            )
        rows.append([name_cell(row, numbers), figure("rank"), *cells])
    several = sum(row.competes for row in section.compared) > 1
    heads = [*header(section.table), *([figure("Borda points (place)")] if points else [])]
    return Grid("ranks", heads, rows if several and ranking else [], "Ranks")


def _rank(row: Row, standing: Standing) -> Cell:
    place = standing.field.index(row)
    if place is None:
        return missing()
    if not standing.ranks or not row.competes:
        return figure("not ranked")
    first, last = standing.field.ranks[place]
    single = len(standing.field.samples[place].scores) < 2
    text = f"{first}" if first == last else f"{first}-{last}"
    return figure(f"{text} (n=1)" if single else text, first=first, last=last)


def _borda(section: Section, ranking: Sequence[int]) -> dict[int, float]:
    """Points by identity of the row: of methods and the control, those with a score in every column that ranks."""
    heads = {number: section.table.columns[number].head for number in ranking}
    found = {
        id(row): [by_run(row.cells[number], heads[number].primary.name) for number in ranking]
        for row in section.compared
        if row.head.role != "upper_bound"
    }
    present = {row: runs for row, runs in found.items() if all(runs)}

    def points(row: int, other: int) -> float:
        total = 0.0
        for own, its, head in zip(present[row], present[other], heads.values(), strict=True):
            # Rounded as shown: what looks equal is equally good, and so is what has no pair in common.
            gain = shown(mean_difference(own, its) or 0.0, head.digits)
            total += 0.5 if gain == 0 else float((gain > 0) == head.higher_is_better)
        return total

    return {row: sum(points(row, other) for other in present if other != row) for row in present}


def _differences(section: Section, numbers: Numbers, role: Role) -> Grid:
    """Every row minus the baseline; what competes, but for that baseline, minus the control."""
    others = [standing.baseline if role == "baseline" else standing.control for standing in section.standings]
    rows = []
    for row in section.rows:
        cells = [
            missing()
            if role == "control" and (not row.competes or row is standing.baseline)
            else _difference(standing, row, other, column.head.digits)
            for standing, other, column in zip(section.standings, others, section.table.columns, strict=True)
        ]
        if any(one.values for one in cells):
            rows.append([name_cell(row, numbers), figure("95 % interval"), *cells])
    titles = dict.fromkeys(other.title for other in others if other is not None)
    caption = f"Difference to {' or '.join(titles)}"
    name = "differences" if role == "baseline" else f"differences-{role}"
    return Grid(name, header(section.table), rows, caption, alone=told_alone(section))


def _difference(standing: Standing, row: Row, other: Row | None, digits: int) -> Cell:
    if other is None or row is other:
        return missing()
    difference = standing.difference(row, other)
    if difference is None:
        mean = standing.single(row, other)
        if mean is None:
            return missing()
        return figure(f"{shown(mean, digits):+.{digits}f} (n=1, no interval)", difference=mean, n=1)
    low, high = difference.interval
    middle, *ends = (f"{shown(value, digits):+.{digits}f}" for value in (difference.mean, low, high))
    text = f"{middle} [{', '.join(ends)}]"
    one_seed = difference.seeds == 1
    alone = ", splits alone" if one_seed else ", seeds alone"
    for_whom = ", one seed" * one_seed + {0: alone, 1: ", one image"}.get(difference.images, "")
    values = {"difference": difference.mean, "low": low, "high": high, "n": difference.runs}
    style: Style = "strong" if difference.stands and standing.ranks else "figure"
    return Cell((Span(text, style), Span(f" (n={difference.runs}{for_whom})", "figure")), values)


def _seeds(section: Section) -> Grid:
    competing = [row for row in section.rows if row.competes]
    pairs = list(itertools.combinations(competing, 2))
    if len(pairs) > MOST_PAIRS:
        pairs = [pair for pair in pairs if pair[0].head.role == "baseline"]
    rows = []
    for first, second in pairs:
        found = [standing.difference(first, second) for standing in section.standings]
        if any(found):
            name = Cell((*_name(first), Span(" and ", "figure"), *_name(second)))
            rows.append([name, figure("further seeds"), *map(_further, found)])
    return Grid("seeds", header(section.table), rows, "Further seeds that would tell two methods apart")


def _further(difference: Difference | None) -> Cell:
    if difference is None:
        return missing()
    seeds = further_seeds(difference)
    if isinstance(seeds, int):
        # Where all runs have one seed, or each its own, what is missing are further runs, each of its own split.
        of_splits = difference.splits > 1 and difference.seeds in (1, difference.runs)
        return figure(
            (number_of(seeds, "split") if of_splits else str(seeds)) if seeds else "told apart", seeds=seeds
        )
    said = {"too many": f"over {MOST}", "the same": "the same"}
    return figure(said.get(seeds, f"more {seeds}"))


def _name(row: Row) -> tuple[Span, ...]:
    return name_cell(row, {}).spans
