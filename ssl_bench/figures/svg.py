"""Charts as SVG: lines and points over two axes, drawn here so that a page needs no script and no network."""

import html
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from ssl_bench.figures.labels import place_labels

WIDTH, HEIGHT = 420, 260
LEFT, RIGHT, TOP, BOTTOM = 56, 12, 12, 42
STYLES = 8
"""Colours, dashes and marks to tell lines by; the page's style sheet has their colours."""
FRONT = -1
"""The style of a line that stands for no method."""
_DASHES = ("", "7 3", "2 3", "9 3 2 3", "5 2", "1 2", "12 4", "4 4 1 4")
_MARKS = (
    "M-4 0a4 4 0 1 0 8 0a4 4 0 1 0-8 0z",
    "M-3.5-3.5h7v7h-7z",
    "M0-4.5L4.5 3.5h-9z",
    "M0-5L5 0L0 5L-5 0z",
    "M0 4.5L4.5-3.5h-9z",
    "M-4-1.5h2.5v-2.5h3v2.5h2.5v3h-2.5v2.5h-3v-2.5h-2.5z",
    "M-4.5-3h9v6h-9z",
    "M-2-4.5h4v9h-4z",
)


@dataclass(frozen=True)
class Series:
    """Points in the order in which they are joined; `spread` is drawn as bars of that half height."""

    label: str
    points: Sequence[tuple[float, float]]
    style: int
    spread: Sequence[float] = ()
    marks: bool = False
    joined: bool = True
    hollow: bool = False
    named: bool = False
    """Its label is written beside its first point."""


@dataclass(frozen=True)
class Axis:
    """One of the two: what it shows, where it begins and ends, and where its ticks are."""

    label: str
    low: float
    high: float
    ticks: Sequence[float]
    logarithmic: bool = False

    def place(self, value: float) -> float:
        """Place of a value along the axis, from 0 at its low end to 1 at its high one."""
        if self.logarithmic:
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)


def linear(label: str, values: Sequence[float], margin: float = 0.06) -> Axis:
    """An axis around the values, with a share of their range as margin and ticks at round numbers."""
    low, high = min(values), max(values)
    room = margin * (high - low) or abs(low) * 0.1 or 1.0
    low, high = low - room, high + room
    step = _step((high - low) / 5)
    first = math.ceil(low / step)
    return Axis(label, low, high, [k * step for k in range(first, math.floor(high / step) + 1)])


def logarithmic(label: str, values: Sequence[float], ticks: Sequence[float] = ()) -> Axis:
    """An axis around positive values, with ticks at some of them or at powers of ten and their parts."""
    low, high = min(values), max(values)
    margin = (high / low) ** 0.08 if high > low else 1.3
    low, high = low / margin, high * margin
    if not ticks:
        powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        parts = (1, 2, 5) if high / low < 200 else (1,)
        ticks = [part * 10.0**power for power in powers for part in parts]
    return Axis(label, low, high, [tick for tick in ticks if low <= tick <= high], True)


def chart(title: str, summary: str, x: Axis, y: Axis, series: Sequence[Series], identity: str) -> str:
    """A figure that names itself and says in words what it shows. `identity`: unique in the page."""
    parts = [
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-labelledby="{identity}-t {identity}-d">',
        f'<title id="{identity}-t">{html.escape(title)}</title>',
        f'<desc id="{identity}-d">{html.escape(summary)}</desc>',
        *_axes(x, y),
        *(_series(one, x, y) for one in series),
        *_names([one for one in series if one.named], x, y),
        "</svg>",
    ]
    return "".join(parts)


def swatch(style: int, *, marks: bool) -> str:
    """A line's colour, dash and, if it has any, mark, for a legend."""
    mark = f'<path class="mark" transform="translate(15 6)" d="{_MARKS[style % STYLES]}"/>' if marks else ""
    return (
        f'<svg viewBox="0 0 30 12" width="30" height="12" aria-hidden="true"><g class="s{style % STYLES}">'
        f'<path class="line" d="M1 6H29"{_dash(style)}/>{mark}</g></svg>'
    )


