"""UCVME: two networks that agree on what they predict and on how sure they are.

Dai, Li and Cheng, Semi-Supervised Deep Regression with Uncertainty Consistency and Variational Model Ensembling via
Bayesian Neural Networks, AAAI 2023, https://arxiv.org/abs/2302.07579.

    h(e, s) = (exp(-s) e / sigma^2 + s) / 2
    L_l = sum over k of h((m_k - y)^2, (s_1 + s_2) / 2) + (s_1 - s_2)^2
    L_u = sum over k of h((m_k - m)^2, s) + (s_k - s)^2,   m, s: means over both networks and all passes, no gradient
    L = L_l + lambda_UC L_u

Each network gives a mean m_k = T_k(x) and the logarithm s_k of a variance, in [-10, 5], at every pixel and output, by
features of which a few channels are always dropped: so every pass is another member of an ensemble, whose mean is the
target. Means are over valid pixels and outputs. L_l takes the place of the task's own loss. The first network is
deployed, all its channels there; the second's scores and those of both logits' mean, the paper's prediction, stand
beside.

Deviations: the paper predicts a number for an image, by a linear layer on a vector of features; here s_k has a decoder
of its own, which reads the same features as the mean's. The paper drops at several points of the network, and runs it
anew in each pass; here features are dropped, and the encoder runs once. It divides labels by the deviation of the
labelled ones; here errors, by a setting. BatchNorm's running statistics come from the passes that learn alone, and not
from the ensemble's on unlabelled rows, which would be five sixths of all. The logarithm is not bounded there: a pixel's
error can be so small that the exponential leaves the range.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ssl_bench import Batch, Losses, Method, NetworkFactory, Player, Progress, Task, TaskNetwork, masked_mean
from ssl_bench.toolbox import drop_channels
from ssl_bench_plugins.methods.feature_configs import UCVMEConfig

BOUNDS = (-10.0, 5.0)
"""Of the logarithm of a variance."""


class Belief(NamedTuple):
    """What a network thinks of images: mean and logarithm of the variance, (B, O, H, W) each."""

    mean: Tensor
    log_variance: Tensor


class UCVME(Method):
    """Two networks with variances, whose ensemble teaches both."""

    def __init__(self, task: Task, config: UCVMEConfig, build_network: NetworkFactory) -> None:
        super().__init__(task, config, build_network)
        self.config: UCVMEConfig = config
        self.first, self.second = build_network(0), build_network(1)
        self.first_variance, self.second_variance = (build_network(k).shed_encoder() for k in (2, 3))
        # A variance is no change of the image.
        self.first_variance.residual = self.second_variance.residual = False

    def players(self) -> Mapping[str, Player]:
        """All four decoders and both encoders: their losses are one."""
        return {"pair": Player(nn.ModuleList([part for pair in self._pairs() for part in pair]))}

    def _pairs(self) -> list[tuple[TaskNetwork, TaskNetwork]]:
        """Each network and the decoder of its variance."""
        return [(self.first, self.first_variance), (self.second, self.second_variance)]

    def losses(self, batch: Batch, progress: Progress) -> Iterator[Losses]:
        """Likelihood and agreement on labelled rows, and on the others with the ensemble in the label's place."""
        config, labeled, pairs = self.config, batch.labeled, self._pairs()
        seen = [progress.forward.features(network, batch.images, labeled) for network, _ in pairs]
        own = [
            self._believe(pair, features, batch.images, labeled, progress)
            for pair, features in zip(pairs, seen, strict=True)
        ]
        with torch.no_grad(), self._resting_statistics():
            others = [[level[labeled:] for level in features] for features in seen]
            passes = [
                self._believe(pair, features, batch.unlabeled_images, 0, progress)
                for _ in range(config.passes)
                for pair, features in zip(pairs, others, strict=True)
            ]
            mean, log_variance = (torch.stack(each).mean(0) for each in zip(*passes, strict=True))
        progress.observe(mean, doubt=log_variance.mean(1, keepdim=True), student=self.first)

        label, known = self.task.encode(batch.targets)
        first, second = (Belief(*(part[:labeled] for part in each)) for each in own)
        common = (first.log_variance + second.log_variance) / 2
        likelihood = self._likelihood(first.mean, label, common)
        likelihood = likelihood + self._likelihood(second.mean, label, common)
        agreement = (first.log_variance - second.log_variance).square()
        supposed = torch.zeros_like(mean)
        for each in own:
            supposed = supposed + self._likelihood(each.mean[labeled:], mean, log_variance)
            supposed = supposed + (each.log_variance[labeled:] - log_variance).square()
        progress.log(
            "deviation", masked_mean((log_variance / 2).exp() * config.sigma_uc, batch.unlabeled_valid)
        )
        yield {
            "pair": {
                "task": masked_mean(likelihood, known),
                "agreement": masked_mean(agreement, known),
                "ensemble": config.lambda_uc * masked_mean(supposed, batch.unlabeled_valid),
            }
        }

    @contextmanager
    def _resting_statistics(self) -> Iterator[None]:
        """While it lasts, networks normalise by their batch's statistics without changing their running ones."""
        layers = [part for part in self.modules() if isinstance(part, nn.modules.batchnorm._BatchNorm)]
        momenta = [layer.momentum for layer in layers]
        for layer in layers:
            layer.momentum = 0.0
        try:
            yield
        finally:
            for layer, momentum in zip(layers, momenta, strict=True):
                layer.momentum = momentum

    def _believe(
        self,
        pair: tuple[TaskNetwork, TaskNetwork],
        features: list[Tensor],
        images: Tensor,
        labeled: int,
        progress: Progress,
    ) -> Belief:
        """Of one network, by its features with some channels gone."""
        fewer = drop_channels(features, progress.draws, self.config.rate)
        logits, log_variance = (progress.forward.from_features(part, fewer, images, labeled) for part in pair)
        mean = self.task.activate(logits)
        return Belief(mean, log_variance.to(mean.dtype).clamp(*BOUNDS))

    def _likelihood(self, mean: Tensor, value: Tensor, log_variance: Tensor) -> Tensor:
        """h, (B, O, H, W): the negative logarithm of a Gaussian's density, but for a constant."""
        error = ((mean - value) / self.config.sigma_uc).square()
        return ((-log_variance).exp() * error + log_variance) / 2

    @property
    def deployed(self) -> nn.Module:
        """The network that is evaluated: the first one."""
        return self.first

    def predict_beside(self) -> Mapping[str, Callable[[Tensor], Tensor]]:
        """The second network, and both."""
        return {"second": self.second, "both": self._both}

    def doubt(self, images: Tensor) -> Tensor:
        """The logarithm of the first network's variance, the mean over outputs."""
        log_variance = self.first_variance.from_features(self.first.features(images), images)
        return log_variance.clamp(*BOUNDS).mean(1, keepdim=True)

    def _both(self, images: Tensor) -> Tensor:
        """The mean of both networks' logits."""
        mean: Tensor = (self.first(images) + self.second(images)) / 2
        return mean
