"""A finished cell in pictures: input, label, prediction, and what the method sees."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ssl_bench.errors import UsageError
from ssl_bench.pixels.channels import eight_bit
from ssl_bench.registry.registry import Registry
from ssl_bench.task import Task
from ssl_bench.train.batches import whole_image, whole_target
from ssl_bench.use.sheet import draw_sheet, heat
from ssl_bench.use.shown_data import NOT_STATED, open_shown_data
from ssl_bench.use.trained import CPU, load_trained

ACROSS = 4
"""Panels in a row: input, label and prediction, and one more."""


@torch.inference_mode()
def show_cell(
    folder: Path, registry: Registry, count: int, data: Mapping[str, Path] = NOT_STATED
) -> Image.Image:
    """The first `count` images that it is scored on, at the cell's final weights: of each a few panels in a row, and in
    further rows below it where the method has more to show.

    `data`: task to the folder of its data, where the user says so. Raises DataError as `open_shown_data`; UsageError
    where there is no such image.
    """
    trained = load_trained(folder, registry, data=data)
    method, dataset = trained.method, open_shown_data(trained.order, registry, data)
    names = trained.cell.split.held_out or dataset.test
    if not names:
        raise UsageError(
            f"{trained.cell.id}: no image with a label was left to show it on; `ssl-bench predict` takes others"
        )
    task, rows = method.task, []
    for name in names[:count]:
        picture, stored = dataset.image(name), dataset.target(name)
        image, target = whole_image(picture, CPU), whole_target(stored, task.kind, CPU)
        row = [
            (name, dataset.channels.drawn(picture)),
            ("label", task.picture(eight_bit(stored))),
            ("prediction", _drawn(task, task.activate(method.predict(image)))),
        ]
        for panel in method.explain(image, target):
            values = panel.values
            row.append(
                (panel.title, _drawn(task, values) if panel.is_prediction else heat(values[0, 0].numpy()))
            )
        rows += [row[start : start + ACROSS] for start in range(0, len(row), ACROSS)]
    return draw_sheet(rows, task)


def _drawn(task: Task, prediction: Tensor) -> np.ndarray:
    return task.picture(eight_bit(task.stored(prediction)))
