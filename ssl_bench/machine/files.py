"""Writing that survives a kill at any moment: a file is either the old one or the new one, whole."""

import contextlib
import errno
import json
import math
import os
import re
import secrets
import stat
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ssl_bench.errors import UsageError

TEMPORARY = ".*.[0-9]*"
"""Pattern of what a writer that was killed leaves behind."""
MOST_JSON = 1 << 28
"""Bytes of a JSON file."""
DIGITS = 40
"""Of an integer in it."""
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
"""One of the two that JSON spells a rare character by, as an escape; alone it is no text that can be written."""
_LEFT = re.compile(r"\..+\.(\d+)-[0-9a-f]{8}", re.DOTALL)
LEFT_SECONDS = 60.0
"""Age at which a temporary file of a process that cannot be found counts as left behind."""
KNOWN_BYTES = 200
"""Of a file's name, in that of the temporary one beside it; a name has 255 at most."""


def temporary_beside(path: Path) -> Path:
    """A name for a file that will be renamed to `path`: hidden, no one else's on any machine, and no longer than a name
    may be."""
    known = os.fsencode(path.name)[:KNOWN_BYTES].decode(errors="ignore")
    return path.with_name(f".{known}.{os.getpid()}-{secrets.token_hex(4)}")


def sweep(folder: Path) -> None:
    """Remove what writers of this machine that were killed have left in a folder (`temporary_beside`)."""
    for path in folder.glob(".*"):
        found = _LEFT.fullmatch(path.name)
        if not found or Path(f"/proc/{found[1]}").exists():
            continue
        with contextlib.suppress(OSError):
            # A disk may be shared with other machines, whose processes cannot be seen here.
            if time.time() - path.lstat().st_mtime > LEFT_SECONDS:
                path.unlink()


def write_bytes(path: Path, content: bytes, *, durable: bool = True, keep: Path | None = None) -> None:
    """Replace `path` by `content` in one step. `durable`: on disk before the name points to it, and then the name, too.

    `keep`: what was there gets this name; a kill in between leaves it under the one or the other.
    """
    for last in (False, True):
        temporary = temporary_beside(path)
        try:
            with temporary.open("wb") as file:
                file.write(content)
                if durable:
                    file.flush()
                    os.fsync(file.fileno())
            if keep and path.exists():
                path.replace(keep)
            temporary.replace(path)
            if durable:
                _sync_folder(path.parent)
            return
        except FileNotFoundError:
            # Something cleaned up temporary files, or the folder is gone.
            if last or not path.parent.is_dir():
                raise
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


def _sync_folder(folder: Path) -> None:
    """Bring the names in a folder to the disk, where its file system knows of that."""
    with contextlib.suppress(OSError):
        number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(number)
        finally:
            os.close(number)


def write_text(path: Path, content: str, *, durable: bool = True) -> None:
    """As `write_bytes`, for text in UTF-8."""
    write_bytes(path, content.encode(), durable=durable)


def write_json(path: Path, content: Mapping[str, Any], *, durable: bool = True) -> None:
    """As `write_bytes`, for JSON in one byte-for-byte form: sorted keys, two spaces, no NaN."""
    text = json.dumps(content, sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False)
    write_text(path, text + "\n", durable=durable)


def place(text: str) -> Path:
    """The path that a user names. `~` and `~NAME` at its start are home folders, where no shell has seen to that."""
    path = Path(text)
    try:
        return path.expanduser() if text.startswith("~") else path
    except RuntimeError:  # There is no such user.
        return path


def existing(text: str) -> Path | None:
    """The file or folder of that name; None where there is none, or it can be no name, being too long."""
    try:
        return path if (path := place(text)).exists() else None
    except OSError:
        return None


def require_writable(path: Path, option: str) -> None:
    """Make a folder that can be written. UsageError, naming the option, where it cannot."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        probe = path / f".writable-{os.getpid()}"
        probe.write_bytes(b"\0" * 4096)
        probe.unlink()
    except OSError as error:
        raise UsageError(f"{option} {path}: cannot be written ({error.strerror}); name another") from error


def read_regular(path: Path, most: int | None = None) -> bytes:
    """A file's content. OSError where there is none, it is a pipe or a device, or it has more than `most` bytes.

    A pipe that nobody writes to would keep a reader waiting for ever.
    """
    # Not blocking: to open a pipe would wait for a writer.
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode):
            raise OSError(errno.EINVAL, "not a plain file", str(path))
        if most is not None and found.st_size > most:
            raise OSError(errno.EFBIG, f"larger than {most >> 20} MiB", str(path))
        return file.read()


def require_plain(path: Path) -> None:
    """Raise OSError where there is no file, or a pipe or a device, which may keep a reader waiting for ever."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError(errno.EINVAL, "not a plain file", str(path))


def read_json(path: Path) -> dict[str, Any] | None:
    """The object in a JSON file; None where there is none, or it is not whole or not sound (`parse_json`)."""
    try:
        return parse_json(path)
    except (OSError, ValueError):
        return None


def parse_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file. OSError where it cannot be read; ValueError, saying why, where it is not sound.

    A key that comes twice, a number that is not finite or has more digits than any of ours, half a character, and what
    is nested too deep to be one of our files are not sound.
    """
    try:
        text = read_regular(path, MOST_JSON).decode("utf-8")
        content = json.loads(
            text,
            object_pairs_hook=_object,
            parse_constant=_no_number,
            parse_float=_float,
            parse_int=_integer,
        )
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON: {error.msg} at line {error.lineno}") from error
    except UnicodeDecodeError as error:
        raise ValueError("not a text in UTF-8") from error
    except (RecursionError, MemoryError) as error:
        raise ValueError("nested too deep") from error
    if not isinstance(content, dict):
        raise ValueError("no JSON object")
    if _SURROGATE.search(text):
        try:
            json.dumps(content, ensure_ascii=False).encode()
        except UnicodeEncodeError as error:
            raise ValueError("a text in it has half a character") from error
    return content


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"'{twice[:40]}' comes twice in one object")
    return content


def _no_number(text: str) -> float:
    raise ValueError(f"{text} is no number")


def _float(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _no_number(text[:20])


def _integer(text: str) -> int:
    return int(text) if len(text) <= DIGITS else int(_no_number(f"{text[:20]}..."))


def toml(value: Any) -> str:
    """A boolean, a number, a text or a list of these, as TOML has it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(toml, value)) + "]"
    # A JSON string is a TOML one, but for a delete character.
    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")
