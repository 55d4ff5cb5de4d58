"""Tiny picture files for tests of data sets."""

from collections.abc import Callable, Collection, Iterable
from pathlib import Path

import numpy as np
from PIL import Image

from ssl_bench.data.survey import survey
from ssl_bench.dataset import Dataset
from ssl_bench.errors import DataError

SIZE = (6, 8)


def save(path: Path, array: np.ndarray | int = 0, *, channels: int = 3) -> Path:
    """An array, or a picture of one value, as a file."""
    if isinstance(array, int):
        array = np.full((*SIZE, channels) if channels > 1 else SIZE, array, np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path, {".jpg": "JPEG", ".jpeg": "JPEG"}.get(path.suffix.lower(), "PNG"))
    return path


def mask(path: Path, *ids: int, palette: bool = False) -> Path:
    """A mask that holds these classes."""
    array = np.resize(np.array(ids, np.uint8), SIZE)
    if not palette:
        return save(path, array)
    picture = Image.fromarray(array, "P")
    picture.putpalette([value for i in range(256) for value in (255 - i, 40, i)])
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path)
    return path


def write(path: Path, lines: Iterable[str], end: str = "\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(end.join(lines).encode())
    return path


def check(data: Dataset, targets: Collection[str], report: Callable[[], None] = lambda: None) -> None:
    """Read every image and these targets. Raises DataError for the first file at fault; copies are let pass."""
    kind = "classification" if getattr(data, "targets_are", "") == "indices" else "regression"
    faults = survey(data, kind, targets, report).faults
    if faults:
        raise DataError(faults[0])
