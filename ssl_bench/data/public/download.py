"""Files over HTTP that go on where they stopped, and are what they should be before they get their name."""

import hashlib
import http.client
import re
import time
from collections.abc import Callable
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from ssl_bench import __version__
from ssl_bench.errors import DataError, UsageError
from ssl_bench.machine.files import read_json, write_json
from ssl_bench.published import RemoteFile

TRIES = 5
"""Without a single further byte; the pauses between them double from `PAUSE`."""
PAUSE = 1.0
TIMEOUT = 30.0
CHUNK = 1 << 18
MOST = 1 << 40
"""Bytes of a file whose size is not stated."""

Report = Callable[[int, int | None], None]
"""Bytes there, and bytes in all where the server says so."""


def download(file: RemoteFile, path: Path, report: Report = lambda done, total: None) -> None:
    """Fetch a file to `path`. What came before a break lies in `path`.part, and is not fetched again.

    Raises DataError where the server refuses or does not answer, or the file is not of the size and checksum that
    are stated: a wrong file is deleted.
    """
    if urlsplit(file.url).scheme not in ("http", "https"):
        raise UsageError(f"{file.url} is no address of the web (http or https)")
    if path.exists():
        return
    part = path.with_name(f"{path.name}.part")
    tries, there = 0, _size(part)
    while True:
        try:
            if _go_on(file, part, report):
                break
            reason = "the connection broke"
        except HTTPError as error:
            if error.code < 500 and error.code not in (408, 429):
                raise DataError(
                    f"{file.url}: the server says {error.code} {error.reason}; see the set's own page"
                ) from None
            reason = f"the server says {error.code} {error.reason}"
        except (URLError, http.client.HTTPException, TimeoutError, ConnectionError) as error:
            reason = str(getattr(error, "reason", error)) or type(error).__name__
        tries = 1 if _size(part) > there else tries + 1
        there = _size(part)
        if tries == TRIES:
            raise DataError(
                f"{file.url}: {reason}, {TRIES} times; the same command goes on from {there} bytes"
            )
        time.sleep(PAUSE * 2 ** (tries - 1))
    _verify(file, part)
    part.replace(path)
    _about(part).unlink(missing_ok=True)


def checksum(path: Path, algorithm: str) -> str:
    """Hexadecimal digest of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


def _go_on(file: RemoteFile, part: Path, report: Report) -> bool:
    """Ask for what is missing and write what comes; whether the file is whole then."""
    there = _size(part)
    known = read_json(_about(part)) or {}
    if there and known.get("url") != file.url:
        there = 0
    if there and there == known.get("total"):
        return True
    headers = {"User-Agent": f"ssl-bench/{__version__}", "Accept-Encoding": "identity"}
    if there:
        headers["Range"] = f"bytes={there}-"
        # A file that has changed since is sent anew, and not glued to the old one.
        headers |= {"If-Range": known["version"]} if known.get("version") else {}
    try:
        answer = urlopen(Request(file.url, headers=headers), timeout=TIMEOUT)
    except HTTPError as error:
        if error.code != 416:
            raise
        part.unlink(missing_ok=True)
        return False
    with answer:
        start, total = _extent(answer)
        if start != there:
            start, there = 0, 0
            if answer.status == 206:
                part.unlink(missing_ok=True)
                return False
        if file.size is not None and total is not None and total != file.size:
            raise DataError(
                f"{file.url} has {total} bytes where {file.size} are expected: another file by now; "
                "see the set's own page"
            )
        etag = answer.headers.get("ETag", "")
        version = etag if etag.startswith('"') else answer.headers.get("Last-Modified")
        write_json(_about(part), {"url": file.url, "total": total, "version": version}, durable=False)
        most = MOST if file.size is None else file.size
        with part.open("r+b" if there else "wb") as out:
            out.seek(start)
            while chunk := answer.read(CHUNK):
                out.write(chunk)
                if out.tell() > most:  # A server may send without an end.
                    part.unlink()
                    raise DataError(
                        f"{file.url} sends more than is expected ({most} bytes); see the set's own page"
                    )
                report(out.tell(), total)
    return total is None or _size(part) == total


def _extent(answer: http.client.HTTPResponse) -> tuple[int, int | None]:
    """Where the body begins in the file, and the size of the whole file, if it is told."""
    match = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", answer.headers.get("Content-Range", ""))
    if answer.status == 206 and match:
        return int(match[1]), None if match[2] == "*" else int(match[2])
    length = answer.headers.get("Content-Length", "")
    return 0, int(length) if length.isdigit() else None


def _verify(file: RemoteFile, part: Path) -> None:
    wrong = None
    if file.size is not None and _size(part) != file.size:
        wrong = f"{_size(part)} bytes, not {file.size}"
    elif file.checksum:
        algorithm, _, expected = file.checksum.partition(":")
        found = checksum(part, algorithm)
        wrong = f"{algorithm} {found}, not {expected}" if found != expected else None
    if wrong:
        part.unlink()
        _about(part).unlink(missing_ok=True)
        raise DataError(
            f"{file.url} came with {wrong}: damaged on the way, or another file by now; run again, or "
            "see the set's own page"
        )


def _about(part: Path) -> Path:
    return part.with_name(f"{part.name}.json")


def _size(part: Path) -> int:
    return part.stat().st_size if part.is_file() else 0
