"""The views of a table: scores, hyper-parameters, cost in brief, and what it was made with."""

import statistics
from collections.abc import Iterable, Sequence
from typing import Any

from ssl_bench.execution import in_words
from ssl_bench.leaderboard.board import Numbers, Section
from ssl_bench.leaderboard.entries import Entry
from ssl_bench.leaderboard.fields import MISSING, finite
from ssl_bench.leaderboard.gaps import make_shares
from ssl_bench.leaderboard.grouping import Table
from ssl_bench.leaderboard.model import (
    Block,
    Cell,
    Grid,
    Heading,
    Listing,
    Span,
    cell,
    figure,
    joined,
    missing,
    words,
)
from ssl_bench.leaderboard.rows import Row, column_titles, setting_text
from ssl_bench.leaderboard.scores import Score, make_scores, shown
from ssl_bench.recipe import in_words as recipe_in_words
from ssl_bench.specs import RATE

REFERENCES = "References"
NOT_STATED = "not stated"
FINGERPRINT = 16
"""Characters shown of the fingerprint of data."""


def score_table(section: Section, numbers: Numbers) -> Grid:
    """Mean and spread over seeds, the best in bold, with differences to the baseline."""
    metrics = _metrics(section.table)
    rows = [
        [name_cell(row, numbers), metrics, *map(score_cell, scores)]
        for row, scores in zip(section.rows, make_scores(section.table, section.rows), strict=True)
    ]
    return Grid("scores", header(section.table), rows)


def oracle_table(section: Section, numbers: Numbers) -> Grid:
    """What the best evaluation of each run would have scored, and how much better than the last one. Greyed."""
    rows = []
    for row in section.rows:
        cells = [
            _oracle(entries, column.head.digits)
            for entries, column in zip(row.cells, section.table.columns, strict=True)
        ]
        rows.append([name_cell(row, numbers), figure("best on test data"), *cells])
    caption = (
        "No result, for it is chosen on test data: the best evaluation of each run, and its gap to the last"
    )
    return Grid("oracle", header(section.table), rows, caption)


def gap_table(section: Section, numbers: Numbers, caption: str) -> Grid | None:
    """Shares of the gap in per cent; None where no column has both ends of one."""
    rows = [
        [name_cell(row, numbers), figure("share of the gap"), *map(_share, shares)]
        for row, shares in zip(section.rows, make_shares(section), strict=True)
        if any(share is not None for share in shares)
    ]
    return Grid("gap", header(section.table), rows, caption) if rows else None


def hyperparameters(section: Section, numbers: Numbers) -> Grid | None:
    """A row per symbol, in the order of the config's fields; None where no method has any."""
    rows = []
    for row in section.rows:
        name = name_cell(row, numbers)
        for field, latex in symbols_of(row).items():
            values = [_setting(entries, field, latex) for entries in row.cells]
            rows.append([name, cell(latex, "formula"), *values])
            name = Cell((), name.values)
    return Grid("hyperparameters", header(section.table), rows, numbers_from=2) if rows else None


def symbols_of(row: Row) -> dict[str, str]:
    """Config field to LaTeX."""
    return {field: latex for entries in row.cells for entry in entries for field, latex in entry.symbols}


def cost_table(section: Section, numbers: Numbers) -> Grid:
    """Mean seconds of a run, and the parameters of the network that it deploys."""
    rows = [
        [name_cell(row, numbers), figure("time, parameters"), *map(_cost, row.cells)] for row in section.rows
    ]
    caption = "Cost, as mean time of a run and size of the deployed network"
    return Grid("cost", header(section.table), rows, caption)


def search_table(section: Section, numbers: Numbers) -> Grid | None:
    """How many settings were tried to find those of a row, and its learning rate over the recipe's.

    None where nothing is stated of any row: the notes say so.
    """
    if not any(
        entry.trials or _rate(entry) != 1 for row in section.rows for cells in row.cells for entry in cells
    ):
        return None
    rows = [[name_cell(row, numbers), figure("trials"), *map(_search, row.cells)] for row in section.rows]
    return Grid(
        "search", header(section.table), rows, "Search, as trials of settings and the learning rate found"
    )


_SETTINGS = (
    *("Task", "Metric", "Data", "Labels", "Labelled", "Unlabelled", "Split", "Network", "Recipe", "Threads"),
)


def settings_table(section: Section) -> Grid:
    """A line per task: what its column was made with."""
    rows = []
    for title, column in zip(column_titles(section.table), section.table.columns, strict=True):
        head = column.head
        rows.append(
            [
                cell(title),
                cell(head.metric),
                Cell(_data(head)),
                cell(head.source),
                cell(head.labeled),
                cell(head.unlabeled),
                Cell(words(Span(head.split, "code"), ", seed ", Span(head.split_seed))),
                _network(head),
                _recipe(head),
                _computed(head),
            ]
        )
    return Grid("settings", [figure(name) for name in _SETTINGS], rows, "Settings")


