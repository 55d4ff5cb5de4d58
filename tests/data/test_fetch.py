"""`ssl-bench data fetch` against a server on this machine that breaks, lies and changes its mind."""

import hashlib
import io
import tarfile
import threading
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import Said
from PIL import Image

from ssl_bench.data.public import download as downloads
from ssl_bench.data.public import unpack as unpacking
from ssl_bench.data.public.download import checksum, download
from ssl_bench.data.public.unpack import unpack
from ssl_bench.errors import DataError, UsageError
from ssl_bench.hookspecs import hookimpl
from ssl_bench.machine.lock import locked
from ssl_bench.published import DownloadSpec, RemoteFile
from ssl_bench.registry import loading as registries
from ssl_bench.registry.loading import load_registry

Command = Callable[..., Said]
CONTENT = np.random.default_rng(0).bytes(1_000_003)
MD5 = f"md5:{hashlib.md5(CONTENT).hexdigest()}"


@dataclass
class Server:
    """What it serves, how it misbehaves, and what it was asked."""

    url: str = ""
    content: bytes = CONTENT
    etag: str = '"one"'
    takes_ranges: bool = True
    says_length: bool = True
    breaks_after: list[int] = field(default_factory=list)
    """Bytes of the body after which the connection is cut, per request; none left: no cut."""
    statuses: list[int] = field(default_factory=list)
    """Answered first, one per request."""
    asked: list[str | None] = field(default_factory=list)
    """The range of each request."""
    sent: int = 0


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            wanted = self.headers.get("Range")
            state.asked.append(wanted)
            if state.statuses:
                self.send_response(state.statuses.pop(0))
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            start = 0
            if wanted and state.takes_ranges and self.headers.get("If-Range", state.etag) == state.etag:
                start = int(wanted.removeprefix("bytes=").removesuffix("-"))
                if start >= len(state.content):
                    self.send_response(416)
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                self.send_response(206)
                self.send_header(
                    "Content-Range", f"bytes {start}-{len(state.content) - 1}/{len(state.content)}"
                )
            else:
                self.send_response(200)
            body = state.content[start:]
            self.send_header("ETag", state.etag)
            if state.says_length:
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            cut = state.breaks_after.pop(0) if state.breaks_after else len(body)
            state.sent += min(cut, len(body))
            self.wfile.write(body[:cut])

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    serving = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=serving.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    state.url = f"http://127.0.0.1:{serving.server_address[1]}/set.bin"
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(downloads, "PAUSE", 0.001)
    yield state
    serving.shutdown()
    serving.server_close()
    thread.join()


def remote(server: Server, size: int | None = None, checksum: str = "") -> RemoteFile:
    return RemoteFile(url=server.url, name="set.bin", size=size, checksum=checksum)


def test_a_file_is_fetched_and_verified(server: Server, tmp_path: Path) -> None:
    seen: list[tuple[int, int | None]] = []
    download(
        remote(server, len(CONTENT), MD5), tmp_path / "x", lambda done, total: seen.append((done, total))
    )
    assert (tmp_path / "x").read_bytes() == CONTENT
    assert [path.name for path in tmp_path.iterdir()] == ["x"]
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert checksum(tmp_path / "x", "sha256") == hashlib.sha256(CONTENT).hexdigest()
    download(remote(server), tmp_path / "x")
    assert server.asked == [None]


