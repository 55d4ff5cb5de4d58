"""Volumes as stacks of slices: `.npy` arrays, and NIfTI where `nibabel` is installed. Free of torch.

    (H, W)                  one image of one channel
    (slices, H, W)          a stack of them
    (slices, H, W, C)       a stack of images of C channels

NIfTI's axes are x, y, z and, if there is one more, channels: its slices lie along z, with rows along y. Nothing that is
read may run code: objects are refused.
"""

import gzip
import io
import math
import re
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from ssl_bench.errors import DataError
from ssl_bench.machine.files import require_plain

_NIFTI = find_spec("nibabel") is not None
ARRAYS = frozenset({".npy", *((".nii", ".nii.gz") if _NIFTI else ())})
"""Endings of files that may hold many images, in lower case."""
_MAGIC = b"\x93NUMPY"
FACTOR, ALWAYS = 200, 1 << 28
"""A compressed volume may unfold to so many times its size, and to so many bytes however small it is."""
_NARROW = 16
"""Fewer columns than these are rather channels."""


def is_array(data: bytes) -> bool:
    """Whether these are the bytes of a `.npy` file."""
    return data.startswith(_MAGIC)


def is_stack(path: Path) -> bool:
    """Whether a file may hold many images, by its name."""
    return any(path.name.lower().endswith(ending) for ending in ARRAYS)


def read_array(data: bytes) -> np.ndarray:
    """The array of a `.npy` file. Raises ValueError where there is none of numbers."""
    stream = io.BytesIO(data)
    version = np.lib.format.read_magic(stream)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, by_column, kind = read(stream)
    if kind.kind not in "buif":
        raise ValueError(f"it holds {kind}, no numbers")
    size = math.prod(shape)
    if len(data) - stream.tell() < size * kind.itemsize or not size:
        raise ValueError(f"too few bytes for {shape} of {kind}")
    values = np.frombuffer(data, kind, size, stream.tell())
    # As this machine orders bytes: torch knows no other.
    return values.reshape(shape, order="F" if by_column else "C").astype(kind.newbyteorder("="), copy=False)


def count_slices(path: Path) -> int | None:
    """How many images a stack holds; None for a single one. Raises DataError where the file cannot be read."""
    try:
        require_plain(path)
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}; put it right or take it out") from None
    shape = array_of(data, path).shape
    if len(shape) == 2:
        return None
    if len(shape) == 3 and shape[2] < _NARROW <= shape[0]:
        raise DataError(
            f"{path} has shape {shape}, a stack of slices that are {shape[2]} px wide; save one image of channels as "
            "(1, H, W, C)"
        )
    if len(shape) not in (3, 4):
        raise DataError(f"{path} has shape {shape}; save it as (slices, H, W) or (slices, H, W, C)")
    return shape[0]


def slice_of(data: bytes, path: Path, number: int | None) -> bytes:
    """One image of a stack, as the bytes of a `.npy` file. Raises DataError where it cannot be read."""
    stack = array_of(data, path)
    if number is not None and not (stack.ndim in (3, 4) and number < len(stack)):
        raise DataError(
            f"{path} has shape {stack.shape} and no slice {number}; an image and its target have equally many"
        )
    buffer = io.BytesIO()
    np.lib.format.write_array(
        buffer, np.ascontiguousarray(stack if number is None else stack[number]), allow_pickle=False
    )
    return buffer.getvalue()


def slice_names(name: str, count: int) -> Iterator[tuple[int, str]]:
    """Numbers from 0, and ids that sort as they do."""
    digits = max(3, len(str(count - 1)))
    return ((number, f"{name}/{number:0{digits}d}") for number in range(count))


def array_of(data: bytes, path: Path) -> np.ndarray:
    """What a file holds, (slices, H, W), (slices, H, W, C) or (H, W). Raises DataError where it cannot be read."""
    try:
        # A slice of any stack comes here as the bytes of a `.npy` file.
        return read_array(data) if is_array(data) or path.suffix.lower() == ".npy" else _read_nifti(data)
    except ImportError as error:
        raise DataError(
            f"{path} needs {error.name}, which is not installed; pip install 'ssl-bench[volumes]'"
        ) from None
    except Exception as error:  # Damaged files end in errors of many kinds.
        reason = re.sub(r"\s+", " ", str(error)).strip()
        raise DataError(
            f"{path} is cut short, damaged or no array of numbers ({reason}); save it again or take it out"
        ) from None


def _unfolded(data: bytes) -> bytes:
    """What a compressed volume holds, to its end, where its checksum is; ValueError where that is more than it may."""
    most = max(ALWAYS, FACTOR * len(data))
    with gzip.open(io.BytesIO(data)) as file:
        content = file.read(most + 1)
        if len(content) > most:
            raise ValueError(f"it unfolds to more than {most >> 20} MiB")
    return content


def _read_nifti(data: bytes) -> np.ndarray:
    import nibabel

    if data.startswith(b"\x1f\x8b"):
        data = _unfolded(data)
    image: Any = nibabel.Nifti1Image.from_bytes(data)
    stored = math.prod(image.shape) * image.get_data_dtype().itemsize
    if stored > len(data):  # What is stated is reserved before it is read.
        raise ValueError(f"too few bytes for {image.shape} of {image.get_data_dtype()}")
    # Stored integers stay integers where the header does not scale them.
    values = np.asanyarray(image.dataobj)
    return np.ascontiguousarray(np.moveaxis(values, (0, 1, 2), (2, 1, 0)) if values.ndim > 2 else values.T)
