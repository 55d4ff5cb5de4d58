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
labelled ones; here errors, by a setting. The logarithm is not bounded there: a pixel's error can be so small that the
exponential leaves the range.
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ssl_bench.backbone import NetworkFactory, TaskNetwork
from ssl_bench.method import Batch, Losses, Method, Player, Progress
from ssl_bench.task import Task, masked_mean
from ssl_bench.toolbox.features import drop_channels
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
        self.variances = nn.ModuleList(build_network(number).shed_encoder() for number in (2, 3))
        for decoder in self.variances:
            decoder.residual = False  # A variance is no change of the image.

    def players(self) -> Mapping[str, Player]:
        """All four decoders and both encoders: their losses are one."""
        return {"pair": Player(nn.ModuleList([self.first, self.second, self.variances]))}

    def losses(self, batch: Batch, progress: Progress) -> Iterator[Losses]:
        """Likelihood and agreement on labelled rows, and on the others with the ensemble in the label's place."""
        config, labeled, networks = self.config, batch.labeled, (self.first, self.second)
        seen = [progress.forward.features(each, batch.images, labeled) for each in networks]
        own = [self._believe(k, seen[k], batch.images, labeled, progress) for k in range(2)]
        with torch.no_grad():
            others = [[level[labeled:] for level in features] for features in seen]
            passes = [
                self._believe(k, others[k], batch.unlabeled_images, 0, progress)
                for _ in range(config.passes)
                for k in range(2)
            ]
            mean, log_variance = (torch.stack(each).mean(0) for each in zip(*passes, strict=True))

        label, known = self.task.encode(batch.targets)
        first, second = (Belief(*(part[:labeled] for part in each)) for each in own)
        common = (first.log_variance + second.log_variance) / 2
        likelihood = sum(self._likelihood(each.mean, label, common) for each in (first, second))
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
                "likelihood": masked_mean(likelihood, known),
                "agreement": masked_mean(agreement, known),
                "ensemble": config.lambda_uc * masked_mean(supposed, batch.unlabeled_valid),
            }
        }

    def _believe(
        self, number: int, features: list[Tensor], images: Tensor, labeled: int, progress: Progress
    ) -> Belief:
        """Of one network, by its features with some channels gone."""
        network: TaskNetwork = (self.first, self.second)[number]
        decode = progress.forward.from_features
        fewer = drop_channels(features, progress.draws, self.config.rate)
        mean = self.task.activate(decode(network, fewer, images, labeled))
        log_variance = decode(self.variances[number], fewer, images, labeled)
        return Belief(mean, log_variance.to(mean.dtype).clamp(*BOUNDS))

    def _likelihood(self, mean: Tensor, value: Tensor, log_variance: Tensor) -> Tensor:
        """h, (B, O, H, W): the negative logarithm of a Gaussian's density, but for a constant."""
        error = ((mean - value) / self.config.sigma_uc).square()
        return ((-log_variance).exp() * error + log_variance) / 2

    @property
    def deployed(self) -> nn.Module:
        """The first network."""
        return self.first

    def predict_beside(self) -> Mapping[str, "nn.Module | Both"]:
        """The second network, and both."""
        return {"second": self.second, "both": Both(self.first, self.second)}


class Both(NamedTuple):
    """Two networks, images (B, C, H, W) to the mean of their logits (B, O, H, W)."""

    first: nn.Module
    second: nn.Module

    def __call__(self, images: Tensor) -> Tensor:
        """That mean."""
        mean: Tensor = (self.first(images) + self.second(images)) / 2
        return mean