def numbers(ticks: Sequence[float]) -> list[str]:
    """The ticks of an axis, short, with as many digits as say where they stand."""
    found, digits = [number(tick) for tick in ticks], 4
    gap = min((abs(b - a) for a, b in pairwise(ticks)), default=math.inf)
    while digits < 15 and any(abs(float(text) - t) > gap / 20 for text, t in zip(found, ticks, strict=True)):
        digits += 1
        found = [f"{tick:.{digits}g}" for tick in ticks]
    return found


def number(value: float) -> str:
    """Write a number in four digits or so, for reading."""
    small = 0 < abs(value) < 1e-3
    return f"{value:.2g}" if small else f"{value:.4g}" if abs(value) < 1e5 else f"{value:.0e}"


def _axes(x: Axis, y: Axis) -> list[str]:
    bottom, right = HEIGHT - BOTTOM, WIDTH - RIGHT
    parts = [f'<path class="axis" d="M{LEFT} {TOP}V{bottom}H{right}"/>']
    for tick, text in zip(x.ticks, numbers(x.ticks), strict=True):
        place = _x(x, tick)
        parts.append(f'<path class="grid" d="M{place} {TOP}V{bottom}"/>')
        parts.append(f'<text x="{place}" y="{bottom + 15}" text-anchor="middle">{text}</text>')
    for tick, text in zip(y.ticks, numbers(y.ticks), strict=True):
        place = _y(y, tick)
        parts.append(f'<path class="grid" d="M{LEFT} {place}H{right}"/>')
        parts.append(f'<text x="{LEFT - 5}" y="{place + 4:.1f}" text-anchor="end">{text}</text>')
    middle = (TOP + bottom) / 2
    parts.append(
        f'<text x="{(LEFT + right) / 2}" y="{HEIGHT - 6}" text-anchor="middle">{html.escape(x.label)}</text>'
    )
    parts.append(
        f'<text transform="translate(12 {middle}) rotate(-90)" text-anchor="middle">{html.escape(y.label)}</text>'
    )
    return parts


def _series(series: Series, x: Axis, y: Axis) -> str:
    places = [(_x(x, a), _y(y, b)) for a, b in series.points]
    colour = "front" if series.style == FRONT else f"s{series.style % STYLES}"
    parts = [f'<g class="{colour}{" hollow" if series.hollow else ""}">']
    if series.joined and len(places) > 1:
        path = "M" + "L".join(f"{a} {b}" for a, b in places)
        parts.append(f'<path class="line" d="{path}"{_dash(series.style)}/>')
    for (a, _), (_, value), spread in zip(places, series.points, series.spread, strict=False):
        if spread > 0:
            parts.append(f'<path class="bar" d="M{a} {_y(y, value - spread)}V{_y(y, value + spread)}"/>')
    for place, (a, b) in enumerate(places if series.marks else ()):
        said = f"{series.label}: {number(series.points[place][0])}, {number(series.points[place][1])}"
        parts.append(
            f'<path class="mark" transform="translate({a} {b})" d="{_MARKS[series.style % STYLES]}">'
            f"<title>{html.escape(said)}</title></path>"
        )
    return "".join([*parts, "</g>"])


def _names(series: Sequence[Series], x: Axis, y: Axis) -> Iterator[str]:
    points = [(_x(x, one.points[0][0]), _y(y, one.points[0][1])) for one in series]
    names = [one.label for one in series]
    for (a, b, anchor), name in zip(place_labels(points, names, LEFT, WIDTH), names, strict=True):
        yield f'<text x="{a:.1f}" y="{b:.1f}" text-anchor="{anchor}">{html.escape(name)}</text>'


def _x(axis: Axis, value: float) -> float:
    return round(LEFT + axis.place(value) * (WIDTH - LEFT - RIGHT), 1)


def _y(axis: Axis, value: float) -> float:
    inside = min(max(axis.place(value), 0.0), 1.0) if not axis.logarithmic or value > 0 else 0.0
    return round(HEIGHT - BOTTOM - inside * (HEIGHT - TOP - BOTTOM), 1)


def _dash(style: int) -> str:
    if style == FRONT:
        return ""
    dash = _DASHES[(style + style // STYLES) % len(_DASHES)]
    return f' stroke-dasharray="{dash}"' if dash else ""


def _step(wanted: float) -> float:
    power = 10.0 ** math.floor(math.log10(wanted))
    return next(part * power for part in (1, 2, 2.5, 5, 10) if part * power >= wanted)
