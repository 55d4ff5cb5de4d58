"""What is said of the cells of a run: how far they are, when they will be done, and how they ended."""

import time
from collections.abc import Sequence
from pathlib import Path

from ssl_bench.machine.lock import Owner
from ssl_bench.plan.cell import Cell
from ssl_bench.store.outcomes import Outcome
from ssl_bench.store.record import Progress, Record
from ssl_bench.store.status import score_text
from ssl_bench.words import duration, number_of

PART = " · "
"""Between the parts of a cell's title."""
NAMED = 4
"""Cells that are named in a row."""


class Whole:
    """How far all cells are together, and when they will be done."""

    def __init__(self, cells: int, finished: int) -> None:
        self.began = time.monotonic()
        self.total, self.done, self.before = cells, finished, finished
        self.share = 0.0
        """Of cells in flight, added up."""

    def look(self, running: Sequence[tuple[Cell, Progress]]) -> None:
        """Take in how far the cells in flight are."""
        self.share = sum(state.step / max(1, state.iterations) for _, state in running)

    def __str__(self) -> str:
        """Give `3/12, 4 min left`; the time from the first step of the first cell on, as if cells took equally long."""
        finished = self.done - self.before + self.share
        left = self.total - self.done - self.share
        seconds = (time.monotonic() - self.began) * left / finished if finished else None
        return f"{self.done}/{self.total}" + (f", {duration(seconds)} left" if seconds and left > 0 else "")


def shortened(title: str, width: int) -> str:
    """`night · mt · seed 0` for a longer one: parts before the last go, as few as do, and then its end."""
    parts = title.split(PART)
    while len(PART.join(parts)) > width and len(parts) > 3:
        del parts[-2]
    short = PART.join(parts)
    return short if len(short) <= width else f"{short[: max(0, width - 1)]}…"


def going_on(cells: Sequence[Cell]) -> str:
    """Name cells of which there are checkpoints, the first few of many."""
    more = f" and {len(cells) - NAMED} more" if len(cells) > NAMED else ""
    return f"from a checkpoint go on {', '.join(cell.title for cell in cells[:NAMED])}{more}"


def ended(whole: Whole, cell: Cell, outcome: Outcome, record: Record | None, log: Path) -> str:
    """Give a cell's score and time, or what went wrong with it: `[3/12] night · mt · seed 0: PSNR 18.40 dB in 12 s`."""
    head = f"[{whole.done}/{whole.total}] {cell.title}: "
    if record is None:
        return f"{head}{outcome.status}: {outcome.message}{log_at(log)}"
    how = outcome.message or f"in {outcome.seconds:.0f} s"
    given_up = "; its predictions show one value everywhere" if record.one_value else ""
    return f"{head}{score_text(record) if record.metrics else 'trained, with nothing to test it on,'} {how}{given_up}"


def log_at(log: Path) -> str:
    """Where to read on; nothing where the log went with its folder."""
    return f" (log: {log})" if log.exists() else ""


def waiting(others: Sequence[tuple[Cell, Owner]]) -> str:
    """Say which cells of other commands are waited for."""
    cell, owner = others[0]
    more = f", and for {number_of(len(others) - 1, 'other cell')}" if len(others) > 1 else ""
    return f"waiting for {cell.title} (run by {owner}){more}"


def idle(left: int) -> str:
    """Say that none is at work, as in the queue of a cluster, for hours."""
    return f"no cell at work now, {left} to go"


def state_of(state: Progress, *, with_loss: bool = True) -> str:
    """Give step and loss: `step 3/12, loss 0.5`."""
    loss = "" if state.loss is None or not with_loss else f", loss {state.loss:.4g}"
    return f"step {state.step}/{state.iterations}{loss}"


def remaining(state: Progress) -> str:
    """Give the time that a cell still takes: `, 12 s left`; nothing before its first step."""
    if state.step == 0:
        return ""
    left = state.seconds / state.step * (state.iterations - state.step)
    return f", {duration(left)} left"
