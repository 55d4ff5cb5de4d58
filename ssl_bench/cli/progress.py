"""A bar for a long command on a terminal, a plain line now and then elsewhere."""

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import click

from ssl_bench.machine.streams import PLAIN_SECONDS, can_draw, drawing, visible


@contextmanager
def progress_bar(title: str, total: int, unit: str) -> Iterator[Callable[[int], None]]:
    """Shows how much of `total` is done; call what it gives with how much more is."""
    if can_draw(sys.stderr):
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        console = Console(file=drawing(sys.stderr))
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(_bar_width(console.width)),
            MofNCompleteColumn(),
            TextColumn(unit, markup=False),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=console, transient=True) as progress:
            bar = progress.add_task(visible(title), total=total)
            yield lambda count: progress.advance(bar, count)
        return
    done, shown = 0, time.monotonic()

    def advance(count: int) -> None:
        nonlocal done, shown
        done += count
        if time.monotonic() - shown >= PLAIN_SECONDS:
            shown = time.monotonic()
            click.echo(f"{title}: {done}/{total} {unit}")

    yield advance


@contextmanager
def counter() -> Iterator[Callable[[str, int, int | None, str], None]]:
    """Shows how far each of several things is: call what it gives with title, amount, total (if known) and unit."""
    if can_draw(sys.stderr):
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

        console = Console(file=drawing(sys.stderr))
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(_bar_width(console.width)),
            TextColumn("{task.fields[note]}", markup=False),
            TimeRemainingColumn(),
        )
        bars: dict[str, TaskID] = {}
        with Progress(*columns, console=console, transient=True) as progress:

            def update(title: str, done: int, total: int | None, unit: str) -> None:
                if title not in bars:
                    bars[title] = progress.add_task(visible(title), total=total, note="")
                progress.update(bars[title], completed=done, total=total, note=_amount(done, total, unit))

            yield update
        return
    shown = time.monotonic()

    def say(title: str, done: int, total: int | None, unit: str) -> None:
        nonlocal shown
        if time.monotonic() - shown >= PLAIN_SECONDS:
            shown = time.monotonic()
            click.echo(f"{title}: {_amount(done, total, unit)}")

    yield say


def _bar_width(columns: int) -> int:
    """Of a bar with words beside it, so that both fit a terminal of that many columns."""
    return min(40, max(4, columns - 56))


def _amount(done: int, total: int | None, unit: str) -> str:
    scale, unit = (1e6, "MB") if unit == "bytes" else (1, unit)
    return f"{done / scale:.0f}" + (f"/{total / scale:.0f}" if total is not None else "") + f" {unit}"


def say_broken(faults: Sequence[str]) -> None:
    """A warning for each record or file of weights that is not whole."""
    for fault in faults:
        click.echo(f"warning: {fault}", err=True)
