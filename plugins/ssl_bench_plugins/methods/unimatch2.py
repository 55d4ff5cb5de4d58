"""UniMatch V2: two strong views, either of which has channels that the other one lacks.

Yang, Zhao and Zhao, UniMatch V2: Pushing the Limit of Semi-Supervised Semantic Segmentation, TPAMI 2025,
https://arxiv.org/abs/2410.10777.

    q = T(T'(w(x_u))),   keep = [max q >= tau],   boxes m_1, m_2 on rows and their partners
    M ~ {0, 2} for each channel, or 1 for all of a row's,   M_1 = M,   M_2 = 2 - M
    L = task(S(x_l), y) + lambda_UM2 mean over v of
        sum over pixels of CE(g(M_v e(mix_v(s_v(x_u)))), argmax mix_v(q)) mix_v(keep) / valid pixels

S = g(e(.)) is the student, an encoder and a decoder; the teacher T' is its moving average, in evaluation mode, and is
deployed. In short runs it lags, and the student's scores stand beside.

Deviations: the code halves the sum of both losses; here the labelled loss weighs what it does in every method. It
leaves the channels of exactly half of a batch's rows, chosen together; here each row draws for itself, so that parts of
a batch draw alike. Levels of one width, as a transformer's are, share M, as in the code; others have one each, as the
authors advise for convolutional encoders. DPT's features are taken after the token of the whole image was read into
them, which the code's DPT has not. Labelled rows have a pass of their own there (`forward = separate` in a recipe),
which only BatchNorm can tell. The paper's encoder rate is 1/40 of the rest's (`optimizer.encoder_multiplier`). Rows 2i
and 2i + 1 are mixed; the code mixes the batch with its reverse. What perturbs is the task's own.

For regression, which is this project's own: targets, errors and gate are FixMatch's, and channels are dropped on the
deepest two levels alone.
"""

from collections.abc import Iterator, Mapping

import torch
from torch import nn

from ssl_bench import Batch, Losses, Method, NetworkFactory, Player, Progress, Task, masked_mean
from ssl_bench.toolbox import (
    boxes_or_none,
    complementary_masks,
    decay_at,
    evaluating,
    frozen_copy,
    gated,
    mix,
    passing,
    pseudo_error,
    rising,
    update_average,
)
from ssl_bench_plugins.methods.feature_configs import UniMatch2Config


class UniMatch2(Method):
    """A student that predicts two strong views, each with half of the channels, as its average predicts a weak one."""

    def __init__(self, task: Task, config: UniMatch2Config, build_network: NetworkFactory) -> None:
        super().__init__(task, config, build_network)
        self.config: UniMatch2Config = config
        self.student = build_network()
        self.teacher = frozen_copy(self.student)

    def players(self) -> Mapping[str, Player]:
        """The student; the teacher learns from nobody's gradient."""
        return {"student": Player(self.student)}

    def losses(self, batch: Batch, progress: Progress) -> Iterator[Losses]:
        """Task loss on labelled rows, pseudo targets on two mixed strong views."""
        config, task, draws = self.config, self.task, progress.draws
        images, valid, count = batch.unlabeled_images, batch.unlabeled_valid, len(batch.unlabeled_images)
        weak = [task.perturb(images, draws, config.weak) for _ in range(1 + (config.gate == "agreement"))]
        strong = [task.perturb(images, draws, config.strong) for _ in range(2)]
        boxes = [boxes_or_none(config.mix, draws, images) for _ in strong]
        with evaluating(self.teacher):
            targets = [task.activate(self.teacher(view)) for view in weak]

        mixed = [mix(view, box) for view, box in zip(strong, boxes, strict=True)]
        rows = torch.cat([batch.labeled_images, *mixed])
        features = progress.forward.features(self.student, rows, batch.labeled)
        if config.complementary:
            parts = [level.split([batch.labeled, count, count]) for level in features]
            masks = complementary_masks([view for _, view, _ in parts], draws, levels=config.levels)
            features = [
                torch.cat([known, one * first, other * second])
                for (known, one, other), first, second in zip(parts, *masks, strict=True)
            ]
        logits = progress.forward.from_features(self.student, features, rows, batch.labeled)
        labeled, *views = logits.split([batch.labeled, count, count])

        share = rising(progress.step, progress.iterations, config.kept_um2)
        keep = passing(config.gate, targets, valid, threshold=config.tau_um2, share=share)
        progress.log("kept", masked_mean(keep.float(), valid))
        progress.observe(targets, keep=keep, student=self.student)
        errors = []
        for view, box in zip(views, boxes, strict=True):
            target, kept, known = (mix(each, box) for each in (targets[0], keep, valid))
            error = pseudo_error(task.kind, view, task.activate(view), target, config.target)
            errors.append(masked_mean(gated(error, kept), known))
        yield {
            "student": {
                "task": task.loss(labeled, batch.targets),
                "pseudo": config.lambda_um2 * torch.stack(errors).mean(),
            }
        }

    def after_step(self, progress: Progress) -> None:
        """The teacher moves towards the student."""
        update_average(self.teacher, self.student, decay_at(progress.step, self.config.alpha_um2))

    @property
    def deployed(self) -> nn.Module:
        """The network that is evaluated: the teacher."""
        return self.teacher

    def predict_beside(self) -> Mapping[str, nn.Module]:
        """The student, whose scores are recorded beside."""
        return {"student": self.student}
