"""What the images of a data set are made of: how many channels, which stored values are black and white, what is drawn.

Images are handed out in the full range of their type: uint8 and uint16 from black to white, float32 in [0, 1]. What
numbers of a file these are is said here, once: by `data.toml` beside the images, else by the file, else by the values.

    range = [0, 4095]      # black and white; what lies outside is clipped
    bands = [1, 2, 3, 8]   # those that are read, and in which order, from 1; else all but an alpha channel
    show = [3, 2, 1]       # of these, what is drawn as red, green and blue; or one, as grey
"""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np

from ssl_bench.errors import DataError
from ssl_bench.pixels.rasters import Raster, read_raster

STATEMENT = "data.toml"
BITS = (8, 10, 12, 14, 16)
"""Depths that a camera may have in a wider container."""
_RGB_CHANNELS = (1, 3)


@dataclass(frozen=True)
class Channels:
    """The channels of a data set's images; 8-bit RGB where nothing else is said."""

    count: int = 3
    depth: str = "uint8"
    """Type of the numbers in the files."""
    low: float = 0.0
    """The number in a file that is black."""
    high: float = 255.0
    """And that is white."""
    picked: tuple[int, ...] = ()
    """Which channels of a file, from 0; all but an alpha channel where none is named."""
    shown: tuple[int, ...] = ()
    """What is drawn as red, green and blue, or one as grey, from 0; empty: the first three, or the first."""
    told: bool = False
    """Whether the files themselves tell the range, as a PGM does."""
    clipped: bool = False
    """Whether what lies outside of the range is clipped, as its owner stated it; else it is an error."""

    @property
    def are_rgb(self) -> bool:
        """Whether these are 8-bit photographs, among which grey ones are taken for colour."""
        return self.key == RGB.key

    @property
    def key(self) -> tuple[object, ...]:
        """What the values that networks see depend on."""
        return (self.count, self.depth, self.low, self.high, self.picked, self.clipped)

    @property
    def type(self) -> np.dtype[Any]:
        """Of the arrays handed out: a type whose full range holds every step of the files."""
        kind = np.dtype(self.depth)
        if kind.kind == "f" or kind.itemsize > 2:
            return np.dtype(np.float32)
        return np.dtype(np.uint8 if (self.depth, self.low, self.high) == ("uint8", 0, 255) else np.uint16)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "Channels":
        """What `asdict` gave, from JSON."""
        lists = {name: tuple(content.get(name, ())) for name in ("picked", "shown")}
        return cls(**{**content, **lists})

    def to_json(self) -> dict[str, Any]:
        """Give all fields as plain values, for `from_json`."""
        return asdict(self)

    def spread(self, values: np.ndarray, path: Path) -> np.ndarray:
        """Numbers of a file (H, W, C) in the full range of `type`. DataError where they lie outside of the range."""
        low, high = values.min(), values.max()
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            raise DataError(
                f"{path} has values that are no numbers (NaN or infinite); correct it or take it out"
            )
        if not self.clipped and (low < self.low or high > self.high):
            raise DataError(
                f"{path} holds values from {low:g} to {high:g}, outside of {self.low:g} to {self.high:g}, the range of "
                f"the data set; state `range = [BLACK, WHITE]` in a {STATEMENT} beside its folders of images"
            )
        top = white_of(self.type)
        if values.dtype == self.type and (self.low, self.high) == (0, top):
            return values.clip(0, 1) if top == 1 else values
        return in_type(
            ((values.astype(np.float64) - self.low) / (self.high - self.low)).clip(0, 1), self.type
        )

    def stored(self, image: np.ndarray) -> np.ndarray:
        """An image as a data set gives it, at the numbers and in the type of its files: what undoes `spread`."""
        values = self.low + np.clip(shares(image), 0, 1).astype(np.float64) * (self.high - self.low)
        kind = np.dtype(self.depth)
        return values.astype(np.float32) if kind.kind == "f" else np.rint(values).astype(kind)

    def drawn(self, image: np.ndarray) -> np.ndarray:
        """An image (H, W, C), as a data set gives it, for the eye: (H, W, 3) uint8."""
        count = image.shape[2]
        shown = [place for place in self.shown if place < count] or ([0, 1, 2] if count >= 3 else [0])
        picture = eight_bit(image[..., shown])
        return picture if len(shown) == 3 else picture.repeat(3, axis=2)

    def __str__(self) -> str:
        """In words."""
        if self.are_rgb:
            return "RGB of 8 bits"
        those = (
            f" ({', '.join(str(place + 1) for place in self.picked)} of the file's)" if self.picked else ""
        )
        s = "s" * (self.count > 1)
        return (
            f"{self.count} channel{s}{those} of {self.depth}, {self.low:g} is black and {self.high:g} white"
        )


RGB = Channels()


@dataclass(frozen=True)
class Statement:
    """What a folder says of its images."""

    path: Path | None = None
    bands: tuple[int, ...] = ()
    range: tuple[float, float] | None = None
    show: tuple[int, ...] = ()


