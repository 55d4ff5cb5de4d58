"""Cross-consistency training: auxiliary decoders that read perturbed features.

Ouali, Hudelot and Tami, Semi-Supervised Semantic Segmentation with Cross-Consistency Training, CVPR 2020,
https://arxiv.org/abs/2003.09005.

    z = e(x_u),   q = T(g(z)) without its gradient
    L = task(T(g(e(x_l))), y) + r(t) lambda_CCT mean over k, pixels and classes of (T(g_k(P_k(z))) - q)^2

e is the encoder and g the decoder of the network that is deployed; g_k are decoders of the same form and other initial
weights, which see unlabelled rows alone, and P_k is one of three perturbations of features: channels dropped, noise
in proportion to the features, or the strongest places gone. The encoder learns from unlabelled rows by way of the
auxiliary decoders; the main decoder does not. r rises over the first tenth of the run.

Deviations: the code has 30 auxiliary decoders, of which 18 have these perturbations; here there is one of each, or
`decoders` of each. The others are left out: adversarial ones (VAT), and those guided by predicted objects, which need a
class that is background. The paper perturbs one map of a pyramid pooling module, all that its decoder reads; here all
levels that a decoder reads are perturbed, each by a draw of its own.

For regression, which is this project's own: predictions instead of probabilities, a weight of 1, and perturbations of
the deepest two levels alone, since the others hold the details that a restored picture is made of.
"""

from collections.abc import Iterator, Mapping
from itertools import product

import torch
from torch import Tensor, nn

from ssl_bench import Batch, Losses, Method, NetworkFactory, Player, Progress, Task, TaskNetwork, masked_mean
from ssl_bench.toolbox import add_noise, drop_channels, drop_strongest, ramp_up
from ssl_bench_plugins.methods.feature_configs import CCTConfig

PERTURBATIONS = ("dropout", "noise", "strongest")
STRONGEST = (0.7, 0.9)
"""A place is gone whose activation is this share of the largest, or more: bounds of a draw."""


class CCT(Method):
    """A network, and decoders that predict from its perturbed features as it does from what they are."""

    def __init__(self, task: Task, config: CCTConfig, build_network: NetworkFactory) -> None:
        super().__init__(task, config, build_network)
        self.config: CCTConfig = config
        self.model = build_network()
        self.perturbations = [name for name, _ in product(PERTURBATIONS, range(config.decoders))]
        self.auxiliary = nn.ModuleList(
            build_network(number).shed_encoder() for number in range(1, 1 + len(self.perturbations))
        )

    def players(self) -> Mapping[str, Player]:
        """The model with its auxiliary decoders."""
        return {"model": Player(nn.ModuleList([self.model, self.auxiliary]))}

    def losses(self, batch: Batch, progress: Progress) -> Iterator[Losses]:
        """Task loss on labelled rows, consistency of all decoders on the others."""
        config, task, forward = self.config, self.task, progress.forward
        features = forward.features(self.model, batch.images, batch.labeled)
        logits = forward.from_features(self.model, features, batch.images, batch.labeled)
        labeled, unlabeled = logits.tensor_split([batch.labeled])
        target = task.activate(unlabeled.detach())
        progress.observe(target, student=self.model)
        seen = [level[batch.labeled :] for level in features]
        errors = []
        for name, decoder in zip(self.perturbations, self.auxiliary, strict=True):
            assert isinstance(decoder, TaskNetwork)
            changed = self._perturbed(name, seen, progress)
            prediction = task.activate(decoder.from_features(changed, batch.unlabeled_images))
            errors.append(masked_mean((prediction - target).square(), batch.unlabeled_valid))
        weight = config.lambda_cct * ramp_up(progress.step, config.ramp_cct * progress.iterations)
        yield {
            "model": {
                "task": task.loss(labeled, batch.targets),
                "consistency": weight * torch.stack(errors).mean(),
            }
        }

    def _perturbed(self, name: str, features: list[Tensor], progress: Progress) -> list[Tensor]:
        config, draws = self.config, progress.draws
        if name == "dropout":
            return drop_channels(features, draws, config.rate, levels=config.levels)
        if name == "noise":
            return add_noise(features, draws, config.noise, levels=config.levels)
        return drop_strongest(features, draws, *STRONGEST, levels=config.levels)

    @property
    def deployed(self) -> nn.Module:
        """The network that is evaluated: the model."""
        return self.model
