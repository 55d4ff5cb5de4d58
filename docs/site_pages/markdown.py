"""Small pieces of Markdown."""

import re
from collections.abc import Iterable, Sequence


def code(text: str) -> str:
    """Text as code; it may hold no back-tick. Empty stays empty."""
    return f"`{text}`" if text else ""


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; what would break out of a cell is escaped. In code nothing is: a bar in it is a bar."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(_cell(text) for text in line) + " |" for line in lines) + "\n"


def _cell(text: str) -> str:
    parts = re.split(r"(`[^`]*`)", " ".join(text.split()))
    return "".join(part if part.startswith("`") else part.replace("|", "\\|") for part in parts)
