"""Records to one HTML file, with style, script and figures inside."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from ssl_bench.figures.svg import swatch
from ssl_bench.leaderboard.documents.main import MOST_SHOWN, make_documents
from ssl_bench.leaderboard.documents.tables import REFERENCES
from ssl_bench.leaderboard.documents.verdicts import verdicts
from ssl_bench.leaderboard.formats.html import block_html
from ssl_bench.leaderboard.formats.markdown import plain
from ssl_bench.leaderboard.model import Block, Document, Grid, Heading
from ssl_bench.leaderboard.reading.board import Board, read_board
from ssl_bench.leaderboard.reading.entries import entry_of, of_search
from ssl_bench.published import ClaimSpec
from ssl_bench.report.charts import Chart, cost_charts, efficiency_charts, styles_of
from ssl_bench.report.curves import curve_charts
from ssl_bench.report.gains import gain_charts
from ssl_bench.report.gallery import Gallery
from ssl_bench.report.observed import observed_parts
from ssl_bench.report.runs import runs_json
from ssl_bench.store.observed import observations_of
from ssl_bench.store.record import Record

MOST_TABLES = 40
"""Tables of the leaderboard with charts of their own, so that a page of ten thousand settings can be opened."""
_UNSORTED = ("hyperparameters",)
"""Tables in which a row belongs to the one above it."""


@dataclass(frozen=True)
class Part:
    """A section of the page: blocks of HTML, then charts under titles of their own, then further blocks."""

    id: str
    title: str
    body: Any
    charts: Sequence[tuple[str, Sequence[Chart]]] = ()
    rest: Any = ""
    references: Any = ""


def make_report(
    records: Iterable[tuple[str, Record]],
    *,
    oracle: bool = False,
    claims: Sequence[ClaimSpec] = (),
    galleries: Sequence[Gallery] = (),
    first: Sequence[Part] = (),
) -> str:
    """The page. `records`: a link to each, relative to the page (empty for none), and the record.

    The same bytes for the same records in any order. `oracle`, `claims`: as of `leaderboard.render`. `galleries`: as
    `ssl_bench.compare.gallery` makes them. Of claims those are shown whose data set was run. `first`: sections that
    stand before all others, and before the verdicts on tables.
    """
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    records = [(link, record) for link, record in records if not of_search(record)]
    board = read_board(record for _, record in records)
    folder = files(__package__)
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    # All of these were escaped where they were made, or are files of our own.
    environment.globals["swatch"] = lambda style, marks: Markup(swatch(style, marks=marks))
    environment.filters["made"] = Markup
    of_here = [claim for claim in claims if _is_here(claim, board)]
    template = environment.from_string((folder / "page.html.j2").read_text(encoding="utf-8"))
    return template.render(
        first=first,
        parts=[
            *_parts(board, make_documents(board, oracle=oracle, claims=of_here)),
            *_observed(board, [record for _, record in records]),
        ],
        galleries=galleries,
        count=len(board.entries),
        tables=len(board.sections),
        verdicts=[
            (
                plain(section.table.title),
                block_html(verdicts(section)),
                list(gain_charts(section, f"gains-{number}")),
            )
            for number, section in enumerate(board.sections[:MOST_SHOWN])
            # Of one method alone there is nothing to say where something else was said.
            if not first or len(section.rows) > 1
        ],
        style=(folder / "page.css").read_text(encoding="utf-8"),
        script=(folder / "page.js").read_text(encoding="utf-8"),
        runs=runs_json((link, entry_of(record)) for link, record in records),
    )


def _is_here(claim: ClaimSpec, board: Board) -> bool:
    """Whether a claim is of a data set that was run: numbers of another one say nothing of what is measured here."""
    return any((entry.task, entry.dataset) == (claim.task, claim.dataset) for entry in board.entries)


def _parts(board: Board, documents: dict[str, Document]) -> list[Part]:
    styles = styles_of(board)
    sections = board.sections[:MOST_TABLES]
    charts = {
        "cost": [
            (
                f"Score against time. {plain(section.table.title)}",
                list(cost_charts(section, styles, f"cost-{number}")),
            )
            for number, section in enumerate(sections)
        ],
        "efficiency": [
            ("Score against labels", list(efficiency_charts(board, styles, "efficiency"))[:MOST_TABLES])
        ],
    }
    curves = [
        (plain(section.table.title), list(curve_charts(section, styles, f"curves-{number}")))
        for number, section in enumerate(sections)
    ]
    parts = []
    for name, document in documents.items():
        title = document[0]
        assert isinstance(title, Heading)
        drawn = [(text, found) for text, found in charts.get(name, ()) if found]
        body, cited = _split(document[1:])
        parts.append(Part(name, title.text, _body(body, name), drawn, references=_body(cited, name)))
    drawn = [(text, found) for text, found in curves if found]
    parts.append(Part("curves", "Curves", "" if drawn else "<p>No curves were recorded.</p>", drawn))
    return parts


def _observed(board: Board, records: Sequence[Record]) -> list[Part]:
    """What methods taught, where runs were observed."""
    runs = {record.cell.id: observations_of(record) for record in records if record.observed}
    if not runs:
        return []
    body, drawn = observed_parts(board, runs, styles_of(board), MOST_TABLES)
    return [Part("observed", "What methods taught", body, drawn)] if drawn else []


def _split(document: Document) -> tuple[Document, Document]:
    """What comes before the list of references, and the list without its title."""
    titles = [block.text if isinstance(block, Heading) else "" for block in document]
    place = titles.index(REFERENCES) if REFERENCES in titles else len(document)
    return document[:place], document[place + 1 :]


def _body(document: Document, name: str) -> str:
    return "\n".join(scrolling(block, name, number) for number, block in enumerate(document))


def scrolling(block: Block, name: str, number: int) -> str:
    """A block as HTML: headings a level lower, tables in regions that scroll by themselves. `name`: its document's."""
    if isinstance(block, Heading):
        return block_html(Heading(block.text, block.level + 1))
    if isinstance(block, Grid):
        label = re.sub(r"[^a-z]+", " ", f"{name} {block.name}")
        sortable = "" if block.name in _UNSORTED else " data-sortable"
        return (
            f'<div class="scroll" role="region" tabindex="0" aria-label="{label} {number}"{sortable}>'
            f"{block_html(block)}</div>"
        )
    return block_html(block)
