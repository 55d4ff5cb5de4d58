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
from ssl_bench.run import lines
from ssl_bench.run.lines import Whole
from ssl_bench.store.outcomes import Outcome
from ssl_bench.store.record import Progress, Record
from ssl_bench.words import number_of

BAR, ROOM = 30, 90
"""Columns of a bar, at most, and of what stands beside it; where a terminal has no more, there are no bars."""
NARROW = 80
"""Columns below which losses are left out."""


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

    def going_on(self, cells: Sequence[Cell]) -> None:
        """Of these there are checkpoints, from which they go on."""

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
    from rich.progress import BarColumn, TextColumn
    from rich.progress import Progress as Bars
    from rich.table import Column

    console = Console(file=drawing(sys.stdout))
    # Paths and names are text, never markup; what is too wide is cut, as a line that wraps would push bars about.
    texts = [
        TextColumn(text, markup=False, table_column=Column(no_wrap=True))
        for text in ("{task.description}", "{task.fields[note]}")
    ]
    bar = [BarColumn(min(BAR, console.width - ROOM))] if console.width >= ROOM + 8 else []
    with Bars(texts[0], *bar, texts[1], console=console, transient=True) as progress:
        yield LiveDisplay(progress)


class PlainDisplay:
    """A line at the start and end of each cell, and one for all in flight every few seconds."""

    def __init__(self, seconds: float = PLAIN_SECONDS) -> None:
        self.seconds = seconds
        self.shown = time.monotonic()
        self.waited = float("-inf")
        self.notes: list[str] = []
        self.whole = Whole(0, 0)
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
        self.whole = Whole(cells, finished)
        self.began = self.whole.began

    def going_on(self, cells: Sequence[Cell]) -> None:
        """Name those that go on from a checkpoint."""
        click.echo(lines.going_on(cells))

    def progress(self, running: Sequence[tuple[Cell, Progress]]) -> None:
        """A line per cell in flight and one for all, now and then, or that there is none."""
        self.whole.look(running)
        if time.monotonic() - self.shown < self.seconds:
            return
        self.shown = time.monotonic()
        for cell, state in running:
            click.echo(f"  {cell.title}: {lines.state_of(state)}{lines.remaining(state)}")
        idle = "" if running else f", {lines.idle(self.whole.total - self.whole.done)}"
        if self.whole.total > 1 or idle:
            click.echo(f"  all cells: {self.whole}{idle}")

    def again(self, cell: Cell, outcome: Outcome) -> None:
        """Why there will be another attempt."""
        click.echo(f"{cell.title}: {outcome.message}; it will be tried again")

    def waiting(self, others: Sequence[tuple[Cell, Owner]]) -> None:
        """Who runs the cells that are left, now and then."""
        if time.monotonic() - self.waited >= PLAIN_SECONDS:
            self.waited = time.monotonic()
            click.echo(lines.waiting(others))

    def ended(self, cell: Cell, outcome: Outcome, record: Record | None, log: Path) -> None:
        """The cell's score, or what went wrong."""
        self.whole.done += 1
        click.echo(lines.ended(self.whole, cell, outcome, record, log))


class LiveDisplay:
    """A bar for all, and one per cell in flight."""

    def __init__(self, progress: Any) -> None:
        self.bars = progress
        self.notes: list[str] = []
        self.whole = Whole(0, 0)
        self.began: float | None = None
        self.overall: Any = None
        self.files: Any = None
        self.cells: dict[str, Any] = {}

    def fetching(self, title: str) -> None:
        """A line above the bars."""
        self._say(f"checking {title}")

    def checking(self, title: str, files: int) -> None:
        """A bar for the folder's files."""
        self.files = self.bars.add_task(self._fitting(f"checking {title}"), total=files, note="")

    def checked(self) -> None:
        """Move the bar of files on by one."""
        self.bars.advance(self.files)

    def noted(self, note: str) -> None:
        """A line above the bars."""
        self.notes.append(note)
        self._say(f"note: {note}")

    def start(self, cells: int, finished: int) -> None:
        """The bar for all cells."""
        self.whole = Whole(cells, finished)
        self.began = self.whole.began
        if self.files is not None:
            self.bars.remove_task(self.files)
            self.files = None
        self.overall = self.bars.add_task("all cells", total=cells, completed=finished, note=str(self.whole))

    def going_on(self, cells: Sequence[Cell]) -> None:
        """Name them in a line above the bars."""
        self._say(lines.going_on(cells))

    def progress(self, running: Sequence[tuple[Cell, Progress]]) -> None:
        """Move the bars of the cells in flight; a bar of what is in flight no more goes."""
        self.whole.look(running)
        for gone in self.cells.keys() - {cell.id for cell, _ in running}:
            self.bars.remove_task(self.cells.pop(gone))
        for cell, state in running:
            if cell.id not in self.cells:
                title = self._fitting(cell.title)
                self.cells[cell.id] = self.bars.add_task(title, total=state.iterations, note="")
            note = lines.state_of(state, with_loss=self.bars.console.width >= NARROW) + lines.remaining(state)
            self.bars.update(self.cells[cell.id], completed=state.step, note=visible(note))
        self._show(*([] if running else [lines.idle(self.whole.total - self.whole.done)]))

    def again(self, cell: Cell, outcome: Outcome) -> None:
        """Take the cell's bar away and say why there will be another attempt."""
        self._take_away(cell)
        self._say(f"{cell.title}: {outcome.message}; it will be tried again")

    def waiting(self, others: Sequence[tuple[Cell, Owner]]) -> None:
        """Who runs the cells that are left, beside the bar for all."""
        self._show(lines.waiting(others))

    def ended(self, cell: Cell, outcome: Outcome, record: Record | None, log: Path) -> None:
        """Take the cell's bar away and leave a line."""
        self._take_away(cell)
        self.whole.done += 1
        self._show()
        self._say(lines.ended(self.whole, cell, outcome, record, log))

    def _take_away(self, cell: Cell) -> None:
        if cell.id in self.cells:
            self.bars.remove_task(self.cells.pop(cell.id))

    def _show(self, *more: str) -> None:
        note = visible(", ".join([str(self.whole), *more]))
        self.bars.update(self.overall, completed=self.whole.done + self.whole.share, note=note)

    def _say(self, text: str) -> None:
        """A line above the bars, as long as it is: a path that was broken could not be copied."""
        self.bars.console.print(visible(text), markup=False, highlight=False, soft_wrap=True)

    def _fitting(self, title: str) -> str:
        """A title for what the terminal has room for."""
        width = self.bars.console.width
        return lines.shortened(visible(title), width - (40 if width >= NARROW else 25))
