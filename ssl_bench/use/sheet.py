"""Pictures side by side, for the eye: inputs and targets, predictions, and what a method sees."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ssl_bench.dataset import Dataset
from ssl_bench.pixels.channels import eight_bit
from ssl_bench.task import Task
from ssl_bench.use.lettering import Colour, Legend, legible, shortened

SIDE = 192
"""Longest side of a picture on a sheet, px."""
GAP, CAPTION, PAIRS = 8, 16, 4
BACKGROUND, INK = (248, 248, 248), (64, 64, 64)
HEAT = np.array([(0, 0, 0), (80, 18, 123), (182, 54, 121), (251, 136, 97), (252, 253, 191)], float)
"""Colours of a map from 0 to 1, dark to light, so that it reads in grey as well."""

Row = Sequence[tuple[str, np.ndarray]]
"""Captions and pictures (H, W, 3) uint8."""


def contact_sheet(task: Task, dataset: Dataset, names: Sequence[str]) -> Image.Image:
    """A sheet of (input, target) pairs, each with its id."""
    pictures: list[tuple[str, np.ndarray]] = []
    for name in names:
        pictures.append((name, dataset.channels.drawn(dataset.image(name))))
        pictures.append(("", task.picture(eight_bit(dataset.target(name)))))
    return draw_sheet(
        [pictures[start : start + 2 * PAIRS] for start in range(0, len(pictures), 2 * PAIRS)], task
    )


def draw_sheet(rows: Sequence[Row], task: Task | None = None) -> Image.Image:
    """Rows of captioned pictures, and below them the class colours of a task, where it has classes."""
    pictures = [[_fitted(picture) for _, picture in row] for row in rows]
    widths = [
        max(picture.width for row in pictures if column < len(row) for picture in [row[column]])
        for column in range(max(map(len, pictures)))
    ]
    heights = [CAPTION + max(picture.height for picture in row) + GAP for row in pictures]
    width = GAP + sum(widths) + GAP * len(widths)
    entries = [] if task is None else [(colour_of(task, n), name) for n, name in enumerate(task.classes)]
    font = ImageFont.load_default()
    legend = Legend(entries, font, width - 2 * GAP, side=12)
    sheet = Image.new("RGB", (width, GAP + sum(heights) + legend.height + GAP), BACKGROUND)
    draw = ImageDraw.Draw(sheet)
    top = GAP
    for row, fitted, height in zip(rows, pictures, heights, strict=True):
        left = GAP
        for (caption, _), picture, column in zip(row, fitted, widths, strict=False):
            draw.text((left, top), shortened(legible(caption), font, column), INK, font)
            sheet.paste(picture, (left, top + CAPTION))
            left += column + GAP
        top += height
    legend.draw(draw, GAP, top, INK, INK)
    return sheet


def colour_of(task: Task, number: int) -> Colour:
    """The colour in which a task draws a class, or `VOID`."""
    red, green, blue = task.picture(np.full((1, 1), number, np.uint8))[0, 0].tolist()
    return red, green, blue


def heat(values: np.ndarray) -> np.ndarray:
    """A map (H, W) in [0, 1] as colours (H, W, 3) uint8."""
    places = np.linspace(0, 1, len(HEAT))
    channels = [np.interp(values, places, HEAT[:, channel]) for channel in range(3)]
    return np.rint(np.stack(channels, 2)).astype(np.uint8)


def _fitted(picture: np.ndarray) -> Image.Image:
    image = Image.fromarray(picture)
    factor = SIDE / max(image.size)
    size = (max(1, round(image.width * factor)), max(1, round(image.height * factor)))
    # Enlarged pixels stay pixels: the sheet shows what a network sees.
    return image.resize(size, Image.Resampling.NEAREST if factor > 1 else Image.Resampling.LANCZOS)
