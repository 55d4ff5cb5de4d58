"""FixMatch for pixels with pasted boxes, whose content comes from a neighbour, or from the image itself.

In the public code of FixMatch for pixels, UniMatch and CPS with CutMix the loaders of the two unlabelled batches give
the same images in the same order, so that a box is filled from another crop of the image it is pasted into.

    q = T(S'(x_u)),   keep = [max q >= tau],   p(.) = the partner's content inside the row's box
    L = task(S(x_l), y) + weight * sum over pixels of error(S(p(s(x_u))), p(q)) p(keep) / valid pixels

`partner=itself` takes the row rolled by half of either side for another crop of the image. S' is the student's moving
average, and is deployed. For regression every pixel counts, and the error is the absolute difference.
"""

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn

from ssl_bench import Batch, Losses, Method, NetworkFactory, Player, Progress, Task, masked_mean
from ssl_bench.toolbox import (
    confidence,
    decay_at,
    draw_boxes,
    evaluating,
    frozen_copy,
    gated,
    partners,
    pseudo_error,
    update_average,
)
from ssl_bench_published_habits.configs import PastingConfig


class Pasting(Method):
    """A student that says of an image with a box pasted into it what a teacher says of both contents."""

    def __init__(self, task: Task, config: PastingConfig, build_network: NetworkFactory) -> None:
        super().__init__(task, config, build_network)
        self.config: PastingConfig = config
        self.student = build_network()
        self.teacher = frozen_copy(self.student)

    def players(self) -> Mapping[str, Player]:
        """The student."""
        return {"student": Player(self.student)}

    def losses(self, batch: Batch, progress: Progress) -> Iterator[Losses]:
        """Task loss on labelled rows, pseudo targets on pasted ones."""
        config, task, draws = self.config, self.task, progress.draws
        weak = task.perturb(batch.unlabeled_images, draws)
        strong = task.perturb(batch.unlabeled_images, draws, "strong")
        boxes = draw_boxes("aspect", draws, weak)
        with evaluating(self.teacher):
            target = task.activate(self.teacher(weak))
        keep = confidence(target) >= config.tau
        strong, target, keep, valid = (
            self._paste(rows, boxes) for rows in (strong, target, keep, batch.unlabeled_valid)
        )
        rows = torch.cat([batch.labeled_images, strong])
        labeled, unlabeled = progress.forward(self.student, rows, batch.labeled).tensor_split([batch.labeled])
        error = pseudo_error(task.kind, unlabeled, task.activate(unlabeled), target, "hard")
        progress.log("kept", masked_mean(keep.float(), valid))
        yield {
            "student": {
                "task": task.loss(labeled, batch.targets),
                "pseudo": config.weight * masked_mean(gated(error, keep), valid),
            }
        }

    def _paste(self, rows: Tensor, boxes: Tensor) -> Tensor:
        if self.config.partner == "nobody":
            return rows
        if self.config.partner == "neighbour":
            return torch.where(boxes, partners(rows), rows)
        height, width = rows.shape[-2:]
        return torch.where(boxes, rows.roll((height // 2, width // 2), (-2, -1)), rows)

    def after_step(self, progress: Progress) -> None:
        """The teacher moves towards the student."""
        update_average(self.teacher, self.student, decay_at(progress.step, self.config.decay))

    @property
    def deployed(self) -> nn.Module:
        """The network that is evaluated: the teacher."""
        return self.teacher
