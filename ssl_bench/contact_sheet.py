"""Inputs beside targets, for the eye."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from ssl_bench.dataset import Dataset
from ssl_bench.task import Task

SIDE = 192
"""Longest side of a picture on the sheet, px."""
GAP, CAPTION, COLUMNS = 8, 16, 4
BACKGROUND, INK = (248, 248, 248), (64, 64, 64)


def contact_sheet(task: Task, dataset: Dataset, names: Sequence[str]) -> Image.Image:
    """A sheet of (input, target) pairs, each with its id, and the class colours below where there are classes."""
    pairs = [(dataset.image(name)[..., :3], task.picture(_eight_bit(dataset.target(name)))) for name in names]
    columns = min(COLUMNS, len(pairs))
    rows = -(-len(pairs) // columns)
    step_x, step_y = 2 * SIDE + 3 * GAP, SIDE + CAPTION + GAP
    legend = CAPTION + 2 * GAP if task.classes else 0
    sheet = Image.new("RGB", (columns * step_x + GAP, rows * step_y + GAP + legend), BACKGROUND)
    draw = ImageDraw.Draw(sheet)
    for index, (name, pair) in enumerate(zip(names, pairs, strict=True)):
        left, top = GAP + index % columns * step_x, GAP + index // columns * step_y
        draw.text((left, top), name, fill=INK)
        for place, picture in enumerate(pair):
            sheet.paste(_fitted(picture), (left + place * (SIDE + GAP), top + CAPTION))
    left = GAP
    for number, title in enumerate(task.classes):
        top = rows * step_y + GAP
        colour = task.picture(np.full((1, 1), number, np.uint8))[0, 0]
        draw.rectangle((left, top, left + 12, top + 12), fill=tuple(int(c) for c in colour), outline=INK)
        draw.text((left + 18, top), title, fill=INK)
        left += 34 + int(draw.textlength(title))
    return sheet


def _eight_bit(target: np.ndarray) -> np.ndarray:
    if target.dtype == np.uint8:
        return target
    scale = 1.0 if target.dtype.kind == "f" else np.iinfo(target.dtype).max
    return np.rint(np.clip(target / scale, 0, 1) * 255).astype(np.uint8)


def _fitted(picture: np.ndarray) -> Image.Image:
    image = Image.fromarray(picture)
    factor = SIDE / max(image.size)
    size = (max(1, round(image.width * factor)), max(1, round(image.height * factor)))
    # Enlarged pixels stay pixels: the sheet shows what a network sees.
    return image.resize(size, Image.Resampling.NEAREST if factor > 1 else Image.Resampling.LANCZOS)
