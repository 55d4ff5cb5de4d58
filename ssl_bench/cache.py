"""Decoded arrays kept in memory, up to a limit."""

from collections import OrderedDict
from collections.abc import Hashable
from threading import Lock

import numpy as np

LIMIT = 1 << 30
"""Bytes."""


class ArrayCache:
    """Arrays by key; the least recently used go first. Safe to share between threads."""

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._bytes = 0
        self._arrays: OrderedDict[Hashable, np.ndarray] = OrderedDict()
        self._lock = Lock()

    def get(self, key: Hashable) -> np.ndarray | None:
        """The array, or None."""
        with self._lock:
            array = self._arrays.get(key)
            if array is not None:
                self._arrays.move_to_end(key)
            return array

    def put(self, key: Hashable, array: np.ndarray) -> None:
        """Keep an array, unless it alone is too large; it becomes read-only, since it serves every reader."""
        array.flags.writeable = False
        if array.nbytes > self._limit:
            return
        with self._lock:
            old = self._arrays.pop(key, None)
            self._arrays[key] = array
            self._bytes += array.nbytes - (0 if old is None else old.nbytes)
            while self._bytes > self._limit:
                self._bytes -= self._arrays.popitem(last=False)[1].nbytes
