"""The process in which MATLAB files are read: questions are lines of JSON, each with a file's bytes behind it."""

import contextlib
import io
import json
import sys
from typing import IO, Any

import numpy as np
from scipy.io import loadmat, whosmat

MEMORY, FACTOR = 4 << 30, 30
"""Bytes of address space that a file may take, and so many times its size."""
NUMBERS = "biuf"


def main(questions: IO[bytes], answers: IO[bytes]) -> None:
    """Answer until there are no more questions, or a file ends this process."""
    while line := questions.readline():
        question = json.loads(line)
        data = questions.read(question["bytes"])
        try:
            answer, content = _answer(question, data)
        except Exception as error:  # Damaged files end in errors of many kinds.
            answer, content = {"error": " ".join(str(error).split()) or type(error).__name__}, b""
        answers.write(json.dumps({**answer, "bytes": len(content)}).encode() + b"\n")
        answers.write(content)
        answers.flush()


def _answer(question: dict[str, Any], data: bytes) -> tuple[dict[str, Any], bytes]:
    _bound(MEMORY + FACTOR * len(data))
    name = question["name"]
    if "file" in question:
        found = {key: (shape, kind) for key, shape, kind in whosmat(question["file"])}
        return ({"shape": found[name][0], "kind": found[name][1]} if name in found else {}), b""
    variable = loadmat(io.BytesIO(data), variable_names=[name]).get(name)
    if variable is not None and question["field"]:
        try:
            variable = np.asarray(variable[question["field"]][0, 0])
        except (IndexError, ValueError, TypeError):
            return {}, b""
    if not isinstance(variable, np.ndarray) or variable.dtype.kind not in NUMBERS:
        return {}, b""
    return {"kind": variable.dtype.str, "shape": variable.shape}, np.ascontiguousarray(variable).tobytes()


def _bound(size: int) -> None:
    """Let this process have no more memory than that: a wrong byte can ask for any amount."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        _, most = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(
            resource.RLIMIT_AS, (size if most == resource.RLIM_INFINITY else min(size, most), most)
        )


if __name__ == "__main__":
    out = sys.stdout.buffer
    sys.stdout = sys.stderr  # What a library prints is no answer.
    main(sys.stdin.buffer, out)
