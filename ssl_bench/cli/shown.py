"""What a person sees before a run and after it: the plan, and the leaderboard."""

from collections.abc import Sequence
from pathlib import Path

import click

from ssl_bench.leaderboard import EVERYTHING, Choice, terminal
from ssl_bench.plan.plan import Plan
from ssl_bench.recipe import in_words
from ssl_bench.store.record import Record
from ssl_bench.store.results import ResultStore
from ssl_bench.words import number_of


def show_plan(plan: Plan, store: ResultStore, *, brief: bool = False) -> None:
    """One line per cell, or per task when brief, and the reasons of those skipped."""
    done = {cell.id: store.is_finished(cell) for cell in plan.cells}
    width = max((len(cell.row) for cell in plan.cells), default=0)
    for task, source in plan.sources.items():
        cells = [cell for cell in plan.cells if cell.task == task]
        where = source.path or "made in memory"
        finished = sum(done[cell.id] for cell in cells)
        treated = in_words(cells[0].recipe) if cells else ""
        click.echo(
            f"{task}: {number_of(len(cells), 'cell')} ({finished} finished), {source.spec.name} ({where}), "
            f"{number_of(len(source.dataset.train), 'training image')} with labels, "
            f"{len(source.dataset.unlabeled)} without, {number_of(len(source.dataset.test), 'test image')}"
            f"{', ' * bool(treated)}{treated}"
        )
        if brief and cells:
            labels = {cell.split.source: len(cell.split.labeled) for cell in cells}
            taken = ", ".join(f"{asked} ({number_of(count, 'image')})" for asked, count in labels.items())
            seeds = ", ".join(dict.fromkeys(str(cell.seed) for cell in cells))
            click.echo(f"  labels {taken}; seed {seeds}")
        for cell in cells if not brief else ():
            state = "finished" if done[cell.id] else "run"
            split = f"{cell.split.source} labels ({len(cell.split.labeled)})"
            click.echo(
                f"  {state:<9} {cell.row:<{width}}  {split:<18} split {cell.split.seed}  seed {cell.seed}  "
                f"{cell.backbone}  {cell.id}"
            )
    for note in plan.notes:
        click.echo(f"note: {note}")
    for skipped in plan.skipped:
        click.echo(f"  skipped   {skipped.title}: {skipped.reason}")
    waiting = sum(not finished for finished in done.values())
    click.echo(
        f"{number_of(len(plan.cells), 'cell')}: {waiting} to run, {len(plan.cells) - waiting} finished"
    )


def show_leaderboard(
    records: Sequence[Record],
    tables: Sequence[Path],
    notes: Sequence[str] = (),
    choice: Choice = EVERYTHING,
) -> None:
    """The main table, where the files are, and what was noted of the data that the scores rest on."""
    if records:
        click.echo()
        click.echo(terminal(records, choice))
    if tables:
        others = f" and {number_of(len(tables) - 1, 'file')} beside it" if len(tables) > 1 else ""
        click.echo(f"wrote {tables[0]}{others}")
    for note in notes:
        click.echo(f"note: {note}")
