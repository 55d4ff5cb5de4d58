"""What the numbers of a picture file mean in each role: image, matte, class ids, trimap. Free of torch.

Files are decoded, and turned upright, by `ssl_bench.pixels.decode`. Images of more bits or channels than 8-bit RGB are
read by `ssl_bench.pixels.channels`; mattes of 16 bits of grey are kept whole, and of 16 bits a colour refused.
"""

from collections import Counter
from pathlib import Path

import numpy as np

from ssl_bench.data.class_table import PLAIN, ClassTable
from ssl_bench.dataset import VOID
from ssl_bench.errors import DataError
from ssl_bench.machine.files import require_plain
from ssl_bench.pixels.channels import RGB, eight_bit, read_image
from ssl_bench.pixels.decode import EXTENSIONS, Decoded, decode
from ssl_bench.pixels.rasters import color_bands

MEND = "`ssl-bench data mend FOLDER --out COPY --map OLD=NEW,...` mends a copy"
"""The way out for masks whose numbers are not ids."""
_COLOURS = ("RGB", "RGBA")
_IDS = ("P", "L", "1")
_SHOWN = 12
_AT_ONCE = 1 << 20
"""Pixels whose colours are counted together."""


class ColouredMask(DataError):
    """A mask of colours where nothing says which classes these are."""

    def __init__(self, path: Path, mode: str, colours: Counter[tuple[int, int, int]]) -> None:
        self.colours = colours
        """Pixels of each."""
        self.are_classes = len(colours) <= VOID
        """Whether there are so few colours that classes could be meant."""
        found = f", or name its colours in classes.txt, one `R G B NAME` a line: {colour_list(colours)}"
        super().__init__(
            f"{path} is a picture of mode {mode}, not a mask of class ids; save it with one channel (mode P or L) "
            f"whose values are the ids, 255 for void{found * self.are_classes}"
        )


def without_extension(name: str) -> str:
    """`a/b.c.PNG` to `a/b.c`; an ending that is not a picture's own belongs to the name."""
    if name.lower().endswith(".nii.gz") and ".nii.gz" in EXTENSIONS:
        return name[: -len(".nii.gz")]
    stem, dot, ending = name.rpartition(".")
    return stem if dot and f".{ending.lower()}" in EXTENSIONS else name


def read_bytes(path: Path) -> bytes:
    """A file's content. Raises DataError where it cannot be read or holds nothing."""
    try:
        require_plain(path)
        data = path.read_bytes()
    except PermissionError:
        raise DataError(f"{path} cannot be read: permission denied; make it readable") from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}; put it right or take it out") from None
    if not data:
        raise DataError(f"{path} is empty (0 bytes); fetch it again or take it out of the data set")
    return data


def read_picture(data: bytes, path: Path) -> np.ndarray:
    """An 8-bit picture as (H, W, 3) RGB: grey is repeated, palettes are looked up, an alpha channel is dropped.

    Raises DataError for other depths and numbers of channels, which `ssl_bench.pixels.channels` reads.
    """
    return read_image(data, path, RGB)


def read_alpha(data: bytes, path: Path) -> np.ndarray:
    """A matte as (H, W, 1) uint8, uint16 or float32 in [0, 1].

    It is the grey value, or the three colours where they are equal, or the alpha channel where that is not
    opaque throughout. Raises DataError where none of these, or two different ones, could be meant, and for what would
    be read at other values than it is stored at.
    """
    decoded = decode(data, path)
    _require_one_page(decoded, path)
    if decoded.signed:
        raise DataError(f"{path} has signed numbers, of which white is in doubt; save it with 8 or 16 bits")
    if decoded.shallow or decoded.mode in ("CMYK", "YCbCr", "LAB", "HSV"):
        what = "16 bits a colour" if decoded.shallow else f"colour mode {decoded.mode}"
        raise DataError(f"{path} has {what}, which is not read exactly; save the matte as one grey channel")
    if decoded.white not in (255, 65535) and (decoded.form == "PPM" or decoded.white > 255):
        # Pillow rounds a PNM to 255 or 65535 steps, which this many do not divide, and leaves 12 bits as they are.
        values = decoded.values.astype(np.float32) / np.float32(decoded.white)
        values = 1 - values if decoded.from_white else values
        return values[..., None] if values.ndim == 2 else _equal_bands(values, path)
    deep = _deep(decoded, path)
    if deep is not None:
        return deep[..., None]
    bands = color_bands(decoded, path)
    grey = bands[..., :1]
    if bands.shape[2] == 3 or bool((bands[..., 3] == 255).all()):
        return _equal_bands(bands[..., :3], path)
    opacity = bands[..., 3:]
    equal = bool((bands[..., :3] == grey).all())
    if equal and grey.min() != grey.max() and not np.array_equal(grey, opacity):
        raise DataError(
            f"{path} holds two mattes, its grey value and its alpha channel; save one grey channel"
        )
    return opacity


