"""Names on pictures: what the font lacks is written in letters that it has."""

import pytest
from PIL import ImageFont

from ssl_bench.use.lettering import GREEK, legible


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("Control (MT, λ = 0)", "Control (MT, lambda = 0)"),
        ("vélo", "velo"),
        ("ve\u0301lo", "velo"),
        ("plain (x=1) ± 2°", "plain (x=1) ± 2°"),
        ("街", "街"),
    ],
)
def test_what_the_font_lacks_is_spelt(text: str, written: str) -> None:
    assert legible(text) == written


def test_every_small_greek_letter_has_its_name() -> None:
    font = ImageFont.load_default()
    lacking = bytes(font.getmask("\ue000"))
    for letter, name in GREEK.items():
        assert bytes(font.getmask(letter)) == lacking
        assert legible(letter) == name
        assert all(bytes(font.getmask(part)) != lacking for part in name)
