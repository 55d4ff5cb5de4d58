"""MATLAB files."""

import io
from pathlib import Path

import numpy as np

from ssl_bench.errors import DataError


def read_variable(data: bytes, path: Path, name: str) -> np.ndarray:
    """A variable of a MATLAB file up to version 7. Raises DataError where it is not there or cannot be read."""
    from scipy.io import loadmat

    try:
        found = loadmat(io.BytesIO(data), variable_names=[name])
    except Exception as error:
        raise _unreadable(path, error) from None
    if name not in found:
        raise DataError(f"{path} holds no variable '{name}'; fetch it again")
    variable: np.ndarray = found[name]
    return variable


def shape_of(path: Path, name: str) -> tuple[int, ...]:
    """Shape of a variable of uint8, without reading its values. Raises DataError as `read_variable`."""
    from scipy.io import whosmat

    try:
        found = {key: (shape, kind) for key, shape, kind in whosmat(path)}
    except Exception as error:
        raise _unreadable(path, error) from None
    if name not in found or found[name][1] != "uint8":
        raise DataError(f"{path} holds no variable '{name}' of uint8; fetch it again")
    return tuple(found[name][0])


def _unreadable(path: Path, error: Exception) -> DataError:
    """Damaged files end in errors of many kinds."""
    reason = " ".join(str(error).split())
    return DataError(
        f"{path} cannot be read as a MATLAB file ({reason}); fetch it again, or save it in version 7 or before"
    )
