"""Text on pictures, in Pillow's own font, which lacks Greek, accents and whatever else is not plain Latin."""

import unicodedata
from functools import cache

from PIL import ImageFont

_NAMES = (
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu "
    "nu xi omicron pi rho sigma tau upsilon phi chi psi omega"
)
GREEK = dict(zip("αβγδεζηθικλμνξοπρστυφχψω", _NAMES.split(), strict=True))
_LACKED = "\ue000"
"""A letter that no font has: what is drawn for it is drawn for every other that is lacking."""


def legible(text: str) -> str:
    """A text with letters that can be drawn: `lambda` for λ, `e` for é; what has no such form stays as it is."""
    return "".join(map(_drawn, unicodedata.normalize("NFC", text)))


@cache
def _drawn(letter: str) -> str:
    font = ImageFont.load_default()
    if letter.isascii() or bytes(font.getmask(letter)) != bytes(font.getmask(_LACKED)):
        return letter
    plain = "".join(part for part in unicodedata.normalize("NFKD", letter) if part.isascii())
    return plain or GREEK.get(letter, letter)
