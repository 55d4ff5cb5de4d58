"""Scores on whole test images at their own resolution, one image at a time."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ssl_bench.batches import whole_image, whole_target
from ssl_bench.dataset import GuardedDataset
from ssl_bench.distributed import ALONE, World
from ssl_bench.errors import CellError, SslBenchError
from ssl_bench.task import Metrics, Scores, Task

Row = Mapping[str, Any]
"""What is recorded of one image."""


@dataclass(frozen=True)
class Evaluation:
    """Scores of the set, and of each image in the order of the test ids."""

    scores: Scores
    per_image: Mapping[str, Sequence[Any]]


def evaluate(
    predict: Callable[[Tensor], Tensor],
    task: Task,
    data: GuardedDataset,
    names: Sequence[str],
    device: torch.device,
    world: World = ALONE,
) -> Evaluation:
    """Score `predict` (images to logits) on the test images named; nothing is resized or cropped.

    Each process of `world` takes every so manieth image, and all of them get the scores of the whole set. Raises
    CellError for a prediction that is not finite: an argmax or a PSNR of it would look like a score.
    """
    metrics = task.metrics()
    if world.size == 1:
        rows = _score(metrics, predict, task, data, names, device)
    else:
        rows = [{}] * len(names)
        for rank, (share, part) in enumerate(_shares(world, metrics, predict, task, data, names, device)):
            rows[rank :: world.size] = part
            if rank != world.rank:
                metrics.merge(share)
    keys = list(dict.fromkeys(key for row in rows for key in row))
    return Evaluation(metrics.compute(), {key: [row.get(key) for row in rows] for key in keys})


def _shares(world: World, metrics: Metrics, *arguments: Any) -> list[tuple[Metrics, list[Row]]]:
    """What each process was fed and recorded of its images. Raises what any of them raised."""
    predict, task, data, names, device = arguments
    found: tuple[Metrics, list[Row]] | SslBenchError
    try:
        rows = _score(metrics, predict, task, data, names[world.rank :: world.size], device)
        found = (metrics, rows)
    except SslBenchError as error:
        found = error  # The others wait to be told.
    shares = []
    for share in world.gather(found):
        if isinstance(share, SslBenchError):
            raise share
        shares.append(share)
    return shares


@torch.inference_mode()
def _score(
    metrics: Metrics,
    predict: Callable[[Tensor], Tensor],
    task: Task,
    data: GuardedDataset,
    names: Sequence[str],
    device: torch.device,
) -> list[Row]:
    rows = []
    for name in names:
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
    return rows
