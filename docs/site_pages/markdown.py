"""Small pieces of Markdown."""

from collections.abc import Iterable, Sequence


def code(text: str) -> str:
    """Text as code; it may hold no back-tick. Empty stays empty."""
    return f"`{text}`" if text else ""


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; what would break out of a cell is escaped, also in code."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(_cell(text) for text in line) + " |" for line in lines) + "\n"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
