"""Which folders of data this user's own commands have worked on: a cell from elsewhere names any, and is not followed.

One path a line in `data-folders` in the user's folder of states: `$XDG_STATE_HOME/ssl-bench`, else
`~/.local/state/ssl-bench`.
"""

import contextlib
import os
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from ssl_bench.machine.files import read_regular

FILE = "data-folders"
MOST = 1 << 24
"""Bytes of that file."""


def note_own(folders: Iterable[str | Path]) -> None:
    """Keep in mind that a command of this user's works on these folders; where that cannot be written, it is not kept.

    Nothing is written for what is known already.
    """
    with contextlib.suppress(OSError, RuntimeError):
        new = {line for folder in folders if (line := _line(folder)) not in _noted()}
        if not new:
            return
        _place().parent.mkdir(parents=True, exist_ok=True)
        number = os.open(_place(), os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        with os.fdopen(number, "ab") as file:
            file.write(b"".join(sorted(new - _read())))
        _noted().update(new)


def is_own(folder: str | Path) -> bool:
    """Whether a command of this user's has worked on the folder, by whatever links it is called."""
    try:
        return _line(folder) in _read()
    except (OSError, RuntimeError, ValueError):
        return False


def _place() -> Path:
    """Where they are kept. RuntimeError for a user without a home."""
    stated = os.environ.get("XDG_STATE_HOME", "")
    return (Path(stated) if stated else Path.home() / ".local" / "state") / "ssl-bench" / FILE


def _line(folder: str | Path) -> bytes:
    # What no line may hold is spelt out, and so are escapes themselves.
    path = os.fsencode(Path(folder).resolve())
    return path.replace(b"\\", b"\\\\").replace(b"\n", b"\\n") + b"\n"


def _read() -> set[bytes]:
    try:
        return {*read_regular(_place(), MOST).splitlines(keepends=True)}
    except FileNotFoundError:
        return set()


@cache
def _noted() -> set[bytes]:
    """Those that this process has noted."""
    return set()
