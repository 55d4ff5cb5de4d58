"""What a person sees: the plan, live progress (plain lines when not a terminal), and the leaderboard."""

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from ssl_bench.cell import Cell
from ssl_bench.executor import Outcome
from ssl_bench.leaderboard import terminal
from ssl_bench.lock import Owner
from ssl_bench.plan import Plan
from ssl_bench.recipe import in_words
from ssl_bench.results import Record, ResultStore
from ssl_bench.status import score_text
from ssl_bench.streams import can_draw, drawing, visible
from ssl_bench.words import duration, number_of

PLAIN_SECONDS = 10.0
"""Between two progress lines where there is no terminal."""


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


def show_leaderboard(records: Sequence[Record], tables: Sequence[Path]) -> None:
    """The main table, and where the files are."""
    if records:
        click.echo()
        click.echo(terminal(records))
    if tables:
        others = f" and {number_of(len(tables) - 1, 'file')} beside it" if len(tables) > 1 else ""
        click.echo(f"wrote {tables[0]}{others}")


@contextmanager
def terminal_display() -> Iterator[Any]:
    """Live bars on a terminal, plain lines elsewhere."""
    if not can_draw(sys.stdout):
        yield PlainDisplay()
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    # Paths and names are text, never markup.
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.fields[note]}", markup=False),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(file=drawing(sys.stdout)), transient=True) as progress:
        yield LiveDisplay(progress)


class PlainDisplay:
    """A line at the start and end of each cell, and one for all in flight every few seconds."""

    def __init__(self, seconds: float = PLAIN_SECONDS) -> None:
        self.seconds = seconds
        self.shown = time.monotonic()
        self.waited = float("-inf")
        self.done = self.total = 0

    def fetching(self, title: str) -> None:
        """Say what is looked for."""
        click.echo(f"checking {title}")

    def checking(self, title: str, files: int) -> None:
        """Say which folder is read."""
        click.echo(f"checking {title} ({number_of(files, 'file')})")

    def checked(self) -> None:
        """Nothing per file."""

    def noted(self, note: str) -> None:
        """A line."""
        click.echo(f"note: {note}")

    def start(self, cells: int, finished: int) -> None:
        """Remember the count."""
        self.total, self.done = cells, finished

    def progress(self, running: Sequence[tuple[Cell, dict[str, Any]]]) -> None:
        """A line per cell in flight, now and then, or that there is none."""
        if time.monotonic() - self.shown < self.seconds:
            return
        self.shown = time.monotonic()
        for cell, state in running:
            click.echo(f"  {cell.title}: {_state(state)}{_remaining(state)}")
        if not running:
            click.echo(f"  {_idle(self.total - self.done)}")

    def again(self, cell: Cell, outcome: Outcome) -> None:
        """Why there will be another attempt."""
        click.echo(f"{cell.title}: {outcome.message}; it will be tried again")

    def waiting(self, others: Sequence[tuple[Cell, Owner]]) -> None:
        """Who runs the cells that are left, now and then."""
        if time.monotonic() - self.waited >= PLAIN_SECONDS:
            self.waited = time.monotonic()
            click.echo(_waiting(others))

    def ended(self, cell: Cell, outcome: Outcome, record: Record | None, log: Path) -> None:
        """The cell's score, or what went wrong."""
        self.done += 1
        click.echo(_ended(self.done, self.total, cell, outcome, record, log))


class LiveDisplay:
    """A bar for all, and one per cell in flight."""

    def __init__(self, progress: Any) -> None:
        self.bars = progress
        self.total = self.done = 0
        self.overall: Any = None
        self.files: Any = None
        self.cells: dict[str, Any] = {}

    def fetching(self, title: str) -> None:
        """A line above the bars."""
        self.bars.console.print(visible(f"checking {title}"), markup=False)

    def checking(self, title: str, files: int) -> None:
        """A bar for the folder's files."""
        self.files = self.bars.add_task(visible(f"checking {title}"), total=files, note="")

    def checked(self) -> None:
        """One file further."""
        self.bars.advance(self.files)

    def noted(self, note: str) -> None:
        """A line above the bars."""
        self.bars.console.print(visible(f"note: {note}"), markup=False)

    def start(self, cells: int, finished: int) -> None:
        """The bar for all cells."""
        if self.files is not None:
            self.bars.update(self.files, visible=False)
        self.total, self.done = cells, finished
        self.overall = self.bars.add_task("all cells", total=cells, completed=finished, note=self._tally())

    def progress(self, running: Sequence[tuple[Cell, dict[str, Any]]]) -> None:
        """Move the bars of the cells in flight."""
        for cell, state in running:
            if cell.id not in self.cells:
                self.cells[cell.id] = self.bars.add_task(
                    visible(cell.title), total=state["iterations"], note=""
                )
            self.bars.update(self.cells[cell.id], completed=state["step"], note=visible(_state(state)))
        note = self._tally() if running else self._tally(_idle(self.total - self.done))
        self.bars.update(self.overall, note=note)

    def again(self, cell: Cell, outcome: Outcome) -> None:
        """Take the cell's bar away and say why there will be another attempt."""
        if cell.id in self.cells:
            self.bars.remove_task(self.cells.pop(cell.id))
        self.bars.console.print(
            visible(f"{cell.title}: {outcome.message}; it will be tried again"), markup=False
        )

    def waiting(self, others: Sequence[tuple[Cell, Owner]]) -> None:
        """Who runs the cells that are left, beside the bar for all."""
        self.bars.update(self.overall, note=visible(self._tally(_waiting(others))))

    def ended(self, cell: Cell, outcome: Outcome, record: Record | None, log: Path) -> None:
        """Take the cell's bar away and leave a line."""
        if cell.id in self.cells:
            self.bars.remove_task(self.cells.pop(cell.id))
        self.done += 1
        self.bars.update(self.overall, completed=self.done, note=self._tally())
        self.bars.console.print(
            visible(_ended(self.done, self.total, cell, outcome, record, log)), markup=False
        )

    def _tally(self, *more: str) -> str:
        return ", ".join([f"{self.done}/{self.total}", *more])


def _ended(done: int, total: int, cell: Cell, outcome: Outcome, record: Record | None, log: Path) -> str:
    if record is None:
        return f"[{done}/{total}] {cell.title}: {outcome.status}: {outcome.message}{log_at(log)}"
    how = outcome.message or f"in {outcome.seconds:.0f} s"
    return f"[{done}/{total}] {cell.title}: {score_text(record)} {how}"


def log_at(log: Path) -> str:
    """Where to read on; nothing where the log went with its folder."""
    return f" (log: {log})" if log.exists() else ""


def _waiting(others: Sequence[tuple[Cell, Owner]]) -> str:
    cell, owner = others[0]
    more = f", and for {number_of(len(others) - 1, 'other cell')}" if len(others) > 1 else ""
    return f"waiting for {cell.title} (run by {owner}){more}"


def _idle(left: int) -> str:
    """As in the queue of a cluster, for hours."""
    return f"no cell at work now, {left} to go"


def _state(state: dict[str, Any]) -> str:
    loss = "" if state["loss"] is None else f", loss {state['loss']:.4g}"
    return f"step {state['step']}/{state['iterations']}{loss}"


def _remaining(state: dict[str, Any]) -> str:
    if state["step"] == 0:
        return ""
    left = state["seconds"] / state["step"] * (state["iterations"] - state["step"])
    return f", {duration(left)} left"
