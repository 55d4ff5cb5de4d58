"""A search as tables: for a terminal, and as a page of Markdown beside its pictures."""

import statistics
from collections.abc import Sequence

from ssl_bench.leaderboard.formats.markdown import escape, plain, render_markdown
from ssl_bench.leaderboard.model import Cell, Document, Grid, Heading, Span, Style, cell, paragraph
from ssl_bench.leaderboard.reading.rows import setting_text
from ssl_bench.search.picture import picture
from ssl_bench.search.trials import RULE, Outcome, Trial

SPREAD = "Scores: mean ± sample standard deviation over n runs, one for each seed on each split."
NO_SCORE = "no score: a loss or a prediction was not finite"


def search_files(outcomes: Sequence[Outcome]) -> dict[str, str]:
    """File name to text: the page, and a picture for each task and method."""
    head: Document = [
        Heading("Search", 1),
        paragraph(about(outcomes), " ", SPREAD, " Chosen, in bold: ", RULE),
    ]
    text = render_markdown(head)
    files = {}
    for outcome in outcomes:
        # Names of tasks and methods are lower-case letters, digits, `-` and `_`.
        name = f"{outcome.task}-{outcome.method}.svg"
        title = f"{outcome.task_title}: {outcome.method_title}"
        text += f"\n{render_markdown([Heading(title), _grid(outcome)])}\n![{escape(title)}]({name})\n"
        files[name] = picture(outcome)
    return {"README.md": text, **files}


def about(outcomes: Sequence[Outcome]) -> str:
    """How many trials there are, and what they are scored on."""
    said = {
        f"{one.task}: {len(one.trials)} trials, {piece.held_out} images scored, {piece.labeled} learnt from (split "
        f"{piece.split})": None
        for one in outcomes
        for piece in one.slices
    }
    return (
        "Every method has as many trials, scored on labelled images that are held out of training; no trial sees a "
        f"test image. {'; '.join(said)}."
    )


def search_text(outcomes: Sequence[Outcome]) -> str:
    """The tables in aligned plain text."""
    from tabulate import tabulate

    parts = []
    for outcome in outcomes:
        header = [*map(plain, outcome.grid), outcome.label]
        rows = []
        for trial in outcome.trials:
            mark = " *" if trial is outcome.best else ""
            rows.append(
                [
                    *(plain(setting_text(value)) for value in trial.point.values()),
                    _score(outcome, trial) + mark,
                ]
            )
        table = tabulate(rows, headers=header, tablefmt="simple", disable_numparse=True)
        parts.append(f"{plain(outcome.task_title)}: {plain(outcome.method_title)}\n\n{table}")
    chosen = [f"* chosen: {RULE}"] if any(outcome.best for outcome in outcomes) else []
    return "\n\n".join([*parts, *chosen])


def _grid(outcome: Outcome) -> Grid:
    header = [*(cell(name, "code") for name in outcome.grid), cell(outcome.label)]
    rows: list[list[Cell]] = []
    for trial in outcome.trials:
        style: Style = "strong" if trial is outcome.best else "figure"
        values = [
            cell(setting_text(value), "text" if isinstance(value, str) else "figure")
            for value in trial.point.values()
        ]
        rows.append([*values, Cell((Span(_score(outcome, trial), style),))])
    return Grid("search", header, rows, numbers_from=len(outcome.grid))


def _score(outcome: Outcome, trial: Trial) -> str:
    digits = outcome.metric.digits
    mean = outcome.rounded(trial)
    if mean is None:
        return NO_SCORE if trial.ended else "-"
    spread = f" ± {statistics.stdev(trial.scores):.{digits}f}" if len(trial.scores) > 1 else ""
    return f"{mean:.{digits}f}{spread} (n={len(trial.scores)})"
