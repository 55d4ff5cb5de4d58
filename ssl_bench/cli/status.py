"""`ssl-bench status`: what runs where."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ssl_bench.cli.options import results_folders
from ssl_bench.words import number_of

if TYPE_CHECKING:
    from ssl_bench.store.record import Progress
    from ssl_bench.store.status import CellStatus

SHOWN = 50
"""Cells of one state that are named."""


@click.command(name="status", short_help="Show what runs where, what has finished, and what failed.")
@results_folders("folder")
def status_(folder: Path) -> None:
    """Show where the cells of FOLDER (default: runs) stand, from any machine that sees it.

    Of a cell that runs: host, process, device, step, speed, time left and last sign of life. Of one that failed: the
    reason. Of one that was interrupted: the step that it was last seen at. Of one that has finished: its score.
    """
    from ssl_bench.store.status import read_status

    found = read_status(folder)
    names = {
        "finished": "finished",
        "running": "running",
        "damaged": "with a record that is not whole",
        "failed": "failed",
        "interrupted": "interrupted",
        "waiting": "not started",
    }
    counts = {state: sum(cell.state == state for cell in found) for state in names}
    said = [f"{count} {names[state]}" for state, count in counts.items() if count or state == "finished"]
    click.echo(f"{folder}: {number_of(len(found), 'cell')}: {', '.join(said)}")
    lines = {
        "running": _running,
        "damaged": _damaged,
        "failed": _failed,
        "interrupted": _interrupted,
        "finished": _finished,
    }
    for state, line in lines.items():
        chosen = [cell for cell in found if cell.state == state]
        if chosen:
            click.secho(names[state], bold=True)
        for cell in chosen[:SHOWN]:
            click.echo(f"  {cell.cell}: {line(cell, folder)}")
        if len(chosen) > SHOWN:
            click.echo(f"  and {len(chosen) - SHOWN} more")


def _running(cell: "CellStatus", folder: Path) -> str:
    from ssl_bench.words import duration

    said = cell.progress
    parts = [f"{cell.owner} on {said.device if said else '?'}"]
    if said:
        parts.append(f"{said.phase} {_step(said)}".strip())
    if said and said.steps_per_second:
        parts.append(f"{said.steps_per_second:.3g} steps/s")
    if said and said.seconds_left is not None:
        parts.append(f"{duration(said.seconds_left)} left")
    return ", ".join([*parts, f"last sign {duration(cell.silent)} ago"])


def _damaged(cell: "CellStatus", folder: Path) -> str:
    return f"{cell.message}; the command that made it runs it again, or `merge` takes a whole copy"


def _failed(cell: "CellStatus", folder: Path) -> str:
    from ssl_bench.store.folder import CellFolder

    return f"{' '.join(cell.message.split())} (log: {CellFolder(folder / 'cells' / cell.cell).log})"


def _finished(cell: "CellStatus", folder: Path) -> str:
    return cell.message


def _interrupted(cell: "CellStatus", folder: Path) -> str:
    seen = f"last seen at {_step(cell.progress)}" if cell.progress else "before its first step"
    return f"{seen}; the same command goes on from its last checkpoint"


def _step(said: "Progress") -> str:
    return f"step {said.step}/{said.iterations}"
