"""Documents to files, in every format there is."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal, get_args

from ssl_bench.leaderboard.documents.main import make_documents, make_index
from ssl_bench.leaderboard.documents.tables import references_of
from ssl_bench.leaderboard.formats.bibliography import cite_keys, render_bibliography
from ssl_bench.leaderboard.formats.csv import render_csv
from ssl_bench.leaderboard.formats.html import render_html
from ssl_bench.leaderboard.formats.latex import render_latex
from ssl_bench.leaderboard.formats.markdown import render_markdown
from ssl_bench.leaderboard.formats.runs import render_runs
from ssl_bench.leaderboard.model import Document, Grid, Listing, plain_text, walk
from ssl_bench.leaderboard.reading.board import read_board
from ssl_bench.leaderboard.reading.choice import EVERYTHING, Choice
from ssl_bench.leaderboard.reading.entries import read_entries
from ssl_bench.leaderboard.reading.grouping import require_one_table
from ssl_bench.published import ClaimSpec
from ssl_bench.store.record import Record

Format = Literal["md", "csv", "tex", "html"]
FORMATS: tuple[Format, ...] = get_args(Format)
OF_TABLES: tuple[Format, ...] = ("csv", "tex")
"""Formats with a file a table, in the folder of its document."""
RUNS = "runs.csv"
REFERENCES_FILE = "references.bib"
_OF_DOCUMENTS = {"md": render_markdown, "html": render_html}


def render(
    records: Iterable[Record],
    formats: Sequence[Format] = ("md",),
    *,
    choice: Choice = EVERYTHING,
    oracle: bool = False,
    claims: Sequence[ClaimSpec] = (),
) -> dict[str, str]:
    """File name to text, the same bytes whatever the order of the records.

    Always: every run, a row per metric, `runs.csv`. Markdown: an index, README.md, and a file a document. HTML: a
    fragment a document. CSV and LaTeX: a file a table, in the folder of its document, and with LaTeX the references
    that its tables cite. `choice`: what is shown; UsageError for what no record has. `oracle`: show, greyed, what a
    choice on test data would have scored. `claims`: published numbers, for a document of their own.
    """
    board = read_board(records, choice)
    documents = make_documents(board, oracle=oracle, claims=claims)
    # What a person opens first comes first.
    files = {"README.md": make_index(board, documents)} if "md" in formats else {}
    files[RUNS] = render_runs(board.entries)
    for name, document in documents.items():
        for form, render_document in _OF_DOCUMENTS.items():
            if form in formats:
                files[f"{name}.{form}"] = render_document(document)
    keys = cite_keys(row.head.reference for row in board.rows if row.head.reference)
    for form in OF_TABLES:
        if form in formats:
            for name, document in documents.items():
                files |= {f"{name}/{path}.{form}": text for path, text in _tables(document, name, form, keys)}
    if "tex" in formats:
        files[REFERENCES_FILE] = render_bibliography(keys)
    return files


def check_one_table(records: Iterable[Record], choice: Choice = EVERYTHING) -> None:
    """UsageError, naming what differs, unless all records fit into one table of scores; else as `Choice.of`."""
    unlike: set[str] = set()
    entries, _ = read_entries(choice.of(records), unlike)
    require_one_table(entries, choice.shows, unlike)


def _tables(
    document: Document, name: str, form: Format, keys: Mapping[str, str]
) -> Iterator[tuple[str, str]]:
    """Name and text of each of a document's tables."""
    cited = [keys[reference] for reference in references_of(document)]
    blocks = list(walk(document))
    taken: set[str] = set()
    for number, (titles, block) in enumerate(blocks):
        if isinstance(block, Grid):
            stem = _slug(f"{titles} {block.name}")
            names = (stem, *(f"{stem}-{count}" for count in range(2, len(taken) + 3)))
            path = next(name for name in names if name not in taken)
            taken.add(path)
            after = blocks[number + 1][1] if number + 1 < len(blocks) else None
            said = [plain_text(item) for item in after.items] if isinstance(after, Listing) else []
            tex = form == "tex"
            yield (
                path,
                render_latex(block, titles, f"{name}-{path}", cited, said) if tex else render_csv(block),
            )


def _slug(text: str) -> str:
    """Fit for a file's name on every system, whatever the text holds."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[-100:].strip("-")
