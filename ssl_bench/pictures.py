"""From the bytes of a picture file to arrays, one function per use. Free of torch.

EXIF orientation is applied throughout. 16-bit greyscale is kept whole; 16-bit colour is read at its upper
byte, because Pillow has no deeper colour mode.
"""

import io
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np
from PIL import Image, UnidentifiedImageError
from PIL.Image import Transpose

from ssl_bench.dataset import VOID
from ssl_bench.errors import DataError

EXTENSIONS = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".ppm", ".pgm"})
"""Of files that count as pictures, in lower case; names are compared without regard to case."""

_FORMATS = ("PNG", "JPEG", "BMP", "TIFF", "WEBP", "PPM")
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
_SHALLOW_STEP: Mapping[int, int] = MappingProxyType({2: 85, 4: 17})
"""Factor by which Pillow stretches the samples of a 2- or 4-bit greyscale PNG to 0..255."""


def without_extension(name: str) -> str:
    """`a/b.c.PNG` to `a/b.c`; an ending that is not a picture's own belongs to the name."""
    stem, dot, ending = name.rpartition(".")
    return stem if dot and f".{ending.lower()}" in EXTENSIONS else name


def read_bytes(path: Path) -> bytes:
    """A file's content. Raises DataError where it cannot be read or holds nothing."""
    try:
        data = path.read_bytes()
    except PermissionError:
        raise DataError(f"{path} cannot be read: permission denied; make it readable") from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}; put it right or take it out") from None
    if not data:
        raise DataError(f"{path} is empty (0 bytes); fetch it again or take it out of the data set")
    return data


def read_picture(data: bytes, path: Path) -> np.ndarray:
    """Any picture as (H, W, 3) uint8 RGB: grey is repeated, palettes are looked up, an alpha channel is dropped."""
    picture = _load(data, path)
    deep = _deep(picture, path)
    if deep is None:
        return _bands(picture, path)[..., :3]
    grey = (deep.astype(np.uint32) + 128) // 257 if deep.dtype == np.uint16 else np.rint(deep * 255)
    return np.repeat(grey.astype(np.uint8)[..., None], 3, axis=2)


def read_alpha(data: bytes, path: Path) -> np.ndarray:
    """A matte as (H, W, 1) uint8, uint16 or float32 in [0, 1].

    It is the grey value, or the three colours where they are equal, or the alpha channel where that is not
    opaque throughout. Raises DataError where none of these, or two different ones, could be meant.
    """
    picture = _load(data, path)
    deep = _deep(picture, path)
    if deep is not None:
        return deep[..., None]
    bands = _bands(picture, path)
    grey = bands[..., :1]
    equal = bool((bands[..., :3] == grey).all())
    if bands.shape[2] == 3 or bool((bands[..., 3] == 255).all()):
        if not equal:
            raise DataError(
                f"{path} is no matte: its colour channels differ; save the matte as one grey channel"
            )
        return grey
    opacity = bands[..., 3:]
    if equal and grey.min() != grey.max() and not np.array_equal(grey, opacity):
        raise DataError(
            f"{path} holds two mattes, its grey value and its alpha channel; save one grey channel"
        )
    return opacity


def read_opacity(data: bytes, path: Path) -> np.ndarray:
    """A matte as (H, W, 1) uint8 from the alpha channel of a picture, whatever its colours are."""
    bands = _bands(_load(data, path), path)
    if bands.shape[2] != 4:
        raise DataError(
            f"{path} has no alpha channel, which is the matte here; fetch it again or take it out"
        )
    return bands[..., 3:]


def read_colors(data: bytes, path: Path, colors: np.ndarray, ids: np.ndarray) -> np.ndarray:
    """Class ids (H, W) uint8 of a mask that shows each class in a colour of its own.

    `colors` (N, 3) uint8 stand for the classes `ids` (N,) uint8. Raises DataError for any other colour.
    """
    pixels = read_picture(data, path).astype(np.uint32)
    codes, keys = (
        (array[..., 0] << 16) | (array[..., 1] << 8) | array[..., 2]
        for array in (pixels, colors.astype(np.uint32))
    )
    order = np.argsort(keys)
    places = order[np.searchsorted(keys, codes, sorter=order).clip(max=len(keys) - 1)]
    if (wrong := keys[places] != codes).any():
        red, green, blue = pixels[wrong][0]
        raise DataError(
            f"{path} has pixels of colour ({red}, {green}, {blue}), which stands for no class; correct the mask, or "
            "add the colour to the list of classes"
        )
    return ids[places]


