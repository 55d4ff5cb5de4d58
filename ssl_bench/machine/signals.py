"""Signals that wait until what is started may hear them."""

import contextlib
import signal
from collections.abc import Iterator


@contextlib.contextmanager
def hold_signals(*numbers: signal.Signals) -> Iterator[None]:
    """What is started meanwhile begins with these signals blocked: they wait until it lets them through.

    This process still gets them: the system gives one that this thread blocks to any other, and Python's handler then
    runs in the main one.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
