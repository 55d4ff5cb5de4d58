"""Tables of scores for a terminal."""

import textwrap
from collections.abc import Iterable

from ssl_bench.leaderboard.entries import read_entries
from ssl_bench.leaderboard.fields import MISSING
from ssl_bench.leaderboard.grouping import Table, make_tables
from ssl_bench.leaderboard.markdown import plain
from ssl_bench.leaderboard.rows import column_titles, make_rows
from ssl_bench.leaderboard.scores import Score, make_scores
from ssl_bench.results import Record

TITLE_WIDTH = 18
"""Of a task's title, in characters: four tasks then fit a hundred columns."""


def terminal(records: Iterable[Record]) -> str:
    """The tables of scores in aligned plain text."""
    tables = make_tables(read_entries(records)[0])
    return "\n\n".join(map(_table, tables)) if tables else "No finished runs yet."


def _table(table: Table) -> str:
    from tabulate import tabulate

    rows = make_rows(table)
    scores = make_scores(table, rows)
    seeds = {score.n for row in scores for score in row if score}
    cells = []
    for row, line in zip(rows, scores, strict=True):
        name = f"{row.title} ({row.label})" if row.label else row.title
        cells.append([plain(name), *(_cell(score, with_n=len(seeds) > 1) for score in line)])
    legend = []
    if any(score and score.best for row in scores for score in row):
        legend.append("* best")
    if any(score and score.difference for row in scores for score in row):
        legend.append("signed: difference to the baseline")
    if len(seeds) == 1:
        n = seeds.pop()
        legend.append(f"{n} seeds each" if n > 1 else "1 seed each")
    body = tabulate(cells, headers=_headers(table), tablefmt="simple", disable_numparse=True)
    return "\n\n".join(filter(None, [plain(table.title), body, "; ".join(legend)]))


def _headers(table: Table) -> list[str]:
    titles = [textwrap.wrap(plain(title), TITLE_WIDTH) for title in column_titles(table)]
    height = max(map(len, titles))
    metrics = [plain(column.head.metric) for column in table.columns]
    return [
        "Methods",
        *("\n".join([*t, *[""] * (height - len(t)), m]) for t, m in zip(titles, metrics, strict=True)),
    ]


def _cell(score: Score | None, *, with_n: bool) -> str:
    if score is None:
        return MISSING
    figure = f"{score.mean} ± {score.std}" if score.std else score.mean
    seeds = f"(n={score.n})" if with_n else ""
    return " ".join(filter(None, [figure, score.difference, seeds, "*" if score.best else ""]))
