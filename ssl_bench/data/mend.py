"""Copies of label files with other numbers in them: masks of 0 and 255, masks as JPEG, mattes of 0 and 1."""

import io
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from ssl_bench.data.pictures import read_bytes
from ssl_bench.data.scan import picture_files, require_folder
from ssl_bench.errors import DataError, UsageError
from ssl_bench.machine.files import write_bytes
from ssl_bench.pixels.decode import Decoded, decode

_MOST = 65535


@dataclass
class Mended:
    """What was done."""

    files: int = 0
    pixels: int = 0
    rounded: int = 0
    """Pixels of lossy files that held none of the numbers named."""
    furthest: int = 0
    """Largest difference of such a pixel from the number it was taken for."""


def find_labels(folder: Path) -> list[tuple[Path, str]]:
    """Picture files in a folder and below, with their names within it. DataError where there are none."""
    require_folder(folder)
    found = list(picture_files(folder, folder.resolve(), nested=True))
    if not found:
        raise DataError(f"no pictures in {folder}; give the folder of the masks or mattes")
    return found


def read_map(text: str) -> dict[int, int]:
    """`0=0,255=1` as numbers found to numbers written. UsageError for anything else."""
    pairs = [re.fullmatch(r"\s*(\d+)\s*=\s*(\d+)\s*", part) for part in text.split(",")]
    found = {int(match[1]): int(match[2]) for match in pairs if match}
    if not all(pairs) or len(found) < len(pairs) or max(*found, *found.values()) > _MOST:
        raise UsageError(f"--map '{text}': give each number found once, as 0=0,255=1")
    return found


def numbers(paths: Sequence[Path], report: Callable[[], None] = lambda: None) -> Counter[int]:
    """Pixels that hold each number, over several files."""
    found: Counter[int] = Counter()
    for path in paths:
        values, counts = np.unique(_channel(decode(read_bytes(path), path), path), return_counts=True)
        found.update(dict(zip(values.tolist(), counts.tolist(), strict=True)))
        report()
    return found


def mend(
    labels: Sequence[tuple[Path, str]],
    out: Path,
    table: Mapping[int, int],
    report: Callable[[], None] = lambda: None,
) -> Mended:
    """Write each file as a PNG of one channel under its name in `out`, its numbers replaced as `table` says.

    In a lossy file a number that is not named is taken for the nearest one that is. Raises DataError for one in any
    other file, with nothing written for that file.
    """
    done = Mended()
    known = np.array(sorted(table))
    written = np.array([table[number] for number in sorted(table)])
    kind = np.uint8 if written.max() < 256 else np.uint16
    for path, name in labels:
        decoded = decode(read_bytes(path), path)
        values = _channel(decoded, path).astype(np.int64)
        right = np.searchsorted(known, values).clip(1, max(1, len(known) - 1)) if len(known) > 1 else None
        nearest = np.zeros(values.shape, np.intp) if right is None else np.where(
            values - known[right - 1] <= known[right] - values, right - 1, right
        )  # fmt: skip
        off = np.abs(known[nearest] - values)
        if off.any() and not decoded.lossy:
            wrong = values[off > 0].min()
            raise DataError(f"{path} holds {wrong}, which --map does not name; name it, as {wrong}=...")
        buffer = io.BytesIO()
        Image.fromarray(written[nearest].astype(kind)).save(buffer, format="PNG")
        place = out / f"{name}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(place, buffer.getvalue(), durable=False)
        done.files += 1
        done.pixels += values.size
        done.rounded += int((off > 0).sum())
        done.furthest = max(done.furthest, int(off.max()))
        report()
    return done


def _channel(decoded: Decoded, path: Path) -> np.ndarray:
    """The one channel of a label file, or the first of three equal ones: (H, W)."""
    values = decoded.values
    if values.ndim == 3 and (values[..., :3] == values[..., :1]).all():
        return values[..., 0]
    if values.ndim == 3 or values.dtype.kind == "f":
        raise DataError(
            f"{path} is a picture of mode {decoded.mode}, with no one number a pixel; save it with one channel, or "
            "name its colours in classes.txt"
        )
    return values
