"""Scores against cost and against the number of labels, as charts."""

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ssl_bench.figures.svg import FRONT, Series, chart, linear, logarithmic, number
from ssl_bench.leaderboard.documents.cost import duration
from ssl_bench.leaderboard.documents.efficiency import make_series
from ssl_bench.leaderboard.documents.tables import mean_of
from ssl_bench.leaderboard.formats.markdown import plain
from ssl_bench.leaderboard.reading.board import Board, Section
from ssl_bench.leaderboard.reading.rows import Row, column_titles
from ssl_bench.leaderboard.reading.scores import by_run

MOST_LINES = 16
"""In one chart; a reader could not follow more."""


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


def pareto_front(points: Sequence[tuple[float, float]], *, higher_is_better: bool) -> list[int]:
    """Indices of the points (cost, score) that no other one beats in both, from cheap to dear."""
    sign = 1 if higher_is_better else -1
    order = sorted(range(len(points)), key=lambda index: (points[index][0], -sign * points[index][1]))
    front: list[int] = []
    for index in order:
        if not front or sign * points[index][1] > sign * points[front[-1]][1]:
            front.append(index)
    return front


def cost_charts(section: Section, styles: Mapping[str, int], identity: str) -> Iterator[Chart]:
    """Mean score over mean time of a run, a chart a task, with the front of those that none beats in both."""
    for place, (title, column) in enumerate(
        zip(column_titles(section.table), section.table.columns, strict=True)
    ):
        found = []
        for row in section.rows:
            seconds, scores = mean_of(row.cells[place], "seconds"), by_run(row.cells[place])
            if seconds and seconds > 0 and scores:
                found.append((row, seconds, statistics.fmean(scores.values())))
        if len(found) < 2:
            continue
        head = column.head
        # What trains on all labels has another task, the control is none: neither is a choice among methods.
        open_to = [(row, x, y) for row, x, y in found if row.competes]
        points = [(x, y) for _, x, y in open_to]
        front = pareto_front(points, higher_is_better=head.higher_is_better)
        series = [Series("front", [points[index] for index in front], FRONT)]
        for row, x, y in found:
            name = row_name(row)
            hollow = not row.competes
            series.append(
                Series(name, [(x, y)], styles[name], marks=True, joined=False, hollow=hollow, named=True)
            )
        times = [x for _, x, _ in found]
        make = logarithmic if max(times) > 8 * min(times) else linear
        best = ", ".join(row_name(open_to[index][0]) for index in front)
        devices = {entry.device for row in section.rows for entry in row.cells[place]}
        summary = "; ".join(f"{row_name(row)}: {duration(x)}, {number(y)}" for row, x, y in found)
        svg = chart(
            plain(f"{title}: score against time"),
            f"{summary}. On the front: {best}.",
            make("seconds of a run", times),
            linear(plain(head.metric), [y for _, _, y in found], 0.14),
            series[:MOST_LINES],
            f"{identity}-{place}",
        )
        mixed = " Times are of different hardware." if len(devices) > 1 else ""
        yield Chart(plain(title), svg, (), f"The line joins what none beats in both: {best}.{mixed}")


def efficiency_charts(board: Board, styles: Mapping[str, int], identity: str) -> Iterator[Chart]:
    """Mean score over the number of labels, a chart a series of nested splits."""
    for place, one in enumerate(make_series(board.entries)):
        series = []
        for row in one.rows:
            cells = [
                (count, list(by_run(runs).values()))
                for count, runs in zip(one.counts, row.cells, strict=True)
            ]
            cells = [(count, scores) for count, scores in cells if scores]
            name = row_name(row)
            series.append(
                Series(
                    name,
                    [(count, statistics.fmean(scores)) for count, scores in cells],
                    styles.get(name, len(styles)),
                    [statistics.stdev(scores) if len(scores) > 1 else 0.0 for _, scores in cells],
                    marks=True,
                    hollow=not row.competes,
                )
            )
        series = [line for line in series if line.points][:MOST_LINES]
        values = [
            y + s
            for line in series
            for (_, y), d in zip(line.points, line.spread, strict=True)
            for s in (-d, d)
        ]
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
