"""The first line of a checkpoint: the hash of the rest, by which a broken one is known, and the step that it is of, so
that two can be compared without torch."""

import hashlib
import re
from pathlib import Path

from ssl_bench.machine.files import read_regular

MARK = b"ssl-bench checkpoint, sha256 of the rest: "
STEP = b", step "


def sealed(content: bytes, step: int) -> bytes:
    """A checkpoint's content below its first line."""
    return MARK + hashlib.sha256(content).hexdigest().encode() + STEP + str(step).encode() + b"\n" + content


def unsealed(packed: bytes) -> tuple[bytes, int | None] | None:
    """The content, and its step, which earlier versions did not state; None where it is not whole."""
    head, _, content = packed.partition(b"\n")
    mark, _, step = head.partition(STEP)
    if mark != MARK + hashlib.sha256(content).hexdigest().encode():
        return None
    return content, int(step) if re.fullmatch(rb"\d{1,18}", step) else None


def step_of(path: Path) -> int | None:
    """The step that a checkpoint is of; None where it is not whole, or does not say."""
    try:
        found = unsealed(read_regular(path))
    except OSError:
        return None
    return found[1] if found else None
