"""What runs where, read off the cells' folders alone: from any terminal and machine, without torch."""

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from ssl_bench.errors import DataError, UsageError
from ssl_bench.machine.files import read_json
from ssl_bench.machine.lock import Owner, holder, last_sign
from ssl_bench.store.results import CHECKPOINTS, Record, parse_record

State = Literal["running", "damaged", "failed", "interrupted", "waiting", "finished"]
"""Damaged: there is a record, and it is not whole."""


@dataclass(frozen=True)
class CellStatus:
    """Where one cell stands, as `status` shows it."""

    cell: str
    state: State
    owner: Owner | None = None
    """Who is at work on it; None where nobody is."""
    silent: float = 0.0
    """Seconds since its last sign of life, while it runs."""
    progress: Mapping[str, Any] = field(default_factory=dict)
    """What it last said of itself (`CellRun`): phase, step, iterations, steps_per_second, device; or nothing."""
    message: str = ""
    """Why it failed, what is wrong with its record, or the score of a finished one."""

    @property
    def seconds_left(self) -> float | None:
        """Until its last step, at its present speed; None where that is not known."""
        speed = self.progress.get("steps_per_second")
        return (self.progress["iterations"] - self.progress["step"]) / speed if speed else None


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
    return [_status(cells / name) for name in names if not name.startswith(".")]


def score_text(record: Record) -> str:
    """The score that ranks, as `PSNR 18.40 dB`; a dash where there is none, and nothing where the record is strange."""
    try:
        metric = record["describe"]["task"]["metrics"][0]
        score = record["metrics"].get(metric["name"])
        shown = "-" if score is None else f"{score:.{metric['digits']}f}"
        return " ".join(filter(None, [metric["symbol"], shown, metric["unit"]]))
    except (LookupError, TypeError, ValueError, AttributeError):
        return ""


def _status(folder: Path) -> CellStatus:
    owner = holder(folder)
    if owner is None:
        try:
            return CellStatus(
                folder.name, "finished", message=score_text(parse_record(folder / "result.json"))
            )
        except FileNotFoundError:
            pass
        except DataError as error:
            return CellStatus(folder.name, "damaged", message=str(error))
    progress = read_json(folder / "progress.json") or {}
    if not all(isinstance(progress.get(name), int) for name in ("step", "iterations")):
        progress = {}
    if not isinstance(progress.get("steps_per_second"), int | float):
        progress.pop("steps_per_second", None)
    if owner is not None:
        silent = max(0.0, time.time() - last_sign(folder))
        return CellStatus(folder.name, "running", owner, silent, progress)
    failure = read_json(folder / "failure.json")
    if failure is not None:
        return CellStatus(folder.name, "failed", progress=progress, message=str(failure.get("message")))
    started = progress or any((folder / name).exists() for name in (*CHECKPOINTS, "lock"))
    return CellStatus(folder.name, "interrupted" if started else "waiting", progress=progress)
