"""Who works on a cell: a file `lock` in its folder that only one process can make, on shared file systems as well.

The lock names its owner. On the owner's own machine it holds while that very process lives; elsewhere, while the cell
has shown a sign of life (`progress.json`, or the lock itself) within the owner's `patience`. A dead lock is moved aside
by whoever needs it. An owner that was thought dead and is not finds out by `held`, and leaves the folder alone.
"""

import contextlib
import errno
import json
import math
import os
import platform
import secrets
import stat
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

from ssl_bench.errors import UsageError
from ssl_bench.machine.files import read_json, temporary_beside

LOCK = "lock"
PROGRESS = "progress.json"
PATIENCE = 600.0
"""Seconds without a sign of life after which a cell on another machine counts as lost, unless its owner said else."""

SIGNS = (PROGRESS, LOCK)
"""Files whose times are signs of life."""
FUTURE = 1.0
"""Seconds by which two times of one file server may be apart."""
SIGN = 5.0
"""Seconds between two signs of life of a command that holds a folder by `locked`."""

ATTEMPTS = 50
NO_HARD_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}


@dataclass(frozen=True)
class Owner:
    """A process that holds a lock."""

    host: str = "an unknown host"
    machine: str = ""
    """Of which process numbers are those: the boot and the process namespace."""
    pid: int = 0
    start: str = ""
    """When the process started: a number is given to another process later."""
    token: str = ""
    patience: float = PATIENCE

    @classmethod
    def here(cls, patience: float) -> "Owner":
        """Describe this process as an owner, with a token of its own."""
        pid = os.getpid()
        start = process_start(pid) or ""
        return cls(platform.node(), machine(), pid, start, secrets.token_hex(8), float(patience))

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> "Owner":
        """From a lock file's content, which may be anything."""
        known = {
            name: content[name]
            for name, default in asdict(cls()).items()
            if isinstance(content.get(name), type(default))
        }
        return cls(**known) if len(known) == len(asdict(cls())) else cls()

    @property
    def is_local(self) -> bool:
        """Whether its process can be looked up here."""
        return self.machine == machine() and bool(self.start)

    def is_alive(self, silent: float) -> bool:
        """Whether it still works, given the seconds since the last sign of life."""
        return process_start(self.pid) == self.start if self.is_local else silent < self.patience

    def __str__(self) -> str:
        return f"{self.host}:{self.pid}"


NOBODY = Owner(patience=-math.inf)
"""Of what is no lock of ours: dead."""


