"""mIoU and pixel accuracy from the confusion matrix of a whole test set, and how far its scores can be relied on."""

from collections.abc import Mapping, Sequence
from typing import Self

import torch
from torch import Tensor
from torchmetrics.functional.classification import multiclass_confusion_matrix

from ssl_bench import Scores, Target
from ssl_bench_tasks.metrics.average import mean_of
from ssl_bench_tasks.metrics.reliability import Calibration, boundary_f


class ConfusionMetrics:
    """Scores of a classification, in percent.

    A class that occurs neither in the predictions nor in the labels has no IoU, and the mean leaves it out.
    """

    def __init__(self, classes: Sequence[str]) -> None:
        self.classes = tuple(classes)
        self._matrix = torch.zeros(len(classes), len(classes), dtype=torch.int64)
        self._calibration = Calibration()
        self._boundaries: list[float | None] = []

    def update(
        self, prediction: Tensor, target: Target, unknown: Tensor | None = None
    ) -> Mapping[str, float | list[int] | None]:
        """Add one image: `prediction` (1, O, H, W), class ids (1, H, W). `unknown` is not looked at.

        Returns the image's own `miou`, `pixel_accuracy` and `boundary_f`, its `intersection` and `union` in pixels, one
        entry per class, and its `correct` of all `pixels`: summed over images these give back the scores of any part
        of the set.
        """
        count = len(self.classes)
        valid = target.valid.squeeze(1)
        # On the CPU: under deterministic algorithms torch refuses to count on a CUDA device.
        known, label = valid.cpu(), target.value.cpu()
        confidence, found = prediction.amax(1).cpu(), prediction.argmax(1).cpu()
        matrix = multiclass_confusion_matrix(
            found[known], label[known], num_classes=count, validate_args=False
        )
        self._matrix += matrix
        self._calibration.add(confidence[known], found[known] == label[known])
        self._boundaries.append(boundary_f(*(each[0].numpy() for each in (found, label, known))))
        intersection, union = _overlap(matrix)
        return {
            "miou": _mean_iou(intersection, union),
            "pixel_accuracy": _percent(int(intersection.sum()), int(matrix.sum())),
            "boundary_f": self._boundaries[-1],
            "intersection": intersection.tolist(),
            "union": union.tolist(),
            "correct": int(intersection.sum()),
            "pixels": int(matrix.sum()),
        }

    def merge(self, other: Self) -> None:
        """Add the images of another one."""
        self._matrix += other._matrix
        self._calibration.merge(other._calibration)
        self._boundaries += other._boundaries

    def compute(self) -> Scores:
        """`miou`, `pixel_accuracy` and `ece` of all images added, the mean of their `boundary_f`, and one `iou/CLASS`
        per class."""
        intersection, union = _overlap(self._matrix)
        scores: Scores = {
            "miou": _mean_iou(intersection, union),
            "pixel_accuracy": _percent(int(intersection.sum()), int(self._matrix.sum())),
            "ece": self._calibration.error(),
            "boundary_f": mean_of(self._boundaries),
        }
        for name, common, either in zip(self.classes, intersection.tolist(), union.tolist(), strict=True):
            scores[f"iou/{name}"] = _percent(common, either)
        return scores


def _overlap(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """Intersection and union of each class, (O,) each, of a matrix with labels as rows."""
    intersection = matrix.diagonal()
    return intersection, matrix.sum(0) + matrix.sum(1) - intersection


def _mean_iou(intersection: Tensor, union: Tensor) -> float | None:
    present = union > 0
    if not present.any():
        return None
    return 100 * float((intersection[present].double() / union[present].double()).mean())


def _percent(part: int, whole: int) -> float | None:
    return 100 * part / whole if whole else None
