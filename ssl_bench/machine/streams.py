"""What a command says, whatever becomes of it: a closed stream, a reader that has gone, a full disk or an alphabet that
lacks our characters must neither stop what is computed nor change its exit status in silence."""

import codecs
import contextlib
import io
import os
import re
import sys
from collections.abc import Iterator
from typing import Any, TextIO

PLAIN_SECONDS = 10.0
"""Between two lines of progress where there is no terminal."""


class Output(io.FileIO):
    """A file descriptor to write to that goes on where it cannot be written."""

    fault = ""
    """Why something was not written; empty where all was, or where its reader, such as head, has had enough."""

    def write(self, content: Any) -> int:
        """Write, or pass over it."""
        try:
            return super().write(content) or 0
        except BrokenPipeError:
            pass
        except OSError as error:
            self.fault = error.strerror or str(error)
        return len(content)


STYLES = ("\x1b[1m", "\x1b[0m")
"""What our own lines hold: bold, and its end."""
_CONTROLS = re.compile(r"\x1b\[[01]m|[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


def visible(text: str) -> str:
    """A text whose control characters are spelt out: in a file's name or a message, they could order a terminal about.

    Kept are line ends, tabs and our own bold type; changes of the direction of writing are spelt out, too.
    """

    def spelt(found: "re.Match[str]") -> str:
        return found[0] if found[0] in STYLES else found[0].encode("unicode_escape").decode()

    return _CONTROLS.sub(spelt, text)


class PlainText(io.TextIOWrapper):
    """A stream of text that says nothing to a terminal but text (`visible`)."""

    def write(self, text: str) -> int:
        """Write a text with its control characters spelt out."""
        super().write(visible(text))
        return len(text)


class _Drawing:
    """A stream of text past its `visible`."""

    def __init__(self, stream: PlainText) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write a text as it is."""
        return io.TextIOWrapper.write(self._stream, text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class _Ascii(PlainText):
    """Text in ASCII that does not say so: click would take it for a mistake, and write UTF-8."""

    encoding = "latin-1"


@contextlib.contextmanager
def steady_streams() -> Iterator[list[Output]]:
    """While it lasts, stdout and stderr take whatever is written: characters that they lack become question marks.

    Gives what they write to. Streams that someone has put in their place stay.
    """
    open_closed()
    before, made = (sys.stdout, sys.stderr), []
    for name, number in (("stdout", 1), ("stderr", 2)):
        stream = getattr(sys, name)
        if stream is None or stream is getattr(sys, f"__{name}__"):
            made.append(Output(number, "w", closefd=False))
            setattr(sys, name, _text(made[-1], stream))
    try:
        yield made
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        sys.stdout, sys.stderr = before


def drawing(stream: Any) -> Any:
    """The same stream for bars, which move about on the terminal: what they show has gone through `visible`."""
    return _Drawing(stream) if isinstance(stream, PlainText) else stream


def open_closed() -> None:
    """Descriptors 0 to 2 on nothing where they are closed: the next file opened would have their numbers."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)


def _text(output: Output, stream: Any) -> io.TextIOWrapper:
    encoding = getattr(stream, "encoding", None) or "utf-8"
    if stream is not None:
        stream.flush()
    kind = _Ascii if codecs.lookup(encoding).name == "ascii" else PlainText
    return kind(io.BufferedWriter(output), encoding, errors="replace", line_buffering=True)


def can_draw(stream: TextIO) -> bool:
    """Whether bars can move there: a terminal, and one that can go back in a line."""
    return stream.isatty() and os.environ.get("TERM", "") not in ("dumb", "unknown")
