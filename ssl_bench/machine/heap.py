"""How this process gets its memory from the system."""

import contextlib
import ctypes
import gc
import platform
from collections.abc import Iterator

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4
"""Names of glibc's <malloc.h>."""


def keep_heap() -> None:
    """Serve large tensors from the heap, and keep what they free for the next step. Does nothing without glibc.

    By default glibc maps every block above 32 MB anew and hands it back when freed, so that the system clears the
    same pages again in every training step: a third of the time of a step whose activations are that large
    (`python -m benchmarks steps`, S4L at 321 px). The peak of a training process is no higher for it.
    """
    if platform.libc_ver()[0] != "glibc":
        return
    libc = ctypes.CDLL(None)
    libc.mallopt(M_MMAP_MAX, 0)
    libc.mallopt(M_TRIM_THRESHOLD, -1)


@contextlib.contextmanager
def no_search_for_cycles() -> Iterator[None]:
    """Python frees meanwhile what nothing refers to, and does not look for what refers to itself.

    Else it looks through everything made so far, again and again, where many small things are made and kept.
    """
    before = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if before:
            gc.enable()
