"""Archives into a folder, and nowhere else: names that lead out of it and links are refused."""

import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath
from stat import S_ISLNK
from typing import IO, NamedTuple

from ssl_bench.errors import DataError


class Member(NamedTuple):
    """A file or folder in an archive."""

    name: str
    is_file: bool
    is_folder: bool
    """Neither: a link, or a device."""
    open: Callable[[], IO[bytes] | None]


def unpack(archive: Path, folder: Path, report: Callable[[int], None] = lambda count: None) -> None:
    """Unpack a tar (of any compression) or zip archive into `folder`; `report` is called with the files done.

    Raises DataError for a member that is no plain file or folder within it, and for a damaged archive; what has
    been unpacked then stays, so that `folder` should be one to throw away.
    """
    folder.mkdir(parents=True, exist_ok=True)
    count = 0
    try:
        for member in _members(archive):
            path = folder / _within(archive, member)
            if member.is_folder:
                path.mkdir(parents=True, exist_ok=True)
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            source = member.open()
            assert source is not None
            with source, path.open("wb") as file:
                shutil.copyfileobj(source, file, 1 << 20)
            count += 1
            report(count)
    except (
        tarfile.TarError,
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        RuntimeError,
        NotImplementedError,
    ) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DataError(f"{archive} cannot be unpacked ({reason}); fetch it again") from error


def _members(archive: Path) -> Iterator[Member]:
    if tarfile.is_tarfile(archive):
        with tarfile.open(archive) as tar:
            for info in tar:
                yield Member(info.name, info.isreg(), info.isdir(), lambda info=info: tar.extractfile(info))  # type: ignore[misc]
        return
    with zipfile.ZipFile(archive) as packed:
        for entry in packed.infolist():
            # The upper half holds the mode of files that come from Unix.
            link = S_ISLNK(entry.external_attr >> 16)
            plain = not entry.is_dir() and not link
            yield Member(entry.filename, plain, entry.is_dir(), lambda entry=entry: packed.open(entry))  # type: ignore[misc]


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
        raise DataError(f"{archive} holds '{name}', which leads out of its folder; do not use it")
    if not (member.is_file or member.is_folder):
        raise DataError(f"{archive} holds '{name}', a link or device where files are expected; do not use it")
    return path
