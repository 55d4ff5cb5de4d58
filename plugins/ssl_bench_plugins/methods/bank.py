"""Reliable bank: the best of what the network's averages have made of an image teaches.

Huang, Wang, Liu, Chen and Li, Contrastive Semi-Supervised Learning for Underwater Image Restoration via Reliable Bank,
CVPR 2023, https://arxiv.org/abs/2303.09101.

    a_k = mean over valid pixels of |T(F_k(w(x_u))) - T(F_k(w'(x_u)))|,   k* = the k of the smallest a_k, in each row
    L = task(S(x_l), y) + r(t) lambda_RB mean |T(S(s(x_u))) - T(F_k*(w(x_u)))|

F_k are states of the student's moving average at fixed steps, in evaluation mode; w and w' are two weak views, s is a
strong one, and the ramp-up r takes half of the run, as the paper's. Until the first state is there the student learns
from labels alone. The student is deployed, as in the paper's code; its average is recorded beside it.

Deviations: the paper keeps the best output so far of each image, rated by MUSIQ, a network that knows photographs;
here states of the network are kept instead, and rated by how little they change their mind between two views, which
needs no further network, no file for each image, and no crop that never moves. The contrastive, perceptual and
gradient terms are left out: the labelled loss is the task's own, as for every method. Its strong views change colours
that an enhanced image has to keep; here views are the task's own. Buffers are averaged like weights; there they are
not.
"""

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn

from ssl_bench import Batch, Losses, Method, NetworkFactory, Player, Progress, Task, masked_mean
from ssl_bench.toolbox import (
    decay_at,
    distance,
    evaluating,
    frozen_copy,
    ramp_up,
    row_mean,
    snapshots_taken,
    update_average,
)
from ssl_bench_plugins.methods.modern_configs import BankConfig


class Bank(Method):
    """A student, and states of its average, of which the steadiest on an image teaches."""

    def __init__(self, task: Task, config: BankConfig, build_network: NetworkFactory) -> None:
        super().__init__(task, config, build_network)
        self.config: BankConfig = config
        self.student = build_network()
        self.teacher = frozen_copy(self.student)
        self.bank = nn.ModuleList(frozen_copy(self.student) for _ in range(config.snapshots))

    def players(self) -> Mapping[str, Player]:
        """The student; the others learn from nobody's gradient."""
        return {"student": Player(self.student)}

    def losses(self, batch: Batch, progress: Progress) -> Iterator[Losses]:
        """Task loss on labelled rows, distance to the bank on the others."""
        config, task, draws = self.config, self.task, progress.draws
        taken = snapshots_taken(progress.step, progress.iterations, config.snapshots)
        if not taken:
            logits = progress.forward(self.student, batch.labeled_images, batch.labeled)
            yield {"student": {"task": task.loss(logits, batch.targets)}}
            return
        images, valid = batch.unlabeled_images, batch.unlabeled_valid
        views = [task.perturb(images, draws, config.weak) for _ in range(2)]
        strong = task.perturb(images, draws, config.strong)
        target, change = self._best(taken, views, valid)
        progress.log("change", change.mean())
        progress.observe(target, doubt=change.view(-1, 1, 1, 1).expand(valid.shape), student=self.student)

        logits = progress.forward(self.student, torch.cat([batch.labeled_images, strong]), batch.labeled)
        labeled, unlabeled = logits.tensor_split([batch.labeled])
        weight = config.lambda_rb * ramp_up(progress.step, progress.iterations / 2)
        yield {
            "student": {
                "task": task.loss(labeled, batch.targets),
                "bank": weight * masked_mean(distance(task.activate(unlabeled), target), valid),
            }
        }

    def _best(self, taken: int, views: list[Tensor], valid: Tensor) -> tuple[Tensor, Tensor]:
        """Of each row the prediction that changes least from view to view, and how much that is, (B,)."""
        best: tuple[Tensor, Tensor] | None = None
        # The newest one first, which a tie leaves in its place.
        for network in reversed(self.bank[:taken]):
            with evaluating(network):
                first, second = (self.task.activate(network(view)) for view in views)
            change = row_mean(distance(first, second), valid)
            if best is None:
                best = first, change
                continue
            better = change < best[1]
            target = torch.where(better.view(-1, 1, 1, 1), first, best[0])
            best = target, torch.where(better, change, best[1])
        assert best is not None
        return best

    def after_step(self, progress: Progress) -> None:
        """The average follows the student, and its state is kept where that is due."""
        update_average(self.teacher, self.student, decay_at(progress.step, self.config.alpha_rb))
        steps = (progress.step, progress.step + 1)
        before, now = (snapshots_taken(s, progress.iterations, self.config.snapshots) for s in steps)
        for number in range(before, now):
            update_average(self.bank[number], self.teacher, 0.0)

    @property
    def deployed(self) -> nn.Module:
        """The network that is evaluated: the student."""
        return self.student

    def predict_beside(self) -> Mapping[str, nn.Module]:
        """The student's average, whose scores are recorded beside."""
        return {"teacher": self.teacher}
