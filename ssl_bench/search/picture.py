"""A search as a picture: a curve over one field of numbers, a heat map over any others. SVG files of their own."""

import html
import math
import re
import statistics
from collections.abc import Sequence
from itertools import product

from ssl_bench.figures.svg import HEIGHT, WIDTH, Series, chart, linear, logarithmic, number
from ssl_bench.leaderboard.formats.markdown import plain
from ssl_bench.leaderboard.reading.fields import finite
from ssl_bench.search.grid import Grid
from ssl_bench.search.trials import Outcome, Trial

TILE_WIDTH, TILE_HEIGHT = 92, 44
HEAD = 22
"""Above a figure, for its title."""
TOP = 6
LETTER = 6.6
"""Width of a letter, about, in pixels."""
_LIGHT, _DARK = (236, 244, 252), (8, 64, 129)
_STYLE = (
    "svg{background:#fff}text{font:12px system-ui,sans-serif;fill:#1b1f24}.axis{fill:none;stroke:#57606a}"
    ".grid{fill:none;stroke:#d0d7de}.line{fill:none;stroke:#0072b2;stroke-width:2}.bar{stroke:#0072b2}"
    ".mark{fill:#0072b2}.s1 .mark{fill:#c44e00;stroke:#c44e00;stroke-width:4}.s1 .line{stroke:none}"
    ".best{fill:none;stroke:#c44e00;stroke-width:4}"
)


def picture(outcome: Outcome) -> str:
    """The SVG file of an outcome; what has no score is left white."""
    title = plain(f"{outcome.task_title}: {outcome.method_title}")
    summary = "; ".join(f"{_words(trial)}: {_figure(outcome, trial)}" for trial in outcome.trials)
    values = [finite(value) for value in next(iter(outcome.grid.values()))]
    scored = any(trial.mean is not None for trial in outcome.trials)
    if len(outcome.grid) == 1 and None not in values and scored:
        return _curve(outcome, title, summary)
    return _heat_map(outcome, title, summary)


def _curve(outcome: Outcome, title: str, summary: str) -> str:
    field = next(iter(outcome.grid))
    scored = [(float(trial.point[field]), trial) for trial in outcome.trials if trial.mean is not None]
    found = sorted(scored, key=lambda each: each[0])
    points = [(x, trial.mean or 0.0) for x, trial in found]
    spread = [statistics.stdev(trial.scores) if trial.runs > 1 else 0.0 for _, trial in found]
    places = [float(value) for value in outcome.grid[field]]
    axis = logarithmic if min(places) > 0 and max(places) > 4 * min(places) else linear
    series = [Series("mean", points, 0, spread, marks=True)]
    if outcome.best is not None:
        best = (float(outcome.best.point[field]), outcome.best.mean or 0.0)
        series.append(Series("best", [best], 1, marks=True, joined=False))
    ends = [y + sign * d for (_, y), d in zip(points, spread, strict=True) for sign in (-1, 1)] or [0.0]
    svg = chart(
        title, summary, axis(plain(field), places), linear(plain(outcome.label), ends, 0.12), series, "curve"
    )
    return _file(svg, WIDTH, HEIGHT, title)


