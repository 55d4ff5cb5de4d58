"""What a person sees of a run: live bars on a terminal, plain lines elsewhere."""

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import click

from ssl_bench.machine.lock import Owner
from ssl_bench.machine.streams import PLAIN_SECONDS, can_draw, drawing, visible
from ssl_bench.plan.cell import Cell
from ssl_bench.store.outcomes import Outcome
from ssl_bench.store.record import Progress, Record
from ssl_bench.store.status import score_text
from ssl_bench.words import duration, number_of


class Display(Protocol):
    """Where the progress of a run is shown."""

    def fetching(self, title: str) -> None:
        """Something is about to be looked for, and downloaded where need be."""

    def checking(self, title: str, files: int) -> None:
        """A data set's files are about to be read."""

    def checked(self) -> None:
        """One of them was read."""

    def noted(self, note: str) -> None:
        """Something about them is for their owner to judge."""

    def start(self, cells: int, finished: int) -> None:
        """Cells are about to run; some had finished before."""

    def progress(self, running: Sequence[tuple[Cell, Progress]]) -> None:
        """What the cells in flight last said of themselves: step, iterations, loss, seconds."""

    def again(self, cell: Cell, outcome: Outcome) -> None:
        """An attempt at a cell failed; there will be another."""

    def waiting(self, others: Sequence[tuple[Cell, Owner]]) -> None:
        """Nothing is left to do here but to wait for cells that other commands run."""

    def ended(self, cell: Cell, outcome: Outcome, record: Record | None, log: Path) -> None:
        """A cell has ended, finished or not."""


@contextmanager
def terminal_display() -> Iterator[Any]:
    """Live bars on a terminal, plain lines elsewhere."""
    if not can_draw(sys.stdout):
        yield PlainDisplay()
        return
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    # Paths and names are text, never markup.
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.fields[note]}", markup=False),
        TimeRemainingColumn(),
    )
    with Bars(*columns, console=Console(file=drawing(sys.stdout)), transient=True) as progress:
        yield LiveDisplay(progress)


class PlainDisplay:
    """A line at the start and end of each cell, and one for all in flight every few seconds."""

    def __init__(self, seconds: float = PLAIN_SECONDS) -> None:
        self.seconds = seconds
        self.shown = time.monotonic()
        self.waited = float("-inf")
        self.done = self.total = 0
        self.notes: list[str] = []
        self.began: float | None = None

    def fetching(self, title: str) -> None:
        """Say what is looked for."""
        click.echo(f"checking {title}")

    def checking(self, title: str, files: int) -> None:
        """Say which folder is read."""
        click.echo(f"checking {title} ({number_of(files, 'file')})")

    def checked(self) -> None:
        """Say nothing of single files."""

    def noted(self, note: str) -> None:
        """Say a note in a line, and keep it."""
        self.notes.append(note)
        click.echo(f"note: {note}")

    def start(self, cells: int, finished: int) -> None:
        """Remember how many cells there are, and when they began."""
        self.began = time.monotonic()
        self.total, self.done = cells, finished

    def progress(self, running: Sequence[tuple[Cell, Progress]]) -> None:
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
        self.notes: list[str] = []
        self.began: float | None = None
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
        """Move the bar of files on by one."""
        self.bars.advance(self.files)

    def noted(self, note: str) -> None:
        """A line above the bars."""
        self.notes.append(note)
        self.bars.console.print(visible(f"note: {note}"), markup=False)

    def start(self, cells: int, finished: int) -> None:
        """The bar for all cells."""
        self.began = time.monotonic()
        if self.files is not None:
            self.bars.update(self.files, visible=False)
        self.total, self.done = cells, finished
        self.overall = self.bars.add_task("all cells", total=cells, completed=finished, note=self._tally())

    def progress(self, running: Sequence[tuple[Cell, Progress]]) -> None:
        """Move the bars of the cells in flight."""
        for cell, state in running:
            if cell.id not in self.cells:
                self.cells[cell.id] = self.bars.add_task(visible(cell.title), total=state.iterations, note="")
            self.bars.update(self.cells[cell.id], completed=state.step, note=visible(_state(state)))
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


def _state(state: Progress) -> str:
    loss = "" if state.loss is None else f", loss {state.loss:.4g}"
    return f"step {state.step}/{state.iterations}{loss}"


def _remaining(state: Progress) -> str:
    if state.step == 0:
        return ""
    left = state.seconds / state.step * (state.iterations - state.step)
    return f", {duration(left)} left"
