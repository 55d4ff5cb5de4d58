"""What each format, at each depth, is read as in each role: the table of docs/formats.md, line by line.

And for random arrays: what is written is what is read, or it is an error, and never another value.
"""

import io
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image
from test_pictures import png

from ssl_bench.data.pictures import read_alpha, read_indices, read_picture
from ssl_bench.errors import DataError
from ssl_bench.pixels.channels import Statement, channels_of, read_image
from ssl_bench.pixels.decode import FORMATS, decode
from ssl_bench.pixels.rasters import read_raster

ROOT = Path(__file__).parents[2]
WHERE = Path("x.any")
ROLES = ("image, restored picture", "class mask", "matte")
EXACT, SCALED, NEAR, REFUSED = ("as stored", "scaled to 8 bits", "as decoded", "refused")


def pillow(form: str, **options: object) -> Callable[[np.ndarray], bytes]:
    def write(array: np.ndarray) -> bytes:
        file = io.BytesIO()
        Image.fromarray(array).save(file, form, **options)
        return file.getvalue()

    return write


def palette(form: str) -> Callable[[np.ndarray], bytes]:
    """Ids in colours whose order and brightness say nothing of them."""

    def write(array: np.ndarray) -> bytes:
        picture = Image.fromarray(array, "P")
        picture.putpalette([value for i in range(256) for value in (255 - i, i * 7 % 256, 40)])
        file = io.BytesIO()
        picture.save(file, form)
        return file.getvalue()

    return write


def packed(array: np.ndarray, bits: int) -> np.ndarray:
    """(H, W) of few bits as bytes, each row filled up."""
    planes = (array[..., None] >> np.arange(bits - 1, -1, -1)) & 1
    return np.packbits(planes.reshape(len(array), -1).astype(np.uint8), axis=1)


def tiff(bits: int, photometric: int = 1) -> Callable[[np.ndarray], bytes]:
    """A TIFF of one uncompressed strip of grey, by the standard."""

    def write(array: np.ndarray) -> bytes:
        pixels = packed(array, bits).tobytes() if bits < 8 else array.tobytes()
        entries = [(256, array.shape[1]), (257, array.shape[0]), (258, bits), (259, 1), (262, photometric)]
        entries += [(273, 8), (277, 1), (278, array.shape[0]), (279, len(pixels))]
        directory = struct.pack("<H", len(entries))
        directory += b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in entries) + bytes(4)
        filled = pixels + bytes(len(pixels) % 2)
        return struct.pack("<2sHI", b"II", 42, 8 + len(filled)) + filled + directory

    return write


def shallow_png(bits: int) -> Callable[[np.ndarray], bytes]:
    """The width must fill whole bytes."""
    return lambda array: png(packed(array, bits)[..., None], 0, bits)


def pnm(white: int, kind: bytes = b"P5") -> Callable[[np.ndarray], bytes]:
    def write(array: np.ndarray) -> bytes:
        samples = array.astype(">u2" if white > 255 else np.uint8).tobytes()
        return b"%s\n%d %d\n%d\n" % (kind, array.shape[1], array.shape[0], white) + samples

    return write


def bands(**options: object) -> Callable[[np.ndarray], bytes]:
    """A TIFF of (H, W, C) as others write it; `planarconfig=separate` and `pages` have the channels first."""

    def write(array: np.ndarray) -> bytes:
        how = {"photometric": "minisblack", "planarconfig": "contig", "metadata": None, **options}
        file = io.BytesIO()
        if how.pop("pages", False):
            how.pop("planarconfig")
            with tifffile.TiffWriter(file) as writer:
                for channel in np.moveaxis(array, 2, 0):
                    writer.write(channel, contiguous=False, **how)
        else:
            separate = how["planarconfig"] == "separate"
            tifffile.imwrite(file, np.moveaxis(array, 2, 0) if separate else array, **how)
        return file.getvalue()

    return write


def npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=False)
    return file.getvalue()


@dataclass(frozen=True)
class Row:
    form: str
    what: str
    write: Callable[[np.ndarray], bytes]
    white: int
    picture: str
    mask: str
    matte: str
    channels: int = 0
    real: bool = False

    def array(self, seed: int = 0) -> np.ndarray:
        shape = (6, 8, self.channels) if self.channels else (6, 8)
        generator = np.random.default_rng(seed)
        if self.real:
            return generator.random(shape, np.float32)
        return generator.integers(0, self.white + 1, shape, self.kind)

    @property
    def kind(self) -> type:
        return np.float32 if self.real else np.uint8 if self.white < 256 else np.uint16


