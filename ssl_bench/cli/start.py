"""A command from its first import to its exit status: streams that hold, Ctrl-C at any moment."""

import contextlib
import os
import signal
import sys
from collections.abc import Callable, Iterator
from types import FrameType
from typing import NoReturn

from ssl_bench.machine.streams import steady_streams

INTERRUPTED = "interrupted; the same command goes on from here"


def start() -> NoReturn:
    """Run the command that `sys.argv` asks for, and exit."""
    with steady_streams() as outputs:
        with _on_ctrl_c(_end):
            from ssl_bench.cli.commands import complain, run_command
        pressed: list[int] = []
        with _on_ctrl_c(lambda number, frame: _interrupt(pressed)):
            try:
                status = run_command()
            except Exception:
                if not pressed:
                    raise
                # Libraries that are imported meanwhile make something else of it.
                status = complain(INTERRUPTED, 130)
        sys.stdout.flush()
        for fault in {output.fault for output in outputs if output.fault}:
            status = complain(f"what the command says cannot be written: {fault}", status or 1)
    sys.exit(status)


@contextlib.contextmanager
def _on_ctrl_c(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """While it lasts, Ctrl-C calls `handler`, unless it is ignored, as in the background of a script."""
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    signal.signal(signal.SIGINT, handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _end(number: int, frame: FrameType | None) -> None:
    """End this process at once, in one line: there is nothing to save yet."""
    with contextlib.suppress(OSError):
        os.write(2, f"ssl-bench: {INTERRUPTED}\n".encode())
    os._exit(128 + number)


def _interrupt(pressed: list[int]) -> None:
    pressed.append(signal.SIGINT)
    raise KeyboardInterrupt
