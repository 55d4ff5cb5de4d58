"""Where a cell stands: weights, optimisers, curves. Written whole or not at all."""

import io
import zipfile
from pathlib import Path
from typing import Any

import torch

from ssl_bench.files import write_bytes


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Replace the checkpoint in one step: a kill leaves the old one or the new one."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    write_bytes(path, buffer.getvalue())


def load_checkpoint(path: Path, device: torch.device) -> dict[str, Any] | None:
    """The checkpoint's state, or None where there is none that is whole."""
    if not path.is_file():
        return None
    try:
        state: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
    except (OSError, RuntimeError, EOFError, ValueError, zipfile.BadZipFile):
        return None
    return state
