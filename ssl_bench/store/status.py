"""What runs where, read off the cells' folders alone: from any terminal and machine, without torch."""

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ssl_bench.errors import DataError, UsageError
from ssl_bench.machine.lock import Owner, holder, last_sign
from ssl_bench.store.folder import CellFolder
from ssl_bench.store.record import Progress, Record

State = Literal["running", "damaged", "failed", "interrupted", "waiting", "finished"]
"""Damaged: there is a record, and it is not whole, or of another cell."""


@dataclass(frozen=True)
class CellStatus:
    """Where one cell stands, as `status` shows it."""

    cell: str
    state: State
    owner: Owner | None = None
    """Who is at work on it; None where nobody is."""
    silent: float = 0.0
    """Seconds since its last sign of life, while it runs."""
    progress: Progress | None = None
    """What it last said of itself."""
    message: str = ""
    """Why it failed, what is wrong with its record, or the score of a finished one."""


def read_status(root: Path) -> list[CellStatus]:
    """Every cell that has a folder in a results folder, by name. UsageError where that is no results folder."""
    cells = root / "cells"
    try:
        with os.scandir(cells) as entries:
            names = sorted(entry.name for entry in entries if entry.is_dir())
    except (FileNotFoundError, NotADirectoryError) as error:
        raise UsageError(
            f"{root} is no results folder (there is no {cells}); name the --out of a run"
        ) from error
    return [_status(CellFolder(cells / name)) for name in names if not name.startswith(".")]


def score_text(record: Record) -> str:
    """The score that ranks, as `PSNR 18.40 dB`; a dash where there is none, and nothing where none is described."""
    listed, score = record.describe.task.metrics, record.score
    if not listed or not isinstance(score, int | float | None):
        return ""
    shown = "-" if score is None else f"{score:.{min(max(listed[0].digits, 0), 9)}f}"
    return " ".join(filter(None, [listed[0].symbol, shown, listed[0].unit]))


def _status(folder: CellFolder) -> CellStatus:
    name, owner = folder.path.name, holder(folder.path)
    if owner is None:
        try:
            return CellStatus(name, "finished", message=score_text(folder.read_record()))
        except FileNotFoundError:
            pass
        except DataError as error:
            return CellStatus(name, "damaged", message=str(error))
    progress = folder.read_progress()
    if owner is not None:
        silent = max(0.0, time.time() - last_sign(folder.path))
        return CellStatus(name, "running", owner, silent, progress)
    failure = folder.read_failure()
    if failure is not None:
        return CellStatus(name, "failed", progress=progress, message=failure.message)
    started = progress or any(path.exists() for path in (*folder.checkpoints, folder.lock))
    return CellStatus(name, "interrupted" if started else "waiting", progress=progress)
