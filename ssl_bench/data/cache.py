"""Decoded arrays kept in memory, up to a limit."""

import os
from collections import OrderedDict
from collections.abc import Hashable
from threading import Lock

import numpy as np

GIB = 1 << 30


def default_limit() -> int:
    """A sixteenth of the machine's memory, and at least 1 GiB, in bytes: eight cells at a time leave half of it."""
    try:
        return max(GIB, os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 16)
    except (AttributeError, ValueError, OSError):
        return GIB


class ArrayCache:
    """Arrays by key; the least recently used go first. Safe to share between threads."""

    def __init__(self, limit: int | None = None) -> None:
        """`limit`: bytes; `default_limit()` where none is given."""
        self._limit = default_limit() if limit is None else limit
        self._bytes = 0
        self._arrays: OrderedDict[Hashable, np.ndarray] = OrderedDict()
        self._lock = Lock()

    def get(self, key: Hashable) -> np.ndarray | None:
        """Read an array that was kept, or give None where there is none."""
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
