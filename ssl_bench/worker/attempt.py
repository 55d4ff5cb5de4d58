"""A worker's process around its cell: the folder's lock, signals, the log, and what an ending is called."""

import contextlib
import errno
import io
import multiprocessing
import os
import signal
import stat
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import torch

from ssl_bench.errors import Diverged, SslBenchError, in_a_line
from ssl_bench.executor import ELSEWHERE, INTERRUPTED, IO_ERROR, NO_SPACE, REMOVED
from ssl_bench.machine.files import TEMPORARY
from ssl_bench.machine.streams import PlainText, open_closed
from ssl_bench.store.folder import CellFolder
from ssl_bench.store.heartbeat import Heartbeat, LockLost, hang_seconds_of, lock_of


class Interrupted(Exception):
    """The worker was told to stop."""


def attempt(folder: Path, device: str, run: Callable[[Sequence[int], Heartbeat], None]) -> int:
    """Run a cell in its folder unless another process does; the exit status, as in `executor.py`.

    `run` gets a list that fills when the process is told to stop, on which it raises Interrupted.
    """
    stop = stop_on_signals()
    try:
        hang_seconds, lock = hang_seconds_of(folder), lock_of(folder)
        if lock.take() is not None:
            return ELSEWHERE
    except OSError as error:
        return _unwritable(folder, error)
    try:
        with _log_to(CellFolder(folder).log):
            print(f"== {time.strftime('%Y-%m-%d %H:%M:%S')} on {lock.owner}, {device}", flush=True)
            for leftover in folder.glob(TEMPORARY):  # of a worker that was killed while it wrote
                leftover.unlink(missing_ok=True)
            return ending(folder, lambda: run(stop, Heartbeat(folder, lock, hang_seconds)))
    except OSError as error:
        return _unwritable(folder, error)
    finally:
        Heartbeat.rest()
        with contextlib.suppress(OSError):
            lock.release()


def ending(folder: Path, run: Callable[[], None]) -> int:
    """Run, and put down how it ended; the exit status."""
    try:
        run()
    except Interrupted:
        return INTERRUPTED
    except LockLost:
        print("another command took the cell over", flush=True)
        return ELSEWHERE
    except SslBenchError as error:
        print(f"failed: {error}", flush=True)
        return failed(folder, str(error), error.exit_status, diverged=isinstance(error, Diverged))
    except OSError as error:
        traceback.print_exc()
        where = f": {error.filename}" if error.filename else ""
        # The machine's fault, not the cell's.
        return failed(
            folder, f"{error.strerror or error}{where}", _unwritable(folder, error), worth_retrying=True
        )
    except Exception as error:
        traceback.print_exc()
        return failed(folder, in_a_line(error), 1, worth_retrying=_of_the_machine(error))
    return 0


def failed(
    folder: Path, message: str, status: int, *, worth_retrying: bool = False, diverged: bool = False
) -> int:
    """Leave word of a failure, where that can be written; the exit status."""
    CellFolder(folder).fail(message, worth_retrying=worth_retrying, diverged=diverged)
    return status


def _of_the_machine(error: Exception) -> bool:
    """Whether it need not come again: memory ran out, perhaps to other processes, or a GPU failed."""
    # Torch raises what the libraries of a GPU say, memory that ran out in them included, as plain errors.
    of_gpu = isinstance(error, RuntimeError) and str(error).startswith(
        ("CUDA error", "cuDNN error", "NCCL error")
    )
    return of_gpu or isinstance(error, torch.OutOfMemoryError | MemoryError)


def _unwritable(folder: Path, error: OSError) -> int:
    """The exit status of a worker whose files fail it."""
    if not folder.is_dir():
        return REMOVED
    return NO_SPACE if error.errno in (errno.ENOSPC, errno.EDQUOT) else IO_ERROR


def stop_on_signals() -> list[int]:
    """A list that fills when the process is told to stop. Ctrl-C and a terminal that is closed are the parent's to
    handle; while Ctrl-Z stops the process, it does not count as hung."""
    received: list[int] = []
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGTSTP, lambda number, frame: Heartbeat.pause())
    signal.signal(signal.SIGTERM, lambda number, frame: received.append(number))
    # Who started this process may have let the signal wait until here (`launch.py`).
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
    return received


def die_with_parent() -> None:
    """Wait for the end of the process that started this one, and end then too."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        # Nothing is lost: files are replaced whole, and the next run resumes from the last checkpoint.
        os._exit(1)


class _Log(io.FileIO):
    """A file descriptor to write to that goes on, with less said, where the disk is full."""

    def write(self, content: Any) -> int:
        try:
            return super().write(content) or 0
        except OSError:
            return len(content)


def _own_log(path: Path) -> IO[bytes]:
    """The log, to be written at its end. A link, a pipe or a device in its place is removed, and not followed."""
    for last in (False, True):
        try:
            number = os.open(
                path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o666
            )
        except OSError as error:
            if last or error.errno not in (errno.ELOOP, errno.ENXIO):
                raise
        else:
            if last or stat.S_ISREG(os.fstat(number).st_mode):
                return os.fdopen(number, "ab")
            os.close(number)
        path.unlink()
    raise AssertionError


@contextlib.contextmanager
def _log_to(path: Path) -> Iterator[None]:
    """Send all output of the process, native libraries' too, to the end of a file."""
    open_closed()
    with _own_log(path) as file:
        for stream in filter(None, (sys.stdout, sys.stderr)):
            stream.flush()
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    streams = (PlainText(_Log(number, "w", closefd=False), "utf-8", write_through=True) for number in (1, 2))
    with contextlib.ExitStack() as stack:
        stack.enter_context(contextlib.redirect_stdout(next(streams)))
        stack.enter_context(contextlib.redirect_stderr(next(streams)))
        yield
