"""Self-training, and ST++, in one run.

Yang, Zhuo, Qi, Shi and Gao, ST++: Make Self-training Work Better for Semi-supervised Semantic Segmentation, CVPR 2022,
https://arxiv.org/abs/2106.05095.

    first stage:  L_A = task(A(x_l), y),   A' <- a A' + (1 - a) A
    then:         L_B = task(B(x_l), y) + lambda_ST CE(B(cutout(s(x_u))), argmax A'(x_u))

A labeller A learns from the labels alone; the average A' of its weights then stays as it is, and labels all that a
second network B learns from under strong changes, with noise in a box that does not count. B is deployed, and never
any other; A' is recorded beside it. `plus` is ST++: in the first half of the second stage a row counts where it is
reliable, that is where A' agrees with its own states at one and two thirds of the first stage (mean IoU of the two,
for regression minus the mean squared difference) at least as well as rows did on average so far; in the second half
all rows count, and an average of B labels them.

Deviations: the paper trains two or three networks, each for a whole run, on images labelled once; here all stages
share the steps that every method has, so that B takes two thirds of them, from a learning rate that has already fallen
(to 0.69 of the first with the polynomial of power 0.9), and A' labels what a batch holds, at one scale. Its code
labels by the states that scored best on the set that is reported; here by the last one. ST++ ranks all images once;
here rows are compared with a running mean. Its last stage starts anew; here B goes on. The loss is one mean over
labelled and unlabelled pixels there, and a weighted sum of two means here, of which the second counts the box's pixels
as pixels without an error. For regression, which is this project's
own, the target is the prediction, under the absolute difference, without a box.
"""

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn

from ssl_bench import Batch, Losses, Method, NetworkFactory, Player, Progress, Task, masked_mean
from ssl_bench.toolbox import (
    decay_at,
    draw_boxes,
    evaluating,
    frozen_copy,
    gated,
    on_device,
    pseudo_error,
    row_mean,
    row_overlap,
    update_average,
)
from ssl_bench_plugins.methods.modern_configs import STConfig

MEMORY = 0.99
"""Decay of the running mean of reliabilities."""


class SelfTraining(Method):
    """A student that learns from the labels that a network gave which learnt from labels alone."""

    typical: Tensor

    def __init__(self, task: Task, config: STConfig, build_network: NetworkFactory) -> None:
        super().__init__(task, config, build_network)
        self.config: STConfig = config
        self.labeller = build_network(0)
        self.student = build_network(1)
        self.average = frozen_copy(self.labeller)
        self.register_buffer("typical", torch.zeros(()))
        if config.plus:
            self.earlier = nn.ModuleList(frozen_copy(self.labeller) for _ in range(2))
            self.student_average = frozen_copy(self.student)

    def players(self) -> Mapping[str, Player]:
        """Both networks, which never step together."""
        return {"labeller": Player(self.labeller), "student": Player(self.student)}

    def losses(self, batch: Batch, progress: Progress) -> Iterator[Losses]:
        """The labeller's task loss; or the student's, with pseudo targets."""
        config, task, draws = self.config, self.task, progress.draws
        start = self._start(progress)
        if progress.step < start:
            logits = progress.forward(self.labeller, batch.labeled_images, batch.labeled)
            yield {"labeller": {"task": task.loss(logits, batch.targets)}}
            return
        images, valid = batch.unlabeled_images, batch.unlabeled_valid
        by_itself = config.plus and progress.step >= self._second_half(progress)
        teacher = self.student_average if by_itself else self.average
        with evaluating(teacher):
            target = task.activate(teacher(images))
        keep = torch.ones_like(valid)
        if config.plus and not by_itself:
            reliability = self._reliability(images, target, valid)
            progress.log("reliability", reliability.mean())
            yield {}  # One mean for all parts of the batch.
            rows = reliability >= self._typical(progress)
            progress.log("kept", rows.to(target.dtype).mean())
            keep = keep & rows.view(-1, 1, 1, 1)
        progress.observe(target, keep=keep, student=self.student)

        views = task.perturb(images, draws, config.strong)
        if config.cutout:
            boxes = draw_boxes("aspect", draws, images)
            noise = on_device(draws.rand(*images.shape).to(images.dtype), images.device)
            views, keep = torch.where(boxes, noise, views), keep & ~boxes
        logits = progress.forward(self.student, torch.cat([batch.labeled_images, views]), batch.labeled)
        labeled, unlabeled = logits.tensor_split([batch.labeled])
        error = pseudo_error(task.kind, unlabeled, task.activate(unlabeled), target, config.target)
        yield {
            "student": {
                "task": task.loss(labeled, batch.targets),
                "pseudo": config.lambda_st * masked_mean(gated(error, keep), valid),
            }
        }

    def _reliability(self, images: Tensor, last: Tensor, valid: Tensor) -> Tensor:
        """How far earlier states of the labeller agree with its last one, (B,)."""
        found = []
        for network in self.earlier:
            with evaluating(network):
                prediction = self.task.activate(network(images))
            if self.task.kind == "classification":
                found.append(row_overlap(prediction, last, valid))
            else:
                found.append(-row_mean((prediction - last).square(), valid))
        return torch.stack(found).mean(0)

    def _typical(self, progress: Progress) -> Tensor:
        """The running mean of reliabilities, this step's among them."""
        decay = decay_at(progress.step - self._start(progress), MEMORY)
        return self.typical.lerp(progress.log.mean("reliability").to(self.typical.dtype), 1 - decay)

    def _start(self, progress: Progress) -> int:
        """The second stage's first step."""
        return round(self.config.first_stage * progress.iterations)

    def _second_half(self, progress: Progress) -> int:
        return (self._start(progress) + progress.iterations) // 2

    def after_step(self, progress: Progress) -> None:
        """Averages follow, and earlier states of the labeller's are kept."""
        config, step, start = self.config, progress.step, self._start(progress)
        if step < start:
            update_average(self.average, self.labeller, decay_at(step, config.alpha_st))
            for third, network in enumerate(self.earlier if config.plus else (), 1):
                if step + 1 == max(1, round(start * third / 3)):
                    update_average(network, self.average, 0.0)
        elif config.plus:
            update_average(self.student_average, self.student, decay_at(step - start, config.alpha_st))
            if step < self._second_half(progress):
                self.typical.copy_(self._typical(progress))

    @property
    def deployed(self) -> nn.Module:
        """The network that is evaluated: the student."""
        return self.student

    def predict_beside(self) -> Mapping[str, nn.Module]:
        """The labeller's average, whose scores are recorded beside."""
        return {"labeller": self.average}
