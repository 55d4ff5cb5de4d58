"""From the bytes of a picture file to the numbers in it, in one place. Free of torch.

What a number means is for `ssl_bench.data.pictures` to say, one function per role. Pillow stretches samples of few bits
to 0..255 and turns those over that count from white; `Decoded.values` undoes both, exactly.

EXIF orientation is one rule, for images and labels alike: each file is turned upright by its own tag.
"""

import io
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from PIL import Image, UnidentifiedImageError
from PIL.Image import Transpose

from ssl_bench.errors import DataError
from ssl_bench.pixels.arrays import ARRAYS, is_array, read_array
from ssl_bench.pixels.tiffs import MAGIC, describe_tiff, orientation_of

_AVIF = find_spec("PIL._avif") is not None
_HEIF = find_spec("pillow_heif") is not None
EXTENSIONS = (
    frozenset({".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".ppm", ".pgm"})
    | ARRAYS
    | (frozenset({".avif"}) if _AVIF else frozenset())
    | (frozenset({".heic", ".heif"}) if _HEIF else frozenset())
)
"""Of files that count as pictures, in lower case; names are compared without regard to case."""

FORMATS = (
    *("PNG", "JPEG", "BMP", "TIFF", "WEBP", "PPM"),
    *(("AVIF",) if _AVIF else ()),
    *(("HEIF",) if _HEIF else ()),
)
_ORIENTATION = 0x0112
_TURNS: Mapping[int, Transpose] = MappingProxyType(
    {
        2: Transpose.FLIP_LEFT_RIGHT,
        3: Transpose.ROTATE_180,
        4: Transpose.FLIP_TOP_BOTTOM,
        5: Transpose.TRANSPOSE,
        6: Transpose.ROTATE_270,
        7: Transpose.TRANSVERSE,
        8: Transpose.ROTATE_90,
    }
)
QUARTER_TURNS = frozenset({5, 6, 7, 8})
"""Orientations that swap width and height."""
_PNG = b"\x89PNG\r\n\x1a\n"
_STARTS = (_PNG, b"\xff\xd8\xff")
"""What only a PNG or JPEG begins with."""
_CRITICAL = frozenset({b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"})
_BITS, _COMPRESSION, _PHOTOMETRIC, _CHANNELS, _EXTRA, _SAMPLE_FORMAT = 258, 259, 262, 277, 338, 339
_SIGNED = 2
_ANIMATED = frozenset({"PNG", "WEBP", "AVIF"})
_JPEG_IN_TIFF = frozenset({6, 7})


@dataclass(frozen=True)
class Decoded:
    """A picture file that was read, turned upright."""

    picture: Image.Image
    """As Pillow shows it: grey from black to white, whatever the file's own numbers are."""
    form: str
    white: int = 255
    """The largest number that a sample of the file can be."""
    from_white: bool = False
    """0 is white (MinIsWhite, PBM)."""
    signed: bool = False
    lossy: bool = False
    """The format keeps no pixel as it was."""
    shallow: bool = False
    """Samples of 16 bits of which Pillow reads the upper byte."""
    pages: int = 1

    @property
    def mode(self) -> str:
        """Pillow's name for how samples are stored, such as `RGB`."""
        return self.picture.mode

    @property
    def values(self) -> np.ndarray:
        """The numbers in the file, (H, W) or (H, W, C): not stretched, turned over or looked up in a palette."""
        seen = np.asarray(self.picture)
        if self.mode == "1":
            return seen ^ self.from_white
        if self.mode == "P" or self.mode.startswith("F"):
            return seen
        top = 255 if seen.dtype == np.uint8 else 65535
        raw = seen
        # Pillow stretches what has fewer bits than 8, and any range that a PNM file states.
        if self.white < top and not self.shallow and (self.white < 255 or self.form == "PPM"):
            raw = ((seen.astype(np.int64) * self.white + top // 2) // top).astype(seen.dtype)
        # Pillow turns 8 bits over, and no more.
        if self.from_white and seen.dtype == np.uint8:
            raw = (self.white - raw.astype(np.int64)).astype(seen.dtype)
        return raw.view(np.int8) if self.signed and seen.dtype == np.uint8 else raw


def decode(data: bytes, path: Path) -> Decoded:
    """A picture from its file's bytes. Raises DataError where it cannot be read.

    Text, colour profiles and EXIF of a PNG that are broken or oversized are passed over: no pixel depends on them.
    """
    try:
        try:
            return _decode(data)
        except (Image.DecompressionBombError, Image.DecompressionBombWarning, _NotRead):
            raise
        except Exception:
            bare = _without_metadata(data)
            if bare is None:
                raise
            return _decode(bare)
    except UnidentifiedImageError:
        if data.startswith(_STARTS):
            raise _damaged(path, "only its first bytes are those of a picture") from None
        if data.startswith(MAGIC) and (what := describe_tiff(data)):
            raise DataError(
                f"{path} is {what}, of a kind that cannot serve here; save it as a PNG of one channel"
            ) from None
        raise DataError(
            f"{path} is no picture, whatever its name says (known: {', '.join(FORMATS)}); replace it or take it out"
        ) from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        limit = 2 * (Image.MAX_IMAGE_PIXELS or 0)
        raise DataError(
            f"{path} has more pixels than are decoded (over {limit}); crop or shrink it"
        ) from None
    except _NotRead as error:
        raise DataError(f"{path} is {error}, which is not read; save it as PNG") from None
    except Exception as error:  # Damaged files end in errors of many kinds, TypeError among them.
        raise _damaged(path, error) from None


def _damaged(path: Path, why: object) -> DataError:
    reason = " ".join(str(why).split())
    return DataError(f"{path} is cut short or damaged ({reason}); fetch it again or take it out")


def orientation(data: bytes) -> int:
    """The EXIF orientation of a picture file, 1 to 8; 1, upright, where there is none that can be read.

    The pixels are not decoded.
    """
    tiff = data.startswith(MAGIC)
    if not tiff and not any(mark in data for mark in (b"Exif", b"eXIf", b"Raw profile type", b"Orientation")):
        return 1
    try:
        found = _open(data).getexif().get(_ORIENTATION, 1)
    except Exception:
        found = orientation_of(data) if tiff else 1
    return found if found in _TURNS else 1


def shown_otherwise(data: bytes) -> bool:
    """Whether Pillow shows a file of one channel at other numbers than it holds."""
    if not data.startswith((b"P2", b"P5", b"II*\0", b"MM\0*")):
        return False
    try:
        picture = _open(data)
        about = _ABOUT[picture.format or ""](picture, data)
    except Exception:
        return False
    return picture.mode in ("1", "L", "I") and (
        about["white"] not in (255, 65535) or about.get("from_white", False)
    )


class _NotRead(Exception):
    """A kind of file whose numbers Pillow gets wrong."""


def _open(data: bytes) -> Image.Image:
    formats = [form for form in FORMATS if form != "HEIF"]
    if _HEIF and data[4:8] == b"ftyp":
        from pillow_heif import register_heif_opener

        register_heif_opener()
        formats.append("HEIF")
    return Image.open(io.BytesIO(data), formats=formats)


def _decode(data: bytes) -> Decoded:
    if is_array(data):
        return _decode_array(data)
    picture = _open(data)
    form = "JPEG" if picture.format == "MPO" else picture.format or ""
    about = _ABOUT[form](picture, data) if form in _ABOUT else {}
    pages = getattr(picture, "n_frames", 1) if form == "TIFF" else 1
    if form in _ANIMATED and (frames := getattr(picture, "n_frames", 1)) > 1:
        raise _NotRead(f"an animation of {frames} pictures")
    picture.load()
    try:
        turn = _TURNS.get(picture.getexif().get(_ORIENTATION, 1))
    except Exception:  # No pixel depends on metadata that are broken.
        turn = None
    upright = picture if turn is None else picture.transpose(turn)
    return Decoded(upright, form, pages=pages, **about)


def _decode_array(data: bytes) -> Decoded:
    values = read_array(data)
    if values.ndim == 3 and values.shape[2] == 1:
        values = values[..., 0]
    if values.ndim != 2:
        raise _NotRead(f"an array of shape {values.shape} where one channel is wanted")
    kind = values.dtype
    if kind.kind == "f":
        values = values.astype(np.float32)
    elif kind == np.bool_:
        values = values.astype(np.uint8)
    elif kind.itemsize > 1:
        wide = values.min() < 0 or values.max() > 65535
        values = values.clip(-1, 2**31 - 1).astype(np.int32 if wide else np.uint16)
    elif kind == np.int8:
        values = values.astype(np.int32)
    white, signed = 255 if kind.itemsize == 1 else 65535, kind.kind == "i"
    return Decoded(Image.fromarray(values), "NPY", white=white, signed=signed)


def _about_png(picture: Image.Image, data: bytes) -> dict[str, Any]:
    bits, colour = data[24], data[25]
    return {"white": 2**bits - 1 if colour in (0, 4) else 255, "shallow": bits == 16 and colour != 0}


def _about_tiff(picture: Image.Image, data: bytes) -> dict[str, Any]:
    tags = picture.tag_v2  # type: ignore[attr-defined]
    bits = tuple(tags.get(_BITS, (1,)))
    grey = tags.get(_PHOTOMETRIC) in (0, 1)
    if 0 in tuple(tags.get(_EXTRA, ())):  # Of which Pillow leaves those out.
        raise _NotRead(f"a TIFF of {tags.get(_CHANNELS, len(bits))} channels")
    return {
        "white": 2 ** min(bits[0], 16) - 1 if grey else 255,
        "from_white": tags.get(_PHOTOMETRIC) == 0,
        "signed": _SIGNED in tuple(tags.get(_SAMPLE_FORMAT, (1,))),
        "lossy": tags.get(_COMPRESSION) in _JPEG_IN_TIFF,
        "shallow": max(bits) > 8 and picture.mode in ("RGB", "RGBA", "RGBX", "LA", "CMYK"),
    }


def _about_pnm(picture: Image.Image, data: bytes) -> dict[str, Any]:
    if picture.mode in ("1", "F"):
        return {"from_white": picture.mode == "1"}
    arguments = picture.tile[0].args  # type: ignore[attr-defined]
    white = arguments[1] if isinstance(arguments, tuple) else 65535 if arguments == "I;16B" else 255
    return {"white": white, "shallow": white > 255 and picture.mode == "RGB"}


def _about_bmp(picture: Image.Image, data: bytes) -> dict[str, Any]:
    bits = struct.unpack_from("<H", data, 28)[0]
    if {"1": 1, "L": 8}.get(picture.mode, bits) != bits:
        raise _NotRead(f"a BMP of {bits} bits with grey colours")
    return {}


def _about_webp(picture: Image.Image, data: bytes) -> dict[str, Any]:
    place = 12
    while place + 8 <= len(data) and data[place : place + 4] not in (b"VP8 ", b"VP8L", b"ANMF"):
        size = struct.unpack_from("<I", data, place + 4)[0]
        place += 8 + size + size % 2
    return {"lossy": data[place : place + 4] != b"VP8L"}


_ABOUT: Mapping[str, Callable[[Image.Image, bytes], dict[str, Any]]] = MappingProxyType(
    {
        "PNG": _about_png,
        "TIFF": _about_tiff,
        "PPM": _about_pnm,
        "BMP": _about_bmp,
        "WEBP": _about_webp,
        "JPEG": lambda picture, data: {"lossy": True},
        "AVIF": lambda picture, data: {"lossy": True},
        "HEIF": lambda picture, data: {"lossy": True},
    }
)


def _without_metadata(data: bytes) -> bytes | None:
    """A PNG with nothing in it but its pixels; None for any other file."""
    if not data.startswith(_PNG):
        return None
    kept, place = [_PNG], len(_PNG)
    while place + 12 <= len(data):
        length = struct.unpack_from(">I", data, place)[0]
        end = place + 12 + length
        if data[place + 4 : place + 8] in _CRITICAL:
            kept.append(data[place:end])
        place = end
    return b"".join(kept)
