"""Cross pseudo supervision.

Chen, Yuan, Zeng and Wang, Semi-Supervised Semantic Segmentation with Cross Pseudo Supervision, CVPR 2021,
https://arxiv.org/abs/2106.01226.

    L_k = task(T_k(x_l), y) + lambda_CPS CE(T_k(x), argmax T_j(x)),   {k, j} = {1, 2}

Two networks of different initial weights teach each other, on all rows, labelled ones too: neither threshold nor views.
With CutMix, on unlabelled rows alone: each predicts the unmixed images without a gradient, in training mode, so that
running statistics move; both learn from the other's mixed prediction, on the mixed images. Means are over
valid pixels. The first network is deployed, fixed in advance; the second one's scores are recorded beside it.

Deviations: one pass of all rows per network, where the code has a pass per kind of rows (`forward = separate` in a
recipe). The paper's weight with CutMix is 1 (`lambda_cps=1`), and 6 and 5 for Cityscapes. With CutMix rows 2i and 2i +
1 are mixed with each other, where the code has two batches. Padding does not count; in the code it does.

For regression, which is this project's own: the target is the other's prediction as it is, under the absolute
difference, with CutMix by default and a ramp-up r(t), since two networks that see the same image tell each other
little.
"""

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn

from ssl_bench import Batch, Losses, Method, NetworkFactory, Player, Progress, Task, masked_mean
from ssl_bench.toolbox import distance, draw_boxes, mix, pseudo_error, ramp_up
from ssl_bench_plugins.methods.modern_configs import CPSConfig


class CPS(Method):
    """Two networks, each of which learns from what the other one predicts."""

    def __init__(self, task: Task, config: CPSConfig, build_network: NetworkFactory) -> None:
        super().__init__(task, config, build_network)
        self.config: CPSConfig = config
        self.first = build_network(0)
        self.second = build_network(1)

    def players(self) -> Mapping[str, Player]:
        """Both networks, each a player of its own."""
        return {"first": Player(self.first), "second": Player(self.second)}

    def losses(self, batch: Batch, progress: Progress) -> Iterator[Losses]:
        """Task loss and exchanged targets of both."""
        config, task, labeled = self.config, self.task, batch.labeled
        networks = (self.first, self.second)
        images, valid, learnt = batch.images, batch.valid, slice(0, None)
        boxes, taught = None, None
        if config.mix != "none":
            unmixed, learnt = batch.unlabeled_images, slice(labeled, None)
            boxes = draw_boxes(config.mix, progress.draws, unmixed)
            with torch.no_grad():
                taught = [task.activate(network(unmixed)) for network in networks]
            images = torch.cat([batch.labeled_images, mix(unmixed, boxes)])
            valid = mix(batch.unlabeled_valid, boxes)

        logits = [progress.forward(network, images, labeled) for network in networks]
        predictions = [task.activate(each[learnt]) for each in logits]
        taught = taught or [prediction.detach() for prediction in predictions]
        one, other = (target[-len(batch.unlabeled_images) :] for target in taught)
        progress.observe([other, one], student=self.first, name="first")
        progress.observe([one, other], student=self.second, name="second")
        targets = [mix(target, boxes) for target in taught]
        progress.log("disagreement", masked_mean(self._disagreement(targets), valid))
        weight = config.lambda_cps * ramp_up(progress.step, config.eta_cps * progress.iterations_per_epoch)
        errors = [
            pseudo_error(task.kind, own[learnt], prediction, target, config.target)
            for own, prediction, target in zip(logits, predictions, reversed(targets), strict=True)
        ]
        yield {
            name: {
                "task": task.loss(own[:labeled], batch.targets),
                "exchange": weight * masked_mean(error, valid),
            }
            for name, own, error in zip(self.players(), logits, errors, strict=True)
        }

    def _disagreement(self, targets: list[Tensor]) -> Tensor:
        """1 where the networks say different classes; for regression, by how much they differ. (B, 1, H, W)."""
        if self.task.kind == "regression":
            return distance(*targets)
        first, second = (target.argmax(1, keepdim=True) for target in targets)
        return (first != second).float()

    @property
    def deployed(self) -> nn.Module:
        """The network that is evaluated: the first one."""
        return self.first

    def predict_beside(self) -> Mapping[str, nn.Module]:
        """The second network, whose scores are recorded beside."""
        return {"second": self.second}
