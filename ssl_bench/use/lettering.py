"""Names and legends on pictures, in Pillow's own font, which lacks whatever is not plain Latin."""

import unicodedata
from collections.abc import Iterator, Sequence
from functools import cache

from PIL import ImageDraw, ImageFont

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
Colour = tuple[int, int, int]
NEAR = 6
"""Pixels between a square and its name; twice as many go before the next square."""

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


def shortened(text: str, font: Font, width: float) -> str:
    """Cut a text to so many pixels, with dots for what is missing."""
    if font.getlength(text) <= width:
        return text
    return next(
        f"{text[:end]}..."
        for end in range(len(text), -1, -1)
        if font.getlength(f"{text[:end]}...") <= width or not end
    )


class Legend:
    """Squares of colour with a name each, in as many lines as a width needs."""

    def __init__(self, entries: Sequence[tuple[Colour, str]], font: Font, width: int, side: int) -> None:
        """`entries`: colour and name; `width`: px of a line; `side`: px of a square."""
        self.font, self.side, self.step = font, side, side + 8
        room = width - side - NEAR
        self.lines = list(
            self._lines([(each, shortened(legible(name), font, room)) for each, name in entries], width)
        )

    @property
    def height(self) -> int:
        """Pixels from the first line's top to where a further one would begin; 0 without entries."""
        return len(self.lines) * self.step

    def draw(self, draw: ImageDraw.ImageDraw, left: int, top: int, ink: Colour, outline: Colour) -> None:
        """Draw all lines from a corner on."""
        for number, line in enumerate(self.lines):
            y = top + number * self.step
            for x, colour, name in line:
                square = (left + x, y, left + x + self.side, y + self.side)
                draw.rectangle(square, colour, outline)
                draw.text((left + x + self.side + NEAR, y + self.side / 2), name, ink, self.font, anchor="lm")

    def _lines(
        self, entries: Sequence[tuple[Colour, str]], width: int
    ) -> Iterator[Sequence[tuple[int, Colour, str]]]:
        line: list[tuple[int, Colour, str]] = []
        used = 0
        for colour, name in entries:
            wide = self.side + NEAR + int(self.font.getlength(name))
            if line and used + wide > width:
                yield line
                line, used = [], 0
            line.append((used, colour, name))
            used += wide + 2 * NEAR
        if line:
            yield line


@cache
def _drawn(letter: str) -> str:
    font = ImageFont.load_default()
    if letter.isascii() or bytes(font.getmask(letter)) != bytes(font.getmask(_LACKED)):
        return letter
    plain = "".join(part for part in unicodedata.normalize("NFKD", letter) if part.isascii())
    return plain or GREEK.get(letter, letter)
