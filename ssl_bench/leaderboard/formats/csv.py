"""Tables as CSV: one file a table, numbers at 12 digits in columns of their own."""

import csv
import io
from collections.abc import Sequence

from ssl_bench.leaderboard.formats.markdown import plain
from ssl_bench.leaderboard.model import Cell, Grid, Value, exact
from ssl_bench.leaderboard.reading.fields import MISSING

_FORMULA = tuple("=+-@\t\r")
"""What a spreadsheet would take for the beginning of one."""


def render_csv(grid: Grid) -> str:
    """The table with a head line, UTF-8, RFC 4180 quoting; an empty field is a missing value.

    A column whose cells hold values becomes one column per value, named `HEAD: VALUE` where there are several.
    """
    columns = [_names([row[number] for row in grid.rows]) for number in range(len(grid.header))]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(
        text_field(f"{head.text}: {name}" if len(names) > 1 and name else head.text)
        for head, names in zip(grid.heads, columns, strict=True)
        for name in names
    )
    for row in grid.rows:
        writer.writerow(
            field for cell, names in zip(row, columns, strict=True) for field in _fields(cell, names)
        )
    return out.getvalue()


def _names(cells: Sequence[Cell]) -> list[str]:
    return list(dict.fromkeys(name for cell in cells for name in cell.values)) or [""]


def _fields(cell: Cell, names: Sequence[str]) -> list[str]:
    # A text among numbers stands in the first of its columns.
    values: list[Value] = [cell.values.get(name, "") for name in names] if cell.values else [cell.text]
    return [text_field(value) if isinstance(value, str) else exact(value) for value in values] + [""] * (
        len(names) - len(values)
    )


def text_field(text: str) -> str:
    """A text that no spreadsheet takes for a formula; empty for a missing value."""
    text = plain(text) if text else ""
    return "" if text == MISSING else f"'{text}" if text.startswith(_FORMULA) else text
