"""The views of a table in Markdown: scores, hyper-parameters, cost, and what it was made with."""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ssl_bench.leaderboard.entries import MISSING, Entry
from ssl_bench.leaderboard.gaps import make_shares
from ssl_bench.leaderboard.grouping import Table
from ssl_bench.leaderboard.markdown import code, escape, formula, to_markdown
from ssl_bench.leaderboard.rows import Row, column_titles, make_rows, setting_text
from ssl_bench.leaderboard.scores import Score, make_scores

Numbers = Mapping[str, int]
"""Reference to its number in the list below the tables."""


def numbered(rows: Iterable[Row]) -> Numbers:
    """References in the order in which the rows first cite them, from 1."""
    references = dict.fromkeys(row.head.reference for row in rows if row.head.reference)
    return {reference: number for number, reference in enumerate(references, 1)}


def metric_names(table: Table) -> str:
    """The primary metrics of the columns with their directions, each once."""
    return " / ".join(dict.fromkeys(escape(column.head.metric) for column in table.columns))


def score_table(table: Table, numbers: Numbers) -> str:
    """Mean and spread over seeds, the best in bold, with differences to the baseline."""
    rows = make_rows(table)
    metrics = metric_names(table)
    cells = [
        [_name(row, numbers), metrics, *map(_score_text, scores)]
        for row, scores in zip(rows, make_scores(table, rows), strict=True)
    ]
    return to_markdown(_header(table), cells)


def gap_table(table: Table, numbers: Numbers) -> str:
    """Shares of the gap in per cent; empty where no column has both ends of one."""
    rows = make_rows(table)
    cells = [
        [_name(row, numbers), "share of the gap", *map(_share_text, shares)]
        for row, shares in zip(rows, make_shares(table, rows), strict=True)
        if any(share is not None for share in shares)
    ]
    return to_markdown(_header(table), cells) if cells else ""


def hyperparameters(table: Table, numbers: Numbers) -> str:
    """A row per symbol, in the order of the config's fields; empty where no method has any."""
    cells = []
    for row in make_rows(table):
        name = _name(row, numbers)
        for field, latex in symbols_of(row).items():
            values = [_value(entries, field, latex) for entries in row.cells]
            cells.append([name, formula(latex), *values])
            name = ""
    return to_markdown(_header(table), cells, numbers_from=2) if cells else ""


def symbols_of(row: Row) -> dict[str, str]:
    """Config field to LaTeX."""
    return {field: latex for entries in row.cells for entry in entries for field, latex in entry.symbols}


def cost_table(table: Table, numbers: Numbers) -> str:
    """Mean seconds of a run, and the parameters of the network that it deploys."""
    cells = [
        [_name(row, numbers), "time, parameters", *map(_cost_text, row.cells)] for row in make_rows(table)
    ]
    return to_markdown(_header(table), cells)


def settings_table(table: Table) -> str:
    """A line per task: what its column was made with."""
    header = [
        "Task",
        "Metric",
        "Data",
        "Labels",
        "Labelled",
        "Unlabelled",
        "Split",
        "Network",
        "Recipe",
        "Threads",
    ]
    cells = []
    for title, column in zip(column_titles(table), table.columns, strict=True):
        head = column.head
        cells.append(
            [
                escape(title),
                escape(head.metric),
                f"{escape(head.dataset)} {code(head.data)}",
                escape(head.source),
                escape(head.labeled),
                escape(head.unlabeled),
                f"{code(head.split)}, seed {escape(head.split_seed)}",
                code(head.backbone) + _weights_text(head),
                f"{escape(head.iterations)} iterations {code(head.recipe)}",
                escape(head.threads),
            ]
        )
    return to_markdown(header, cells)


def value_text(value: Any, latex: str = "") -> str:
    """A hyper-parameter by rule: eta and values from 100 on as integers, below 0.01 with three decimals,
    others with two; what the rule would turn into a 0 or 1 (a decay of 0.999) or a whole epoch keeps its digits.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        return escape(setting_text(value))
    if abs(value) >= 100 or (latex.startswith(r"\eta") and float(value).is_integer()):
        decimals = 0
    else:
        decimals = 3 if abs(value) < 0.01 else 2
    text = f"{value:.{decimals}f}"
    return f"{value:g}" if abs(float(text)) in (0, 1) and float(text) != value else text


def _header(table: Table) -> list[str]:
    return ["Methods", "", *map(escape, column_titles(table))]


def _name(row: Row, numbers: Numbers) -> str:
    cited = f" [{numbers[row.head.reference]}]" if row.head.reference in numbers else ""
    label = f" ({escape(row.label)})" if row.label else ""
    return f"{escape(row.title)}{cited}{label}"


def _score_text(score: Score | None) -> str:
    if score is None:
        return MISSING
    figure = f"{score.mean} ± {score.std}" if score.std else score.mean
    difference = f", {score.difference}" if score.difference else ""
    if difference and score.paired < score.n:
        difference += f" at n={score.paired}"
    return f"{f'**{figure}**' if score.best else figure} (n={score.n}{difference})"


def _share_text(share: float | None) -> str:
    return MISSING if share is None else f"{round(100 * share):+d} %"


def _cost_text(entries: Sequence[Entry]) -> str:
    seconds = [entry.seconds for entry in entries if entry.seconds is not None]
    parameters = [entry.parameters for entry in entries if entry.parameters is not None]
    time = f"{statistics.fmean(seconds):.1f} s" if seconds else MISSING
    size = f"{statistics.fmean(parameters) / 1e6:.2f} M" if parameters else MISSING
    return f"{time}, {size}" if seconds or parameters else MISSING


def _weights_text(head: Entry) -> str:
    return "" if head.pretrained == MISSING else f", weights {escape(head.pretrained)}"


def _value(entries: Sequence[Entry], field: str, latex: str) -> str:
    values = [entry.config[field] for entry in entries if field in entry.config]
    return value_text(values[0], latex) if values else MISSING