def value_text(value: Any, latex: str = "") -> str:
    """A hyper-parameter by rule: eta and values from 100 on as integers, below 0.01 with three decimals,
    others with two; what the rule would turn into a 0 or 1 (a decay of 0.999) or a whole epoch keeps its digits.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        return setting_text(value)
    if abs(value) >= 100 or (latex.startswith(r"\eta") and float(value).is_integer()):
        decimals = 0
    else:
        decimals = 3 if abs(value) < 0.01 else 2
    text = f"{value:.{decimals}f}"
    return f"{value:g}" if abs(float(text)) in (0, 1) and float(text) != value else text


def header(table: Table) -> list[Cell]:
    """Methods, a column for what a row shows, and the tasks."""
    return [figure("Methods"), figure(""), *map(cell, column_titles(table))]


def name_cell(row: Row, numbers: Numbers) -> Cell:
    """The method, its reference, and what tells its settings from others."""
    cited = [Span(str(numbers[row.head.reference]), "cite")] if row.head.reference in numbers else []
    label: Iterable[Span] = words(" (", Span(row.label), ")") if row.label else ()
    named = Cell((Span(row.title), *cited, *label))
    return Cell(named.spans, {"method": named.text})


def references(numbers: Numbers) -> list[Block]:
    """The list that `[1]` points into."""
    items = [(Span(reference),) for reference in numbers]
    return [Heading(REFERENCES), Listing(items, numbered=True)] if items else []


def mean_cell(values: Sequence[float], digits: int) -> Cell:
    """Mean ± sample standard deviation (n); one value has none, and is marked by n=1."""
    if not values:
        return missing()
    mean = statistics.fmean(values)
    spread = statistics.stdev(values) if len(values) > 1 else None
    deviation = "" if spread is None else f" ± {spread:.{digits}f}"
    found = {"mean": mean} if spread is None else {"mean": mean, "std": spread}
    return figure(f"{mean:.{digits}f}{deviation} (n={len(values)})", **found, n=len(values))


def _metrics(table: Table) -> Cell:
    return Cell(joined(list(dict.fromkeys(column.head.metric for column in table.columns)), " / "))


def score_cell(score: Score | None) -> Cell:
    """Mean and spread, bold for the best, then seeds and the difference to the baseline."""
    if score is None:
        return missing()
    mean = f"{score.mean} ± {score.std}" if score.std else score.mean
    difference = f", {score.difference}" if score.difference else ""
    if difference and score.paired < score.n:
        difference += f" at n={score.paired}"
    values = {"mean": score.value, "std": score.spread, "n": score.n, "difference": score.gain}
    return Cell(
        (Span(mean, "strong" if score.best else "figure"), Span(f" (n={score.n}{difference})", "figure")),
        {name: value for name, value in values.items() if value is not None},
    )


def _oracle(entries: Sequence[Entry], digits: int) -> Cell:
    found = [
        (entry.best, entry.best - entry.score)
        for entry in entries
        if entry.best is not None and entry.score is not None
    ]
    if not found:
        return missing()
    best, gap = (statistics.fmean(values) for values in zip(*found, strict=True))
    return cell(f"{best:.{digits}f} ({shown(gap, digits):+.{digits}f})", "faint", best=best, gap=gap)


def _share(share: float | None) -> Cell:
    return missing() if share is None else figure(f"{round(100 * share):+d} %", share=share)


def _search(entries: Sequence[Entry]) -> Cell:
    if not entries:
        return missing()
    counts = {entry.trials for entry in entries}
    # Seeds of one row that were searched for differently are nothing to sum up.
    trials = counts.pop() if len(counts) == 1 else None
    rate = f", rate × {_rate(entries[0]):g}" if _rate(entries[0]) != 1 else ""
    values = {} if trials is None else {"trials": trials}
    return figure(f"{trials or NOT_STATED}{rate}", **values)


def _rate(entry: Entry) -> float:
    return finite(entry.config.get(RATE)) or 1.0


def _cost(entries: Sequence[Entry]) -> Cell:
    seconds = mean_of(entries, "seconds")
    parameters = mean_of(entries, "parameters")
    if seconds is None and parameters is None:
        return missing()
    time = f"{seconds:.1f} s" if seconds is not None else MISSING
    size = f"{parameters / 1e6:.2f} M" if parameters is not None else MISSING
    values = {"seconds": seconds, "parameters": parameters}
    return figure(f"{time}, {size}", **{name: value for name, value in values.items() if value is not None})


def _data(head: Entry) -> tuple[Span, ...]:
    """Title, data set or layout where it is another, fingerprint."""
    layout = words(" (", Span(head.dataset), ")") if head.is_titled else ()
    return words(Span(head.data_title), *layout, " ", Span(head.data[:FINGERPRINT], "code"))


def _recipe(head: Entry) -> Cell:
    treated = recipe_in_words(head.recipe_settings)
    more = (", ", Span(treated)) if treated else ()
    return Cell(words(Span(head.iterations), " iterations ", Span(head.recipe, "code"), *more))


def _network(head: Entry) -> Cell:
    name = Span(head.backbone, "code")
    return Cell((name,) if head.pretrained == MISSING else words(name, ", weights ", Span(head.pretrained)))


def _computed(head: Entry) -> Cell:
    plain = head.execution == in_words({})
    return Cell(words(Span(head.threads), *(() if plain else (", ", Span(head.execution)))))


def mean_of(entries: Sequence[Entry], name: str) -> float | None:
    """Mean of one kind of cost over the runs that have it."""
    values = [entry.cost[name] for entry in entries if name in entry.cost]
    return statistics.fmean(values) if values else None


def _setting(entries: Sequence[Entry], field: str, latex: str) -> Cell:
    values = [entry.config[field] for entry in entries if field in entry.config]
    if not values or values[0] is None:
        return missing()
    value = values[0]
    if isinstance(value, bool) or not isinstance(value, int | float):
        return cell(setting_text(value))
    return figure(value_text(value, latex), value=value)
