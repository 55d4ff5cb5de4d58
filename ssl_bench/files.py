"""Writing that survives a kill at any moment: a file is either the old one or the new one, whole."""

import fcntl
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any


def write_bytes(path: Path, content: bytes, *, durable: bool = True) -> None:
    """Replace `path` by `content` in one step. `durable`: on disk before the name points to it."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_text(path: Path, content: str, *, durable: bool = True) -> None:
    """As `write_bytes`, for text in UTF-8."""
    write_bytes(path, content.encode(), durable=durable)


def write_json(path: Path, content: Mapping[str, Any], *, durable: bool = True) -> None:
    """As `write_bytes`, for JSON in one byte-for-byte form: sorted keys, two spaces, no NaN."""
    text = json.dumps(content, sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False)
    write_text(path, text + "\n", durable=durable)


def try_lock(file: IO[str]) -> bool:
    """Take the lock of an open file, for as long as it is open; False where somebody else holds it."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def read_json(path: Path) -> dict[str, Any] | None:
    """The object in a JSON file; None where there is none, or it is not whole."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None