class Lock:
    """The lock of one folder, for this process."""

    def __init__(self, folder: Path, patience: float = PATIENCE) -> None:
        self.path = folder / LOCK
        self.owner = Owner.here(patience)

    def take(self) -> Owner | None:
        """None once it is ours, else who holds it. OSError where the folder cannot be written."""
        owner: Owner | None = None
        for _ in range(ATTEMPTS):
            offer = temporary_beside(self.path)
            try:
                offer.write_text(json.dumps(asdict(self.owner)), encoding="utf-8")
                if _make(offer, self.path):
                    return None
                owner = read_owner(self.path)
                # The time of the offer is the file server's: clocks of two machines are never compared.
                if owner and owner.is_alive(_silent(self.path.parent, offer.stat().st_mtime)):
                    return owner
            except FileNotFoundError:
                if not self.path.parent.is_dir():
                    raise
                continue  # The offer was cleaned away as a leftover.
            finally:
                offer.unlink(missing_ok=True)
            if owner:
                self._clear(owner)
        return owner or Owner()

    def held(self) -> bool:
        """Whether it is still ours."""
        return read_owner(self.path) == self.owner

    def release(self) -> None:
        """Give it up, if it is still ours."""
        if self.held():
            self.path.unlink(missing_ok=True)

    def _clear(self, dead: Owner) -> None:
        """Take a dead lock out of the way; of several that try, one succeeds."""
        aside = temporary_beside(self.path)
        if read_owner(self.path) != dead:
            return
        try:
            self.path.rename(aside)
        except FileNotFoundError:
            return
        if read_owner(aside) != dead:
            _make(aside, self.path)  # Another took it over just now: put it back.
        try:
            aside.unlink(missing_ok=True)
        except (IsADirectoryError, PermissionError):
            with contextlib.suppress(OSError):  # What somebody keeps in it stays, under a hidden name.
                aside.rmdir()


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[Callable[[], None]]:
    """Make a folder and work in it alone: gives what to call now and then as a sign of life.

    Raises UsageError where another command works there, or took it over.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock, signed = Lock(folder), time.monotonic()
    if (owner := lock.take()) is not None:
        raise UsageError(f"{folder}: another command ({owner}) is at work there; wait for it to end")

    def alive() -> None:
        nonlocal signed
        if time.monotonic() - signed < SIGN:
            return
        if not lock.held():
            raise UsageError(f"{folder}: another command took it over; wait for it to end")
        os.utime(lock.path)
        signed = time.monotonic()

    try:
        yield alive
    finally:
        lock.release()


def holder(folder: Path) -> Owner | None:
    """Who works in a folder now; None where nobody does, or whoever did is dead. Writes nothing."""
    owner = read_owner(folder / LOCK)
    return owner if owner and owner.is_alive(time.time() - last_sign(folder)) else None


def owner_at_work(folder: Path) -> Owner | None:
    """As `holder`, and as `Lock.take` would judge: where this machine's clock leaves a doubt, by the file server's."""
    owner = read_owner(folder / LOCK)
    if owner is None or owner.is_local or 0 <= time.time() - last_sign(folder) < owner.patience:
        return holder(folder)
    probe = temporary_beside(folder / LOCK)
    try:
        probe.touch()
        silent = _silent(folder, probe.stat().st_mtime)
    except OSError:
        return holder(folder)
    finally:
        with contextlib.suppress(OSError):
            probe.unlink(missing_ok=True)
    return owner if owner.is_alive(silent) else None


def _silent(folder: Path, now: float) -> float:
    """Seconds since a cell's last sign of life. One from the future, of another clock, becomes one of now."""
    for name in SIGNS:
        with contextlib.suppress(OSError):
            if (folder / name).stat().st_mtime > now + FUTURE:
                os.utime(folder / name)
    return now - last_sign(folder)


def read_owner(path: Path) -> Owner | None:
    """The owner that a lock names, dead or alive; None where there is no lock.

    A pipe, a device, a folder or a link that leads nowhere is in the way, and nobody's.
    """
    for _ in range(2):  # One that is taken just after the first look is no damaged one.
        if (content := read_json(path)) is not None:
            return Owner.from_json(content)
        try:
            found = path.lstat()
        except OSError:
            return None
        if not stat.S_ISREG(found.st_mode):
            return NOBODY
    return Owner()


def last_sign(folder: Path) -> float:
    """When a cell last showed a sign of life, in seconds since the epoch; 0 where it never did."""
    times = [0.0]
    for name in SIGNS:
        try:
            times.append((folder / name).stat().st_mtime)
        except OSError:
            continue
    return max(times)


@cache
def machine() -> str:
    """This boot of this machine, and where containers number their own processes, this container."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return platform.node()


def ancestors(pid: int) -> Iterator[int]:
    """The process that started a process of this machine, the one that started that, and so on, where it is told."""
    while pid > 1:
        try:
            pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        except (OSError, ValueError, IndexError):
            return
        yield pid


def process_start(pid: int) -> str | None:
    """When a process of this machine started, in the system's own terms; None where it has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None if Path("/proc/self").exists() else _signalled(pid)
    return None if fields[0] in "ZX" else fields[19]


def _signalled(pid: int) -> str | None:
    """The same where there is no /proc: that there is such a process is all one can tell."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        pass
    return "alive"


def _make(offer: Path, path: Path) -> bool:
    """Make `path` with the content of `offer` unless it exists, in one step where the file system knows hard links."""
    try:
        path.hardlink_to(offer)
    except FileExistsError:
        # Over NFS a link can have been made and the answer lost.
        return offer.stat().st_nlink == 2
    except OSError as error:
        if error.errno not in NO_HARD_LINKS:
            raise
        try:
            with path.open("xb") as file:
                file.write(offer.read_bytes())
        except FileExistsError:
            return False
    return True
