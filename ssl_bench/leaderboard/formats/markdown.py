"""Text, formulas and tables in Markdown that no name can break."""

import re
from collections.abc import Sequence

from ssl_bench.leaderboard.model import (
    Block,
    Cell,
    Document,
    Grid,
    Heading,
    Listing,
    Paragraph,
    Span,
    plain_symbol,
)
from ssl_bench.leaderboard.reading.fields import MISSING

# An underscore between letters is no emphasis and reads better bare.
_SPECIAL = re.compile(r"[\\`*\[\]|~$#]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")
_LIST_MARK = re.compile(r"^(\d*)([-+=.)])")
_COMMANDS = {
    "|": r"\vert ",
    "<": r"\lt ",
    ">": r"\gt ",
    "*": r"\ast ",
    "[": r"\lbrack ",
    "]": r"\rbrack ",
    "~": " ",
}
_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/+=:-]*")


def plain(text: str) -> str:
    """On one line, without control, formatting or invisible characters."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split()) or MISSING


def escape(text: str) -> str:
    """Shown as it is, wherever in Markdown it stands."""
    text = plain(text)
    if text == MISSING:
        return text
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _LIST_MARK.sub(r"\1\\\2", _SPECIAL.sub(r"\\\g<0>", text))


def code(text: str) -> str:
    """In the typeface of code; escaped where it holds more than a name does."""
    return f"`{text}`" if _CODE.fullmatch(text) else escape(text)


def formula(latex: str) -> str:
    """LaTeX between dollars, which can end neither the formula nor its cell."""
    text = re.sub(r"[$`]", "", plain(latex)).rstrip("\\ ")
    for character, command in _COMMANDS.items():
        text = text.replace(character, command)
    text = text.strip()
    return f"${text}$" if text else MISSING


def render_markdown(document: Document) -> str:
    """Write a whole document in Markdown, a block after the other."""
    return "\n\n".join(map(_block, document)) + "\n"


def _block(block: Block) -> str:
    match block:
        case Heading(text, level):
            return f"{'#' * level} {escape(text)}"
        case Paragraph(spans):
            return _spans(spans)
        case Listing(items, numbered):
            marks = (f"{number}." if numbered else "-" for number in range(1, len(items) + 1))
            return "\n".join(f"{mark} {_spans(item)}" for mark, item in zip(marks, items, strict=True))
        case Grid():
            caption = f"{escape(block.caption)}:\n\n" if block.caption else ""
            return caption + _table(block.heads, block.rows, numbers_from=block.numbers_from)


def _spans(spans: Sequence[Span]) -> str:
    return "".join(map(_span, spans))


def _span(span: Span) -> str:
    match span.style:
        case "text":
            return escape(span.text)
        case "code":
            return code(span.text)
        case "formula":
            return formula(span.text)
        case "symbol":
            return escape(plain_symbol(span.text))
        case "strong":
            return f"**{span.text}**"
        case "faint":
            return f"*{span.text}*"
        case "cite":
            return f" [{span.text}]"
        case "figure":
            return span.text


def _table(header: Sequence[Cell], rows: Sequence[Sequence[Cell]], *, numbers_from: int | None) -> str:
    import tabulate

    aligned = ["left" if numbers_from is None or i < numbers_from else "right" for i in range(len(header))]
    cells = [[_spans(cell.spans) for cell in row] for row in rows]
    heads = [_spans(cell.spans) for cell in header]
    # Else the padding, and so the bytes, would depend on whether some package has brought `wcwidth` along.
    wide, tabulate.WIDE_CHARS_MODE = tabulate.WIDE_CHARS_MODE, False
    try:
        return str(tabulate.tabulate(cells, heads, tablefmt="pipe", disable_numparse=True, colalign=aligned))
    finally:
        tabulate.WIDE_CHARS_MODE = wide
