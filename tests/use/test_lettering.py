"""Names on pictures: what the font lacks is written in letters that it has."""

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from ssl_bench.use.lettering import GREEK, Legend, legible
from ssl_bench.use.sheet import draw_sheet


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


def test_a_caption_stays_above_its_picture() -> None:
    picture = np.full((72, 96, 3), 180, np.uint8)
    long, none = (
        np.asarray(draw_sheet([[(name, picture), ("label", picture)]]))
        for name in ("scene_2024-05-17_camera_left_frame_000123_augmented_crop", "")
    )
    differ = (long != none).any((0, 2))
    assert differ[8:200].any()
    assert not differ[200:].any()


def test_a_legend_stays_in_its_width() -> None:
    names = [*(f"class number {number}" for number in range(21)), "long " * 40, "last"]
    colours = [(8 * number, 0, 255) for number in range(len(names))]
    legend = Legend(list(zip(colours, names, strict=True)), ImageFont.load_default(), 300, side=12)
    sheet = Image.new("RGB", (400, legend.height + 40), (255, 255, 255))
    legend.draw(ImageDraw.Draw(sheet), 50, 20, (0, 0, 0), (0, 0, 0))
    pixels = np.asarray(sheet)
    drawn = (pixels != 255).any(2)
    assert not drawn[:, :50].any()
    assert not drawn[:, 351:].any()
    assert not drawn[:20].any()
    assert not drawn[-20:].any()
    assert all((pixels == colour).all(2).any() for colour in colours)
    written = [name for line in legend.lines for _, _, name in line]
    assert written[:-2] == names[:-2]
    assert written[-2].startswith("long long ")
    assert written[-2].endswith("...")
    assert written[-1] == "last"
