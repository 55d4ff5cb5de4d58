"""Copies of label files with other numbers in them: masks of 0 and 255, masks as JPEG, mattes of 0 and 1."""

import io
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from ssl_bench.data.lists import read_classes
from ssl_bench.data.pictures import read_bytes
from ssl_bench.data.samples import Unread
from ssl_bench.data.scan import picture_files, require_folder
from ssl_bench.dataset import VOID
from ssl_bench.errors import DataError, UsageError
from ssl_bench.machine.files import write_bytes
from ssl_bench.pixels.decode import Decoded, decode
from ssl_bench.pixels.rasters import color_bands

_MOST = 65535
_OPAQUE = 255


@dataclass(frozen=True)
class Table:
    """What is written for what is found."""

    found: np.ndarray
    """(N, 1) numbers or (N, 3) colours, int64, in ascending order."""
    written: np.ndarray
    """(N, 1) or (N, 3): numbers, or colours."""
    source: str
    """What says so, for messages."""


@dataclass
class Mended:
    """What became of the files of a folder that was mended."""

    files: int = 0
    pixels: int = 0
    rounded: int = 0
    """Pixels that held nothing that was named."""
    furthest: int = 0
    """Largest difference of such a pixel from what it was taken for, in any channel."""


def find_labels(folder: Path, unread: list[Unread]) -> list[tuple[Path, str]]:
    """Picture files in a folder and below, with their names within it. DataError for none, or two of one name.

    Files of other formats are added to `unread`.
    """
    require_folder(folder)
    left: list[Path] = []
    found = list(picture_files(folder, folder.resolve(), nested=True, unread=left))
    unread += [(folder, path) for path in left]
    first: dict[str, Path] = {}
    for path, name in found:
        if (other := first.setdefault(name, path)) != path:
            raise DataError(f"{other} and {path} would both be {name}.png; take one of them out")
    if not found:
        raise DataError(f"no pictures in {folder}; give the folder of the masks or mattes")
    return found


def read_map(text: str) -> Table:
    """`0=0,255=1` as numbers found and numbers written. UsageError for anything else."""
    pairs = [re.fullmatch(r"\s*(\d+)\s*=\s*(\d+)\s*", part) for part in text.split(",")]
    found = {int(match[1]): int(match[2]) for match in pairs if match}
    if not all(pairs) or len(found) < len(pairs) or max(*found, *found.values()) > _MOST:
        raise UsageError(f"--map '{text}': give each number found once, as 0=0,255=1")
    numbers = np.array(sorted(found.items()))
    return Table(numbers[:, :1], numbers[:, 1:], "--map")


def table_of(classes: Path) -> Table:
    """The numbers or colours that a classes.txt names, each for itself. Raises DataError as `read_classes`."""
    table = read_classes(classes)
    if table.colours is not None:
        named = np.unique(table.colours.astype(np.int64), axis=0)
    else:
        numbers = {*table.stored} or {*range(len(table.names)), VOID}
        named = np.array(sorted(numbers), np.int64)[:, None]
    return Table(named, named, str(classes))


def contents(paths: Sequence[Path], report: Callable[[], None] = lambda: None) -> Counter[tuple[int, ...]]:
    """Pixels that hold each number, or each colour where a file has colours, over several files."""
    found: Counter[tuple[int, ...]] = Counter()
    for path in paths:
        decoded = decode(read_bytes(path), path)
        values = _channel(decoded, path) if _has_one_channel(decoded) else _colours(decoded, path)
        held, counts = np.unique(_rows(values), axis=0, return_counts=True)
        found.update(dict(zip(map(tuple, held.tolist()), counts.tolist(), strict=True)))
        report()
    return found


def mend(
    labels: Sequence[tuple[Path, str]],
    out: Path,
    table: Table,
    *,
    nearest: bool = False,
    report: Callable[[], None] = lambda: None,
) -> Mended:
    """Write each file as a PNG under its name in `out`, what it holds replaced as `table` says.

    In a lossy file, and where `nearest` in any, what is not named is taken for the nearest that is. Else it raises
    DataError, with nothing written for that file.
    """
    done = Mended()
    is_coloured = table.found.shape[1] == 3
    kind = np.uint8 if table.written.max() < 256 else np.uint16
    for path, name in labels:
        decoded = decode(read_bytes(path), path)
        values = _colours(decoded, path) if is_coloured else _channel(decoded, path)
        held, places = np.unique(_rows(values), axis=0, return_inverse=True)
        chosen = _nearest(held, table.found)
        off = np.abs(table.found[chosen] - held).max(axis=1)
        if off.any() and not (decoded.lossy or nearest):
            wrong = " ".join(map(str, held[off > 0][0].tolist()))
            raise DataError(
                f"{path} holds {wrong}, which {table.source} does not name; name it, or take the nearest by --nearest"
            )
        written = table.written[chosen][places.ravel()].astype(kind).reshape(*values.shape[:2], -1)
        buffer = io.BytesIO()
        Image.fromarray(written if written.shape[2] == 3 else written[..., 0]).save(buffer, format="PNG")
        place = out / f"{name}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(place, buffer.getvalue(), durable=False)
        done.files += 1
        done.pixels += places.size
        done.rounded += int((off > 0)[places].sum())
        done.furthest = max(done.furthest, int(off.max()))
        report()
    return done


def _nearest(held: np.ndarray, known: np.ndarray) -> np.ndarray:
    """(M,) places in `known` (N, K) of what is nearest to each of `held` (M, K), the smaller of two as near."""
    best = np.zeros(len(held), np.intp)
    least = np.full(len(held), np.iinfo(np.int64).max)
    for place, one in enumerate(known):
        far = ((held - one) ** 2).sum(axis=1)
        best, least = np.where(far < least, place, best), np.minimum(far, least)
    return best


def _rows(values: np.ndarray) -> np.ndarray:
    """(H, W) or (H, W, C) as (H * W, C) int64."""
    return values.reshape(-1, values.shape[2] if values.ndim == 3 else 1).astype(np.int64)


def _has_one_channel(decoded: Decoded) -> bool:
    values = decoded.values
    return values.ndim == 2 or bool((values[..., :3] == values[..., :1]).all())


def _channel(decoded: Decoded, path: Path) -> np.ndarray:
    """The one channel of a label file, or the first of three equal ones: (H, W)."""
    if not _has_one_channel(decoded) or decoded.values.dtype.kind == "f":
        raise DataError(
            f"{path} is a picture of mode {decoded.mode}, with no one number a pixel; save it with one channel, or "
            "name its colours in a classes.txt and give that by --classes"
        )
    return decoded.values if decoded.values.ndim == 2 else decoded.values[..., 0]


def _colours(decoded: Decoded, path: Path) -> np.ndarray:
    """What a label file shows, (H, W, 3) uint8. DataError where that is not sure."""
    if decoded.shallow or decoded.mode.startswith(("I", "F")):
        raise DataError(
            f"{path} has more than 8 bits a channel, and a table of colours has 8; save it with 8"
        )
    bands = color_bands(decoded, path)
    if bands.shape[2] == 4 and not (bands[..., 3] == _OPAQUE).all():
        raise DataError(f"{path} is transparent in places, where no colour is sure; save it as RGB")
    return bands[..., :3]