def read_opacity(data: bytes, path: Path) -> np.ndarray:
    """A matte as (H, W, 1) uint8 from the alpha channel of a picture, whatever its colours are."""
    decoded = decode(data, path)
    bands = color_bands(decoded, path)
    if bands.shape[2] != 4:
        raise DataError(
            f"{path} has no alpha channel, which is the matte here; fetch it again or take it out"
        )
    if decoded.shallow:
        raise DataError(f"{path} has 16 bits a channel, which is not read exactly; save it with 8")
    return bands[..., 3:]


def read_colors(data: bytes, path: Path, colors: np.ndarray, ids: np.ndarray) -> np.ndarray:
    """Class ids (H, W) uint8 of a mask that shows each class in a colour of its own.

    `colors` (N, 3) uint8 stand for the classes `ids` (N,) uint8. Raises DataError for any other colour, and for a
    format that does not keep them.
    """
    decoded = decode(data, path)
    _require_exact(decoded, path)
    bands = color_bands(decoded, path)
    if bands.shape[2] == 4 and not (bands[..., 3] == 255).all():
        raise DataError(f"{path} is transparent in places, where no colour is sure; save the mask as RGB")
    codes, keys = (_codes(array) for array in (bands, colors))
    order = np.argsort(keys)
    places = order[np.searchsorted(keys, codes, sorter=order).clip(max=len(keys) - 1)]
    if (wrong := keys[places] != codes).any():
        red, green, blue = bands[wrong][0][:3]
        raise DataError(
            f"{path} has pixels of colour ({red}, {green}, {blue}), which stands for no class; correct the mask, or "
            "add the colour to the list of classes"
        )
    return ids[places]


def is_colored(data: bytes, path: Path) -> bool:
    """Whether a picture has colours of its own, and not one channel or a palette."""
    return decode(data, path).mode in _COLOURS


def read_indices(data: bytes, path: Path, table: ClassTable = PLAIN) -> np.ndarray:
    """Class ids (H, W) uint8: the numbers in the file, never through a palette, never through luminance.

    `table` says what numbers with gaps, or colours, stand for. Raises DataError where a number could not be read as
    it is, or is no class id.
    """
    decoded = decode(data, path)
    _require_exact(decoded, path)
    if decoded.mode in _COLOURS and not decoded.shallow:
        if table.colours is not None and table.ids is not None:
            return read_colors(data, path, table.colours, table.ids)
        raise ColouredMask(path, decoded.mode, count_colours(color_bands(decoded, path)))
    if decoded.mode not in _IDS and not decoded.mode.startswith("I"):
        raise DataError(
            f"{path} is a picture of mode {decoded.mode}, not a mask of class ids; save it with one channel "
            "(mode P or L) whose values are the ids, 255 for void"
        )
    if decoded.mode == "1" and decoded.from_white:
        raise DataError(
            f"{path} has one bit a pixel and counts from white ({decoded.form}), so that which class is 0 is in doubt; "
            "save the mask as PNG"
        )
    if table.ids is not None and VOID in table.ids[:-1]:
        raise DataError(
            f"{path} holds ids, and classes.txt colours with void among them, so that the order of ids is in doubt; "
            "put void last, or save the mask as RGB"
        )
    values = table.renumber(decoded.values, path)
    if values.dtype not in (np.uint8, np.bool_):
        wrong = values.min() if values.min() < 0 else values.max()
        if not 0 <= wrong <= VOID:
            raise DataError(
                f"{path} holds class {wrong}, but ids {'begin at 0' if wrong < 0 else 'end at 254'} (255 void); "
                "correct the mask, or name its ids in classes.txt, one `ID NAME` a line"
            )
    return values.astype(np.uint8, copy=False)


