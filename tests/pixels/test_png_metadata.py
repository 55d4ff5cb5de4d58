"""PNGs that every viewer shows, whatever is wrong with what is beside their pixels."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ssl_bench.data.pictures import read_indices, read_picture
from ssl_bench.errors import DataError
from ssl_bench.pixels.decode import orientation

WHERE = Path("x.png")
BIG = zlib.compress(bytes(2 << 20))


def chunk(kind: bytes, data: bytes, *, sound: bool = True) -> bytes:
    checksum = zlib.crc32(kind + data) if sound else 0
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)


def whole(picture: Image.Image) -> bytes:
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize(
    "extra",
    [
        chunk(b"iCCP", b"icc\0\0" + BIG),
        chunk(b"iCCP", b"icc\0\0not packed"),
        chunk(b"zTXt", b"Comment\0\0" + BIG),
        chunk(b"iTXt", b"Comment\0\1\0\0\0" + BIG),
        chunk(b"eXIf", b"\0\x08\0\x02\x01\x12\0\x03"),
        chunk(b"tEXt", b"a\0b", sound=False),
        chunk(b"tIME", b"x", sound=False),
        chunk(b"pHYs", b"x"),
        chunk(b"gAMA", b"", sound=False),
        chunk(b"acTL", b"x"),
        chunk(b"prVt", bytes(9), sound=False),
    ],
    ids=lambda extra: repr(extra[4:8]),
)
@pytest.mark.filterwarnings("ignore")
def test_pixels_do_not_depend_on_metadata(extra: bytes) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
    data = whole(Image.fromarray(pixels))
    assert np.array_equal(read_picture(data[:33] + extra + data[33:], WHERE), pixels)
    ids = Image.fromarray(np.arange(6, dtype=np.uint8).reshape(2, 3), "P")
    ids.putpalette(list(range(255, 237, -1)))
    data = whole(ids)
    assert read_indices(data[:33] + extra + data[33:], WHERE).tolist() == [[0, 1, 2], [3, 4, 5]]


def test_damaged_pixels_are_damaged_still() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (50, 70, 3), np.uint8)
    data = whole(Image.fromarray(pixels))
    beside = data[:33] + chunk(b"tEXt", b"a\0b", sound=False) + data[33:]
    for keep in (len(beside) // 2, 60):
        with pytest.raises(DataError, match=r"cut short or damaged|no picture"):
            read_picture(beside[:keep], WHERE)


def test_orientation_of_what_cannot_be_read() -> None:
    file = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (4, 3)).save(file, "JPEG", exif=exif)
    data = file.getvalue()
    assert orientation(data) == 6
    assert orientation(data.replace(b"II*\0", b"????").replace(b"MM\0*", b"????")) == 1
    assert orientation(b"Exif and nothing more") == 1
    assert orientation(b"") == 1
