"""What a reader may do with any bytes: give something, or raise one of our errors in a line that names the file."""

import contextlib
import io
import warnings
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from ssl_bench.errors import SslBenchError
from ssl_bench.machine.streams import visible

LONGEST = 4000
"""Characters of a message."""
PIXELS = 1 << 22
"""`Image.MAX_IMAGE_PIXELS` while fuzzing, so that what grows with the bound of a picture stays small."""

Read = Callable[[bytes, Path], object]
"""Of a file's bytes, and the path it goes by, which may be written."""


class Fault(AssertionError):
    """A message that does not tell a user what is wrong and where."""


def only_our_errors(reader: Read) -> Read:
    """The reader, whose errors for users are looked at and let pass; whatever else it raises is a crash."""

    def read(data: bytes, path: Path) -> None:
        try:
            reader(data, path)
        except SslBenchError as error:
            said = str(error)
            for wrong, why in (
                (not said.strip() or len(visible(said).splitlines()) != 1, "not one line"),
                (len(said) > LONGEST, f"{len(said)} characters"),
                (path.name not in said and str(path.parent) not in said, "names no file"),
            ):
                if wrong:
                    raise Fault(f"{why}: {said[:400]!r}") from error

    return read


def each(*readers: Read) -> Read:
    """All of them on the same bytes."""
    checked = [only_our_errors(reader) for reader in readers]

    def read(data: bytes, path: Path) -> None:
        for reader in checked:
            reader(data, path)

    return read


def from_file(reader: Callable[[Path], object]) -> Read:
    """Of a reader of files."""

    def read(data: bytes, path: Path) -> object:
        path.write_bytes(data)
        return reader(path)

    return read


@contextlib.contextmanager
def quiet() -> "contextlib.AbstractContextManager[None]":  # type: ignore[misc]
    """Without what readers print, and with a low bound for pictures."""
    bound, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, PIXELS
    try:
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        Image.MAX_IMAGE_PIXELS = bound
