"""Documents as aligned plain text, for a terminal."""

import textwrap

from ssl_bench.leaderboard.formats.markdown import plain
from ssl_bench.leaderboard.model import Block, Cell, Document, Grid, Heading, Listing, plain_text

WIDTH = 100
"""Characters of a line."""


def render_text(document: Document) -> str:
    """The blocks, one below the other; what is strong in a table has a star."""
    return "\n\n".join(map(_block, document))


def _block(block: Block) -> str:
    if isinstance(block, Heading):
        return plain(block.text)
    if isinstance(block, Grid):
        from tabulate import tabulate

        rows = [[_cell(cell) for cell in row] for row in block.rows]
        headers = [plain(cell.text) for cell in block.heads]
        return tabulate(rows, headers=headers, tablefmt="simple", disable_numparse=True)
    if isinstance(block, Listing):
        marks = [f"{number}. " if block.numbered else "- " for number in range(1, len(block.items) + 1)]
        return "\n".join(
            _filled(plain_text(spans), mark) for mark, spans in zip(marks, block.items, strict=True)
        )
    return _filled(plain_text(block.spans), "")


def _filled(text: str, mark: str) -> str:
    return textwrap.fill(
        plain(text),
        WIDTH,
        initial_indent=mark,
        subsequent_indent=" " * len(mark),
        break_long_words=False,
        break_on_hyphens=False,
    )


def _cell(cell: Cell) -> str:
    star = " *" if any(span.style == "strong" for span in cell.spans) else ""
    return plain(cell.text) + star
