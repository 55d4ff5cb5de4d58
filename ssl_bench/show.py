"""A finished cell in pictures: input, label, prediction, and what the method sees."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ssl_bench.batches import whole_image, whole_target
from ssl_bench.cell import Cell
from ssl_bench.checkpoint import load_checkpoint
from ssl_bench.contact_sheet import draw_sheet, eight_bit, heat
from ssl_bench.errors import DataError, UsageError
from ssl_bench.files import read_json
from ssl_bench.registry import Registry
from ssl_bench.task import Task
from ssl_bench.worker import build_method, open_cell_data

CPU = torch.device("cpu")


def find_cell(root: Path, name: str) -> Path:
    """Folder of the finished cell whose id is, or alone begins with, `name`. UsageError where there is no one such."""
    found = sorted(
        path.parent for path in root.glob("cells/*/result.json") if path.parent.name.startswith(name)
    )
    if len(found) == 1 or (found and found[0].name == name):
        return found[0]
    if not found:
        raise UsageError(f"no finished cell '{name}' in {root}; see `ssl-bench plan --out {root}` for ids")
    raise UsageError(f"{len(found)} cells begin with '{name}', '{found[0].name}' first; give more of the id")


@torch.inference_mode()
def show_cell(folder: Path, registry: Registry, count: int) -> Image.Image:
    """A row for each of the first `count` test images, at the cell's final weights."""
    content, weights = read_json(folder / "cell.json"), load_checkpoint(folder / "weights.pt")
    if content is None or weights is None:
        raise DataError(
            f"{folder} has no readable cell.json and weights.pt; run the cell again with --no-resume"
        )
    cell = Cell.from_json(content)
    dataset = open_cell_data(cell, registry)
    method = build_method(cell, registry, dataset.classes)
    method.load_state_dict(weights)
    method.eval()
    task, rows = method.task, []
    for name in dataset.test[:count]:
        picture, stored = dataset.image(name), dataset.target(name)
        image, target = whole_image(picture, CPU), whole_target(stored, task.kind, CPU)
        row = [
            (name, picture[..., :3]),
            ("label", task.picture(eight_bit(stored))),
            ("prediction", _drawn(task, task.activate(method.predict(image)))),
        ]
        for panel in method.explain(image, target):
            values = panel.values
            row.append(
                (panel.title, _drawn(task, values) if panel.is_prediction else heat(values[0, 0].numpy()))
            )
        rows.append(row)
    return draw_sheet(rows, task)


def _drawn(task: Task, prediction: Tensor) -> np.ndarray:
    label = task.decode(prediction)[0]
    if task.kind == "classification":
        return task.picture(label.numpy().astype(np.uint8))
    return task.picture(np.rint(label.permute(1, 2, 0).numpy() * 255).astype(np.uint8))
