"""Which differences stand: ranks of groups, intervals of the difference to the baseline, further seeds."""

import itertools
import statistics
from collections.abc import Sequence

from ssl_bench.leaderboard.board import Board, Numbers, Section, numbered
from ssl_bench.leaderboard.model import (
    Block,
    Cell,
    Document,
    Grid,
    Heading,
    Listing,
    Span,
    Style,
    figure,
    missing,
    words,
)
from ssl_bench.leaderboard.paired import Field
from ssl_bench.leaderboard.rows import Row
from ssl_bench.leaderboard.scores import by_seed, shown
from ssl_bench.leaderboard.tables import header, name_cell, references
from ssl_bench.statistics.comparison import Difference
from ssl_bench.statistics.ranks import borda, places
from ssl_bench.statistics.seeds import MOST, further_seeds

MOST_PAIRS = 15
"""Those of six methods. Beyond, only pairs with the baseline are listed."""
_NOTES = (
    "Ranks: the first and last rank that a method may have. Methods that share a rank cannot be told apart at a "
    "level of 95 % for all pairs of the column together (Holm).",
    "Borda: over all tasks of the table, a point for every method that a mean score beats and half a point for a "
    "tie; only methods with a score in every task take part.",
    "Differences: mean, 95 % interval, number of common seeds; in bold where the interval leaves out zero. Pairs "
    "share seeds and test images; the interval speaks for other seeds and other images of the same kind. "
    "'Seeds alone': scores of single images are not known, so it speaks for other seeds only.",
    "A single run has no spread, and so no interval and no rank of its own.",
    "Further seeds: how many more of each method would tell the two apart in four of five repetitions, each "
    "pair for itself, if the difference and its spread stayed as they are. 'More images': too few test images for any "
    "number of seeds.",
)


def comparison_document(board: Board) -> Document:
    """Three tables a table of the leaderboard."""
    numbers = numbered(board.rows)
    blocks: list[Block] = []
    for section in board.sections:
        fields = section.fields
        parts = (
            _ranks(section, fields, numbers),
            _differences(section, fields, numbers),
            _seeds(section, fields),
        )
        found = [grid for grid in parts if grid.rows]
        blocks += [Heading(section.table.title), *found] if found else []
    notes = Listing([words(note) for note in _NOTES])
    return [*blocks, Heading("How to read this"), notes, *references(numbers)]


def _ranks(section: Section, fields: Sequence[Field], numbers: Numbers) -> Grid:
    competing = [row for row in section.rows if row.head.role != "upper_bound"]
    points = dict(zip(*_borda(section, competing), strict=True))
    ranked = dict(zip(points, places(list(points.values())), strict=True))
    rows = []
    for index, row in enumerate(competing):
        cells = [_rank(row, field) for field in fields]
        if len(fields) > 1:
            both = (points[index], ranked[index]) if index in points else None
            cells.append(
                figure(f"{both[0]:g} ({both[1]})", points=both[0], place=both[1]) if both else missing()
            )
        rows.append([name_cell(row, numbers), figure("rank"), *cells])
    heads = [*header(section.table), *([figure("Borda points (place)")] if len(fields) > 1 else [])]
    return Grid("ranks", heads, rows if len(competing) > 1 else [], "Ranks")


def _rank(row: Row, field: Field) -> Cell:
    place = next((index for index, other in enumerate(field.rows) if other is row), None)
    if place is None:
        return missing()
    first, last = field.ranks[place]
    single = len(field.samples[place].scores) < 2
    text = f"{first}" if first == last else f"{first}-{last}"
    return figure(f"{text} (n=1)" if single else text, first=first, last=last)


def _borda(section: Section, rows: Sequence[Row]) -> tuple[list[int], list[float]]:
    """Indices of the rows with a score in every column, and their points."""
    columns = section.table.columns
    present = [index for index, row in enumerate(rows) if all(map(by_seed, row.cells))]
    means = [
        # Rounded as shown: what looks equal is equally good.
        [
            shown(statistics.fmean(by_seed(rows[index].cells[number]).values()), column.head.digits)
            for index in present
        ]
        for number, column in enumerate(columns)
    ]
    return present, borda(means, higher_is_better=[column.head.higher_is_better for column in columns])


def _differences(section: Section, fields: Sequence[Field], numbers: Numbers) -> Grid:
    rows = []
    for row in section.rows:
        cells = [
            _difference(row, field, column.head.digits)
            for field, column in zip(fields, section.table.columns, strict=True)
        ]
        if any(cell.values for cell in cells):
            rows.append([name_cell(row, numbers), figure("95 % interval"), *cells])
    titles = dict.fromkeys(field.rows[field.baseline].title for field in fields if field.baseline is not None)
    caption = f"Difference to {' or '.join(titles)}"
    return Grid("differences", header(section.table), rows, caption)


def _difference(row: Row, field: Field, digits: int) -> Cell:
    place = next((index for index, other in enumerate(field.rows) if other is row), None)
    if place is None or field.baseline is None or place == field.baseline:
        return missing()
    difference = field.difference(place, field.baseline)
    if difference is None:
        own, other = field.samples[place].scores, field.samples[field.baseline].scores
        common = sorted(own.keys() & other.keys())
        if not common:
            return missing()
        mean = own[common[0]] - other[common[0]]
        return figure(f"{shown(mean, digits):+.{digits}f} (n=1, no interval)", difference=mean, n=1)
    low, high = difference.interval
    text = f"{shown(difference.mean, digits):+.{digits}f} [{low:+.{digits}f}, {high:+.{digits}f}]"
    note = f" (n={difference.seeds}{'' if difference.images else ', seeds alone'})"
    values = {"difference": difference.mean, "low": low, "high": high, "n": difference.seeds}
    style: Style = "strong" if low > 0 or high < 0 else "figure"
    return Cell((Span(text, style), Span(note, "figure")), values)


def _seeds(section: Section, fields: Sequence[Field]) -> Grid:
    competing = [row for row in section.rows if row.head.role != "upper_bound"]
    pairs = list(itertools.combinations(competing, 2))
    if len(pairs) > MOST_PAIRS:
        pairs = [pair for pair in pairs if pair[0].head.role == "baseline"]
    rows = []
    for first, second in pairs:
        found = [_pair(field, first, second) for field in fields]
        if any(found):
            name = Cell((*_name(first), Span(" and ", "figure"), *_name(second)))
            rows.append([name, figure("further seeds"), *map(_further, found)])
    return Grid("seeds", header(section.table), rows, "Further seeds that would tell two methods apart")


def _pair(field: Field, first: Row, second: Row) -> Difference | None:
    places_ = [index for index, row in enumerate(field.rows) if row is first or row is second]
    return field.difference(*places_) if len(places_) == 2 else None


def _further(difference: Difference | None) -> Cell:
    if difference is None:
        return missing()
    seeds = further_seeds(difference)
    if isinstance(seeds, int):
        return figure(str(seeds) if seeds else "told apart", seeds=seeds)
    return figure(f"over {MOST}" if seeds == "too many" else "more images")


def _name(row: Row) -> tuple[Span, ...]:
    return name_cell(row, {}).spans
