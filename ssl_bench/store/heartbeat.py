"""Signs of life of a cell, given by the loops that do its work: where they hang, it falls silent."""

import contextlib
import faulthandler
import os
import platform
import signal
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, ClassVar

from ssl_bench.machine.files import read_json, write_json
from ssl_bench.machine.lock import PATIENCE, Lock, ancestors, holder, last_sign
from ssl_bench.store.folder import CellFolder

SECONDS = 0.5
"""Between two signs of life, at least."""

AWAY = 10.0
"""Seconds between two looks of a parent beyond which it was not there to look."""

GRACE = 15.0
"""Seconds beyond its limit that a silent process gets to end itself, with its traceback in the log."""


def hang_seconds_of(folder: Path) -> float:
    """Without a sign of life, until the cell in a folder counts as hung."""
    stated = (read_json(CellFolder(folder).order) or {}).get("hang_seconds")
    return float(stated) if isinstance(stated, int | float) and stated > 0 else PATIENCE


def lock_of(folder: Path) -> Lock:
    """The lock of a cell's folder: who watches from elsewhere waits for longer than the cell itself."""
    return Lock(folder, hang_seconds_of(folder) + 2 * GRACE)


class LockLost(Exception):
    """Another process took the cell over: nothing more may be written."""


class Heartbeat:
    """Called by every loop of a cell once per turn; writes `progress.json` every now and then."""

    _limit: ClassVar[float | None] = None
    """Of the silence of this process, while it is watched."""

    def __init__(
        self,
        folder: Path,
        lock: Lock | None = None,
        hang_seconds: float | None = None,
        *,
        shows: bool = True,
    ) -> None:
        """`hang_seconds`: the process ends itself after so long a silence; None: it never does. `shows`: whether it
        writes, as one of several processes of a cell does."""
        self.folder, self.lock, self.hang_seconds, self.shows = folder, lock, hang_seconds, shows
        self.last = float("-inf")
        self._watch()

    def __call__(self, state: Callable[[], Mapping[str, Any]]) -> None:
        """Show `state`, if the last sign is old enough. Raises LockLost, and OSError where it cannot be written."""
        if time.monotonic() - self.last < SECONDS:
            return
        self.check()
        self._watch()
        if self.shows:
            here = {"host": platform.node(), "pid": os.getpid()}
            write_json(CellFolder(self.folder).progress, {**state(), **here}, durable=False)
        self.last = time.monotonic()

    def check(self) -> None:
        """Raise LockLost if the folder is another's by now."""
        if self.lock and not self.lock.held():
            raise LockLost

    def _watch(self) -> None:
        if self.hang_seconds is not None:
            # A thread of C's, so that it works where Python's are stuck as well.
            Heartbeat._limit = self.hang_seconds
            faulthandler.dump_traceback_later(self.hang_seconds, exit=True, file=2)

    @staticmethod
    def rest() -> None:
        """The work is done: silence is no sign any more."""
        Heartbeat._limit = None
        faulthandler.cancel_dump_traceback_later()

    @staticmethod
    def pause() -> None:
        """Stop this process, as Ctrl-Z would, until it is let go on: the time in between is no silence."""
        limit = Heartbeat._limit
        faulthandler.cancel_dump_traceback_later()
        os.kill(os.getpid(), signal.SIGSTOP)
        if limit is not None:
            faulthandler.dump_traceback_later(limit, exit=True, file=2)


class Watch:
    """For a parent: which cells have been silent for how long, by a clock that nobody sets."""

    def __init__(self) -> None:
        self._seen: dict[Path, tuple[float, float]] = {}
        self._looked = time.monotonic()

    def look(self, folders: Iterable[Path]) -> None:
        """Note which of the cells at work gave a sign since the last look."""
        now = time.monotonic()
        # This process was stopped meanwhile (Ctrl-Z, a suspended job), and so were its cells.
        away = now - self._looked if now - self._looked > AWAY else 0.0
        self._looked = now
        if away:
            self._seen = {folder: (sign, since + away) for folder, (sign, since) in self._seen.items()}
        for folder in folders:
            # The lock, too: a cell that begins anew finds the progress of the run before.
            sign = last_sign(folder)
            if self._seen.get(folder, (None, 0.0))[0] != sign:
                self._seen[folder] = (sign, now)

    def silent(self, folder: Path) -> float:
        """Seconds since a cell's last sign; 0 for one not looked at yet."""
        return max(0.0, time.monotonic() - self._seen[folder][1]) if folder in self._seen else 0.0

    def forget(self, folder: Path) -> None:
        """The cell is no longer at work."""
        self._seen.pop(folder, None)


def end_hung(folder: Path) -> None:
    """Kill the process that holds a folder, if this one started it; it had its time to end by itself.

    A lock is a file, and may name any process: one that does not come from here is none of ours.
    """
    owner = holder(folder)
    if owner and owner.is_local and os.getpid() in ancestors(owner.pid):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(owner.pid, signal.SIGKILL)