IDS = (EXACT, EXACT, EXACT)
BANDS = (EXACT, REFUSED, REFUSED)
ROWS = (
    Row("PNG", "grey, 1 bit", shallow_png(1), 1, SCALED, EXACT, EXACT),
    Row("PNG", "grey, 2 bits", shallow_png(2), 3, SCALED, EXACT, EXACT),
    Row("PNG", "grey, 4 bits", shallow_png(4), 15, SCALED, EXACT, EXACT),
    Row("PNG", "grey, 8 bits", pillow("PNG"), 255, *IDS),
    Row("PNG", "grey, 16 bits", pillow("PNG"), 65535, *IDS),
    Row("PNG", "palette", palette("PNG"), 255, NEAR, EXACT, REFUSED),
    Row("PNG", "grey and alpha", pillow("PNG"), 255, NEAR, REFUSED, REFUSED, channels=2),
    Row("PNG", "RGB, 8 bits", pillow("PNG"), 255, EXACT, REFUSED, REFUSED, channels=3),
    Row("PNG", "RGB, 16 bits", lambda a: png(a, 2, 16), 65535, EXACT, REFUSED, REFUSED, channels=3),
    Row("PNG", "grey and alpha, 16 bits", lambda a: png(a, 4, 16), 65535, *[REFUSED] * 3, channels=2),
    Row("PNG", "RGBA, 8 bits", pillow("PNG"), 255, NEAR, REFUSED, NEAR, channels=4),
    Row("TIFF", "grey, 2 bits", tiff(2), 3, SCALED, EXACT, EXACT),
    Row("TIFF", "grey, 4 bits", tiff(4), 15, SCALED, EXACT, EXACT),
    Row("TIFF", "grey, 8 bits", tiff(8), 255, *IDS),
    Row("TIFF", "grey, 8 bits, LZW", pillow("TIFF", compression="tiff_lzw"), 255, *IDS),
    Row("TIFF", "grey, 8 bits, 0 is white", tiff(8, 0), 255, NEAR, EXACT, NEAR),
    Row("TIFF", "grey, 2 bits, 0 is white", tiff(2, 0), 3, NEAR, EXACT, NEAR),
    Row("TIFF", "grey, 1 bit, 0 is white", tiff(1, 0), 1, NEAR, REFUSED, NEAR),
    Row("TIFF", "grey, 16 bits", tiff(16), 65535, *IDS),
    Row("TIFF", "grey, float in [0, 1]", pillow("TIFF"), 1, EXACT, REFUSED, EXACT, real=True),
    Row("TIFF", "grey, JPEG inside", pillow("TIFF", compression="jpeg"), 255, NEAR, REFUSED, NEAR),
    Row("TIFF", "palette", palette("TIFF"), 255, NEAR, EXACT, REFUSED),
    Row("TIFF", "RGB, 8 bits", pillow("TIFF"), 255, EXACT, REFUSED, REFUSED, channels=3),
    Row("TIFF", "RGB, 16 bits", bands(photometric="rgb"), 65535, EXACT, REFUSED, REFUSED, channels=3),
    Row("TIFF", "RGB, float in [0, 1]", bands(photometric="rgb"), 1, *BANDS, channels=3, real=True),
    Row("TIFF", "RGB and alpha, 8 bits", bands(photometric="rgb"), 255, NEAR, REFUSED, NEAR, channels=4),
    Row("TIFF", "2 channels, 8 bits", bands(), 255, *BANDS, channels=2),
    Row("TIFF", "5 channels, 8 bits", bands(), 255, *BANDS, channels=5),
    Row("TIFF", "5 channels, 16 bits", bands(), 65535, *BANDS, channels=5),
    Row("TIFF", "5 channels, float in [0, 1]", bands(), 1, *BANDS, channels=5, real=True),
    Row("TIFF", "5 planes, 16 bits", bands(planarconfig="separate"), 65535, *BANDS, channels=5),
    Row("TIFF", "5 channels, deflated", bands(compression="zlib"), 65535, *BANDS, channels=5),
    Row("TIFF", "5 pages, 16 bits", bands(pages=True), 65535, *BANDS, channels=5),
    Row("BMP", "grey, 8 bits", pillow("BMP"), 255, *IDS),
    Row("BMP", "palette", palette("BMP"), 255, NEAR, EXACT, REFUSED),
    Row("BMP", "RGB, 8 bits", pillow("BMP"), 255, EXACT, REFUSED, REFUSED, channels=3),
    Row("PGM", "maxval 2", pnm(2), 2, SCALED, EXACT, EXACT),
    Row("PGM", "maxval 100", pnm(100), 100, SCALED, EXACT, EXACT),
    Row("PGM", "maxval 255", pnm(255), 255, *IDS),
    Row("PGM", "maxval 1000", pnm(1000), 1000, *IDS),
    Row("PGM", "maxval 65535", pnm(65535), 65535, *IDS),
    Row("PPM", "RGB, maxval 255", pnm(255, b"P6"), 255, EXACT, REFUSED, REFUSED, channels=3),
    Row("PPM", "RGB, maxval 1000", pnm(1000, b"P6"), 1000, EXACT, REFUSED, REFUSED, channels=3),
    Row("PPM", "RGB, maxval 65535", pnm(65535, b"P6"), 65535, EXACT, REFUSED, REFUSED, channels=3),
    Row("NPY", "grey, 8 bits", npy, 255, *IDS),
    Row("NPY", "grey, 16 bits", npy, 65535, *IDS),
    Row("NPY", "grey, float in [0, 1]", npy, 1, EXACT, REFUSED, EXACT, real=True),
    Row("NPY", "5 channels, 16 bits", npy, 65535, *BANDS, channels=5),
    Row("WebP", "lossless, RGB", pillow("WEBP", lossless=True), 255, EXACT, REFUSED, REFUSED, channels=3),
    Row("WebP", "lossy", pillow("WEBP"), 255, NEAR, REFUSED, REFUSED),
    Row("JPEG", "grey", pillow("JPEG"), 255, NEAR, REFUSED, NEAR),
    Row("JPEG", "RGB", pillow("JPEG"), 255, NEAR, REFUSED, REFUSED, channels=3),
    *([Row("AVIF", "any", pillow("AVIF"), 255, NEAR, REFUSED, NEAR)] if "AVIF" in FORMATS else []),
)


