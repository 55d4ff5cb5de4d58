"""All samples of an image file as they are stored: any number of channels, of 8 or 16 bits or floats. Free of torch.

What Pillow shows as it is stored is read by Pillow; its 16 bits of colour are put together from both bytes; TIFF files
of other kinds are read by `ssl_bench.pixels.tiffs`.
"""

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
from PIL import Image

from ssl_bench.errors import DataError
from ssl_bench.pixels.arrays import array_of, is_array
from ssl_bench.pixels.decode import FORMATS, Decoded, decode, orientation
from ssl_bench.pixels.tiffs import MAGIC, count_pages, read_tiff, upright

_GREY = frozenset({"1", "L", "LA", "La"})
_EXTRA = 338


@dataclass(frozen=True)
class Raster:
    """The samples of an image file, upright, black below white."""

    values: np.ndarray
    """(H, W, C) in the file's own type; 8 bits where it has fewer."""
    white: float | None = None
    """The largest number that a sample can be, by the file; None where its type says nothing of it."""

    @property
    def tells(self) -> bool:
        """Whether the file says of its range more than its type does."""
        return self.white is not None and self.white != np.iinfo(self.values.dtype).max

    @property
    def kind(self) -> str:
        """Channels and type, in words."""
        count = self.values.shape[2]
        return f"{count} channel{'s'[: count > 1]} of {self.values.dtype}"


def read_raster(data: bytes, path: Path, *, alpha: bool = False) -> Raster:
    """The samples of an image file. Palettes are looked up; an alpha channel is left out unless `alpha`.

    Raises DataError where it cannot be read, or not at the values that it holds.
    """
    if is_array(data):
        return _of(_image_of(array_of(data, path), path))
    if data.startswith(MAGIC) and not _shown_by_pillow(data):
        return _of(read_tiff(data, path, alpha=alpha))
    decoded = decode(data, path)
    if decoded.shallow:
        white = decoded.white if decoded.form == "PPM" else 65535
        return Raster(_deep_colours(decoded, data, path, alpha), white)
    if decoded.mode.startswith(("I", "F")):
        values = decoded.values
        if values.dtype.kind == "i":  # A PGM of more than 8 bits, in Pillow's mode of 32.
            values = values.astype(np.uint16)
        if decoded.from_white and values.dtype == np.uint16:
            values = np.uint16(decoded.white) - values
        return Raster(values[..., None], decoded.white if values.dtype == np.uint16 else None)
    channels = color_bands(decoded, path)
    if not alpha:
        channels = channels[..., :3]
    return Raster(channels[..., :1] if decoded.mode in _GREY and not alpha else channels, 255)


def color_bands(decoded: Decoded, path: Path) -> np.ndarray:
    """(H, W, 3) or, with an alpha channel, (H, W, 4) uint8."""
    picture = decoded.picture
    transparent = "transparency" in picture.info or picture.mode in ("LA", "PA", "La", "RGBA", "RGBa")
    mode = "RGBA" if transparent else "RGB"
    try:
        return np.asarray(picture if picture.mode == mode else picture.convert(mode))
    except ValueError:
        raise DataError(f"{path} has colour mode {picture.mode}, which is not read; save it as RGB") from None


def _image_of(values: np.ndarray, path: Path) -> np.ndarray:
    values = values.astype(np.uint8) if values.dtype == np.bool_ else values
    if values.ndim not in (2, 3):
        raise DataError(
            f"{path} holds an array of shape {values.shape}, which is no image (H, W) or (H, W, C)"
        )
    return values if values.ndim == 3 else values[..., None]


def _of(values: np.ndarray) -> Raster:
    return Raster(values, float(np.iinfo(values.dtype).max) if values.dtype.kind == "u" else None)


def _shown_by_pillow(data: bytes) -> bool:
    """Whether Pillow gives the samples of a TIFF, all of them and as they are."""
    try:
        picture = Image.open(io.BytesIO(data), formats=FORMATS)
        tags, mode = picture.tag_v2, picture.mode  # type: ignore[attr-defined]
        bits, kinds = tuple(tags.get(258, (1,))), tuple(tags.get(339, (1,)))
        if getattr(picture, "n_frames", 1) > 1 and count_pages(data) > 1:
            return False
    except Exception:
        return False
    if mode.startswith("F"):
        return bits == (32,)
    if mode.startswith("I"):
        return max(bits) <= 16 and kinds == (1,)
    return max(bits) <= 8 and set(kinds) <= {1} and 0 not in tuple(tags.get(_EXTRA, ()))


def _deep_colours(decoded: Decoded, data: bytes, path: Path, alpha: bool) -> np.ndarray:
    """16-bit colour (H, W, 3 or 4) uint16."""
    read = _DEEP.get(decoded.form)
    values = read(data) if read is not None else None
    if values is None:
        raise DataError(
            f"{path} has 16 bits a channel in a form that is not read exactly ({decoded.form}, mode {decoded.mode}); "
            "save it as TIFF, or as PNG without an alpha channel"
        )
    return upright(values if alpha else values[..., :3], orientation(data))


def _deep_png(data: bytes) -> np.ndarray | None:
    """Pillow decodes the upper or the lower byte of each sample: both make the sample."""
    halves = []
    for order in "BL":
        picture = Image.open(io.BytesIO(data), formats=("PNG",))
        raw = {"RGB;16B": f"RGB;16{order}", "RGBA;16B": f"RGBA;16{order}"}.get(str(picture.tile[0].args))
        if raw is None:
            return None
        picture.tile = [tile._replace(args=raw) for tile in picture.tile]
        picture.load()
        halves.append(np.asarray(picture).astype(np.uint16))
    return (halves[0] << 8) | halves[1]


def _deep_ppm(data: bytes) -> np.ndarray | None:
    picture = Image.open(io.BytesIO(data), formats=("PPM",))
    width, height = picture.size
    if not data.startswith(b"P6"):
        return None
    values = np.frombuffer(data, ">u2", width * height * 3, picture.tile[0].offset)
    return values.reshape(height, width, 3).astype(np.uint16)


_DEEP: Mapping[str, Callable[[bytes], np.ndarray | None]] = MappingProxyType(
    {"PNG": _deep_png, "PPM": _deep_ppm}
)
