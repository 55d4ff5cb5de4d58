"""Scores against cost and against the number of labels, as charts."""

import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ssl_bench.figures.svg import FRONT, Series, chart, linear, logarithmic, number
from ssl_bench.leaderboard.documents.cost import duration
from ssl_bench.leaderboard.documents.efficiency import make_series
from ssl_bench.leaderboard.documents.tables import fastest
from ssl_bench.leaderboard.formats.markdown import plain
from ssl_bench.leaderboard.reading.board import Board, Section
from ssl_bench.leaderboard.reading.rows import Row, column_titles
from ssl_bench.leaderboard.reading.scores import by_run

MOST_LINES = 16
"""In one chart; a reader could not follow more."""
FASTEST = "Times are of a row's fastest run: others may have shared the machine."
ALIKE = "No front is drawn: nothing is above what is cheaper at 95 %."


@dataclass(frozen=True)
class Chart:
    """A figure of a page."""

    title: str
    svg: str
    legend: Sequence[tuple[int, str]]
    note: str = ""
    marks: bool = False
    """Whether its lines have any."""


def styles_of(board: Board) -> dict[str, int]:
    """Name of a row to its style, the same in all charts."""
    return {name: number for number, name in enumerate(dict.fromkeys(map(row_name, board.rows)))}


def row_name(row: Row) -> str:
    """The method, and what tells its settings from others."""
    return plain(row.name)


def pareto_front(
    points: Sequence[tuple[float, float]],
    *,
    higher_is_better: bool,
    apart: Callable[[int, int], bool] = lambda dearer, cheaper: True,
) -> list[int]:
    """Indices of the points (cost, score) that no other one beats in both, from cheap to dear.

    `apart`: whether a dearer point is above a cheaper one for sure; without that it is no better for its price.
    """
    sign = 1 if higher_is_better else -1
    order = sorted(range(len(points)), key=lambda index: (points[index][0], -sign * points[index][1]))
    front: list[int] = []
    for index in order:
        if not front or (sign * points[index][1] > sign * points[front[-1]][1] and apart(index, front[-1])):
            front.append(index)
    return front


def cost_charts(section: Section, styles: Mapping[str, int], identity: str) -> Iterator[Chart]:
    """Mean score over the time of the fastest run, a chart a task, with the front of those above all cheaper ones."""
    for place, (title, column) in enumerate(
        zip(column_titles(section.table), section.table.columns, strict=True)
    ):
        found = []
        for row in section.rows:
            seconds = fastest(row.cells[place], "seconds")
            values = list(by_run(row.cells[place], column.head.primary.name).values())
            if seconds and seconds > 0 and values:
                found.append((row, seconds, values))
        if len(found) < 2:
            continue
        head = column.head
        # What trains on all labels has another task, the control is none: neither is a choice among methods.
        open_to = [(row, x, statistics.fmean(scores)) for row, x, scores in found if row.competes]
        points = [(x, y) for _, x, y in open_to]

        def apart(dearer: int, cheaper: int, place: int = place, open_to: Any = open_to) -> bool:
            standing = section.standings[place]
            difference = standing.difference(open_to[dearer][0], open_to[cheaper][0])
            return difference is not None and standing.field.gains(difference)

        front = pareto_front(points, higher_is_better=head.higher_is_better, apart=apart)
        series = [Series("front", [points[index] for index in front], FRONT)] if len(front) > 1 else []
        for row, x, scores in found:
            name = row_name(row)
            series.append(
                Series(
                    name,
                    [(x, statistics.fmean(scores))],
                    styles[name],
                    [_spread(scores)],
                    marks=True,
                    joined=False,
                    hollow=not row.competes,
                    named=True,
                )
            )
        times = [x for _, x, _ in found]
        make = logarithmic if max(times) > 8 * min(times) else linear
        best = ", ".join(row_name(open_to[index][0]) for index in front)
        devices = {entry.device for row in section.rows for entry in row.cells[place]}
        summary = "; ".join(
            f"{row_name(row)}: {duration(x)}, {number(statistics.fmean(scores))}" for row, x, scores in found
        )
        joined = f"The line joins what is above all that is cheaper: {best}." if len(front) > 1 else ALIKE
        svg = chart(
            plain(f"{title}: score against time"),
            f"{summary}. {joined}",
            make("seconds of the fastest run", times),
            linear(plain(head.metric), [y for line in series for y in _ends(line)], 0.14),
            series[:MOST_LINES],
            f"{identity}-{place}",
        )
        mixed = " Times are of different hardware." if len(devices) > 1 else ""
        note = f"{joined} Bars: ± one standard deviation over runs. {FASTEST}{mixed}"
        yield Chart(plain(title), svg, (), note)


def efficiency_charts(board: Board, styles: Mapping[str, int], identity: str) -> Iterator[Chart]:
    """Mean score over the number of labels, a chart a series of nested splits."""
    for place, one in enumerate(make_series(board.entries)):
        series = []
        for row in one.rows:
            cells = [
                (count, list(by_run(runs, one.head.primary.name).values()))
                for count, runs in zip(one.counts, row.cells, strict=True)
            ]
            cells = [(count, scores) for count, scores in cells if scores]
            name = row_name(row)
            series.append(
                Series(
                    name,
                    [(count, statistics.fmean(scores)) for count, scores in cells],
                    styles.get(name, len(styles)),
                    [_spread(scores) for _, scores in cells],
                    marks=True,
                    hollow=not row.competes,
                )
            )
        series = [line for line in series if line.points][:MOST_LINES]
        if not series:
            continue
        values = [y for line in series for y in _ends(line)]
        said = "; ".join(
            f"{line.label}: " + ", ".join(f"{number(y)} at {x:g}" for x, y in line.points) for line in series
        )
        svg = chart(
            plain(f"{one.title}: score against labels"),
            said,
            logarithmic("labelled images", one.counts, one.counts),
            linear(plain(one.head.metric), values),
            series,
            f"{identity}-{place}",
        )
        legend = [(line.style, line.label) for line in series]
        yield Chart(plain(one.title), svg, legend, "Bars: ± one standard deviation over runs.", marks=True)


def _spread(scores: Sequence[float]) -> float:
    return statistics.stdev(scores) if len(scores) > 1 else 0.0


def _ends(line: Series) -> Iterator[float]:
    """Lower and upper ends of the bars of its points; of one without, the points."""
    for place, (_, y) in enumerate(line.points):
        half = line.spread[place] if line.spread else 0.0
        yield from (y - half, y + half)