def is_colored(data: bytes, path: Path) -> bool:
    """Whether a picture has colours of its own, and not one channel or a palette."""
    return _load(data, path).mode in ("RGB", "RGBA")


def read_indices(data: bytes, path: Path) -> np.ndarray:
    """Class ids (H, W) uint8 as they stand in the file: never through a palette, never through luminance."""
    picture = _load(data, path)
    deep = _deep(picture, path)
    if deep is not None and deep.dtype == np.uint16:
        if deep.max() > VOID:
            raise DataError(
                f"{path} holds class {deep.max()}, but ids end at 254 (255 void); correct the mask"
            )
        return deep.astype(np.uint8)
    if picture.mode not in ("P", "L", "1"):
        raise DataError(
            f"{path} is a picture of mode {picture.mode}, not a mask of class ids; save it with one channel "
            "(mode P or L) whose values are the ids, 255 for void"
        )
    ids = np.asarray(picture).astype(np.uint8, copy=False)
    is_shallow = data.startswith(b"\x89PNG") and data[25] == 0 and data[24] in _SHALLOW_STEP
    return ids // _SHALLOW_STEP[data[24]] if is_shallow else ids


def read_unknown(data: bytes, path: Path) -> np.ndarray:
    """A trimap's middle, (H, W) bool: whatever is neither 0 nor 255."""
    grey = read_picture(data, path)[..., 0]
    return (grey > 0) & (grey < 255)


def require_classes(ids: np.ndarray, count: int, path: Path) -> None:
    """Raise DataError where (H, W) uint8 holds an id that is neither below `count` nor void."""
    # Void wraps round to 0, so that one maximum tells; a count of each id would take five times as long.
    if int((ids + np.uint8(1)).max(initial=0)) > count:
        wrong = ids[(ids >= count) & (ids != VOID)].min()
        raise DataError(
            f"{path} holds class {wrong}, but there are {count} classes (0 to {count - 1}, 255 void); "
            "correct the mask, or name all classes in classes.txt"
        )


def _load(data: bytes, path: Path) -> Image.Image:
    try:
        picture: Image.Image = Image.open(io.BytesIO(data), formats=_FORMATS)
        picture.load()
        turn = _TURNS.get(picture.getexif().get(_ORIENTATION, 1))
    except UnidentifiedImageError:
        raise DataError(
            f"{path} is no picture, whatever its name says (known: {', '.join(_FORMATS)}); replace it or take it out"
        ) from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        limit = 2 * (Image.MAX_IMAGE_PIXELS or 0)
        raise DataError(
            f"{path} has more pixels than are decoded (over {limit}); crop or shrink it"
        ) from None
    except Exception as error:  # Damaged files end in errors of many kinds, TypeError among them.
        reason = " ".join(str(error).split())
        raise DataError(f"{path} is cut short or damaged ({reason}); fetch it again or take it out") from None
    return picture if turn is None else picture.transpose(turn)


def _deep(picture: Image.Image, path: Path) -> np.ndarray | None:
    """One channel of more than 8 bits as (H, W) uint16 or float32 in [0, 1]; None for any other picture."""
    if not picture.mode.startswith(("I", "F")):
        return None
    values = np.asarray(picture)
    kind, top = (np.float32, 1) if picture.mode.startswith("F") else (np.uint16, 65535)
    if kind is np.float32 and not np.isfinite(values).all():
        raise DataError(f"{path} has values that are no numbers (NaN or infinite); correct it or take it out")
    if not (values.min() >= 0 and values.max() <= top):
        raise DataError(f"{path} has values outside 0 to {top}; save it with 8 or 16 bits")
    return values.astype(kind)


def _bands(picture: Image.Image, path: Path) -> np.ndarray:
    """(H, W, 3) or, with an alpha channel, (H, W, 4) uint8."""
    transparent = "transparency" in picture.info or picture.mode in ("LA", "PA", "La", "RGBA", "RGBa")
    mode = "RGBA" if transparent else "RGB"
    try:
        return np.asarray(picture if picture.mode == mode else picture.convert(mode))
    except ValueError:
        raise DataError(f"{path} has colour mode {picture.mode}, which is not read; save it as RGB") from None
