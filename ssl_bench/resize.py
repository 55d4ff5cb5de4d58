"""Resizing arrays of any depth and number of channels. Free of torch."""

import numpy as np
from PIL import Image


def resize(
    array: np.ndarray,
    size: tuple[int, int],
    box: tuple[float, ...] | None,
    resampling: Image.Resampling,
) -> np.ndarray:
    """Resize the box (left, top, right, bottom) of (H, W) or (H, W, C), or all of it, to (width, height)."""
    if array.dtype == np.uint8 and (array.ndim == 2 or array.shape[2] in (3, 4)):
        return np.asarray(Image.fromarray(array).resize(size, resampling, box=box))  # type: ignore[arg-type]
    # Pillow resizes other depths and channel counts plane by plane, as floats.
    planes = [
        np.asarray(Image.fromarray(plane.astype(np.float32)).resize(size, resampling, box=box))  # type: ignore[arg-type]
        for plane in np.moveaxis(np.atleast_3d(array), 2, 0)
    ]
    resized = np.stack(planes, 2).reshape(size[1], size[0], *array.shape[2:])
    return resized if array.dtype.kind == "f" else np.rint(resized).astype(array.dtype)
