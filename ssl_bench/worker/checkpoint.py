"""Where a cell stands, and what it learnt: written whole or not at all, and checked when read."""

import hashlib
import io
import zipfile
from pathlib import Path
from typing import Any

import torch

from ssl_bench.errors import in_a_line
from ssl_bench.machine.files import read_regular, write_bytes
from ssl_bench.store.folder import CellFolder
from ssl_bench.store.seal import sealed, unsealed

FORM = 1
"""Of what a checkpoint holds: raised where an earlier version could not go on from what a later one writes."""


def save_checkpoint(folder: Path, state: dict[str, Any]) -> None:
    """Write a checkpoint and keep the one before: a kill at any moment leaves a whole one."""
    newest, before = CellFolder(folder).checkpoints
    write_bytes(newest, sealed(_packed(state), state["step"]), keep=before)


def load_checkpoint(folder: Path) -> dict[str, Any] | None:
    """The newest whole checkpoint's state, on the CPU, or None; a broken one is said so on standard output."""
    found = [path for path in CellFolder(folder).checkpoints if path.is_file()]
    for index, path in enumerate(found):
        try:
            packed = read_regular(path)
        except FileNotFoundError:
            continue  # Another process of the cell found it broken just now.
        whole, why = unsealed(packed), "its checksum differs"
        if whole:
            try:
                return _unpacked(whole[0])
            except Exception as error:  # Of another torch, or made by hand.
                why = in_a_line(error)
        instead = "going back to the one before" if index + 1 < len(found) else "starting over"
        print(f"{path.name} is broken ({why}): {instead}", flush=True)
        path.unlink(missing_ok=True)  # Else the next one saved would push the whole one out.
    return None


def save_weights(path: Path, state: dict[str, Any]) -> str:
    """Write a network's weights as torch.load reads them; the file's SHA-256."""
    content = _packed(state)
    write_bytes(path, content)
    return hashlib.sha256(content).hexdigest()


def load_weights(path: Path, sha256: str | None = None) -> dict[str, Any] | None:
    """What `save_weights` wrote, on the CPU; None where there is no file, or it is not whole.

    Files of earlier versions come without a checksum, and are whole if torch can read them.
    """
    try:
        content = read_regular(path)
        if sha256 is not None and hashlib.sha256(content).hexdigest() != sha256:
            return None
        return _unpacked(content)
    except Exception:  # Torch raises a dozen kinds for a file that is not whole.
        return None


def _packed(state: dict[str, Any]) -> bytes:
    buffer = io.BytesIO()
    torch.save(state, buffer)
    return buffer.getvalue()


def _unpacked(content: bytes) -> dict[str, Any]:
    if zipfile.is_zipfile(io.BytesIO(content)):
        with zipfile.ZipFile(io.BytesIO(content)) as packed:
            # Torch compresses nothing that it writes, and unfolds whatever it reads.
            if sum(entry.file_size for entry in packed.infolist()) > len(content):
                raise ValueError("it unfolds to more than it is")
    state: dict[str, Any] = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    if not isinstance(state, dict):
        raise TypeError(f"it holds no state but a {type(state).__name__}")
    return state