def _heat_map(outcome: Outcome, title: str, summary: str) -> str:
    fields = list(outcome.grid)
    half = math.ceil(len(fields) / 2)
    down, across = ({name: outcome.grid[name] for name in part} for part in (fields[:half], fields[half:]))
    rows, columns = _labels(down), _labels(across)
    left = 34 + max(len(label) for label in rows) * LETTER
    tile = max(TILE_WIDTH, 12 + max(len(label) for label in columns) * LETTER)
    width = max(left + tile * len(columns) + 12, 16 + LETTER * len(f"{title}, {outcome.label}"))
    # Its fields are named along the left side: they need the room.
    tile_height = max(TILE_HEIGHT, LETTER * len(plain(" / ".join(down))) / len(rows))
    height = TOP + tile_height * len(rows) + (46 if across else 12)
    means = [mean for trial in outcome.trials if (mean := outcome.rounded(trial)) is not None]
    parts = [
        f'<svg viewBox="0 0 {width:.0f} {height:.0f}" role="img" aria-labelledby="heat-t heat-d">',
        f'<title id="heat-t">{html.escape(title)}</title><desc id="heat-d">{html.escape(summary)}</desc>',
    ]
    best = ""
    for place, trial in enumerate(outcome.trials):
        row, column = divmod(place, len(columns))
        x, y = left + column * tile, TOP + row * tile_height
        share = _share(outcome, trial, means)
        fill = "#fff" if share is None else _colour(share)
        ink = "#fff" if share is not None and share > 0.5 else "#1b1f24"
        box = f'x="{x:.1f}" y="{y:.1f}" width="{tile:.1f}" height="{tile_height:.1f}"'
        parts.append(f'<rect {box} fill="{fill}" stroke="#d0d7de"/>')
        parts.append(
            f'<text x="{x + tile / 2:.1f}" y="{y + tile_height / 2 + 4:.1f}" text-anchor="middle" style="fill:{ink}">'
            f"{html.escape(_figure(outcome, trial))}</text>"
        )
        if trial is outcome.best:
            best = f'<rect class="best" {box}/>'
    parts.append(best)
    bottom = TOP + tile_height * len(rows)
    for row, label in enumerate(rows):
        parts.append(_text(left - 6, TOP + (row + 0.5) * tile_height + 4, label, "end"))
    for column, label in enumerate(columns):
        parts.append(_text(left + (column + 0.5) * tile, bottom + 16, label, "middle"))
    middle = TOP + tile_height * len(rows) / 2
    parts.append(
        f'<text transform="translate(14 {middle:.1f}) rotate(-90)" text-anchor="middle">'
        f"{html.escape(plain(' / '.join(down)))}</text>"
    )
    if across:
        parts.append(_text(left + tile * len(columns) / 2, bottom + 36, plain(" / ".join(across)), "middle"))
    parts.append("</svg>")
    return _file("".join(parts), width, height, f"{title}, {outcome.label}")


def _file(svg: str, width: float, height: float, title: str) -> str:
    """A figure of a page as a file of its own: with its colours, and a line for the title above it."""
    opening, _, rest = svg.partition(">")
    size = f'width="{width:.0f}" height="{height + HEAD:.0f}" viewBox="0 {-HEAD} {width:.0f} {height + HEAD:.0f}"'
    opening = re.sub(r'viewBox="[^"]*"', f'xmlns="http://www.w3.org/2000/svg" {size}', opening)
    return f"{opening}><style>{_STYLE}</style>{_text(8, -6, title, 'start')}{rest}\n"


def _labels(grid: Grid) -> list[str]:
    return [plain(" / ".join(map(str, values))) if values else "" for values in product(*grid.values())]


def _share(outcome: Outcome, trial: Trial, means: Sequence[float]) -> float | None:
    """From 0, the worst, to 1, the best."""
    mean = outcome.rounded(trial)
    if mean is None:
        return None
    low, high = min(means), max(means)
    share = (mean - low) / (high - low) if high > low else 0.5
    return share if outcome.metric.higher_is_better else 1 - share


def _colour(share: float) -> str:
    mixed = (round(a + share * (b - a)) for a, b in zip(_LIGHT, _DARK, strict=True))
    return "#" + "".join(f"{value:02x}" for value in mixed)


def _figure(outcome: Outcome, trial: Trial) -> str:
    value = outcome.rounded(trial)
    if value is None:
        return "no score" if trial.ended else "-"
    return f"{value:.{outcome.metric.digits}f}"


def _words(trial: Trial) -> str:
    return ", ".join(
        f"{name} {number(value) if isinstance(value, float) else value}"
        for name, value in trial.point.items()
    )


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{html.escape(text)}</text>'
