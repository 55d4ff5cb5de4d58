"""Tables of scores for a terminal."""

import textwrap
from collections.abc import Iterable, Sequence

from ssl_bench.leaderboard.documents.unlike import several_notes
from ssl_bench.leaderboard.documents.verdicts import verdicts
from ssl_bench.leaderboard.formats.markdown import plain
from ssl_bench.leaderboard.formats.text import render_text
from ssl_bench.leaderboard.model import Paragraph, plain_text
from ssl_bench.leaderboard.reading.board import Section, read_board
from ssl_bench.leaderboard.reading.choice import EVERYTHING, Choice
from ssl_bench.leaderboard.reading.columns import runs_text
from ssl_bench.leaderboard.reading.fields import MISSING
from ssl_bench.leaderboard.reading.grouping import Table
from ssl_bench.leaderboard.reading.rows import column_titles
from ssl_bench.leaderboard.reading.scores import Score
from ssl_bench.store.record import Record

WIDTH = 100
"""Characters of a line."""
TITLE_WIDTH = 18
"""Of a task's title, in characters: four tasks then fit into a line."""
NAME_WIDTH = 24
"""Of a method's name, likewise."""


def terminal(records: Iterable[Record], choice: Choice = EVERYTHING) -> str:
    """The tables of scores in aligned plain text, each with a sentence a column below it, and what to know of all."""
    board = read_board(records, choice)
    notes = [*several_notes(board), *([choice.told] if choice.told else [])]
    said = render_text([Paragraph(note) for note in notes])
    return "\n\n".join([*map(_section, board.sections), *([said] if said else [])]) or "No finished runs yet."


def _section(section: Section) -> str:
    legend = "\n".join(textwrap.fill(line, WIDTH) for line in _legend(section) if line)
    sentences = (
        textwrap.fill(plain(plain_text(spans)), WIDTH, initial_indent="- ", subsequent_indent="  ")
        for spans in verdicts(section).items
    )
    table = _table(section, apart=False)
    if max(map(len, table.splitlines())) > WIDTH:
        table = _table(section, apart=True)
    return "\n\n".join(filter(None, [plain(section.table.title), table, legend, "\n".join(sentences)]))


def _legend(section: Section) -> Iterable[str]:
    scores = [score for row in section.scores for score in row if score]
    said = []
    if any(score.best for score in scores):
        said.append("* best: its gains stand at 95 %, and nothing is better")
    if any(score.over_control for score in scores):
        said.append("signed: difference to the baseline / to the control")
    elif any(score.difference for score in scores):
        said.append("signed: difference to the baseline")
    columns = [column for column in section.table.columns if len(column.split_seeds) > 1]
    seeds = _runs_of_all(section)
    if seeds and not columns:
        said.append(f"{seeds} seeds each" if seeds > 1 else "1 seed each")
    yield "; ".join(said)
    yield from dict.fromkeys(runs_text(column) for column in columns)


def _runs_of_all(section: Section) -> int | None:
    """How many runs each score is of, but for rows that use all labels whatever the split; None where they differ."""
    lines = zip(section.rows, section.scores, strict=True)
    counts = {score.n for row, line in lines if not row.head.uses_all_labels for score in line if score}
    return counts.pop() if len(counts) == 1 else None


def _table(section: Section, *, apart: bool) -> str:
    """`apart`: differences in a line of their own below each score."""
    from tabulate import tabulate

    most = _runs_of_all(section)
    cells = []
    for row, line in zip(section.rows, section.scores, strict=True):
        name = "\n".join(textwrap.wrap(plain(row.name), NAME_WIDTH, subsequent_indent="  "))
        cells.append([name, *(_cell(score, most, apart=apart) for score in line)])
    return tabulate(cells, headers=_headers(section.table), tablefmt="simple", disable_numparse=True)


def _headers(table: Table) -> Sequence[str]:
    titles = [textwrap.wrap(plain(title), TITLE_WIDTH) for title in column_titles(table)]
    height = max(map(len, titles))
    metrics = [plain(column.head.metric) for column in table.columns]
    return [
        "Methods",
        *("\n".join([*t, *[""] * (height - len(t)), m]) for t, m in zip(titles, metrics, strict=True)),
    ]


def _cell(score: Score | None, most: int | None, *, apart: bool) -> str:
    if score is None:
        return MISSING
    figure = f"{score.mean} ± {score.std}" if score.std else score.mean
    runs = f"(n={score.n})" if score.n != most else ""
    difference = " / ".join(filter(None, [score.difference, score.over_control]))
    star = "*" if score.best else ""
    if apart:
        return "\n".join(" ".join(filter(None, line)) for line in ([figure, star, runs], [difference]))
    return " ".join(filter(None, [figure, difference, runs, star]))