def test_a_broken_connection_goes_on_where_it_broke(server: Server, tmp_path: Path) -> None:
    server.breaks_after = [300_000, 0, 100_000]
    download(remote(server, len(CONTENT), MD5), tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == CONTENT
    assert server.asked == [None, "bytes=300000-", "bytes=300000-", "bytes=400000-"]
    assert server.sent == len(CONTENT)


def test_a_later_command_goes_on_too(server: Server, tmp_path: Path) -> None:
    server.breaks_after = [400_000, 0, 0, 0, 0]
    with pytest.raises(DataError, match=r"the connection broke, 5 times; .* goes on from 400000 bytes"):
        download(remote(server), tmp_path / "x")
    assert not (tmp_path / "x").exists()
    download(remote(server, checksum=MD5), tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == CONTENT
    assert server.asked[-1] == "bytes=400000-"
    assert server.sent == len(CONTENT)


def test_a_file_that_changed_meanwhile_is_fetched_anew(server: Server, tmp_path: Path) -> None:
    server.breaks_after = [400_000, 0, 0, 0, 0]
    with pytest.raises(DataError):
        download(remote(server), tmp_path / "x")
    server.content, server.etag = CONTENT[::-1], '"two"'
    download(remote(server), tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == CONTENT[::-1]


def test_a_shorter_file_than_what_is_there_is_fetched_anew(server: Server, tmp_path: Path) -> None:
    server.breaks_after = [400_000, 0, 0, 0, 0]
    with pytest.raises(DataError):
        download(remote(server), tmp_path / "x")
    server.content = CONTENT[:1000]
    download(remote(server), tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == CONTENT[:1000]


def test_a_server_without_ranges_or_lengths(server: Server, tmp_path: Path) -> None:
    server.takes_ranges, server.breaks_after = False, [300_000]
    download(remote(server, checksum=MD5), tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == CONTENT
    server.says_length = False
    download(remote(server, checksum=MD5), tmp_path / "y")
    assert (tmp_path / "y").read_bytes() == CONTENT


def test_a_server_that_sends_without_an_end_is_left(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.says_length = False
    with pytest.raises(DataError, match=r"sends more than is expected \(5000 bytes\)"):
        download(remote(server, 5000), tmp_path / "x")
    monkeypatch.setattr(downloads, "MOST", 9000)
    with pytest.raises(DataError, match=r"sends more than is expected \(9000 bytes\)"):
        download(remote(server), tmp_path / "x")
    assert not [path for path in tmp_path.iterdir() if path.suffix != ".json"]


def test_a_busy_server_is_asked_again_and_a_refusal_is_final(server: Server, tmp_path: Path) -> None:
    server.statuses = [503, 429]
    download(remote(server), tmp_path / "x")
    assert len(server.asked) == 3
    server.statuses = [404]
    with pytest.raises(DataError, match="the server says 404"):
        download(remote(server), tmp_path / "y")
    assert len(server.asked) == 4


def test_wrong_files_are_refused_and_deleted(server: Server, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has 1000003 bytes where 5 are expected"):
        download(remote(server, 5), tmp_path / "x")
    assert server.sent <= len(CONTENT)
    server.says_length = False
    with pytest.raises(DataError, match=r"sends more than is expected \(5 bytes\)"):
        download(remote(server, 5), tmp_path / "x")
    server.says_length, server.content = True, b"\1" + CONTENT[1:]
    with pytest.raises(DataError, match=rf"came with md5 \w+, not {MD5[4:]}"):
        download(remote(server, len(CONTENT), MD5), tmp_path / "x")
    assert list(tmp_path.glob("x*.part")) == list(tmp_path.glob("x")) == []
    with pytest.raises(UsageError, match="no address of the web"):
        download(RemoteFile(url="file:///etc/hostname", name="x"), tmp_path / "x")


def tar(path: Path, *members: tuple[tarfile.TarInfo, bytes], mode: str = "w:gz") -> Path:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for member, content in members:
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


@pytest.mark.parametrize(
    ("info", "words"),
    [
        (member("../evil"), "leads out"),
        (member("a/../../evil"), "leads out"),
        (member("/tmp/evil"), "leads out"),
        (member("C:\\evil"), "leads out"),
        (member("..\\evil"), "leads out"),
        (member("a", tarfile.SYMTYPE, "/etc"), "a link or device"),
        (member("a", tarfile.LNKTYPE, "good"), "a link or device"),
        (member("a", tarfile.FIFOTYPE), "a link or device"),
        (member("a", tarfile.CHRTYPE), "a link or device"),
    ],
    ids=lambda value: value.name + str(value.type) if isinstance(value, tarfile.TarInfo) else None,
)
def test_a_tar_never_leaves_its_folder(tmp_path: Path, info: tarfile.TarInfo, words: str) -> None:
    archive = tar(tmp_path / "x.tgz", (member("good"), b"1"), (info, b""), (member("a/evil"), b"2"))
    with pytest.raises(DataError, match=words):
        unpack(archive, tmp_path / "in" / "out")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["good", "in", "out", "x.tgz"]


@pytest.mark.parametrize("name", ["../evil", "/evil", "a/../../evil", "link"])
def test_a_zip_never_leaves_its_folder(tmp_path: Path, name: str) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("good", "1")
        entry = zipfile.ZipInfo(name)
        if name == "link":
            entry.external_attr = 0o120777 << 16
        archive.writestr(entry, "/etc")
    with pytest.raises(DataError, match="do not use it"):
        unpack(tmp_path / "x.zip", tmp_path / "in" / "out")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["good", "in", "out", "x.zip"]


def test_damaged_archives_are_named(tmp_path: Path) -> None:
    whole = tar(tmp_path / "x.tgz", (member("a"), CONTENT))
    whole.write_bytes(whole.read_bytes()[:5000])
    with pytest.raises(DataError, match=r"x\.tgz cannot be unpacked"):
        unpack(whole, tmp_path / "out")
    (tmp_path / "x.zip").write_bytes(b"PK\3\4 nothing")
    with pytest.raises(DataError, match=r"x\.zip cannot be unpacked"):
        unpack(tmp_path / "x.zip", tmp_path / "out")


def packed(path: Path, mode: str) -> Path:
    """Three files, one of them of random bytes."""
    files = (("a/1", CONTENT[:3000]), ("a/2", b"x" * 3000), ("b", CONTENT[3000:3100]))
    return tar(path, *((member(name), content) for name, content in files), mode=mode)


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_an_archive_is_read_to_its_end(tmp_path: Path, mode: str) -> None:
    whole = packed(tmp_path / "whole", mode)
    unpack(whole, tmp_path / "out")
    assert (tmp_path / "out" / "a" / "1").read_bytes() == CONTENT[:3000]
    content = whole.read_bytes()
    # Of a plain one, the last block of zeros that its end is made of is beyond what is needed.
    cuts = (10, 1600, 5000, len(content) - 1) if mode != "w" else (10, 1600, 5000, 8 * 512)
    for cut in cuts:
        whole.write_bytes(content[: min(cut, len(content) - 1)])
        with pytest.raises(DataError, match=r"whole cannot be unpacked .*; fetch it again"):
            unpack(whole, tmp_path / "cut")
    if mode == "w":
        return
    for place in range(20, len(content), len(content) // 25):
        whole.write_bytes(content[:place] + bytes([content[place] ^ 0x10]) + content[place + 1 :])
        with pytest.raises(DataError, match=r"whole cannot be unpacked .*; fetch it again"):
            unpack(whole, tmp_path / "wrong")


def test_a_damaged_header_in_a_tar_is_no_end_of_it(tmp_path: Path) -> None:
    whole = packed(tmp_path / "x.tar", "w")
    content = bytearray(whole.read_bytes())
    content[512 + 3072 + 3] ^= 1  # The name of the second file, which a checksum covers.
    whole.write_bytes(content)
    with pytest.raises(DataError, match="it breaks off before its end"):
        unpack(whole, tmp_path / "out")


@pytest.mark.parametrize(
    "method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]
)
def test_a_wrong_byte_in_a_zip_is_found(tmp_path: Path, method: int) -> None:
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("a", CONTENT[:3000])
    content = path.read_bytes()
    for place in range(60, 2900, 140):
        path.write_bytes(content[:place] + bytes([content[place] ^ 0x10]) + content[place + 1 :])
        with pytest.raises(DataError, match=r"x\.zip cannot be unpacked"):
            unpack(path, tmp_path / "out")


def test_what_an_archive_unfolds_to_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = tar(tmp_path / "x.tgz", (member("a"), bytes(1 << 20)))
    monkeypatch.setattr(unpacking, "ALWAYS", 1 << 19)
    with pytest.raises(DataError, match="unfolds to more than 200 times its size"):
        unpack(bomb, tmp_path / "out")
    monkeypatch.setattr(unpacking, "MOST_MEMBERS", 1)
    with pytest.raises(DataError, match="holds more than 1 files"):
        unpack(packed(tmp_path / "y.tgz", "w:gz"), tmp_path / "more")
    header = member("b")
    header.pax_headers = {"comment": "x" * 5000}
    monkeypatch.setattr(unpacking, "MOST_AT_ONCE", 4096)
    with pytest.raises(DataError, match="it has a header of 5"):
        unpack(tar(tmp_path / "z.tgz", (header, b"")), tmp_path / "out")


def test_two_fetches_at_a_time_never_harm_each_other(
    command: Command, server: Server, fetchable: Callable[[bytes], None], tmp_path: Path
) -> None:
    fetchable(small_set())
    work = tmp_path / "small.partial"
    with locked(work):
        (work / "content").mkdir()
        (work / "content" / "mine").touch()
        said = command("data", "fetch", "small", "--out", tmp_path)
        assert (said.status, len(said.err.strip().splitlines())) == (2, 1)
        assert "is at work there; wait for it to end" in said.err
        assert (work / "content" / "mine").exists()
    assert server.asked == []
    assert command("data", "fetch", "small", "--out", tmp_path).status == 0
    assert [path.name for path in tmp_path.iterdir()] == ["small"]


def test_a_damaged_archive_is_fetched_again(
    command: Command, server: Server, fetchable: Callable[[bytes], None], tmp_path: Path
) -> None:
    packed(tmp_path / "x", "w:xz")
    content = (tmp_path / "x").read_bytes()
    fetchable(content[:200] + bytes([content[200] ^ 1]) + content[201:])
    for _ in range(2):
        said = command("data", "fetch", "small", "--out", tmp_path / "data")
        assert (said.status, len(said.err.strip().splitlines())) == (2, 1)
        assert "small.zip cannot be unpacked" in said.err
    assert len(server.asked) == 2
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["small.partial"]


@pytest.fixture
def fetchable(server: Server, monkeypatch: pytest.MonkeyPatch) -> Callable[[bytes], None]:
    """Serves an archive as the public set `small`."""

    def serve(content: bytes) -> None:
        server.content = content
        spec = DownloadSpec(
            name="small",
            title="A small set",
            task="night",
            page="http://127.0.0.1",
            licence="CC0",
            citation="Nobody (2020)",
            files=(
                RemoteFile(
                    url=server.url,
                    name="small.zip",
                    size=len(content),
                    checksum=f"sha256:{hashlib.sha256(content).hexdigest()}",
                ),
            ),
        )
        plugin = SimpleNamespace(__name__="small", provide_downloads=hookimpl(lambda: [spec]))
        monkeypatch.setattr(registries, "load_registry", lambda files=(): load_registry([plugin]))

    return serve


def small_set() -> bytes:
    buffer, picture = io.BytesIO(), io.BytesIO()
    Image.new("RGB", (16, 16), (1, 2, 3)).save(picture, format="PNG")
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("LOL/", "")
        for index, folder in enumerate(("our485/low", "our485/high", "eval15/low", "eval15/high")):
            archive.writestr(f"LOL/{folder}/{index // 2}.png", picture.getvalue())
    return buffer.getvalue()


def test_a_set_is_fetched_and_read(
    command: Command, server: Server, fetchable: Callable[[bytes], None], tmp_path: Path
) -> None:
    fetchable(small_set())
    server.breaks_after = [100]
    said = command("data", "fetch", "small", "--out", tmp_path / "data")
    assert (said.status, said.err) == (0, "")
    for words in ("licence  CC0", "cite     Nobody (2020)", "verified by sha256"):
        assert words in said.out
    assert said.out.endswith(f"use --data night={tmp_path / 'data' / 'small'}\n")
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["small"]
    plan = command(
        *("plan", "--tasks", "night", "--methods", "supervised", "--labels", "all"),
        *("--data", f"night={tmp_path / 'data' / 'small'}"),
    )
    assert "1 training image with labels" in plan.out
    asked = len(server.asked)
    assert "is there already" in command("data", "fetch", "small", "--out", tmp_path / "data").out
    assert len(server.asked) == asked


def test_a_malicious_set_leaves_nothing_under_its_name(
    command: Command, fetchable: Callable[[bytes], None], tmp_path: Path
) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("../../../evil", "1")
    for content in (buffer.getvalue(), b"<html>Please sign in</html>"):
        fetchable(content)
        said = command("data", "fetch", "small", "--out", tmp_path / "a" / "b" / "data")
        assert said.status == 2
        assert len(said.err.strip().splitlines()) == 1
        assert not (tmp_path / "a" / "b" / "data" / "small").exists()
        assert not list(tmp_path.rglob("evil"))
        assert not list(tmp_path.rglob("small.zip"))


def test_sets_are_listed_with_licences_and_steps(command: Command, tmp_path: Path) -> None:
    listed = command("data", "fetch", "--list")
    assert listed.status == 0
    assert listed.out.count("licence:") == len(load_registry().entries["downloads"])
    said = command("data", "fetch", "ppm-100", "--out", tmp_path)
    assert said.status == 1
    assert "CC BY-NC-SA 4.0" in said.out
    assert f"{tmp_path / 'ppm-100'} holds image and matte" in said.out
    assert len(said.err.strip().splitlines()) == 1
    assert "did you mean 'voc2012'?" in command("data", "fetch", "voc2021").err
    assert "--list" in command("data", "fetch").err


@pytest.mark.parametrize("name", sorted(load_registry().entries["downloads"]))
def test_every_set_says_what_it_must(name: str) -> None:
    registry = load_registry()
    spec = registry.download(name)
    registry.task(spec.task)
    assert spec.licence
    assert spec.citation
    assert spec.page.startswith("http")
    assert bool(spec.files) != bool(spec.steps)
    assert spec.files or "{folder}" in spec.steps
    for file in spec.files:
        assert file.url.startswith("http")
        assert Path(file.name).name == file.name
        algorithm, _, digest = file.checksum.partition(":")
        assert not file.checksum or len(bytes.fromhex(digest)) == hashlib.new(algorithm).digest_size
