"""Documents as HTML fragments: no page around them, no style, nothing that a name could break out of."""

import html
import re
from collections.abc import Sequence

from ssl_bench.leaderboard.formats.markdown import plain
from ssl_bench.leaderboard.model import Block, Cell, Document, Grid, Heading, Listing, Paragraph, Span, exact
from ssl_bench.leaderboard.reading.fields import MISSING

_NAMES = (
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau upsilon phi chi psi "
    "omega Gamma Delta Theta Lambda Xi Pi Sigma Phi Psi Omega"
)
GREEK = dict(zip(_NAMES.split(), "αβγδεζηθικλμνξπρστυφχψωΓΔΘΛΞΠΣΦΨΩ", strict=True))
"""What LaTeX calls Greek letters."""
_TOKEN = re.compile(r"\\([A-Za-z]+)\s*|([_^])(?:\{([^{}]*)\}|([^{}\\]))|(.)", re.DOTALL)


def render_html(document: Document) -> str:
    """The whole document, a block a line."""
    return "\n".join(map(block_html, document)) + "\n"


def block_html(block: Block) -> str:
    """Write a block of a document in HTML."""
    match block:
        case Heading(text, level):
            return f"<h{level}>{_text(text)}</h{level}>"
        case Paragraph(spans):
            return f"<p>{spans_html(spans)}</p>"
        case Listing(items, numbered):
            tag = "ol" if numbered else "ul"
            return f"<{tag}>{''.join(f'<li>{spans_html(item)}</li>' for item in items)}</{tag}>"
        case Grid():
            return grid_html(block)


def grid_html(grid: Grid) -> str:
    """A table. The first column heads its rows; cells of one value carry it, at 12 digits, to be sorted by."""
    caption = f"<caption>{_text(grid.caption)}</caption>" if grid.caption else ""
    head = "".join(f'<th scope="col">{spans_html(cell.spans)}</th>' for cell in grid.heads)
    rows = "\n".join(f"<tr>{_row(row)}</tr>" for row in grid.rows)
    return f"<table>{caption}\n<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}\n</tbody>\n</table>"


def spans_html(spans: Sequence[Span]) -> str:
    """Write text in its styles in HTML, escaped."""
    return "".join(map(_span, spans))


def formula_html(latex: str) -> str:
    """Greek letters, subscripts and superscripts as such; any other command by its name."""
    parts = []
    for command, script, long, short, other in _TOKEN.findall(plain(latex)):
        if script:
            tag = "sub" if script == "_" else "sup"
            parts.append(f"<{tag}>{html.escape(long or short)}</{tag}>")
        elif command:
            parts.append(GREEK.get(command, html.escape(command)))
        elif other not in "{}\\$":
            parts.append(html.escape(other))
    return f"<i>{''.join(parts)}</i>" if parts else MISSING


def _row(row: Sequence[Cell]) -> str:
    first, *rest = row
    return f'<th scope="row">{spans_html(first.spans)}</th>' + "".join(map(_cell, rest))


def _cell(cell: Cell) -> str:
    value = next(iter(cell.values.values()), None)
    key = f' data-value="{exact(value)}"' if isinstance(value, int | float) else ""
    return f"<td{key}>{spans_html(cell.spans)}</td>"


def _span(span: Span) -> str:
    match span.style:
        case "text":
            return _text(span.text)
        case "code":
            return f"<code>{_text(span.text)}</code>"
        case "formula" | "symbol":
            return formula_html(span.text)
        case "strong":
            return f"<strong>{_text(span.text)}</strong>"
        case "faint":
            return f'<span class="faint">{_text(span.text)}</span>'
        case "cite":
            return f"&nbsp;[{html.escape(span.text)}]"
        case "figure":
            return html.escape(span.text)


def _text(text: str) -> str:
    return html.escape(plain(text))