def table() -> list[str]:
    lines = [f"| format | samples | {' | '.join(ROLES)} |", "|---|---|---|---|---|"]
    return lines + [f"| {r.form} | {r.what} | {r.picture} | {r.mask} | {r.matte} |" for r in ROWS]


def test_the_table_of_the_docs_is_this_one() -> None:
    if "AVIF" not in FORMATS:
        pytest.skip("this Pillow reads no AVIF, which the table has")
    text = (ROOT / "docs/formats.md").read_text()
    assert [line for line in text.splitlines() if line.startswith("|")][: len(ROWS) + 2] == table()


def read_alone(data: bytes, path: Path) -> np.ndarray:
    """As the image of a data set that holds no other."""
    return read_image(data, path, channels_of(read_raster(data, path), Statement()))


def whole(role: str, data: bytes) -> np.ndarray | None:
    """What is read; None where that is refused, in one line that names the file."""
    try:
        return {"mask": read_indices, "matte": read_alpha, "picture": read_alone}[role](data, WHERE)
    except DataError as error:
        said = str(error)
    assert "\n" not in said
    assert said.startswith("x.any ")
    return None


def require(row: Row, role: str, array: np.ndarray, found: np.ndarray | None) -> None:
    """What the row promises of a role, or nothing read at all."""
    promise = getattr(row, role)
    if promise == REFUSED:
        assert found is None
        return
    if role == "mask" and found is None:
        assert array.max() > 255  # No class id, in any format.
        return
    assert found is not None
    if role == "mask":
        assert found.dtype == np.uint8
        assert np.array_equal(found, array)
    elif role == "matte" and promise == EXACT:
        scale = 1.0 if found.dtype.kind == "f" else float(np.iinfo(found.dtype).max)
        assert np.allclose(found[..., 0] / scale, array / row.white, rtol=0, atol=1e-7)
    elif role == "picture" and promise == EXACT:
        stored = array if row.channels else array[..., None]
        assert found.shape == stored.shape or (found.dtype == np.uint8 and found.shape[2] == 3)
        # Whatever the range, each number of the file has one of its own.
        top = 1 if row.real else np.iinfo(found.dtype).max
        scaled = found * (row.white / top)
        assert np.array_equal(scaled if row.real else np.rint(scaled), np.broadcast_to(stored, found.shape))
        assert np.allclose(scaled, stored, rtol=0, atol=row.white / 131000)
    elif promise == SCALED:
        off = np.abs(found[..., 0] - array.astype(np.float64) * 255 / row.white)
        assert off.max() <= 0.5 + 1e-4


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.form} {row.what}")
@pytest.mark.parametrize("role", ["picture", "mask", "matte"])
def test_each_line(row: Row, role: str) -> None:
    array = row.array()
    if role == "mask" and not row.channels and not row.real:
        array = array % 200 if row.white > 255 else array
    require(row, role, array, whole(role, row.write(array)))


