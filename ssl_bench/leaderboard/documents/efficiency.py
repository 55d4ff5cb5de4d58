"""Scores against the number of labels, over nested splits, and the labels that a method saves."""

import itertools
import math
import statistics
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ssl_bench.leaderboard.documents.tables import mean_cell, name_cell, references
from ssl_bench.leaderboard.model import Block, Cell, Document, Grid, Heading, cell, figure, missing, paragraph
from ssl_bench.leaderboard.reading.board import Board, Numbers, numbered
from ssl_bench.leaderboard.reading.columns import Column, by_split, is_generated, pools
from ssl_bench.leaderboard.reading.entry import Entry
from ssl_bench.leaderboard.reading.grouping import Table, distinct_titles
from ssl_bench.leaderboard.reading.rows import Row, make_rows
from ssl_bench.leaderboard.reading.scores import by_run


@dataclass(frozen=True)
class Series:
    """The runs of one task in one setting, over splits that are nested at each of their seeds."""

    title: str
    head: Entry
    counts: tuple[int, ...]
    """Numbers of labelled images, from few to many."""
    rows: tuple[Row, ...]
    """Those that are shown. Their cells are in the order of the counts."""
    baseline: Row | None
    """The row whose curve tells how many labels a score is worth."""


def make_series(
    entries: Iterable[Entry], shows: Callable[[Entry], bool] = lambda entry: True
) -> list[Series]:
    """One per task and setting with splits that are nested: of several numbers of labels at one seed of splits.

    Seeds of splits that have one number of labels alone are left out. What trains on every label there is has its place
    at that number alone. `shows`: whether a run's row is shown; series without such rows are left out.
    """
    groups: dict[tuple[Any, ...], list[Entry]] = defaultdict(list)
    everywhere: dict[tuple[Any, ...], list[Entry]] = defaultdict(list)
    for entry in entries:
        if entry.labels is not None and entry.uses_all_labels:
            everywhere[entry.setting].append(entry)
        elif entry.labels is not None and (is_generated(entry) or entry.source == "all"):
            groups[entry.setting].append(entry)
    tables = []
    for setting, same in groups.items():
        counts: dict[str, set[int | None]] = defaultdict(set)
        for entry in same:
            counts[entry.split_seed].add(entry.labels)
        nested = [entry for entry in same if len(counts[entry.split_seed]) > 1]
        if nested:
            columns = pools(nested)
            for split, own in by_split(everywhere[setting]).items():
                there = next((column for column in columns if column[0].split == split), None)
                if there is None:
                    columns.append(own)
                else:
                    there += own
            columns.sort(key=lambda column: (column[0].labels, min(entry.split for entry in column)))
            tables.append([Column(tuple(column)) for column in columns])
    tables.sort(key=lambda columns: columns[0].order)
    titles = distinct_titles(tables, _title)
    found = (_series(title, columns, shows) for title, columns in zip(titles, tables, strict=True))
    return [series for series in found if series.rows]


def labels_needed(
    curve: Sequence[tuple[int, float]], score: float, *, higher_is_better: bool
) -> float | None:
    """How many labels a curve of (labels, score) needs for a score; None where its range does not hold it.

    Linear between neighbours in the logarithm of the number of labels; the fewest where it passes the score often.
    """
    sign = 1 if higher_is_better else -1
    points = sorted((count, sign * value) for count, value in curve)
    wanted = sign * score
    if not points or wanted < points[0][1]:
        return None
    for (count, low), (more, high) in itertools.pairwise(points):
        if low <= wanted <= high:
            share = (wanted - low) / (high - low) if high > low else 0.0
            return math.exp(math.log(count) + share * (math.log(more) - math.log(count)))
    return None


def needed_by(series: Series, row: Row, number: int) -> float | None:
    """Labels that the baseline would need for a row's mean score, over the nested splits and seeds in common."""
    baseline = series.baseline
    metric = series.head.primary.name
    own = _nested(row.cells[number], metric)
    if baseline is None or row is baseline or not own:
        return None
    curve = []
    for count, entries in zip(series.counts, baseline.cells, strict=True):
        found = _nested(entries, metric)
        if own.keys() <= found.keys():
            curve.append((count, statistics.fmean(found[key] for key in sorted(own))))
    score = statistics.fmean(own[key] for key in sorted(own))
    return labels_needed(curve, score, higher_is_better=series.head.higher_is_better)


def _nested(entries: Sequence[Entry], metric: str) -> dict[tuple[str, str], float]:
    """Seeds of split and training to score: splits of one seed and other numbers of labels have other contents."""
    found = ((entry, entry.scores.get(metric)) for entry in entries if not entry.uses_all_labels)
    return {(entry.split_seed, entry.seed): score for entry, score in found if score is not None}


def efficiency_document(board: Board) -> Document:
    """Two tables a series: scores, and labels saved."""
    series = make_series(board.compared, board.choice.shows)
    if not series:
        return [paragraph("No task here was run with several numbers of labels, nested at one seed.")]
    numbers = numbered(row for one in series for row in one.rows)
    blocks: list[Block] = []
    for one in series:
        blocks += [Heading(one.title), _scores(one, numbers)]
        saved = _saved(one, numbers)
        blocks += [saved] if saved else []
    return [*blocks, *references(numbers)]


def _series(title: str, columns: Sequence[Column], shows: Callable[[Entry], bool]) -> Series:
    counts = tuple(column.head.labels or 0 for column in columns)
    rows = make_rows(Table(title, tuple(columns)))
    curves = (row for row in rows if row.head.role == "baseline" and sum(map(bool, row.cells)) > 1)
    shown = tuple(row for row in rows if shows(row.head))
    return Series(title, columns[0].head, counts, shown, next(curves, None))


def _title(columns: Sequence[Column]) -> str:
    head = columns[0].head
    return f"{head.task_title}, tier {head.tier}"


def _header(series: Series) -> list[Cell]:
    counts = (figure(f"{count} labels", labels=count) for count in series.counts)
    return [figure("Methods"), cell(series.head.metric), *counts]


def _scores(series: Series, numbers: Numbers) -> Grid:
    primary = series.head.primary
    rows = [
        [
            name_cell(row, numbers),
            figure("score"),
            *(mean_cell(list(by_run(cells, primary.name).values()), primary.digits) for cells in row.cells),
        ]
        for row in series.rows
    ]
    return Grid("efficiency", _header(series), rows)


def _saved(series: Series, numbers: Numbers) -> Grid | None:
    if series.baseline is None:
        return None
    rows = [
        [
            name_cell(row, numbers),
            figure("labels needed (saved)"),
            *(_saving(series, row, number) for number in range(len(series.counts))),
        ]
        for row in series.rows
        if row is not series.baseline and not any(one.uses_all_labels for cells in row.cells for one in cells)
    ]
    caption = f"Labels that {series.baseline.title} would need for the same score, interpolated"
    return Grid("labels-saved", _header(series), rows, caption) if rows else None


def _saving(series: Series, row: Row, number: int) -> Cell:
    needed = needed_by(series, row, number)
    if needed is None:
        return missing()
    saved = needed - series.counts[number]
    return figure(f"{needed:.0f} ({saved:+.0f})", needed=needed, saved=saved)
