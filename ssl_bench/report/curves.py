"""How runs went: a chart a task and loss term."""

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ssl_bench.figures.svg import STYLES, Series, chart, linear, logarithmic, number
from ssl_bench.leaderboard.formats.markdown import plain
from ssl_bench.leaderboard.reading.board import Section
from ssl_bench.leaderboard.reading.entry import Entry
from ssl_bench.leaderboard.reading.fields import finite
from ssl_bench.leaderboard.reading.rows import column_titles
from ssl_bench.report.charts import MOST_LINES, Chart, row_name


def curve_charts(section: Section, styles: Mapping[str, int], identity: str) -> Iterator[Chart]:
    """Means over runs of every loss term and logged value, a chart a task and term, a line a method."""
    for place, title in enumerate(column_titles(section.table)):
        terms: dict[str, list[Series]] = defaultdict(list)
        losses = set()
        for row in section.rows:
            for name, values in _curves(row.cells[place]).items():
                player, _, term = name.rpartition("/")
                losses |= {term} if player else set()
                points = [(float(epoch), value) for epoch, value in enumerate(values, 1) if value is not None]
                if points:
                    own = row_name(row)
                    line = f"{own}, {player}" if player else own
                    style = styles[own] + STYLES * sum(
                        other.label.startswith(f"{plain(own)}, ") for other in terms[term]
                    )
                    terms[term].append(Series(plain(line), points, style))
        for index, (term, lines) in enumerate(sorted(terms.items())):
            lines = lines[:MOST_LINES]
            heights = [y for line in lines for _, y in line.points]
            steep = min(heights) > 0 and max(heights) > 30 * min(heights)
            svg = chart(
                plain(f"{title}: {'loss term ' if term in losses else ''}{term}"),
                "; ".join(f"{line.label}: {number(line.points[-1][1])} at the end" for line in lines),
                linear("nominal epoch", [x for line in lines for x, _ in line.points]),
                (logarithmic if steep else linear)("", heights),
                lines,
                f"{identity}-{place}-{index}",
            )
            legend = [(line.style, line.label) for line in lines]
            yield Chart(plain(f"{title}: {term}"), svg, legend)


def _curves(entries: Sequence[Entry]) -> dict[str, list[float | None]]:
    """Term to its mean over the runs, epoch by epoch."""
    gathered: dict[str, list[list[Any]]] = defaultdict(list)
    for entry in entries:
        for name, values in entry.curves.items():
            if isinstance(values, list | tuple):
                gathered[str(name)].append([finite(value) for value in values])
    return {name: [_mean(column) for column in zip(*runs, strict=False)] for name, runs in gathered.items()}


def _mean(values: Sequence[float | None]) -> float | None:
    there = [value for value in values if value is not None]
    return math.fsum(there) / len(there) if there else None
