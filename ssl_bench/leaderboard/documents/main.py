"""The documents of a leaderboard: which there are, and the main ones."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from ssl_bench.leaderboard.documents.comparison import comparison_document
from ssl_bench.leaderboard.documents.cost import cost_document
from ssl_bench.leaderboard.documents.efficiency import efficiency_document
from ssl_bench.leaderboard.documents.metrics import metrics_document
from ssl_bench.leaderboard.documents.notes import ends_text, making_notes, reading_notes
from ssl_bench.leaderboard.documents.reported import reported_document
from ssl_bench.leaderboard.documents.settings import (
    cost_table,
    made_with,
    search_table,
    settings_table,
    told_alone,
)
from ssl_bench.leaderboard.documents.tables import (
    gap_table,
    hyperparameters,
    oracle_table,
    references,
    score_table,
    symbols_of,
)
from ssl_bench.leaderboard.documents.unlike import listed
from ssl_bench.leaderboard.documents.verdicts import verdicts
from ssl_bench.leaderboard.formats.markdown import render_markdown
from ssl_bench.leaderboard.model import (
    Block,
    Document,
    Grid,
    Heading,
    Listing,
    Paragraph,
    joined,
    paragraph,
)
from ssl_bench.leaderboard.reading.board import Board, numbered, read_board
from ssl_bench.published import ClaimSpec
from ssl_bench.store.record import Record
from ssl_bench.words import number_of

EMPTY: Document = (paragraph("No finished runs yet."),)


def make_documents(
    board: Board, *, oracle: bool = False, claims: Sequence[ClaimSpec] = ()
) -> dict[str, Document]:
    """Name to document, in the order of the index. `oracle`: as of `main_document`."""
    found = bool(board.sections)
    return {
        "leaderboard": (Heading("Leaderboard", 1), *main_document(board, oracle=oracle)),
        "comparison": (Heading("Comparison", 1), *(comparison_document(board) if found else EMPTY)),
        "metrics": (Heading("Metrics", 1), *(metrics_document(board) if found else EMPTY)),
        "efficiency": (
            Heading("Label efficiency", 1),
            *(efficiency_document(board) if found else EMPTY),
        ),
        "cost": (Heading("Cost", 1), *(cost_document(board) if found else EMPTY)),
        "reported": (Heading("Reported", 1), *(reported_document(board, claims) if found else EMPTY)),
        "hyperparameters": (Heading("Hyper-parameters", 1), *hyperparameter_document(board)),
    }


MOST_SHOWN = 8
"""Tables of scores on the index."""
ABOUT: Mapping[str, str] = {
    "leaderboard": "scores, settings and cost",
    "comparison": "which differences stand: ranks, intervals, further seeds",
    "metrics": "every metric of every task",
    "efficiency": "scores against the number of labels, and the labels that a method saves",
    "cost": "time, memory, images and parameters",
    "reported": "published numbers beside measured ones",
    "hyperparameters": "settings of the methods",
}


DOCUMENTS = tuple(ABOUT)
"""Names of all documents, in the order of the index."""


def make_index(board: Board, documents: Mapping[str, Document]) -> str:
    """The page that a code host shows of the folder, in Markdown: what was measured on what, and links to the rest."""
    shown = board.sections[:MOST_SHOWN]
    numbers = numbered(row for section in shown for row in section.rows)
    blocks: list[Block] = [
        Heading("Leaderboards", 1),
        *part_of(board),
        *([] if shown else EMPTY),
    ]
    for section in shown:
        blocks += [
            Heading(section.table.title),
            score_table(section, numbers),
            verdicts(section),
            paragraph("Made with:"),
            Listing([made_with(section, number) for number in range(len(section.table.columns))]),
        ]
    if left := len(board.sections) - len(shown):
        blocks.append(paragraph(f"{number_of(left, 'table')} more: see the leaderboard."))
    devices = listed(entry.device for entry in board.entries)
    records = number_of(len(board.entries), "record")
    runs = "every run" if not board.choice.told else "every run that is shown"
    about = paragraph(f"Made by `ssl-bench leaderboard` from {records}. Hardware: ", *devices, ".")
    links = "".join(
        f"- [{_title(document)}]({name}.md): {ABOUT[name]}\n" for name, document in documents.items()
    )
    more: list[Block] = [Heading("Notes"), Listing(reading_notes(board)), about, *references(numbers)]
    parts = [
        render_markdown(blocks),
        f"## All tables\n\n{links}- [Runs](runs.csv): {runs}, a row per metric, for whoever computes further\n",
        render_markdown(more if shown else [about]),
    ]
    return "\n".join(parts)


def part_of(board: Board) -> list[Block]:
    """What is said above tables of a part of the records."""
    return [Paragraph(board.choice.told)] if board.choice.told else []


def _title(document: Document) -> str:
    title = document[0]
    assert isinstance(title, Heading)
    return title.text


def main_document(board: Board, *, oracle: bool = False) -> Document:
    """Every table of scores with its settings and cost, then notes and references.

    `oracle`: also what the best evaluation on test data would have scored, greyed.
    """
    if not board.sections:
        return EMPTY
    numbers = numbered(board.rows)
    blocks: list[Block] = part_of(board)
    for section in board.sections:
        gaps = gap_table(
            section, numbers, f"Share of the gap{ends_text(section)} that is closed without the labels"
        )
        best = oracle_table(section, numbers) if oracle else None
        parts = (
            replace(score_table(section, numbers), alone=told_alone(section)),
            verdicts(section),
            best,
            gaps,
            search_table(section, numbers),
            settings_table(section),
            cost_table(section, numbers),
        )
        blocks += [Heading(section.table.title), *(grid for grid in parts if grid is not None)]
    return [*blocks, Heading("Notes"), Listing(making_notes(board)), *references(numbers)]


def hyperparameter_document(board: Board) -> Document:
    """The hyper-parameters of every table of scores; those that have the same ones share a table."""
    if not board.sections:
        return EMPTY
    numbers = numbered(row for row in board.rows if symbols_of(row))
    shared: list[tuple[Grid | None, list[str]]] = []
    for section in board.sections:
        grid = hyperparameters(section, numbers)
        titles = next((titles for other, titles in shared if other == grid), None)
        if titles is None:
            shared.append((grid, [section.table.title]))
        else:
            titles.append(section.table.title)
    blocks: list[Block] = []
    for grid, (first, *others) in shared:
        blocks.append(Heading(first))
        if others:
            blocks.append(paragraph("The same for: ", *joined(others, "; "), "."))
        blocks.append(grid or paragraph("No method here has hyper-parameters of its own."))
    return [*blocks, *references(numbers)]


def main_table(records: Iterable[Record]) -> str:
    """The main document in Markdown, without its title."""
    return render_markdown(main_document(read_board(records)))


def hyperparameter_table(records: Iterable[Record]) -> str:
    """The document of hyper-parameters in Markdown, without its title."""
    return render_markdown(hyperparameter_document(read_board(records)))
