"""A public data set from its own servers into a folder, whole or not at all."""

import contextlib
import shutil
from collections.abc import Callable
from pathlib import Path

from ssl_bench.data.public.download import Report, download
from ssl_bench.data.public.unpack import unpack
from ssl_bench.errors import DataError
from ssl_bench.machine.lock import locked
from ssl_bench.published import DownloadSpec

Stage = Callable[[str], tuple[Report, Callable[[int], None]]]
"""Given a file's name, says what to call while it is downloaded and while it is unpacked."""


def fetch(spec: DownloadSpec, dest: Path, stage: Stage) -> None:
    """Download, verify and unpack a set's files into `dest`, which gets its name when all is there.

    Until then they lie in DEST.partial, where the next call goes on. Raises DataError as `download` and `unpack`, and
    UsageError where another command is at it.
    """
    work = dest.with_name(f"{dest.name}.partial")
    archives, content = work / "files", work / "content"
    with locked(work) as alive:
        archives.mkdir(parents=True, exist_ok=True)
        if content.exists():
            shutil.rmtree(content)
        content.mkdir()
        for file in spec.files:
            path = archives / file.name
            downloaded, unpacked = stage(file.name)
            download(file, path, lambda done, total, tell=downloaded: (alive(), tell(done, total))[1])  # type: ignore[misc]
            try:
                unpack(path, content, lambda count, tell=unpacked: (alive(), tell(count))[1])  # type: ignore[misc]
            except DataError:
                path.unlink()  # Else the next call would take it for what it should be.
                raise
        if not dest.exists():  # Another command may have ended just before this one began.
            content.rename(dest)
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(work)
