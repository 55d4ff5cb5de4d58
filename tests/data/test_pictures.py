"""Decoding, against values written by hand."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ssl_bench.data.pictures import (
    read_alpha,
    read_bytes,
    read_indices,
    read_picture,
    read_unknown,
    require_classes,
)
from ssl_bench.errors import DataError

WHERE = Path("x.png")


def encode(picture: Image.Image, form: str = "PNG", **options: object) -> bytes:
    file = io.BytesIO()
    picture.save(file, form, **options)
    return file.getvalue()


def png(samples: np.ndarray, colour: int, bits: int) -> bytes:
    """A PNG by the standard, for depths that Pillow does not write; `samples` (H, W, C), packed where bits < 8."""
    height, width = samples.shape[:2]
    if bits == 16:
        rows = samples.astype(">u2").reshape(height, -1).tobytes()
    else:
        rows = samples.astype(np.uint8).tobytes()
        width = width * 8 // bits
    stride = len(rows) // height
    body = zlib.compress(b"".join(b"\0" + rows[y * stride : (y + 1) * stride] for y in range(height)))

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def test_every_mode_becomes_rgb() -> None:
    grey = np.array([[0, 7, 255]], np.uint8)
    three = np.repeat(grey[..., None], 3, 2)
    assert np.array_equal(read_picture(encode(Image.fromarray(grey)), WHERE), three)
    colour = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    assert np.array_equal(read_picture(encode(Image.fromarray(colour)), WHERE), colour)
    veiled = np.dstack([colour, np.full((2, 2), 9, np.uint8)])
    assert np.array_equal(read_picture(encode(Image.fromarray(veiled)), WHERE), colour)
    palette = Image.fromarray(np.array([[0, 1]], np.uint8), "P")
    palette.putpalette([10, 20, 30, 40, 50, 60])
    assert read_picture(encode(palette), WHERE).tolist() == [[[10, 20, 30], [40, 50, 60]]]
    assert read_picture(encode(palette, transparency=0), WHERE).tolist() == [[[10, 20, 30], [40, 50, 60]]]
    one = read_picture(encode(Image.fromarray(np.array([[False, True]]))), WHERE)
    assert one.tolist() == [[[0] * 3, [255] * 3]]


def test_sixteen_bits_are_no_eight() -> None:
    for deep in (
        encode(Image.fromarray(np.array([[0, 128, 65535]], np.uint16))),
        png(np.array([[[0, 257 * 9, 65535]]], np.uint16), 2, 16),
    ):
        with pytest.raises(
            DataError, match=r"x\.png has \d channels? of uint16, and .* RGB of 8 bits; save them"
        ):
            read_picture(deep, WHERE)


def test_orientation_is_applied() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # Turn a quarter clockwise to see it upright.
    stored = np.zeros((2, 3, 3), np.uint8)
    stored[0, 0] = 200
    seen = read_picture(encode(Image.fromarray(stored), exif=exif), WHERE)
    assert seen.shape == (3, 2, 3)
    assert np.array_equal(seen, np.rot90(stored, -1))
    exif[0x0112] = 3
    assert np.array_equal(read_picture(encode(Image.fromarray(stored), exif=exif), WHERE), stored[::-1, ::-1])


def test_mattes() -> None:
    grey = np.array([[0, 100], [200, 255]], np.uint8)
    equal = np.repeat(grey[..., None], 3, 2)
    opaque = np.full((2, 2), 255, np.uint8)
    colour = np.dstack([grey, grey, grey[::-1]])
    cases = {
        "L": grey,
        "RGB": equal,
        "opaque RGBA": np.dstack([equal, opaque]),
        "cut-out RGBA": np.dstack([colour, grey]),
        "black RGBA": np.dstack([np.zeros_like(equal), grey]),
    }
    for name, array in cases.items():
        found = read_alpha(encode(Image.fromarray(array)), WHERE)
        assert found.dtype == np.uint8, name
        assert np.array_equal(found, grey[..., None]), name
    deep = np.array([[0, 300, 65535]], np.uint16)
    found = read_alpha(encode(Image.fromarray(deep)), WHERE)
    assert found.dtype == np.uint16
    assert np.array_equal(found, deep[..., None])
    real = np.array([[0.0, 0.25, 1.0]], np.float32)
    assert np.array_equal(read_alpha(encode(Image.fromarray(real), "TIFF"), WHERE), real[..., None])
    for wrong, word in [
        (colour, "colour channels differ"),
        (np.dstack([colour, opaque]), "colour channels differ"),
        (np.dstack([equal, grey[::-1]]), "two mattes"),
    ]:
        with pytest.raises(DataError, match=rf"x\.png .*{word}"):
            read_alpha(encode(Image.fromarray(wrong)), WHERE)
    with pytest.raises(DataError, match="outside 0 to 1"):
        read_alpha(encode(Image.fromarray(2 * real), "TIFF"), WHERE)


def test_indices_are_read_raw() -> None:
    ids = np.array([[0, 1, 20], [15, 255, 3]], np.uint8)
    palette = Image.fromarray(ids, "P")
    palette.putpalette([v for i in range(256) for v in (255 - i, i, 7)])  # Luminance would say otherwise.
    assert np.array_equal(read_indices(encode(palette), WHERE), ids)
    assert np.array_equal(read_indices(encode(Image.fromarray(ids)), WHERE), ids)
    assert np.array_equal(read_indices(encode(Image.fromarray(ids.astype(np.uint16))), WHERE), ids)
    four = Image.fromarray(ids[:, :2] % 16, "P")
    four.putpalette([v for i in range(16) for v in (i, 7, 7)])
    assert np.array_equal(read_indices(encode(four, bits=4), WHERE), ids[:, :2] % 16)
    # 2- and 4-bit greyscale: Pillow would give 85 and 17 times the sample.
    assert read_indices(png(np.array([[[0b00_01_10_11]]]), 0, 2), WHERE).tolist() == [[0, 1, 2, 3]]
    assert read_indices(png(np.array([[[0x5F]]]), 0, 4), WHERE).tolist() == [[5, 15]]
    assert read_indices(encode(Image.fromarray(np.array([[False, True]]))), WHERE).tolist() == [[0, 1]]
    with pytest.raises(DataError, match=r"x\.png is a picture of mode RGB, not a mask"):
        read_indices(encode(Image.fromarray(np.zeros((2, 2, 3), np.uint8))), WHERE)
    with pytest.raises(DataError, match="holds class 300"):
        read_indices(encode(Image.fromarray(np.array([[300]], np.uint16))), WHERE)


def test_classes_out_of_range() -> None:
    require_classes(np.array([[0, 2, 255]], np.uint8), 3, WHERE)
    with pytest.raises(DataError, match=r"x\.png holds class 3, but there are 3 classes"):
        require_classes(np.array([[0, 3, 9, 255]], np.uint8), 3, WHERE)


def test_trimap_middle() -> None:
    trimap = Image.fromarray(np.array([[0, 128, 255]], np.uint8))
    assert read_unknown(encode(trimap), WHERE).tolist() == [[False, True, False]]


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
def test_broken_files(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)
    for form in ("PNG", "JPEG", "BMP", "WEBP", "TIFF"):
        whole = encode(Image.fromarray(noise), form)
        assert read_picture(whole, WHERE).shape == (40, 40, 3)
        for keep in (len(whole) // 2, 30):
            with pytest.raises(DataError, match=r"x\.png is (cut short or damaged|no picture)") as caught:
                read_picture(whole[:keep], WHERE)
            assert "\n" not in str(caught.value)
    with pytest.raises(DataError, match=r"x\.png is no picture"):
        read_picture(b"<html>not found</html>", WHERE)
    (tmp_path / "empty.png").touch()
    with pytest.raises(DataError, match=r"empty\.png is empty \(0 bytes\)"):
        read_bytes(tmp_path / "empty.png")
    with pytest.raises(DataError, match=r"gone\.png cannot be read"):
        read_bytes(tmp_path / "gone.png")


def test_a_tiff_whose_place_of_pixels_is_no_integer() -> None:
    whole = bytearray(encode(Image.fromarray(np.ones((4, 5), np.float32)), "TIFF"))
    entry = whole.index(struct.pack("<HH", 273, 4))
    whole[entry : entry + 4] = struct.pack("<HH", 273, 5)  # A fraction: Pillow ends in a TypeError.
    with pytest.raises(DataError, match=r"x\.png is cut short or damaged"):
        read_alpha(bytes(whole), WHERE)


def test_forbidden_file(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> bytes:
        raise PermissionError(13, "no")

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(DataError, match=r"x\.png cannot be read: permission denied"):
        read_bytes(WHERE)


def test_decompression_bomb() -> None:
    # 30000 x 30000 in a header of a few bytes: refused before a pixel is decoded.
    header = png(np.zeros((1, 1, 1)), 0, 8)
    size = struct.pack(">II", 30000, 30000)
    body = b"IHDR" + size + header[24:29]
    bomb = header[:12] + body + struct.pack(">I", zlib.crc32(body)) + header[33:]
    with pytest.raises(DataError, match=r"x\.png has more pixels than are decoded"):
        read_picture(bomb, WHERE)
