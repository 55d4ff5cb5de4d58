"""Published numbers, in tables of their own, and beside them what was measured in the same setting."""

import math
import statistics
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from ssl_bench.leaderboard.documents.tables import mean_cell
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
    paragraph,
    words,
)
from ssl_bench.leaderboard.reading.board import Board
from ssl_bench.leaderboard.reading.entry import Entry, Measure
from ssl_bench.leaderboard.reading.fields import MISSING, canonical
from ssl_bench.leaderboard.reading.rows import Row
from ssl_bench.leaderboard.reading.scores import by_run
from ssl_bench.published import ClaimSpec
from ssl_bench.recipe import flat
from ssl_bench.significance.comparison import LEVEL, quantile
from ssl_bench.significance.crossed import Run, design_of
from ssl_bench.words import first_of

_HEADER = ("Methods", "Labels", "Tier", "Reported", "Measured", "Verdict")


def reported_document(board: Board, claims: Sequence[ClaimSpec]) -> Document:
    """The claims of every task that was run. They are never ranked with, nor averaged into, measured scores."""
    tasks = {entry.task for entry in board.entries}
    blocks: list[Block] = []
    for claim in claims:
        if claim.task in tasks:
            blocks += _claim(board, claim)
    if not blocks:
        return [paragraph("No published numbers are known of what was run.")]
    return [
        paragraph(
            "Numbers that others published, as they published them. Nothing here was measured, unless it is called "
            "so, and nothing here takes part in any rank, mean or difference."
        ),
        *blocks,
    ]


def _claim(board: Board, claim: ClaimSpec) -> list[Block]:
    head = next(entry for entry in board.entries if entry.task == claim.task)
    named = (measure for measure in head.measures if measure.name == claim.metric)
    measure = next(named, Measure(claim.metric, claim.metric, True, 2))
    facts = {
        "Metric": measure.label,
        "Data": claim.dataset,
        "Source": claim.source,
        "Split": claim.split,
        "Which evaluation": claim.selection,
        "To know": claim.notes,
    }
    listed = Listing([words(f"{name}: ", Span(text)) for name, text in facts.items() if text])
    found = list(_beside(board, claim, measure))
    blocks: list[Block] = [
        Heading(f"{head.task_title}: {claim.title}"),
        _published(claim, measure.digits),
        *([_steps(claim)] if claim.steps else []),
        listed,
    ]
    if found:
        header = [figure(name) for name in _HEADER]
        return [
            *blocks,
            Grid(
                "measured",
                header,
                found,
                "Measured with the same data set, network and number of labels; judged where recipe and start match",
            ),
        ]
    return [*blocks, paragraph("No run here has the same data set, network and number of labels.")]


def _published(claim: ClaimSpec, digits: int) -> Grid:
    labels, given = (
        list(claim.labeled),
        [score for scores in claim.scores.values() for score in scores.values()],
    )
    # No more of them than were published.
    digits = next(
        (few for few in range(digits) if all(round(score, few) == score for score in given)), digits
    )
    rows = [
        [
            cell(method),
            *(
                figure(f"{scores[name]:.{digits}f}", reported=scores[name]) if name in scores else missing()
                for name in labels
            ),
        ]
        for method, scores in claim.scores.items()
    ]
    header = [figure("Methods"), *(Cell(words(Span(name), f" ({claim.labeled[name]})")) for name in labels)]
    return Grid("reported", header, rows, "Reported, by labels (and how many images they are)")


def _steps(claim: ClaimSpec) -> Grid:
    """How long the published runs were, method by method in the order of their scores."""
    labels = list(claim.labeled)
    rows = [
        [
            cell(method),
            *(
                figure(f"{steps[name]:,}", steps=steps[name]) if name in steps else missing()
                for name in labels
                for steps in [claim.steps.get(method, {})]
            ),
        ]
        for method in claim.scores
    ]
    header = [figure("Methods"), *(cell(name) for name in labels)]
    return Grid("steps", header, rows, "Optimiser steps of these runs, where they are known")


def _beside(board: Board, claim: ClaimSpec, measure: Measure) -> Iterator[list[Cell]]:
    for section in board.sections:
        for number, column in enumerate(section.table.columns):
            head = column.head
            if (head.task, head.dataset, head.backbone) != (claim.task, claim.dataset, claim.backbone):
                continue
            differs = _unlike(claim, head)
            for row in section.rows:
                for method, scores in claim.scores.items():
                    if claim.methods.get(method) == row.head.method:
                        for label, reported in scores.items():
                            entries = [
                                entry
                                for entry in row.cells[number]
                                if entry.labels == claim.labeled.get(label) and _same_images(claim, entry)
                            ]
                            yield from _line(row, label, reported, entries, measure, differs)


def _same_images(claim: ClaimSpec, entry: Entry) -> bool:
    """Whether the training set has the size that the claim's has: a layout of folders is no proof of their content."""
    if claim.training_images is None or entry.labels is None or not entry.unlabeled.isdecimal():
        return claim.training_images is None
    return entry.labels + int(entry.unlabeled) == claim.training_images


def _unlike(claim: ClaimSpec, head: Entry) -> str:
    """What of the training differs from the claim's, in words."""
    tier = f"tier {head.tier} for {claim.tier}" if head.tier != claim.tier else _other_recipe(claim, head)
    pretrained = head.pretrained != MISSING
    start = "" if pretrained == claim.pretrained else "pretrained" if pretrained else "from scratch"
    return ", ".join(filter(None, (tier, start)))


def _other_recipe(claim: ClaimSpec, head: Entry) -> str:
    """Which fields of the recipe differ from that of the tier, as far as the record tells. How often a run is evaluated
    changes nothing that is trained."""
    if claim.recipe is None:
        return ""
    found = {**claim.recipe.later, **flat(head.recipe_settings)}
    fields = [
        name
        for name, value in flat(claim.recipe.model_dump(mode="json")).items()
        if name != "evaluations" and canonical(found.get(name, value)) != canonical(value)
    ]
    return f"other recipe ({first_of(fields, 3)})" if fields else ""


def _line(
    row: Row, label: str, reported: float, entries: Sequence[Entry], measure: Measure, differs: str
) -> Iterator[list[Cell]]:
    measured = by_run(entries, measure.name)
    if measured:
        yield [
            cell(row.name),
            cell(label),
            cell(entries[0].tier),
            figure(f"{reported:.{measure.digits}f}", reported=reported),
            mean_cell(list(measured.values()), measure.digits),
            Cell(words("none: ", Span(differs)))
            if differs
            else figure(verdict(reported, measured, measure.digits)),
        ]


def verdict(reported: float, measured: Mapping[Run, float], digits: int) -> str:
    """Whether a reported score lies within the 95 % interval of the mean of the measured ones."""
    difference = statistics.fmean(measured.values()) - reported
    apart = f"measured {abs(difference):.{digits}f} {'above' if difference > 0 else 'below'} reported"
    if len(measured) < 2:
        return f"a single run, {apart}"
    runs = tuple(sorted(measured, key=str))
    variance = design_of(runs).estimate(np.array([measured[run] for run in runs]))
    width = quantile(0.5 + LEVEL / 2, variance.degrees) * math.sqrt(variance.value)
    return "agrees: within the 95 % interval" if abs(difference) <= width else f"differs: {apart}"
