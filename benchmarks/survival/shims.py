"""File functions and clocks that fail when told to, put in place of the real ones in a process and its children.

What is to fail is said by files in a folder: one that is there is one fault, taken by the first that can remove it.
"""

import errno
import io
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

real_open, real_replace, real_time = Path.open, Path.replace, time.time


def install(orders: Path) -> None:
    """Replace `Path.open`, `Path.replace` and `time.time` in this process for good."""

    def fails(name_of_file: str) -> None:
        # A command that hangs itself is for Ctrl-C to end; it writes what cells are, and tries whether it can write.
        of_the_command = any(name in name_of_file for name in ("cell.json", ".writable"))
        if not of_the_command and _take(orders / "hang"):
            time.sleep(3600)
        for name in ("ENOSPC", "EIO"):
            if (orders / f"{name} for a while").exists() or _take(orders / name):
                (orders / "happened").touch()
                raise OSError(getattr(errno, name), os.strerror(getattr(errno, name)))

    class Failing(io.BufferedWriter):
        def write(self, content: Any, /) -> int:
            try:
                fails(str(self.name))
            except OSError:
                super().write(bytes(content[: len(content) // 2]))  # Part of it is on the disk.
                raise
            return super().write(content)

    def open_(self: Path, mode: str = "r", *rest: Any, **more: Any) -> Any:
        # Files of a run, not the tables; and not the log, which has to tell.
        if mode == "wb" and "cells" in self.parts:
            return Failing(io.FileIO(self, "w"))
        return real_open(self, mode, *rest, **more)

    def replace(self: Path, target: Path) -> Path:
        if "cells" in self.parts and self.name.startswith(".") and _take(orders / "cleaner"):
            (orders / "happened").touch()
            self.unlink()
        return real_replace(self, target)

    def clock() -> float:
        return real_time() + _offset(orders / "clock")

    replaced: list[tuple[Any, str, Callable[..., Any]]] = [
        (Path, "open", open_),
        (Path, "replace", replace),
        (time, "time", clock),
    ]
    for owner, name, function in replaced:
        setattr(owner, name, function)


def _take(order: Path) -> bool:
    try:
        order.unlink()
    except FileNotFoundError:
        return False
    return True


def _offset(file: Path) -> float:
    try:
        with real_open(file) as opened:
            return float(opened.read() or 0)
    except (OSError, ValueError):
        return 0.0
