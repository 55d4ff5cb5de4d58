"""MATLAB files, read in a process of its own: the reader runs compiled code that a damaged file can crash.

That process lives as long as this one and is asked over pipes. What comes back are shapes and plain numbers.
"""

import atexit
import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from ssl_bench import DataError, SafeEnvironment


def read_variable(data: bytes, path: Path, name: str, field: str = "") -> np.ndarray:
    """A variable of a MATLAB file up to version 7, or a field of it where it is a struct.

    Raises DataError where there is no such array of numbers, or the file cannot be read.
    """
    answer, content = _ask({"name": name, "field": field}, data, path)
    if "kind" not in answer:
        what = f"{name}.{field}" if field else f"variable '{name}'"
        raise DataError(f"{path} holds no {what} of numbers; fetch it again")
    return np.frombuffer(content, answer["kind"]).reshape(answer["shape"])


def shape_of(path: Path, name: str) -> tuple[int, ...]:
    """Shape of a variable of uint8, without reading its values. Raises DataError as `read_variable`."""
    answer, _ = _ask({"name": name, "file": str(path.absolute())}, b"", path)
    if answer.get("kind") != "uint8":
        raise DataError(f"{path} holds no variable '{name}' of uint8; fetch it again")
    return tuple(answer["shape"])


_readers: "dict[int, subprocess.Popen[bytes]]" = {}
"""By the process that asks: a copy of one, as `fork` makes, starts a reader of its own."""
_one_at_a_time = Lock()


def _ask(question: dict[str, str], data: bytes, path: Path) -> tuple[dict[str, Any], bytes]:
    """What the reader says, and what comes with it. DataError where it cannot read the file, or died of it."""
    with _one_at_a_time:
        reader = _readers.get(os.getpid())
        if reader is None or reader.poll() is not None:
            give_up()
            reader = _readers[os.getpid()] = _start()
        try:
            answer, content = _exchange(reader, {**question, "bytes": len(data)}, data)
        except (OSError, ValueError, EOFError):
            give_up()
            raise _unreadable(path, "its reader crashed") from None
        except BaseException:  # Ctrl-C: half an answer may be in the pipe.
            give_up()
            raise
    if "error" in answer:
        raise _unreadable(path, answer["error"])
    return answer, content


def _exchange(
    reader: "subprocess.Popen[bytes]", question: dict[str, Any], data: bytes
) -> tuple[dict[str, Any], bytes]:
    assert reader.stdin is not None
    assert reader.stdout is not None
    reader.stdin.write(json.dumps(question).encode() + b"\n")
    reader.stdin.write(data)
    reader.stdin.flush()
    answer: dict[str, Any] = json.loads(reader.stdout.readline())
    content = reader.stdout.read(answer["bytes"])
    if len(content) < answer["bytes"]:
        raise EOFError
    return answer, content


def _start() -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-P", "-m", "ssl_bench_tasks.layouts.mat_reader"]
    with SafeEnvironment():
        # One thread: more would reserve memory for nothing.
        env = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
        return subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=env,
            start_new_session=True,  # Ctrl-C is for us; the reader ends with its pipe.
        )


@atexit.register
def give_up() -> None:
    """End the reader; the next question starts another."""
    reader = _readers.pop(os.getpid(), None)
    if reader is None:
        return
    reader.kill()
    for pipe in (reader.stdin, reader.stdout):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()
    reader.wait()


def _new_lock() -> None:
    global _one_at_a_time
    _one_at_a_time = Lock()


os.register_at_fork(after_in_child=_new_lock)


def _unreadable(path: Path, reason: str) -> DataError:
    return DataError(
        f"{path} cannot be read as a MATLAB file ({reason}); fetch it again, or save it in version 7 or before"
    )
