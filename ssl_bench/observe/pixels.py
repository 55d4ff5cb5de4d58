"""A target and its truth, pixel by pixel, as far as measures look: flat arrays over the pixels whose label is known."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ssl_bench.observe import measures
from ssl_bench.store.observed import Seen
from ssl_bench.task import Target, Task
from ssl_bench.world.exposed import Exposed

MOST = 2**18
"""Pixels that are measured of one target, evenly spaced among all there are: ranks are sorted."""
DIGITS = 6


@dataclass(frozen=True)
class Pixels:
    """(N,) arrays; None where there is nothing of the kind."""

    error: np.ndarray
    """Mean absolute difference from the encoded truth over outputs."""
    rated: bool
    """Whether the method itself says where its target may be poor."""
    good: np.ndarray
    """Whether the class is right; for regression the mean squared error over outputs."""
    student: np.ndarray | None
    """The same of who is taught."""
    keep: np.ndarray | None
    doubt: np.ndarray | None
    label: np.ndarray | None
    confidence: np.ndarray | None
    distance: np.ndarray | None


def pixels_of(
    task: Task, exposed: Exposed, student: Tensor | None, truth: Target, inside: Tensor, most: int = MOST
) -> Pixels:
    """Of one batch. `student`: T(x) (B, O, H, W) of who is taught. `inside`: (B, 1, H, W) bool, False on padding."""
    known = (truth.valid & inside)[:, 0].numpy()
    encoded = task.encode(truth).value
    stride = -(-int(known.sum()) // most) or 1

    def flat(plane: Tensor | np.ndarray) -> np.ndarray:
        return np.asarray(plane)[known][::stride]

    target = exposed.target.float()
    doubt, is_class = exposed.doubt, task.kind == "classification"
    sure = target.amax(1).clamp(0, 1)
    if doubt is None and is_class:
        doubt = 1 - sure[:, None]
    elif doubt is None and exposed.keep is not None:
        doubt = 1 - exposed.keep.float()
    label = truth.value if is_class else None
    return Pixels(
        rated=exposed.doubt is not None,
        error=flat((target - encoded).abs().mean(1)),
        good=flat(_good(task, target, truth)),
        student=None if student is None else flat(_good(task, student, truth)),
        keep=None if exposed.keep is None else flat(exposed.keep[:, 0]),
        doubt=None if doubt is None else flat(doubt[:, 0].float()),
        label=None if label is None else flat(label),
        confidence=flat(sure) if is_class else None,
        distance=None if label is None else flat(_distances(truth, inside)),
    )


def _good(task: Task, prediction: Tensor, truth: Target) -> Tensor:
    """(B, H, W)."""
    if task.kind == "classification":
        return prediction.argmax(1) == truth.value
    return (prediction.clamp(0, 1) - truth.value).square().mean(1)


def _distances(truth: Target, inside: Tensor) -> np.ndarray:
    ids = torch.where(truth.valid[:, 0], truth.value, -1).numpy()
    return np.stack([measures.boundary_distance(*row) for row in zip(ids, inside[:, 0].numpy(), strict=True)])


def joined(parts: Sequence[Pixels]) -> Pixels:
    """Join what all batches gave into one."""
    arrays: dict[str, Any] = {
        field.name: np.concatenate([getattr(part, field.name) for part in parts])
        for field in fields(Pixels)
        if isinstance(getattr(parts[0], field.name), np.ndarray)
    }
    return replace(parts[0], **arrays)


def seen(pixels: Pixels, classes: int, *, labeled: bool) -> Seen:
    """What is measured of them; `classes`: how many, for a classification."""
    is_class, keep = pixels.label is not None, pixels.keep
    score = measures.accuracy if is_class else measures.psnr
    found: dict[str, object] = {"pixels": len(pixels.good), "score": score(pixels.good)}
    if labeled:
        found["labeled"] = True
    if pixels.student is not None:
        found["student"] = score(pixels.student)
    if keep is not None:
        found["kept"] = float(keep.mean()) if len(keep) else None
        found["score_kept"] = score(pixels.good[keep])
        if pixels.student is not None:
            found["student_kept"] = score(pixels.student[keep])
    if pixels.label is not None and pixels.confidence is not None and pixels.distance is not None:
        bins = measures.reliability(pixels.confidence, pixels.good)
        found["recall"] = measures.recall(pixels.label, pixels.good, classes)
        if keep is not None:
            found["recall_kept"] = measures.recall(pixels.label, pixels.good & keep, classes)
        found |= {"calibration": measures.calibration_error(bins), "bins": bins}
        found["distances"] = measures.by_distance(pixels.distance, ~pixels.good)
    if pixels.doubt is not None and len(pixels.good):
        found["detection"] = measures.area_under_roc(pixels.doubt, _bad(pixels))
    if pixels.rated and pixels.doubt is not None:
        found["correlation"] = measures.rank_correlation(pixels.doubt, pixels.error)
    return Seen.model_validate({name: _written(value) for name, value in found.items()})


def _bad(pixels: Pixels) -> np.ndarray:
    """The pixels of a wrong class; for regression those with the largest errors."""
    if pixels.label is not None:
        return ~pixels.good
    return pixels.error > np.quantile(pixels.error, 1 - measures.WORST)


def _written(value: object) -> object:
    """As JSON has it: rounded, and None for what is no number."""
    if isinstance(value, list | tuple):
        return [_written(each) for each in value]
    if isinstance(value, float):
        return round(float(value), DIGITS) if np.isfinite(value) else None
    return value
