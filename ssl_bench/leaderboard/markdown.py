"""Text, formulas and tables in Markdown that no name can break."""

import re
from collections.abc import Sequence

from ssl_bench.leaderboard.entries import MISSING

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


def to_markdown(
    header: Sequence[str], rows: Sequence[Sequence[str]], *, numbers_from: int | None = None
) -> str:
    """A Markdown table of cells that are Markdown already; columns of numbers from `numbers_from` on."""
    import pandas
    import tabulate

    aligned = ["left" if numbers_from is None or i < numbers_from else "right" for i in range(len(header))]
    frame = pandas.DataFrame([list(row) for row in rows], columns=list(header))
    # Else the padding, and so the bytes, would depend on whether some package has brought `wcwidth` along.
    wide, tabulate.WIDE_CHARS_MODE = tabulate.WIDE_CHARS_MODE, False
    try:
        return str(frame.to_markdown(index=False, disable_numparse=True, colalign=aligned))
    finally:
        tabulate.WIDE_CHARS_MODE = wide