def read_statement(path: Path) -> Statement:
    """The content of a `data.toml`. Raises DataError for anything but bands, range and show."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{path} cannot be read ({' '.join(str(error).split())}); correct it") from None
    if wrong := sorted({*content} - {"bands", "range", "show"}):
        raise DataError(f"{path} has `{wrong[0]}`; it may have `bands`, `range` and `show`")
    limits = content.get("range")
    if limits is not None and not (_numbers(limits) and len(limits) == 2 and limits[0] < limits[1]):
        raise DataError(f"{path}: range is {limits!r}; give black and white, as in `range = [0, 4095]`")
    for name, most in (("bands", None), ("show", 3)):
        places = content.get(name)
        whole = _numbers(places) and all(isinstance(place, int) and 1 <= place <= 65535 for place in places)
        if places is not None and not (whole and (most is None or len(places) in (1, most))):
            how = "`bands = [1, 2, 3, 4]`" if most is None else "`show = [3, 2, 1]`, or one, as grey"
            raise DataError(f"{path}: {name} is {places!r}; give numbers of channels from 1, as in {how}")
    bands, show = (tuple(place - 1 for place in content.get(name, ())) for name in ("bands", "show"))
    if len({*bands}) < len(bands):
        raise DataError(f"{path}: bands name a channel twice; name each once")
    return Statement(path, bands, (float(limits[0]), float(limits[1])) if limits is not None else None, show)


def channels_of(raster: Raster, stated: Statement) -> Channels:
    """The channels of a data set by one of its images and what its folder says.

    Integers of more than 8 bits whose file does not tell how many are taken as wide as their type until
    `narrowed` has looked at all. 8-bit grey and colour are RGB unless the folder names bands.
    """
    depth, count = raster.values.dtype, len(stated.bands) or raster.values.shape[2]
    if any(place >= count for place in stated.show):
        raise DataError(f"{stated.path}: show names channel {max(stated.show) + 1} of {count}; name others")
    if stated.range is not None:
        low, high = stated.range
    else:
        low, high = 0.0, raster.white or white_of(depth)
    if depth == np.uint8 and (low, high) == (0, 255) and not stated.bands and count in _RGB_CHANNELS:
        return Channels(shown=stated.show)
    told = raster.tells and stated.range is None
    return Channels(count, str(depth), low, high, stated.bands, stated.show, told, stated.range is not None)


def is_open(channels: Channels, stated: Statement) -> bool:
    """Whether values must tell the range: integers wider than 8 bits of which neither folder nor file says more."""
    kind = np.dtype(channels.depth)
    return stated.range is None and not channels.told and kind.kind in "ui" and kind.itemsize > 1


def narrowed(channels: Channels, low: float, high: float) -> Channels:
    """The range of integers that lie between `low` and `high`: that of the fewest bits that hold them, from 0.

    Where none does, as with numbers below 0, reading the images says so.
    """
    bits = next((bits for bits in BITS if high < 2**bits), BITS[-1])
    return replace(channels, low=0.0, high=2.0 ** (BITS[-1] if low < 0 else bits) - 1)


def read_image(data: bytes, path: Path, channels: Channels) -> np.ndarray:
    """(H, W, C) in the full range of `channels.type`. DataError for a file of other channels or another depth."""
    return fit(read_raster(data, path, alpha=bool(channels.picked)), path, channels)


def read_restored(data: bytes, path: Path, channels: Channels) -> np.ndarray:
    """What an image is to become, (H, W, C) of as many channels as the image.

    A file of the images' depth has their range, any other the whole range of its own type. Raises DataError for another
    number of channels.
    """
    raster = read_raster(data, path, alpha=bool(channels.picked))
    depth = raster.values.dtype
    if str(depth) == channels.depth:
        return fit(raster, path, channels)
    white = raster.white or white_of(depth)
    own = replace(channels, depth=str(depth), low=0.0, high=white, told=raster.tells, clipped=False, shown=())
    return fit(raster, path, own)


def fit(raster: Raster, path: Path, channels: Channels) -> np.ndarray:
    """What a file holds as an image of these channels. Raises DataError as `read_image`."""
    values, count = raster.values, raster.values.shape[2]
    if channels.are_rgb and values.dtype == np.uint8 and count in _RGB_CHANNELS:
        return values if count == 3 else np.repeat(values, 3, axis=2)
    if channels.picked and max(channels.picked) >= count:
        raise DataError(f"{path} has {raster.kind}, and channel {max(channels.picked) + 1} is asked for")
    values = values[..., list(channels.picked)] if channels.picked else values
    range_differs = not channels.clipped and (
        raster.tells != channels.told or (raster.tells and raster.white != channels.high)
    )
    if values.shape[2] != channels.count or str(values.dtype) != channels.depth or range_differs:
        limit = f" up to {raster.white:g}" if range_differs and raster.white is not None else ""
        raise DataError(
            f"{path} has {raster.kind}{limit}, and the data set's images are {channels}; save them alike"
        )
    return channels.spread(values, path)


def white_of(kind: np.dtype[Any]) -> float:
    """The end of a type's full range: 1 for floats."""
    return 1.0 if kind.kind == "f" else float(np.iinfo(kind).max)


def shares(array: np.ndarray) -> np.ndarray:
    """Any array in the full range of its type as floats, 1 for white."""
    return array / white_of(array.dtype)


def in_type(image: np.ndarray, kind: np.dtype[Any]) -> np.ndarray:
    """Values in [0, 1] in the full range of a type, rounded where that has steps."""
    return image.astype(kind) if kind.kind == "f" else np.rint(image * white_of(kind)).astype(kind)


def eight_bit(array: np.ndarray) -> np.ndarray:
    """Any array in the full range of its type as uint8."""
    if array.dtype == np.uint8:
        return array
    return np.rint(np.clip(shares(array), 0, 1) * 255).astype(np.uint8)


def span(arrays: Iterable[np.ndarray | None]) -> tuple[float, float]:
    """The smallest and the largest number in arrays, of which some may be missing."""
    found = [(float(array.min()), float(array.max())) for array in arrays if array is not None]
    return min(low for low, _ in found), max(high for _, high in found)


def _numbers(values: Any) -> TypeGuard[list[float]]:
    return isinstance(values, list) and bool(values) and all(
        isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e15 for value in values
    )  # fmt: skip
