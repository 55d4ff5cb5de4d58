"""What methods taught, as a section of the page: sentences, curves of targets and students, reliability diagrams."""

import html
from collections.abc import Iterator, Mapping, Sequence

from ssl_bench.figures.svg import FRONT, Series, chart, linear, number
from ssl_bench.leaderboard.formats.markdown import plain
from ssl_bench.leaderboard.reading.board import Board, Section
from ssl_bench.leaderboard.reading.rows import Row, column_titles
from ssl_bench.report.charts import MOST_LINES, Chart, row_name
from ssl_bench.report.diagnosis import Moment, moments, sentences
from ssl_bench.store.observed import Observation

Runs = Mapping[str, Sequence[Observation]]
"""Id of a cell to its observations."""


Drawn = list[tuple[str, list[Chart]]]
"""Charts under titles."""


def observed_parts(board: Board, runs: Runs, styles: Mapping[str, int], most: int) -> tuple[str, Drawn]:
    """The section's HTML, and its charts by table, of the first `most` tables; nothing where nobody observed."""
    lines: list[str] = []
    charts: Drawn = []
    for place, section in enumerate(board.sections[:most]):
        drawn: list[Chart] = []
        for column, title in enumerate(column_titles(section.table)):
            rows = list(_rows(section, column, runs))
            if not rows:
                continue
            unit = "%" if any(each.seen.bins for _, _, every in rows for each in every) else "dB"
            found = _told(rows, unit)
            lines += [f"<h3>{html.escape(plain(title))}</h3>", f"<ul>{''.join(found)}</ul>"] if found else []
            identity = f"observed-{place}-{column}"
            drawn += _curves(plain(title), rows, unit, identity)
            drawn += _diagram(plain(title), rows, styles, identity)
        if drawn:
            charts.append((plain(section.table.title), drawn))
    return "\n".join(lines), charts


Shown = tuple[Row, str, list[Moment]]
"""A row, the name of one of its targets, and what was seen of it."""


def _rows(section: Section, column: int, runs: Runs) -> Iterator[Shown]:
    for row in section.rows:
        seen = [found for entry in row.cells[column] if (found := runs.get(entry.id))]
        for name, every in moments(seen).items():
            yield row, name, every


def _told(rows: Sequence[Shown], unit: str) -> list[str]:
    return [
        f"<li>{html.escape(f'{row_name(row)}, {sentence}')}</li>"
        for row, name, every in rows
        for sentence in sentences({name: every}, unit)
    ]


def _curves(title: str, rows: Sequence[Shown], unit: str, identity: str) -> Iterator[Chart]:
    """A chart a target: its score, that of what is kept, and the student's, over steps."""
    measure = "accuracy, %" if unit == "%" else "PSNR, dB"
    for count, (row, name, every) in enumerate(rows):
        figures = {
            "target": [each.seen.score for each in every],
            "target where kept": [each.seen.score_kept for each in every],
            "student": [each.seen.student for each in every],
            "student where kept": [each.seen.student_kept for each in every],
        }
        lines = [
            Series(label, points, style)
            for style, (label, values) in enumerate(figures.items())
            if (
                points := [
                    (float(m.step), float(v)) for m, v in zip(every, values, strict=True) if v is not None
                ]
            )
        ]
        if not lines:
            continue
        heading = f"{title}: {row_name(row)}, {name}"
        svg = chart(
            heading,
            "; ".join(f"{line.label}: {number(line.points[-1][1])} at the end" for line in lines),
            linear("step", [x for line in lines for x, _ in line.points]),
            linear(measure, [y for line in lines for _, y in line.points]),
            lines,
            f"{identity}-{count}",
        )
        yield Chart(heading, svg, [(line.style, line.label) for line in lines])


def _diagram(title: str, rows: Sequence[Shown], styles: Mapping[str, int], identity: str) -> Iterator[Chart]:
    """Accuracy over confidence of the targets at the end, a line a target."""
    lines = []
    for row, name, every in rows:
        own = row_name(row)
        points = [(float(sure or 0), float(right or 0)) for _, sure, right in every[-1].seen.bins]
        if points and not every[-1].seen.labeled:
            error = every[-1].seen.calibration
            label = f"{own}, {name}" + ("" if error is None else f" (ECE {100 * error:.1f} %)")
            lines.append(Series(label, points, styles[own], marks=True))
    if not lines:
        return
    lines = lines[:MOST_LINES]
    ends = [0.0, 1.0]
    svg = chart(
        f"{title}: reliability of targets",
        "; ".join(line.label for line in lines),
        linear("confidence", ends, 0.02),
        linear("accuracy", ends, 0.02),
        [Series("as sure as right", [(0.0, 0.0), (1.0, 1.0)], FRONT), *lines],
        f"{identity}-sure",
    )
    legend = [(line.style, line.label) for line in lines]
    yield Chart(
        f"{title}: reliability of targets", svg, legend, "Below the diagonal: surer than right.", marks=True
    )