@given(st.data())
def test_what_is_written_is_read_or_it_is_an_error(data: st.DataObject) -> None:
    row = data.draw(st.sampled_from(ROWS))
    height, width = data.draw(st.integers(1, 5)), 8 * data.draw(st.integers(1, 2))
    shape = (height, width, row.channels) if row.channels else (height, width)
    values = st.floats(0, 1, width=32) if row.real else st.integers(0, row.white)
    array = data.draw(arrays(row.kind, shape, elements=values))
    if row.channels in (2, 3, 4) and not row.real:
        array[0, 0] = np.arange(1, row.channels + 1)  # Equal channels are one channel, which some roles take.
    encoded = row.write(array)
    for role in ("mask", "picture", "matte"):
        if row.channels != 4 and (role, getattr(row, role)) != ("matte", REFUSED):
            require(row, role, array, whole(role, encoded))
    if EXACT in (row.mask, row.matte) or (row.picture, row.white, row.channels) == (EXACT, 255, 3):
        found = decode(encoded, WHERE)
        assert np.array_equal(found.values, array)


@given(st.data())
def test_colours_as_a_matte_are_read_only_where_they_are_equal(data: st.DataObject) -> None:
    row = data.draw(
        st.sampled_from(
            [row for row in ROWS if row.channels == 3 and row.white == 255 and row.picture == EXACT]
        )
    )
    grey = data.draw(arrays(np.uint8, (2, 3), elements=st.integers(0, 255)))
    array = np.repeat(grey[..., None], 3, 2)
    assert np.array_equal(read_alpha(row.write(array), WHERE), grey[..., None])
    array[0, 0, 0] ^= 1
    with pytest.raises(DataError, match="colour channels differ"):
        read_alpha(row.write(array), WHERE)


@pytest.mark.parametrize(
    ("write", "words"),
    [
        (lambda ids: tiff(1, 0)(ids.astype(bool).astype(np.uint8)), "counts from white"),
        (lambda ids: pillow("PPM")(ids.astype(bool)), "counts from white"),
        (lambda ids: pillow("TIFF")(ids.astype(np.float32)), "mode F, not a mask"),
        (lambda ids: pillow("TIFF")(ids.astype(np.int32) - 1), "holds class -1"),
        (lambda ids: pillow("PNG")(ids.astype(np.uint16) + 300), "ids end at 254"),
        (lambda ids: pillow("PNG")(np.dstack([ids, ids])), "mode LA, not a mask"),
        (lambda ids: pillow("PNG")(np.dstack([ids] * 3)), "mode RGB, not a mask .* `0 0 0`"),
        (lambda ids: pillow("WEBP", lossless=True)(ids), "mode RGB, not a mask"),
        (lambda ids: pillow("JPEG")(ids), "is a mask as JPEG.*data mend"),
        (lambda ids: pillow("AVIF")(ids) if "AVIF" in FORMATS else pillow("WEBP")(ids), "is a mask as (AVIF|WEBP)"),
        (
            lambda ids: pillow("TIFF", save_all=True, append_images=[Image.fromarray(ids)])(ids),
            "holds 2 pages",
        ),
    ],
)  # fmt: skip
def test_masks_that_are_refused(write: Callable[[np.ndarray], bytes], words: str) -> None:
    ids = np.resize(np.array([0, 1, 2], np.uint8), (6, 8))
    with pytest.raises(DataError, match=rf"x\.any .*{words}"):
        read_indices(write(ids), WHERE)


def bitmap(bits: int, greys: list[int], row: bytes) -> bytes:
    """A BMP of one row of four pixels in grey colours."""
    place = 54 + 4 * len(greys)
    head = struct.pack("<2sIHHI", b"BM", place + 4, 0, 0, place)
    about = struct.pack("<IiiHHIIiiII", 40, 4, 1, 1, bits, 0, 4, 0, 0, len(greys), len(greys))
    return head + about + b"".join(bytes([grey] * 3 + [0]) for grey in greys) + row.ljust(4, b"\0")


def test_bitmaps_of_few_greys_are_no_silent_zeros() -> None:
    assert read_indices(bitmap(1, [0, 255], bytes([0b0110_0000])), WHERE).tolist() == [[0, 1, 1, 0]]
    assert read_indices(bitmap(4, [7, 9, 11], bytes([0x01, 0x20])), WHERE).tolist() == [[0, 1, 2, 0]]
    for data in (bitmap(8, [0, 255], bytes([0, 1, 1, 0])), bitmap(4, list(range(16)), bytes([0x01, 0x2F]))):
        for read in (read_indices, read_picture, read_alone, read_alpha):
            with pytest.raises(DataError, match=r"is a BMP of \d bits with grey colours, which is not read"):
                read(data, WHERE)


def test_mattes_at_other_numbers_are_refused() -> None:
    grey = np.arange(12, dtype=np.uint16).reshape(3, 4) * 5000
    with pytest.raises(DataError, match="16 bits a colour"):
        read_alpha(png(np.dstack([grey] * 3), 2, 16), WHERE)
    with pytest.raises(DataError, match="colour mode CMYK"):
        read_alpha(cmyk(), WHERE)


def cmyk() -> bytes:
    file = io.BytesIO()
    Image.new("CMYK", (4, 3)).save(file, "TIFF")
    return file.getvalue()
