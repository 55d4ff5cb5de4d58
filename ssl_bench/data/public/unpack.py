"""Archives into a folder, and nowhere else: names that lead out of it and links are refused.

Every archive is read to its end, where its checksums are, and unfolds to no more than a bound.
"""

import bz2
import errno
import gzip
import lzma
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath
from stat import S_ISLNK
from typing import IO, Any, NamedTuple

from ssl_bench.errors import DataError

CHUNK = 1 << 20
MOST_MEMBERS = 2_000_000
MOST_AT_ONCE = 1 << 26
"""Bytes that a header of a tar archive may have in memory."""
FACTOR, ALWAYS = 200, 1 << 30
"""An archive may unfold to so many times its size, and to so many bytes however small it is."""

ZIP = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")
COMPRESSIONS: dict[bytes, Callable[..., Any]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ\0": lzma.open,
}
"""What a compressed tar archive begins with."""

OF_THE_ARCHIVE = {
    errno.ENAMETOOLONG,
    errno.ENOTDIR,
    errno.EISDIR,
    errno.EEXIST,
    errno.EINVAL,
    errno.EILSEQ,
}
"""What the system says of names that no file can have, beside others that are there."""


class Member(NamedTuple):
    """A file or folder in an archive."""

    name: str
    is_file: bool
    is_folder: bool
    """Neither: a link, or a device."""
    open: Callable[[], IO[bytes] | None]


def unpack(archive: Path, folder: Path, report: Callable[[int], None] = lambda count: None) -> None:
    """Unpack a tar (plain, gzip, bzip2 or xz) or zip archive into `folder`; `report` is called with the files done.

    Raises DataError for a member that is no plain file or folder within it, for a damaged archive or one cut short,
    and for one that unfolds to more than it should; what has been unpacked then stays, so that `folder` should be one
    to throw away.
    """
    folder.mkdir(parents=True, exist_ok=True)
    count, left = 0, max(ALWAYS, FACTOR * archive.stat().st_size)
    try:
        for number, member in enumerate(_members(archive)):
            if number == MOST_MEMBERS:
                raise DataError(f"{archive} holds more than {MOST_MEMBERS} files; do not use it")
            path = folder / _within(archive, member)
            if member.is_folder:
                path.mkdir(parents=True, exist_ok=True)
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            source = member.open()
            assert source is not None
            with source, path.open("wb") as file:
                while chunk := source.read(CHUNK):
                    left -= len(chunk)
                    if left < 0:
                        raise DataError(
                            f"{archive} unfolds to more than {FACTOR} times its size, as no data set does; do not "
                            "use it"
                        )
                    file.write(chunk)
            count += 1
            report(count)
    except DataError:
        raise
    except Exception as error:  # Damaged archives end in errors of a dozen kinds.
        if isinstance(error, OSError) and error.errno is not None and error.errno not in OF_THE_ARCHIVE:
            raise  # The machine's: a full disk.
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DataError(f"{archive} cannot be unpacked ({reason}); fetch it again") from error


def _members(archive: Path) -> Iterator[Member]:
    with archive.open("rb") as file:
        head = file.read(6)
    if head[:4] in ZIP:
        yield from _of_zip(archive)
        return
    opener = next((opener for mark, opener in COMPRESSIONS.items() if head.startswith(mark)), open)
    with opener(archive, "rb") as file:
        yield from _of_tar(file)


def _of_zip(archive: Path) -> Iterator[Member]:
    with zipfile.ZipFile(archive) as packed:
        for entry in packed.infolist():
            # The upper half holds the mode of files that come from Unix.
            link = S_ISLNK(entry.external_attr >> 16)
            plain = not entry.is_dir() and not link
            yield Member(entry.filename, plain, entry.is_dir(), lambda entry=entry: packed.open(entry))  # type: ignore[misc]


def _of_tar(file: IO[bytes]) -> Iterator[Member]:
    source: Any = _Source(file)
    with tarfile.open(fileobj=source, mode="r:") as tar:
        for info in tar:
            yield Member(info.name, info.isreg(), info.isdir(), lambda info=info: tar.extractfile(info))  # type: ignore[misc]
        # A header that is damaged counts as the end, and the checksum of what is compressed comes after it.
        file.seek(tar.offset)
        end = file.read(tarfile.BLOCKSIZE)
        if end.strip(b"\0") or len(end) < tarfile.BLOCKSIZE:
            raise tarfile.ReadError("it breaks off before its end")
        while file.read(CHUNK):
            pass


class _Source:
    """A file as tarfile reads it, which takes a header of any size that an archive states."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self.seek, self.tell = file, file.seek, file.tell

    def read(self, size: int = -1) -> bytes:
        """Up to `size` bytes."""
        if not 0 <= size <= MOST_AT_ONCE:
            raise tarfile.ReadError(f"it has a header of {size} bytes")
        return self._file.read(size)


def _within(archive: Path, member: Member) -> PurePosixPath:
    name = member.name
    path, foreign = PurePosixPath(name), PureWindowsPath(name)
    if (
        path.is_absolute()
        or foreign.drive
        or foreign.root
        or ".." in (*path.parts, *foreign.parts)
        or "\0" in name
    ):
        raise DataError(f"{archive} holds {name!r}, which leads out of its folder; do not use it")
    if not (member.is_file or member.is_folder):
        raise DataError(f"{archive} holds {name!r}, a link or device where files are expected; do not use it")
    return path
