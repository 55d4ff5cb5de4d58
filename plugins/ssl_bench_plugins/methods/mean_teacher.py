"""Mean Teacher.

Tarvainen and Valpola, Mean teachers are better role models, NeurIPS 2017, https://arxiv.org/abs/1703.01780.

    L = task(S(x_l), y) + r(t) lambda_MT MSE(T(S(x_u)), stopgrad T(T'(x_u)))
    theta' <- a theta' + (1 - a) theta,   a = min(1 - 1 / (step + 1), alpha_MT)

Deviations: the paper perturbs labelled images as well; here the labelled rows are those of every other method, so that
comparisons stay fair. The paper's running statistics follow the teacher's own batches; here they are averaged
like weights, so that an evaluated teacher is the average of students and nothing else.
"""

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ssl_bench import Batch, Losses, Method, NetworkFactory, Player, Progress, Task, masked_mean
from ssl_bench.toolbox import decay_at, frozen_copy, keep_running_statistics, ramp_up, update_average
from ssl_bench_plugins.methods.configs import MeanTeacherConfig


class MeanTeacher(Method):
    """A student that agrees with the moving average of its own past."""

    def __init__(self, task: Task, config: MeanTeacherConfig, build_network: NetworkFactory) -> None:
        super().__init__(task, config, build_network)
        self.config: MeanTeacherConfig = config
        self.student = build_network()
        self.teacher = frozen_copy(self.student)
        keep_running_statistics(self.teacher)

    def players(self) -> Mapping[str, Player]:
        """The student; the teacher learns from nobody's gradient."""
        return {"student": Player(self.student)}

    def losses(self, batch: Batch, progress: Progress) -> Iterator[Losses]:
        """Task loss on labelled rows, consistency with the teacher on unlabelled ones."""
        student_view = self.task.perturb(batch.unlabeled_images, progress.draws, self.config.noise)
        student_rows = torch.cat([batch.labeled_images, student_view])
        student_logits = progress.forward(self.student, student_rows, batch.labeled)
        labeled_logits, unlabeled_logits = student_logits.tensor_split([batch.labeled])
        yield {
            "student": {
                "task": self.task.loss(labeled_logits, batch.targets),
                "consistency": self._consistency(unlabeled_logits, batch, progress),
            }
        }

    def _consistency(self, student_logits: Tensor, batch: Batch, progress: Progress) -> Tensor:
        """r(t) lambda_MT MSE; of a weight of 0 it is 0 whatever the teacher says, who is not asked then."""
        config, task = self.config, self.task
        if config.lambda_mt == 0:
            return student_logits.new_zeros(())
        teacher_view = task.perturb(batch.unlabeled_images, progress.draws, config.noise)
        with torch.no_grad():
            teacher_logits = self.teacher(teacher_view)
        target = task.activate(teacher_logits)
        progress.observe(target, student=self.student)
        if config.space == "probabilities":
            error = F.mse_loss(task.activate(student_logits), target, reduction="none")
        else:
            logits = in_full_precision(student_logits), in_full_precision(teacher_logits)
            error = F.mse_loss(*logits, reduction="none")
        weight = ramp_up(progress.step, config.eta_mt * progress.iterations_per_epoch) * config.lambda_mt
        return weight * masked_mean(error, batch.unlabeled_valid)

    def after_step(self, progress: Progress) -> None:
        """The teacher moves towards the student; the first update copies it."""
        update_average(self.teacher, self.student, decay_at(progress.step, self.config.alpha_mt))

    @property
    def deployed(self) -> nn.Module:
        """The network that is evaluated: the teacher."""
        return self.teacher

    def predict_beside(self) -> Mapping[str, nn.Module]:
        """The student, whose scores are recorded beside."""
        return {"student": self.student}


def in_full_precision(logits: Tensor) -> Tensor:
    """Logits as float32 at least, also under autocast."""
    return logits.to(torch.promote_types(logits.dtype, torch.float32))
