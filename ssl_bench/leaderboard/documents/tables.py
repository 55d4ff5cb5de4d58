"""The views of a table: scores, shares of the gap, hyper-parameters."""

import statistics
from collections.abc import Sequence
from typing import Any

from ssl_bench.leaderboard.model import (
    Block,
    Cell,
    Document,
    Grid,
    Heading,
    Listing,
    Span,
    cell,
    figure,
    missing,
    plain_text,
    walk,
)
from ssl_bench.leaderboard.reading.board import Numbers, Section
from ssl_bench.leaderboard.reading.columns import Column
from ssl_bench.leaderboard.reading.entry import Entry, Measure
from ssl_bench.leaderboard.reading.gaps import make_shares
from ssl_bench.leaderboard.reading.grouping import Table
from ssl_bench.leaderboard.reading.rows import Row, column_titles, setting_text
from ssl_bench.leaderboard.reading.scores import Score, shown

REFERENCES = "References"


def score_table(section: Section, numbers: Numbers) -> Grid:
    """Mean and spread over runs, what stands in bold, with differences to the baseline and the control."""
    metrics = {column.head.metric for column in section.table.columns}
    # Of several each column says its own in its head.
    shown = figure("score") if len(metrics) > 1 else cell(metrics.pop())
    rows = [
        [
            name_cell(row, numbers),
            shown,
            *(
                _counted(score_cell(score), column, entries)
                for score, column, entries in zip(scores, section.table.columns, row.cells, strict=True)
            ),
        ]
        for row, scores in zip(section.rows, section.scores, strict=True)
    ]
    measures = ["", "", *(column.head.metric for column in section.table.columns)]
    return Grid("scores", header(section.table), rows, measures=measures)


def _counted(score: Cell, column: Column, entries: Sequence[Entry]) -> Cell:
    """A cell with what was counted of its runs among its values, for a machine."""
    if not score.values:
        return score
    splits, seeds = zip(*(entry.pair for entry in entries), strict=True)
    images = column.images[0] if len(column.images) == 1 else None
    counts = {
        "labelled": entries[0].labels,
        "unlabelled": entries[0].unlabelled,
        "test images": images,
        "splits": len(set(splits)),
        "seeds": len(set(seeds)),
    }
    known = {name: count for name, count in counts.items() if count is not None}
    return Cell(score.spans, {**score.values, **known})


def oracle_table(section: Section, numbers: Numbers) -> Grid:
    """What the best evaluation of each run would have scored, and how much better than the last one. Greyed."""
    rows = []
    for row in section.rows:
        cells = [
            _oracle(entries, column.head.primary)
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
    """Symbols of a row's hyper-parameters in LaTeX, by field of the config."""
    return {field: latex for entries in row.cells for entry in entries for field, latex in entry.symbols}


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
    named = Cell((*row.named, *cited, *row.bracketed))
    return Cell(named.spans, {"method": named.text})


def references(numbers: Numbers) -> list[Block]:
    """The list that `[1]` points into."""
    items = [(Span(reference),) for reference in numbers]
    return [Heading(REFERENCES), Listing(items, numbered=True)] if items else []


def references_of(document: Document) -> list[str]:
    """What `references` listed in a document, in the order of their numbers."""
    listed = [
        block for titles, block in walk(document) if titles == REFERENCES and isinstance(block, Listing)
    ]
    return [plain_text(item) for listing in listed for item in listing.items]


def mean_cell(values: Sequence[float], digits: int) -> Cell:
    """Mean ± sample standard deviation (n); one value has none, and is marked by n=1."""
    if not values:
        return missing()
    mean = statistics.fmean(values)
    spread = statistics.stdev(values) if len(values) > 1 else None
    deviation = "" if spread is None else f" ± {spread:.{digits}f}"
    found = {"mean": mean} if spread is None else {"mean": mean, "std": spread}
    return figure(f"{mean:.{digits}f}{deviation} (n={len(values)})", **found, n=len(values))


def score_cell(score: Score | None) -> Cell:
    """Mean and spread, bold for the best, then runs and the differences to baseline and control."""
    if score is None:
        return missing()
    mean = f"{score.mean} ± {score.std}" if score.std else score.mean
    difference = f", {score.difference}" if score.difference else ""
    if difference and score.paired:
        difference += f" at n={score.paired}"
    if score.over_control:
        difference += f", {score.over_control} over control"
    values = {
        "mean": score.value,
        "std": score.spread,
        "n": score.n,
        "difference": score.gain,
        "over control": score.control_gain,
        "best": int(score.best),
    }
    return Cell(
        (Span(mean, "strong" if score.best else "figure"), Span(f" (n={score.n}{difference})", "figure")),
        {name: value for name, value in values.items() if value is not None},
    )


def _oracle(entries: Sequence[Entry], measure: Measure) -> Cell:
    scores = [(entry.best, entry.score) for entry in entries if entry.primary.name == measure.name]
    found = [(best, best - score) for best, score in scores if best is not None and score is not None]
    if not found:
        return missing()
    best, gap = (statistics.fmean(values) for values in zip(*found, strict=True))
    digits = measure.digits
    return cell(f"{best:.{digits}f} ({shown(gap, digits):+.{digits}f})", "faint", best=best, gap=gap)


def _share(share: float | None) -> Cell:
    return missing() if share is None else figure(f"{round(100 * share):+d} %", share=share)


def mean_of(entries: Sequence[Entry], name: str) -> float | None:
    """Mean of one kind of cost over the runs that have it."""
    values = [entry.cost[name] for entry in entries if name in entry.cost]
    return statistics.fmean(values) if values else None


def fastest(entries: Sequence[Entry], name: str) -> float | None:
    """The least of a time over the runs that have it, or the most images per second: other runs may have shared the
    machine, and a mean would tell of them."""
    values = [entry.cost[name] for entry in entries if name in entry.cost]
    return (max if name == "images_per_second" else min)(values, default=None)


def _setting(entries: Sequence[Entry], field: str, latex: str) -> Cell:
    values = [entry.config[field] for entry in entries if field in entry.config]
    if not values or values[0] is None:
        return missing()
    value = values[0]
    if isinstance(value, bool) or not isinstance(value, int | float):
        return cell(setting_text(value))
    return figure(value_text(value, latex), value=value)
