"""Documents to files, in every format there is."""

import re
from collections.abc import Iterable, Sequence
from typing import Literal, get_args

from ssl_bench.leaderboard.documents.main import make_documents, make_index
from ssl_bench.leaderboard.formats.csv import render_csv
from ssl_bench.leaderboard.formats.html import render_html
from ssl_bench.leaderboard.formats.latex import render_latex
from ssl_bench.leaderboard.formats.markdown import render_markdown
from ssl_bench.leaderboard.model import Document, Grid, walk
from ssl_bench.leaderboard.reading.board import read_board
from ssl_bench.leaderboard.reading.entries import read_entries
from ssl_bench.leaderboard.reading.grouping import require_one_table
from ssl_bench.specs import ClaimSpec
from ssl_bench.store.results import Record

Format = Literal["md", "csv", "tex", "html"]
FORMATS: tuple[Format, ...] = get_args(Format)
_RENDER = {"md": render_markdown, "tex": render_latex, "html": render_html}


def render(
    records: Iterable[Record],
    formats: Sequence[Format] = ("md",),
    *,
    oracle: bool = False,
    claims: Sequence[ClaimSpec] = (),
) -> dict[str, str]:
    """File name to text, the same bytes whatever the order of the records.

    Markdown: an index, README.md, and a file a document. LaTeX and HTML: a fragment a document. CSV: a file a
    table, in the folder of its document. `oracle`: show, greyed, what a choice on test data would have scored.
    `claims`: published numbers, for a document of their own.
    """
    board = read_board(records)
    documents = make_documents(board, oracle=oracle, claims=claims)
    files: dict[str, str] = {}
    if "md" in formats:
        files["README.md"] = make_index(board, documents)
    for name, document in documents.items():
        for form in FORMATS:
            if form in formats and form in _RENDER:
                files[f"{name}.{form}"] = _RENDER[form](document)
        if "csv" in formats:
            files |= {f"{name}/{path}": text for path, text in _tables(document).items()}
    return files


def check_one_table(records: Iterable[Record]) -> None:
    """UsageError, naming what differs, unless all records fit into one table of scores."""
    require_one_table(read_entries(records)[0])


def _tables(document: Document) -> dict[str, str]:
    files: dict[str, str] = {}
    for titles, block in walk(document):
        if isinstance(block, Grid):
            stem = _slug(f"{titles} {block.name}")
            name, count = stem, 2
            while f"{name}.csv" in files:
                name, count = f"{stem}-{count}", count + 1
            files[f"{name}.csv"] = render_csv(block)
    return files


def _slug(text: str) -> str:
    """Fit for a file's name on every system, whatever the text holds."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[-100:].strip("-")
