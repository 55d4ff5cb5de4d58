"""S4L: self-supervised semi-supervised learning, with rotation.

Zhai, Oliver, Kolesnikov and Beyer, S4L: Self-Supervised Semi-Supervised Learning, ICCV 2019,
https://arxiv.org/abs/1905.03670, in the form that the GCT paper (ECCV 2020) compares with.

    L = task(T(x_l), y) + w_rot task(T(rot x_l), rot y) + lambda_S4L CE_4(head(z(x), z(rot x)))

z is what the head reads, `head_input`: the network's logits, as in the GCT paper's public code for segmentation, or its
deepest features, as for regression: what a head that reads a picture needs is written into the picture.

Deviations: one copy of each image, turned by 90, 180 or 270 degrees, instead of all three, for half the cost; S4L's own
head is a linear one on a vector of features, which a task network does not have.
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ssl_bench import Batch, Losses, Method, NetworkFactory, Player, Progress, Target, Task
from ssl_bench.toolbox import SameConv2d, on_device, rotate
from ssl_bench_plugins.methods.paper_configs import S4LConfig


class RotationHead(nn.Sequential):
    """Logits or features (B, C, H, W) of a task network to logits (B, 4) of its input's quarter turns."""

    def __init__(self, in_channels: int, width: int = 64) -> None:
        layers: list[nn.Module] = []
        for channels in (width, 2 * width):
            layers += [SameConv2d(in_channels, channels, stride=2), nn.BatchNorm2d(channels)]
            layers += [nn.LeakyReLU(0.2, inplace=True)]
            in_channels = channels
        super().__init__(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(in_channels, 4))


class Pass(NamedTuple):
    """Images of one shape that go through the network together, labelled rows first."""

    views: list[tuple[int, int]]
    """Row of the batch and quarter turns of each image."""
    labeled: int
    logits: Tensor
    read: Tensor
    """What the head reads."""


class S4L(Method):
    """A network that also tells how far its input was turned."""

    def __init__(self, task: Task, config: S4LConfig, build_network: NetworkFactory) -> None:
        super().__init__(task, config, build_network)
        self.config: S4LConfig = config
        self.model = build_network()
        reads_logits = config.head_input == "output"
        self.rotation_head = RotationHead(
            task.out_channels if reads_logits else self.model.feature_channels()[-1]
        )

    def players(self) -> Mapping[str, Player]:
        """The model with its rotation head."""
        return {"model": Player(nn.ModuleList([self.model, self.rotation_head]))}

    def losses(self, batch: Batch, progress: Progress) -> Iterator[Losses]:
        """One forward pass of originals and turned copies; copies of another shape go through a second one."""
        turns = list(enumerate(progress.draws.randint(1, 4, len(batch.images)).tolist()))
        height, width = batch.images.shape[-2:]
        originals = [(row, 0) for row, _ in turns]
        upright = [view for view in turns if height == width or view[1] == 2]
        sideways = [view for view in turns if view not in upright]

        passes = [
            self._pass(sorted(views, key=lambda view: view[0] >= batch.labeled), batch, progress)
            for views in ([*originals, *upright], sideways)
            if views
        ]
        votes = torch.cat([self.rotation_head(each.read) for each in passes])
        angles = torch.tensor([turn for each in passes for _, turn in each.views])
        yield {
            "model": {
                "task": self.task.loss(passes[0].logits[: batch.labeled], batch.targets),
                "rotated_task": self.config.w_rot * self._rotated_loss(passes, batch.targets),
                "rotation": self.config.lambda_s4l * F.cross_entropy(votes, on_device(angles, votes.device)),
            }
        }

    def _pass(self, views: list[tuple[int, int]], batch: Batch, progress: Progress) -> Pass:
        labeled = sum(row < batch.labeled for row, _ in views)
        images, forward = turned(batch.images, views), progress.forward
        if self.config.head_input == "output":
            logits = forward(self.model, images, labeled)
            return Pass(views, labeled, logits, logits)
        features = forward.features(self.model, images, labeled)
        logits = forward.from_features(self.model, features, images, labeled)
        return Pass(views, labeled, logits, features[-1])

    def _rotated_loss(self, passes: list[Pass], targets: Target) -> Tensor:
        """Task loss on the turned labelled rows, the mean over the valid pixels of all passes."""
        total = pixels = targets.valid.new_zeros((), dtype=torch.float32)
        for views, labeled, logits, _ in passes:
            rows = [place for place in range(labeled) if views[place][1]]
            if not rows:
                continue
            value, valid = (turned(part, [views[place] for place in rows]) for part in targets)
            count = valid.sum()
            # Turned ones come last among the labelled rows of a pass.
            total = total + count * self.task.loss(logits[rows[0] : labeled], Target(value, valid))
            pixels = pixels + count
        return total / pixels.clamp_min(1.0)

    @property
    def deployed(self) -> nn.Module:
        """The network that is evaluated: the model."""
        return self.model


def turned(images: Tensor, views: list[tuple[int, int]]) -> Tensor:
    """The rows named, (V, ..., H, W), each turned by its own number of quarter turns, all to one shape."""
    return torch.cat([rotate(images[row : row + 1], turn) for row, turn in views])
