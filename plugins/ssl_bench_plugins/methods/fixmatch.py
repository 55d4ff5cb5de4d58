"""FixMatch for pixels, and for regression.

Sohn et al., FixMatch: Simplifying Semi-Supervised Learning with Consistency and Confidence, NeurIPS 2020,
https://arxiv.org/abs/2001.07685, in the form for dense prediction that UniMatch (CVPR 2023,
https://arxiv.org/abs/2208.09910) and UniMatch V2 compare with in their code.

    q = T(T'(w(x_u))),   keep = [max q >= tau],   boxes m on rows and their partners
    L = task(S(x_l), y) + lambda_FM sum over pixels of CE(S(mix(s(x_u))), argmax mix(q)) mix(keep) / valid pixels

w is the weak view and s the strong one, of one geometry. The sum is divided by the valid pixels, kept or not: a gate
that few pixels pass makes a small loss. The teacher T' is the student's moving average, in evaluation mode (UniMatch
V2's form), and is deployed; in short runs it lags, and the student's scores stand beside. `teacher=self` is UniMatch's
own form: the student's prediction for the weak rows, in the pass of the labelled ones, is the target, and the strong
rows have a pass of their own; the student is deployed then.

Deviations: the code halves the sum of both losses, which is a learning rate of half as much; here the labelled loss
weighs what it does in every method. Boxes are pasted between rows 2i and 2i + 1; the code mixes a row with another
crop of the same image, or the batch with its reverse. What perturbs is the task's own. V2's code passes x_l and s(x_u)
together, as `forward = joint` does.

For regression, which is this project's own: q is the target as it is, under the absolute difference, and since a
restored image has no confidence, a pixel counts where two weak views of it differ least: each row keeps the share of
its pixels that has the smallest difference, from `kept_fm` at first to all at the end. Rows gate themselves.
"""

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn

from ssl_bench import Batch, Losses, Method, NetworkFactory, Player, Progress, Task, masked_mean
from ssl_bench.toolbox import (
    boxes_or_none,
    confidence,
    decay_at,
    distance,
    evaluating,
    frozen_copy,
    gated,
    mix,
    pseudo_error,
    rising,
    smallest,
    update_average,
)
from ssl_bench_plugins.methods.modern_configs import FixMatchConfig


class FixMatch(Method):
    """A student that predicts a strongly changed image as a teacher predicts the image itself, where that is sure."""

    def __init__(self, task: Task, config: FixMatchConfig, build_network: NetworkFactory) -> None:
        super().__init__(task, config, build_network)
        self.config: FixMatchConfig = config
        self.student = build_network()
        self.teacher = frozen_copy(self.student) if config.teacher == "average" else None

    def players(self) -> Mapping[str, Player]:
        """The student; the teacher learns from nobody's gradient."""
        return {"student": Player(self.student)}

    def losses(self, batch: Batch, progress: Progress) -> Iterator[Losses]:
        """Task loss on labelled rows, pseudo targets on mixed strong views."""
        config, task, draws = self.config, self.task, progress.draws
        images, valid = batch.unlabeled_images, batch.unlabeled_valid
        weak = [task.perturb(images, draws, config.weak) for _ in range(1 + (config.gate == "agreement"))]
        strong = task.perturb(images, draws, config.strong)
        boxes = boxes_or_none(config.mix, draws, images)

        if self.teacher is not None:
            with evaluating(self.teacher):
                targets = [task.activate(self.teacher(view)) for view in weak]
            rows = torch.cat([batch.labeled_images, mix(strong, boxes)])
            logits = progress.forward(self.student, rows, batch.labeled)
            labeled, unlabeled = logits.tensor_split([batch.labeled])
        else:
            rows = torch.cat([batch.labeled_images, *weak])
            logits = progress.forward(self.student, rows, batch.labeled)
            labeled, *others = logits.split([batch.labeled, *map(len, weak)])
            targets = [task.activate(each.detach()) for each in others]
            unlabeled = self.student(mix(strong, boxes))

        target, keep = targets[0], self._gate(targets, valid, progress)
        progress.observe(targets, keep=keep, student=self.student)
        target, keep, valid = (mix(each, boxes) for each in (target, keep, valid))
        progress.log("kept", masked_mean(keep.float(), valid))
        error = pseudo_error(task.kind, unlabeled, task.activate(unlabeled), target, config.target)
        yield {
            "student": {
                "task": task.loss(labeled, batch.targets),
                "pseudo": config.lambda_fm * masked_mean(gated(error, keep), valid),
            }
        }

    def _gate(self, targets: list[Tensor], valid: Tensor, progress: Progress) -> Tensor:
        config = self.config
        if config.gate == "confidence":
            sure = confidence(targets[0])
            progress.log("confidence", masked_mean(sure, valid))
            return sure >= config.tau_fm
        if config.gate == "agreement":
            differs = distance(*targets)
            progress.log("difference", masked_mean(differs, valid))
            share = rising(progress.step, progress.iterations, config.kept_fm)
            return smallest(differs, share, valid)
        return torch.ones_like(valid)

    def after_step(self, progress: Progress) -> None:
        """The teacher moves towards the student."""
        if self.teacher is not None:
            update_average(self.teacher, self.student, decay_at(progress.step, self.config.alpha_fm))

    @property
    def deployed(self) -> nn.Module:
        """The teacher, where it is an average; else the student."""
        return self.student if self.teacher is None else self.teacher

    def predict_beside(self) -> Mapping[str, nn.Module]:
        """The student, where it is not deployed."""
        return {} if self.teacher is None else {"student": self.student}
