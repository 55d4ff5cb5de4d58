"""Scores on whole test images at their own resolution, one image at a time."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ssl_bench.batches import whole_image, whole_target
from ssl_bench.dataset import GuardedDataset
from ssl_bench.errors import CellError
from ssl_bench.task import Scores, Task


@dataclass(frozen=True)
class Evaluation:
    """Scores of the set, and of each image in the order of the test ids."""

    scores: Scores
    per_image: Mapping[str, Sequence[Any]]


@torch.inference_mode()
def evaluate(
    predict: Callable[[Tensor], Tensor],
    task: Task,
    data: GuardedDataset,
    names: Sequence[str],
    device: torch.device,
    between: Callable[[], None] = lambda: None,
) -> Evaluation:
    """Score `predict` (images to logits) on the test images named; nothing is resized or cropped.

    `between` is called before each image; what it raises ends the evaluation.
    Raises CellError for a prediction that is not finite: an argmax or a PSNR of it would look like a score.
    """
    metrics = task.metrics()
    rows: list[Mapping[str, Any]] = []
    for name in names:
        between()
        image = whole_image(data.image(name), device)
        target = whole_target(data.target(name), task.kind, device)
        region = data.unknown(name)
        unknown = None if region is None else torch.from_numpy(region)[None, None].to(device)
        prediction = task.activate(predict(image))
        if not prediction.isfinite().all():
            raise CellError(
                f"the prediction for test image '{name}' is not finite; try a lower learning rate"
            )
        rows.append(metrics.update(prediction, target, unknown))
    keys = list(dict.fromkeys(key for row in rows for key in row))
    return Evaluation(metrics.compute(), {key: [row.get(key) for row in rows] for key in keys})
