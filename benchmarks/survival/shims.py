"""File functions and clocks that fail when told to, put in place of the real ones in a process and its children.

What is to fail is said by files in a folder, `ERROR PLACE`: one that is there is one fault, taken by the first that can
remove it; `ERROR PLACE for a while` lasts as long as the file.
"""

import errno
import io
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

real_open, real_replace, real_time, real_os_open, real_fsync = (
    *(Path.open, Path.replace, time.time, os.open, os.fsync),
)
READ_ONLY = os.O_WRONLY | os.O_RDWR


def install(orders: Path) -> None:
    """Replace what opens, writes, syncs and renames files, and `time.time`, in this process for good."""

    def fails(place: str) -> None:
        try:
            asked = [name for name in os.listdir(orders) if name.split()[1:2] == [place]]  # noqa: PTH208
        except OSError:
            return
        for name in asked:
            if name.endswith("for a while") or _take(orders / name):
                (orders / "happened").touch()
                number = getattr(errno, name.split()[0])
                raise OSError(number, os.strerror(number))

    def hangs(name_of_file: str) -> None:
        # A command that hangs itself is for Ctrl-C to end; it writes what cells are, and tries whether it can write.
        of_the_command = any(name in name_of_file for name in ("cell.json", ".writable"))
        if not of_the_command and _take(orders / "hang"):
            time.sleep(3600)

    class Failing(io.BufferedWriter):
        def write(self, content: Any, /) -> int:
            try:
                hangs(str(self.name))
                fails("write")
            except OSError:
                super().write(bytes(content[: len(content) // 2]))  # Part of it is on the disk.
                raise
            return super().write(content)

    def open_(self: Path, mode: str = "r", *rest: Any, **more: Any) -> Any:
        # Files of a run, not the tables; and not the log, which has to tell.
        if mode == "wb" and "cells" in self.parts:
            fails("create")
            return Failing(io.FileIO(self, "w"))
        return real_open(self, mode, *rest, **more)

    def os_open(path: Any, flags: int, *rest: Any, **more: Any) -> int:
        # A record that cannot be read is one that is made again, and then differs in what it took.
        if not flags & READ_ONLY and "cells" in Path(path).parts and "checkpoint" in Path(path).name:
            fails("read")
        return real_os_open(path, flags, *rest, **more)

    def replace(self: Path, target: Path) -> Path:
        if "cells" in self.parts and self.name.startswith("."):
            fails("rename")
            if _take(orders / "cleaner"):
                (orders / "happened").touch()
                self.unlink()
        return real_replace(self, target)

    def fsync(number: Any) -> None:
        fails("fsync")
        real_fsync(number)

    def clock() -> float:
        return real_time() + _offset(orders / "clock")

    replaced: list[tuple[Any, str, Callable[..., Any]]] = [
        (Path, "open", open_),
        (Path, "replace", replace),
        (os, "open", os_open),
        (os, "fsync", fsync),
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