def read_unknown(data: bytes, path: Path) -> np.ndarray:
    """A trimap's middle, (H, W) bool: whatever is neither 0 nor 255. Raises DataError for one of 0, 1 and 2."""
    decoded = decode(data, path)
    deep = _deep(decoded, path)
    grey = color_bands(decoded, path)[..., 0] if deep is None else eight_bit(deep)
    if decoded.lossy:
        raise DataError(f"{path} is a trimap as {decoded.form}, which blurs its edges; save it as PNG")
    if grey.min() == 0 and grey.max() in (1, 2):
        raise DataError(f"{path} is a trimap of 0 to {grey.max()}; save it as 0, 128 and 255")
    return (grey > 0) & (grey < 255)


def count_colours(bands: np.ndarray) -> Counter[tuple[int, int, int]]:
    """Pixels of each colour in (H, W, 3 or 4) uint8."""
    found: Counter[int] = Counter()
    rows = max(1, _AT_ONCE // bands.shape[1])
    for top in range(0, len(bands), rows):  # All at once take ten times the picture's memory.
        codes, counts = np.unique(_codes(bands[top : top + rows]), return_counts=True)
        found.update(dict(zip(codes.tolist(), counts.tolist(), strict=True)))
    return Counter(
        {(code >> 16, code >> 8 & 255, code & 255): count for code, count in sorted(found.items())}
    )


def colour_list(colours: Counter[tuple[int, int, int]]) -> str:
    """The commonest colours and their shares of the pixels, in the form of classes.txt."""
    total = sum(colours.values())
    shown = [
        f"`{red} {green} {blue}` ({100 * count / total:.2g} %)"
        for (red, green, blue), count in colours.most_common(_SHOWN)
    ]
    more = f" and {len(colours) - _SHOWN} more colours" if len(colours) > _SHOWN else ""
    return ", ".join(shown) + more


def require_classes(ids: np.ndarray, count: int, path: Path) -> None:
    """Raise DataError where (H, W) uint8 holds an id that is neither below `count` nor void."""
    # Void wraps round to 0, so that one maximum tells; a count of each id would take five times as long.
    if int((ids + np.uint8(1)).max(initial=0)) > count:
        wrong = ids[(ids >= count) & (ids != VOID)].min()
        raise DataError(
            f"{path} holds class {wrong}, but there are {count} classes (0 to {count - 1}, 255 void); "
            "correct the mask, or name all classes in classes.txt"
        )


def _require_one_page(decoded: Decoded, path: Path) -> None:
    if decoded.pages > 1:
        raise DataError(
            f"{path} holds {decoded.pages} pages, and which is the target is in doubt; save one alone"
        )


def _require_exact(decoded: Decoded, path: Path) -> None:
    """Raise DataError for what may not serve as a mask of ids."""
    if decoded.lossy:
        raise DataError(
            f"{path} is a mask as {decoded.form}, which keeps no class id near an edge as it was; save masks as PNG "
            f"({MEND}, each number taken for the nearest OLD)"
        )
    _require_one_page(decoded, path)


def _codes(bands: np.ndarray) -> np.ndarray:
    """(..., 3 or 4) uint8 as one number a colour."""
    wide = bands.astype(np.uint32)
    return (wide[..., 0] << 16) | (wide[..., 1] << 8) | wide[..., 2]


def _equal_bands(bands: np.ndarray, path: Path) -> np.ndarray:
    """The first of three equal channels (H, W, 3), as (H, W, 1)."""
    if not (bands == bands[..., :1]).all():
        raise DataError(f"{path} is no matte: its colour channels differ; save the matte as one grey channel")
    return bands[..., :1]


def _deep(decoded: Decoded, path: Path) -> np.ndarray | None:
    """One channel of more than 8 bits as (H, W) uint16 or float32 in [0, 1]; None for any other picture."""
    picture = decoded.picture
    if not picture.mode.startswith(("I", "F")):
        return None
    values = np.asarray(picture)
    kind, top = (np.float32, 1) if picture.mode.startswith("F") else (np.uint16, 65535)
    if kind is np.float32 and not np.isfinite(values).all():
        raise DataError(f"{path} has values that are no numbers (NaN or infinite); correct it or take it out")
    if not (values.min() >= 0 and values.max() <= top):
        raise DataError(f"{path} has values outside 0 to {top}; save it with 8 or 16 bits")
    values = values.astype(kind)
    return top - values if decoded.from_white and kind is np.uint16 else values
