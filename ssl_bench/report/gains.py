"""What a column's methods gain over the baseline, with intervals, as a chart: the first thing that a page shows."""

import html
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ssl_bench.figures.svg import LEFT, RIGHT, WIDTH, Axis, linear, number, numbers
from ssl_bench.leaderboard.formats.markdown import plain
from ssl_bench.leaderboard.reading.board import Section
from ssl_bench.leaderboard.reading.rows import column_titles
from ssl_bench.report.charts import Chart, row_name

LINE, TOP, BOTTOM = 26, 8, 42
WIDE = 7.6
"""Of a letter of a name, at most."""


@dataclass(frozen=True)
class Gain:
    """A row of the chart."""

    name: str
    mean: float
    interval: tuple[float, float] | None
    """At 95 %; None for a single pair of runs, which has none."""
    stands: bool
    runs: int


def gain_charts(section: Section, identity: str) -> Iterator[Chart]:
    """A chart a column that has a baseline and something to compare with it."""
    titles = column_titles(section.table)
    for place, (title, column) in enumerate(zip(titles, section.table.columns, strict=True)):
        standing = section.standings[place]
        gains = list(gains_of(section, place))
        if standing.baseline is None or not gains:
            continue
        head, name = column.head, row_name(standing.baseline)
        better = "right" if head.higher_is_better else "left"
        axis = linear(
            f"difference to {name}, {plain(head.primary.unit or head.metric)} ({better} is better)",
            [0.0, *(end for gain in gains for end in (gain.mean, *(gain.interval or ())))],
        )
        said = "; ".join(map(in_words, gains))
        svg = forest(plain(f"{title}: gain over {name}"), said, axis, gains, f"{identity}-{place}")
        filled = "what stands" if standing.ranks else "nothing, for labels are not what is missing here"
        note = f"Bars: 95 % intervals. Filled: {filled}. Without a bar: a single pair."
        yield Chart(plain(title), svg, (), note)


def gains_of(section: Section, place: int) -> Iterator[Gain]:
    """The rows but the baseline, over the pairs that both have. Nothing stands where nobody is ranked."""
    standing = section.standings[place]
    for row in section.rows:
        if row is standing.baseline:
            continue
        found = standing.difference(row, standing.baseline)
        if found is not None:
            stands = found.stands and standing.ranks
            yield Gain(row_name(row), found.mean, found.interval, stands, found.runs)
            continue
        single = standing.single(row, standing.baseline)
        if single is not None:
            yield Gain(row_name(row), single, None, False, 1)


def in_words(gain: Gain) -> str:
    """`MT: 2.19 [1.55, 2.84] (n=3)`."""
    between = "" if gain.interval is None else " [{}, {}]".format(*map(number, gain.interval))
    return f"{gain.name}: {number(gain.mean)}{between} (n={gain.runs})"


def forest(title: str, summary: str, x: Axis, gains: Sequence[Gain], identity: str) -> str:
    """A line a method: a mark at its mean, a bar over its interval, and a rule at zero."""
    left = min(WIDTH / 2, max(LEFT, 8 + WIDE * max(len(gain.name) for gain in gains)))
    height = TOP + LINE * len(gains) + BOTTOM
    bottom = height - BOTTOM

    def at(value: float) -> float:
        return round(left + x.place(value) * (WIDTH - left - RIGHT), 1)

    parts = [
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-labelledby="{identity}-t {identity}-d">',
        f'<title id="{identity}-t">{html.escape(title)}</title>',
        f'<desc id="{identity}-d">{html.escape(summary)}</desc>',
    ]
    for tick, text in zip(x.ticks, numbers(x.ticks), strict=True):
        parts.append(f'<path class="grid" d="M{at(tick)} {TOP}V{bottom}"/>')
        parts.append(f'<text x="{at(tick)}" y="{bottom + 15}" text-anchor="middle">{text}</text>')
    parts.append(f'<path class="axis" d="M{at(0.0)} {TOP}V{bottom}"/>')
    for index, gain in enumerate(gains):
        middle = TOP + LINE * (index + 0.5)
        parts.append(
            f'<text x="{left - 8:.1f}" y="{middle + 4}" text-anchor="end">{html.escape(gain.name)}</text>'
        )
        parts.append(f'<g class="s0{"" if gain.stands else " hollow"}">')
        if gain.interval is not None:
            low, high = map(at, gain.interval)
            parts.append(
                f'<path class="bar" d="M{low} {middle}H{high}M{low} {middle - 4}v8M{high} {middle - 4}v8"/>'
            )
        parts.append(f'<circle class="mark" cx="{at(gain.mean)}" cy="{middle}" r="4">')
        parts.append(f"<title>{html.escape(in_words(gain))}</title></circle></g>")
    caption = html.escape(x.label)
    parts.append(f'<text x="{WIDTH / 2}" y="{height - 6}" text-anchor="middle">{caption}</text></svg>')
    return "".join(parts)
