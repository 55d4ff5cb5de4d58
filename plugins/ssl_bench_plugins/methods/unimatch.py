"""UniMatch: two strong views, and the weak one with features dropped.

Yang, Qi, Feng, Zhang and Shi, Revisiting Weak-to-Strong Consistency in Semi-Supervised Semantic Segmentation, CVPR
2023, https://arxiv.org/abs/2208.09910.

    q = T(S(w(x_u))),   keep = [max q >= tau],   boxes m_1, m_2 on rows and their partners
    L = task(S(x_l), y) + lambda_UM mean over v of L_u(S(mix_v(s_v(x_u))), mix_v(q)) + lambda_fp L_u(S_fp(w(x_u)), q)
    L_u(z, q) = sum over pixels of CE(z, argmax q) keep / valid pixels

FixMatch whose target is the network's own prediction of the weak view w, in the pass of the labelled rows, with two
strong views s_v that have boxes and changes of their own, in a pass of their own; S_fp decodes the weak view's features
without half of their channels, on every level that the decoder reads, beside the features as they are. The encoder
sees the weak view once. The network itself is deployed.

Deviations: the code halves the sum of all losses; here the labelled loss weighs what it does in every method. It drops
features of labelled rows too, whose logits it throws away, but which share the decoder's BatchNorm; here they are not
made. Rows 2i and 2i + 1 are mixed; the code mixes a row with another crop of the same image, whose label an evaluation
pass gives. What perturbs is the task's own.

For regression, which is this project's own: the target is the prediction, the error the absolute difference, and the
gate agreement, as for FixMatch; channels are dropped on the deepest two levels alone, since the others hold the details
that a restored picture is made of.
"""

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn

from ssl_bench import Batch, Losses, Method, NetworkFactory, Player, Progress, Task, masked_mean
from ssl_bench.toolbox import boxes_or_none, drop_channels, gated, mix, passing, pseudo_error, rising
from ssl_bench_plugins.methods.feature_configs import UniMatchConfig


class UniMatch(Method):
    """A network that predicts as of a weak view of two strong ones, and of the weak one's features with some gone."""

    def __init__(self, task: Task, config: UniMatchConfig, build_network: NetworkFactory) -> None:
        super().__init__(task, config, build_network)
        self.config: UniMatchConfig = config
        self.model = build_network()

    def players(self) -> Mapping[str, Player]:
        """The model, the only one that learns."""
        return {"model": Player(self.model)}

    def losses(self, batch: Batch, progress: Progress) -> Iterator[Losses]:
        """Task loss on labelled rows, pseudo targets on mixed strong views and on dropped features."""
        config, task, draws = self.config, self.task, progress.draws
        images, valid, count = batch.unlabeled_images, batch.unlabeled_valid, len(batch.unlabeled_images)
        weak = [task.perturb(images, draws, config.weak) for _ in range(1 + (config.gate == "agreement"))]
        strong = [task.perturb(images, draws, config.strong) for _ in range(2)]
        boxes = [boxes_or_none(config.mix, draws, images) for _ in strong]

        rows = torch.cat([batch.labeled_images, *weak])
        features = progress.forward.features(self.model, rows, batch.labeled)
        first = [level[batch.labeled : batch.labeled + count] for level in features]
        fewer = drop_channels(first, draws, config.rate, levels=config.levels)
        both = [torch.cat(pair) for pair in zip(features, fewer, strict=True)]
        logits = progress.forward.from_features(self.model, both, torch.cat([rows, weak[0]]), batch.labeled)
        labeled, *others, dropped = logits.split([batch.labeled, *map(len, weak), count])
        views = self.model(torch.cat([mix(view, box) for view, box in zip(strong, boxes, strict=True)]))

        targets = [task.activate(each.detach()) for each in others]
        share = rising(progress.step, progress.iterations, config.kept_um)
        keep = passing(config.gate, targets, valid, threshold=config.tau_um, share=share)
        progress.log("kept", masked_mean(keep.float(), valid))
        progress.observe(targets, keep=keep, student=self.model)
        errors = [
            self._error(view, *(mix(each, box) for each in (targets[0], keep, valid)))
            for view, box in zip(views.chunk(2), boxes, strict=True)
        ]
        yield {
            "model": {
                "task": task.loss(labeled, batch.targets),
                "views": config.lambda_um * torch.stack(errors).mean(),
                "features": config.lambda_fp * self._error(dropped, targets[0], keep, valid),
            }
        }

    def _error(self, logits: Tensor, target: Tensor, keep: Tensor, valid: Tensor) -> Tensor:
        """L_u."""
        kind, prediction = self.task.kind, self.task.activate(logits)
        return masked_mean(
            gated(pseudo_error(kind, logits, prediction, target, self.config.target), keep), valid
        )

    @property
    def deployed(self) -> nn.Module:
        """The network that is evaluated: the model."""
        return self.model
