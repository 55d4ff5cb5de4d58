"""Where a cell stands: weights, optimisers, curves. Written whole or not at all."""

import io
from pathlib import Path
from typing import Any

import torch

from ssl_bench.files import write_bytes


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Replace the checkpoint in one step: a kill leaves the old one or the new one."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    write_bytes(path, buffer.getvalue())


def load_checkpoint(path: Path) -> dict[str, Any] | None:
    """The checkpoint's state, on the CPU, or None where there is none that is whole."""
    if not path.is_file():
        return None
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # Torch raises a dozen kinds for a file that is not whole.
        print(f"{path} cannot be read ({type(error).__name__}): starting over", flush=True)
        return None
    return state
