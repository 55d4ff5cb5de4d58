"""Galleries for the page of `ssl-bench report`, from finished cells whose weights and data are at hand."""

import base64
import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from ssl_bench.compare.choice import Comparison, Finished, metric_name
from ssl_bench.compare.figure import caption_of, class_colours
from ssl_bench.compare.outputs import Outputs, make_outputs
from ssl_bench.errors import SslBenchError
from ssl_bench.leaderboard.formats.markdown import plain
from ssl_bench.registry.registry import Registry
from ssl_bench.report.gallery import Gallery, Panel, Picture
from ssl_bench.use.shown_data import NOT_STATED

BUDGET = 8 * 2**20
"""Bytes of all embedded pictures of a page."""
SIDES = (320, 240, 160, 96)
"""Longest sides to try, px: smaller ones where pictures at full size would be too much for the page."""
SEED = 0
"""Of the draw of images: it is stated, and the same for every page."""


def make_galleries(
    finished: Finished, registry: Registry, count: int, data: Mapping[str, Path] = NOT_STATED
) -> tuple[list[Gallery], list[str]]:
    """A gallery for each task with two methods or more at hand, and a sentence for each that could not be made.

    `data`: task to the folder of its data, where the user says so.
    """
    galleries: list[Gallery] = []
    problems: list[str] = []
    chosen = [(task, one) for task in registry.entries["tasks"] if (one := _fullest(finished, task))]
    for task, comparison in chosen:
        try:
            outputs = make_outputs(comparison, registry, "random", count, SEED, data)
        except SslBenchError as error:
            problems.append(f"no pictures of task '{task}': {error}")
            continue
        if gallery := _gallery(outputs, BUDGET // len(chosen)):
            galleries.append(gallery)
        else:
            problems.append(f"no pictures of task '{task}': they are too large for a page")
    return galleries, problems


def _fullest(finished: Finished, task: str) -> Comparison | None:
    """The comparison with the most methods, the first of several."""
    found = [one for column in finished.columns(task) if (one := finished.comparison(column))]
    best = max(found, key=lambda one: len(one.shown), default=None)
    return best if best is not None and len(best.shown) > 1 else None


def _gallery(outputs: Outputs, budget: int) -> Gallery | None:
    comparison = outputs.comparison
    for side in SIDES:
        pictures = [_picture(outputs, place, side) for place in range(len(outputs.rows))]
        sizes = [sum(len(panel.uri) for panel in picture.panels) for picture in pictures]
        if sum(sizes) <= budget:
            break
    while pictures and sum(sizes) > budget:
        pictures.pop()
        sizes.pop()
    if not pictures:
        return None
    shown = comparison.shown
    note = caption_of(outputs, "random", SEED, page=True)
    if max(max(row.image.shape[:2]) for row in outputs.rows) > side:
        note += f" Shrunk to {side} px."
    if outputs.scored:
        note += f" Numbers: {metric_name(comparison)} of the image."
    return Gallery(
        plain(comparison.head.task_title),
        note,
        pictures,
        2 + shown.index(comparison.baseline),
        2 + shown.index(comparison.challenger),
        [("#{:02x}{:02x}{:02x}".format(*colour), name) for colour, name in class_colours(outputs)],
    )


def _picture(outputs: Outputs, place: int, side: int) -> Picture:
    row = outputs.rows[place]
    titles = ["Input", "Label", *(one.title for one in outputs.comparison.shown)]
    scores = ["", "", *outputs.score_texts(row)]
    images = [_fitted(picture, side) for picture in (row.image, row.label, *row.outputs)]
    panels = [
        Panel(title, score, _uri(image)) for title, score, image in zip(titles, scores, images, strict=True)
    ]
    return Picture(plain(row.name), images[0].width, images[0].height, panels)


def _fitted(picture: np.ndarray, side: int) -> Image.Image:
    image = Image.fromarray(np.ascontiguousarray(picture))
    image.thumbnail((side, side), Image.Resampling.LANCZOS)
    return image


def _uri(image: Image.Image) -> str:
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
