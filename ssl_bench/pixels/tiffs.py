"""TIFF files that Pillow does not show as they are: several pages or planes, any number of channels, floats. Free of
torch. Read by `tifffile`; what places a GeoTIFF on the earth is passed over.
"""

import io
import logging
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from ssl_bench.errors import DataError
from ssl_bench.machine.files import read_regular

if TYPE_CHECKING:
    from tifffile import TiffFile

MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
"""How a TIFF begins, classic or big."""
_ORIENTATION = 274
_WHITE_IS_ZERO = 0
_PLAIN = frozenset({0, 1, 2})
"""Photometric interpretations whose samples are values: from white, from black, and RGB."""
_ALPHA = frozenset({1, 2})
_REDUCED, _TRANSPARENCY = 1, 4
"""Kinds of pages (NewSubfileType) that are no part of the picture: smaller copies, and masks of what is seen."""
MOST_PAGES = 4096
_AXES = frozenset({"YX", "YXS", "SYX"})


def read_tiff(data: bytes, path: Path, *, alpha: bool = False) -> np.ndarray:
    """(H, W, C) in the file's own type, upright: the channels of the first page, then those of the next.

    Alpha channels are left out unless `alpha`. Smaller copies and masks of transparency are passed over. Where 0 is
    white, integers are turned over. Raises DataError where it cannot be read.
    """
    try:
        return _read(data, path, alpha)
    except DataError:
        raise
    except Exception as error:  # Damaged files end in errors of many kinds.
        raise _damaged(path, error) from None


def _read(data: bytes, path: Path, alpha: bool) -> np.ndarray:
    with _opened(data, path) as tiff:
        pages = _pages(tiff)
        if not pages:
            raise DataError(f"{path} holds no picture; fetch it again or take it out")
        first = pages[0]
        for page in pages:
            if page.axes not in _AXES or page.photometric not in _PLAIN or page.dtype is None:
                raise DataError(f"{path} is {_words(pages)}, which is not read; save it as plain grey or RGB")
            if (page.imagelength, page.imagewidth, page.dtype) != (
                first.imagelength,
                first.imagewidth,
                first.dtype,
            ):
                raise DataError(
                    f"{path} holds {len(pages)} pages of different sizes or types; save one alone, or equal ones as "
                    "the channels of one image"
                )
        pixels = first.imagelength * first.imagewidth
        if pixels * len(pages) * first.samplesperpixel > 8 * (Image.MAX_IMAGE_PIXELS or math.inf):
            raise DataError(f"{path} has more pixels than are decoded; crop or shrink it")
        planes = [_channels(page, path, alpha) for page in pages]
        turn = first.tags.valueof(_ORIENTATION, 1)
    return upright(np.concatenate(planes, axis=2), turn if isinstance(turn, int) else 1)


def describe_tiff(data: bytes) -> str:
    """What is in a TIFF, in words such as `a TIFF of 5 channels of uint16`; empty where that cannot be told."""
    try:
        with _opened(data, Path()) as tiff:
            return _words(_pages(tiff))
    except Exception:
        return ""


def write_tiff(values: np.ndarray, about: str) -> bytes:
    """A TIFF of (H, W, C) of any number type, each channel a plane; `about`: text that it holds."""
    from tifffile import imwrite

    stream = io.BytesIO()
    one = values.shape[2] == 1
    layout: dict[str, Any] = {} if one else {"planarconfig": "separate"}
    planes = values[..., 0] if one else np.moveaxis(values, 2, 0)
    imwrite(
        stream,
        planes,
        photometric="minisblack",
        compression="zlib",
        description=about,
        metadata=None,
        **layout,
    )
    return stream.getvalue()


def text_of(path: Path) -> str:
    """The text that `write_tiff` left in a file; empty where there is none."""
    try:
        with _opened(read_regular(path), path) as tiff:
            return str(tiff.pages[0].description)  # type: ignore[union-attr]
    except Exception:
        return ""


def orientation_of(data: bytes) -> int:
    """The orientation that a TIFF states; 1 where it states none."""
    try:
        with _opened(data, Path()) as tiff:
            found = tiff.pages[0].tags.valueof(_ORIENTATION, 1)  # type: ignore[union-attr]
    except Exception:
        return 1
    return found if isinstance(found, int) else 1


def count_pages(data: bytes) -> int:
    """How many pages of a TIFF are the picture; 1 where that cannot be told."""
    try:
        with _opened(data, Path()) as tiff:
            return len(_pages(tiff))
    except Exception:
        return 1


def upright(values: np.ndarray, turn: int) -> np.ndarray:
    """(H, W, C) turned as an EXIF orientation, 1 to 8, has it."""
    turned = {
        2: lambda array: array[:, ::-1],
        3: lambda array: array[::-1, ::-1],
        4: lambda array: array[::-1],
        5: lambda array: array.swapaxes(0, 1),
        6: lambda array: np.rot90(array, -1),
        7: lambda array: array[::-1, ::-1].swapaxes(0, 1),
        8: lambda array: np.rot90(array, 1),
    }
    return turned.get(turn, lambda array: array)(values)


def _opened(data: bytes, path: Path) -> "TiffFile":
    from tifffile import TiffFile

    # It logs every tag that it cannot read; what is wrong is said in one line.
    logging.getLogger("tifffile").setLevel(logging.CRITICAL + 1)
    try:
        return TiffFile(io.BytesIO(data))
    except Exception as error:
        raise _damaged(path, error) from None


def _pages(tiff: "TiffFile") -> list[Any]:
    kinds = _REDUCED | _TRANSPARENCY
    found: list[Any] = []
    seen: set[int] = set()
    for each in tiff.pages:
        if each.offset in seen or len(seen) == MOST_PAGES:  # Pages that lead in a circle have no end.
            raise ValueError(f"page {len(seen) + 1} is an earlier one, or there are over {MOST_PAGES}")
        seen.add(each.offset)
        page: Any = each.aspage()
        if not page.subfiletype & kinds:
            found.append(page)
    return found


def _channels(page: Any, path: Path, alpha: bool) -> np.ndarray:
    try:
        values = page.asarray()
    except ValueError as error:
        if "imagecodecs" in str(error):
            raise DataError(
                f"{path} is compressed ({page.compression.name}), which is not read by itself; install it with "
                "`pip install imagecodecs`, or save the picture without compression"
            ) from None
        raise
    values = values.reshape(page.shape)
    values = {"YX": lambda: values[..., None], "SYX": lambda: np.moveaxis(values, 0, 2)}.get(
        page.axes, lambda: values
    )()
    if page.photometric == _WHITE_IS_ZERO and values.dtype.kind == "u":
        values = (2**page.bitspersample - 1 - values.astype(np.int64)).astype(values.dtype)
    extra = page.extrasamples
    first = values.shape[2] - len(extra)
    hidden = [] if alpha else [first + place for place, kind in enumerate(extra) if int(kind) in _ALPHA]
    return np.delete(values, hidden, axis=2) if hidden else values


def _words(pages: list[Any]) -> str:
    first = pages[0]
    several = f" in {len(pages)} pages" if len(pages) > 1 else ""
    count = first.samplesperpixel
    bits = "" if first.bitspersample in (8, 16, 32, 64) else f" ({first.bitspersample} bits)"
    return f"a TIFF of {count} channel{'s'[: count > 1]} of {first.dtype}{bits}{several}" + (
        "" if first.photometric in _PLAIN else f", {first.photometric.name}"
    )


def _damaged(path: Path, error: Exception) -> DataError:
    reason = " ".join(str(error).split())
    return DataError(f"{path} is cut short or damaged ({reason}); fetch it again or take it out")
