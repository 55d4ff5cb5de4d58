"""Where modules are imported from: never the working folder, in which a user's `random.py` is no module of ours.

An entry of $PYTHONPATH that names a folder in full is the user's word, and stays.
"""

# Comes before all other imports, and so makes do with what every start of Python has loaded: no pathlib, no contextlib.
# ruff: noqa: PTH109, PTH117, PTH118, PTH120

from __future__ import annotations

import os
import sys

_SAFE, _PATH = "PYTHONSAFEPATH", "PYTHONPATH"
_LIBRARY = os.path.dirname(os.__file__)


class SafeEnvironment:
    """While it lasts (`with`), processes that are started import nothing from the folder that they start in."""

    def __enter__(self) -> None:
        named = _named()
        self._before = {name: os.environ.pop(name, None) for name in (_SAFE, _PATH)}
        os.environ.update({_SAFE: "1", **({_PATH: os.pathsep.join(named)} if named else {})})

    def __exit__(self, *error: object) -> None:
        for name, value in self._before.items():
            os.environ.pop(name, None)
            os.environ.update({name: value} if value is not None else {})


class SafePath(SafeEnvironment):
    """The same, and this process imports nothing from the folder that it works in."""

    def __enter__(self) -> None:
        self._path, named, here = list(sys.path), _named(), _here()
        # What comes after the standard library, as packages installed in place do, hides nothing of it.
        first = sys.path.index(_LIBRARY) if _LIBRARY in sys.path else len(sys.path)
        sys.path[:first] = [entry for entry in sys.path[:first] if entry in named or _full(entry) != here]
        super().__enter__()

    def __exit__(self, *error: object) -> None:
        super().__exit__(*error)
        sys.path[:] = self._path


def _named() -> list[str]:
    """The folders that $PYTHONPATH names, in full. An empty entry and `.` mean the working folder."""
    entries = os.environ.get(_PATH, "").split(os.pathsep)
    return [_full(entry) for entry in entries if os.path.isabs(entry) or _full(entry) != _here()]


def _full(entry: str) -> str:
    return os.path.normpath(os.path.join(_here(), entry))


def _here() -> str:
    try:
        return os.getcwd()
    except OSError:  # It was removed.
        return os.sep
