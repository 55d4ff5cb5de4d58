"""AdvSSL: adversarial learning.

Hung, Tsai, Liou, Lin and Yang, Adversarial Learning for Semi-Supervised Semantic Segmentation, BMVC 2018,
https://arxiv.org/abs/1802.07934, in the form that the GCT paper (ECCV 2020, appendix C) compares with.

    L   = task(T(x_l), y) + lambda_Adv^l BCE(D(T(x_l)), 1) + lambda_Adv^u BCE(D(T(x_u)), 1)
    L_D = (BCE(D(T(x)), 0) + BCE(D(y), 1)) / 2

Deviations: the semi-supervised term on confident pixels is left out, as appendix C has no coefficient for it.
All rows' predictions are fakes. Labels of any task are the real ones: classes one-hot, an image as it is.
"""

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ssl_bench import Batch, Losses, Method, NetworkFactory, Player, Progress, Task, masked_mean
from ssl_bench.toolbox import SameConv2d
from ssl_bench_plugins.methods.paper_configs import CRITIC_OPTIMIZER, AdvSSLConfig


class Critic(nn.Module):
    """D: five 4 x 4 convolutions of stride 2, and back to the size of the input."""

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for channels in (64, 128, 256, 512):
            layers += [SameConv2d(in_channels, channels, stride=2), nn.LeakyReLU(0.2, inplace=True)]
            in_channels = channels
        self.layers = nn.Sequential(*layers, SameConv2d(in_channels, 1, stride=2))

    def forward(self, prediction: Tensor) -> Tensor:
        """T(x) or a dense label, (B, O, H, W), to the logit (B, 1, H, W) of its being a label."""
        verdict = self.layers(prediction)
        verdict = verdict.to(torch.promote_types(verdict.dtype, torch.float32))
        return F.interpolate(verdict, prediction.shape[-2:], mode="bilinear", align_corners=True)


class AdvSSL(Method):
    """A network whose predictions are to pass for labels, and a critic that tells them apart."""

    def __init__(self, task: Task, config: AdvSSLConfig, build_network: NetworkFactory) -> None:
        super().__init__(task, config, build_network)
        self.config: AdvSSLConfig = config
        self.model = build_network()
        self.critic = Critic(task.out_channels)

    def players(self) -> Mapping[str, Player]:
        """The model and the critic."""
        return {"model": Player(self.model), "critic": Player(self.critic, CRITIC_OPTIMIZER)}

    def losses(self, batch: Batch, progress: Progress) -> Iterator[Losses]:
        """One graph of the critic on the predictions serves both players."""
        config, task, labeled = self.config, self.task, batch.labeled
        valid = torch.cat([batch.targets.valid, batch.unlabeled_valid])
        logits = progress.forward(self.model, batch.images, batch.labeled)
        prediction = torch.where(valid, task.activate(logits), 0.0)
        fake = self.critic(prediction)
        progress.observe(prediction[labeled:], doubt=-fake[labeled:], name="prediction, by D")
        real = self.critic(task.encode(batch.targets).value)
        passing = [judged(fake[rows], 1.0, valid[rows]) for rows in (slice(labeled), slice(labeled, None))]
        yield {
            "model": {
                "task": task.loss(logits[:labeled], batch.targets),
                "adversarial_labeled": config.lambda_adv_l * passing[0],
                "adversarial_unlabeled": config.lambda_adv_u * passing[1],
            },
            "critic": {
                "fake": judged(fake, 0.0, valid) / 2,
                "real": judged(real, 1.0, batch.targets.valid) / 2,
            },
        }

    @property
    def deployed(self) -> nn.Module:
        """The network that is evaluated: the model."""
        return self.model


def judged(verdict: Tensor, label: float, valid: Tensor) -> Tensor:
    """Binary cross-entropy of logits (B, 1, H, W) with one label for all, the mean over valid pixels."""
    truth = torch.full_like(verdict, label)
    return masked_mean(F.binary_cross_entropy_with_logits(verdict, truth, reduction="none"), valid)
