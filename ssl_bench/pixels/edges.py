"""Where regions of a label map touch."""

import numpy as np


def edges(ids: np.ndarray, known: np.ndarray | None = None) -> np.ndarray:
    """Pixels (H, W) bool that touch one of another id by an edge; `ids`: (H, W).

    `known`: (H, W) bool; a pixel where it is False, such as padding, touches nothing.
    """
    found = np.zeros(ids.shape, bool)
    for axis in (0, 1):
        a, b = np.swapaxes(ids, 0, axis), np.swapaxes(found, 0, axis)
        differs = a[1:] != a[:-1]
        if known is not None:
            c = np.swapaxes(known, 0, axis)
            differs &= c[1:] & c[:-1]
        b[1:] |= differs
        b[:-1] |= differs
    return found
