"""CutMix with a mean teacher.

French, Laine, Aila, Mackiewicz and Finlayson, Semi-supervised semantic segmentation needs strong, varied perturbations,
BMVC 2020, https://arxiv.org/abs/1906.01916.

    q = mix(T(T'(x_u))),   p = T(S(mix(x_u))),   g = mean of [max q >= tau]
    L = task(S(x_l), y) + lambda_CM g mean over valid pixels of (sum over classes of (p - q)^2)
    theta' <- a theta' + (1 - a) theta,   a = min(1 - 1 / (step + 1), alpha_CM)

The teacher sees unmixed images, so that a pasted region is told by its own surroundings, and the student is to know it
without them. The gate g is one number for the whole batch; early in a run it is near 0, which serves as a ramp-up. The
teacher is deployed, as in the paper; in short runs its average lags behind the student, whose scores stand beside.

Deviations: the paper mixes rows of two batches; here rows 2i and 2i + 1 of one are mixed with each other, both ways.
The code's average has no warm-up, and its teacher starts as a copy of the student all the same. Means are over valid
pixels, in g as well; the code divides by all. The code passes labelled and mixed rows through the student separately
(`forward = separate` in a recipe), and its teacher normalises by its own batches, as here, while its running
statistics are averages like weights. For regression T is the task's own, without a gate: a restored image has no
confidence. Networks that look at the whole image see another one when it is mixed, and gain less.
"""

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn

from ssl_bench import Batch, Losses, Method, NetworkFactory, Player, Progress, Task, masked_mean
from ssl_bench.toolbox import (
    confidence,
    decay_at,
    draw_boxes,
    frozen_copy,
    gated,
    keep_running_statistics,
    mix,
    squared_error,
    update_average,
)
from ssl_bench_plugins.methods.modern_configs import CutMixConfig


class CutMix(Method):
    """A student that predicts a mixed image as its teacher predicts the images that it is mixed of."""

    def __init__(self, task: Task, config: CutMixConfig, build_network: NetworkFactory) -> None:
        super().__init__(task, config, build_network)
        self.config: CutMixConfig = config
        self.student = build_network()
        self.teacher = frozen_copy(self.student)
        keep_running_statistics(self.teacher)

    def players(self) -> Mapping[str, Player]:
        """The student; the teacher learns from nobody's gradient."""
        return {"student": Player(self.student)}

    def losses(self, batch: Batch, progress: Progress) -> Iterator[Losses]:
        """Task loss on labelled rows, consistency on mixed ones."""
        config, task = self.config, self.task
        images, valid = batch.unlabeled_images, batch.unlabeled_valid
        with torch.no_grad():
            target = task.activate(self.teacher(images))
        sure = confidence(target) >= config.tau_cm if config.gate != "none" else torch.ones_like(valid)
        # Of a batch that is weighed by its rate every pixel teaches.
        progress.observe(target, keep=sure if config.gate == "pixel" else None, student=self.student)
        views = task.perturb(images, progress.draws, config.noise)
        if config.mix != "none":
            boxes = draw_boxes(config.mix, progress.draws, images)
            views, target, sure, valid = (mix(rows, boxes) for rows in (views, target, sure, valid))
        weight: float | Tensor = config.lambda_cm
        if config.gate != "none":
            progress.log("sure", masked_mean(sure.to(target.dtype), valid))
        if config.gate == "rate":
            yield {}  # One rate for all parts of the batch.
            weight = config.lambda_cm * progress.log.mean("sure")

        rows = torch.cat([batch.labeled_images, views])
        logits = progress.forward(self.student, rows, batch.labeled)
        labeled, unlabeled = logits.tensor_split([batch.labeled])
        error = squared_error(task.kind, task.activate(unlabeled), target)
        if config.gate == "pixel":
            error = gated(error, sure)
        yield {
            "student": {
                "task": task.loss(labeled, batch.targets),
                "consistency": weight * masked_mean(error, valid),
            }
        }

    def after_step(self, progress: Progress) -> None:
        """The teacher moves towards the student."""
        update_average(self.teacher, self.student, decay_at(progress.step, self.config.alpha_cm))

    @property
    def deployed(self) -> nn.Module:
        """The network that is evaluated: the teacher."""
        return self.teacher

    def predict_beside(self) -> Mapping[str, nn.Module]:
        """The student, whose scores are recorded beside."""
        return {"student": self.student}
