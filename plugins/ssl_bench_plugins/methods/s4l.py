"""S4L: self-supervised semi-supervised learning, with rotation.

Zhai, Oliver, Kolesnikov and Beyer, S4L: Self-Supervised Semi-Supervised Learning, ICCV 2019,
https://arxiv.org/abs/1905.03670, in the form that the GCT paper (ECCV 2020) compares with.

    L = task(T(x_l), y) + w_rot task(T(rot x_l), rot y) + lambda_S4L CE_4(head(z(x), z(rot x)))

Deviations: one copy of each image, turned by 90, 180 or 270 degrees, instead of all three, for half the cost; the head
reads the network's logits z, since a task network has no feature vector of its own.
"""

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ssl_bench.backbone import NetworkFactory
from ssl_bench.method import Batch, Losses, Method, Player, Progress
from ssl_bench.task import Target, Task
from ssl_bench.toolbox.images import rotate
from ssl_bench.toolbox.layers import SameConv2d
from ssl_bench.toolbox.transfer import on_device
from ssl_bench_plugins.methods.paper_configs import S4LConfig


class RotationHead(nn.Sequential):
    """Logits (B, O, H, W) of a task network to logits (B, 4) of its input's quarter turns."""

    def __init__(self, in_channels: int, width: int = 64) -> None:
        layers: list[nn.Module] = []
        for channels in (width, 2 * width):
            layers += [SameConv2d(in_channels, channels, stride=2), nn.BatchNorm2d(channels)]
            layers += [nn.LeakyReLU(0.2, inplace=True)]
            in_channels = channels
        super().__init__(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(in_channels, 4))


class ModelPlayer(Player):
    """A task network and what it learns with, stepped as one; the recipe's head is the task network's."""

    def __init__(self, network: nn.Module, beside: nn.Module) -> None:
        super().__init__(nn.ModuleList([network, beside]))
        self.network = Player(network)

    def head_parameters(self) -> list[nn.Parameter]:
        """Those of the task network's head."""
        return self.network.head_parameters()


class S4L(Method):
    """A network that also tells how far its input was turned."""

    def __init__(self, task: Task, config: S4LConfig, build_network: NetworkFactory) -> None:
        super().__init__(task, config, build_network)
        self.config: S4LConfig = config
        self.model = build_network()
        self.rotation_head = RotationHead(task.out_channels)

    def players(self) -> Mapping[str, Player]:
        """The model with its rotation head."""
        return {"model": ModelPlayer(self.model, self.rotation_head)}

    def losses(self, batch: Batch, progress: Progress) -> Iterator[Losses]:
        """One forward pass of originals and turned copies; copies of another shape go through a second one."""
        turns = progress.draws.randint(1, 4, len(batch.images)).tolist()
        height, width = batch.images.shape[-2:]
        upright = [row for row, turn in enumerate(turns) if height == width or turn == 2]
        sideways = [row for row in range(len(turns)) if row not in upright]

        logits = self.model(torch.cat([batch.images, *turned(batch.images, turns, upright)]))
        passes = [(upright, logits[len(turns) :])]
        votes, angles = [self.rotation_head(logits)], [0] * len(turns) + [turns[row] for row in upright]
        if sideways:
            passes.append((sideways, self.model(torch.cat(turned(batch.images, turns, sideways)))))
            votes.append(self.rotation_head(passes[1][1]))
            angles += [turns[row] for row in sideways]
        yield {
            "model": {
                "task": self.task.loss(logits[: batch.labeled], batch.targets),
                "rotated_task": self.config.w_rot * self._rotated_loss(passes, turns, batch.targets),
                "rotation": self.config.lambda_s4l
                * F.cross_entropy(torch.cat(votes), on_device(torch.tensor(angles), logits.device)),
            }
        }

    def _rotated_loss(
        self, passes: list[tuple[list[int], Tensor]], turns: list[int], targets: Target
    ) -> Tensor:
        """Task loss on the turned labelled rows, the mean over the valid pixels of all passes."""
        total = pixels = targets.valid.new_zeros((), dtype=torch.float32)
        for rows, logits in passes:
            labeled = [row for row in rows if row < len(targets.value)]
            if not labeled:
                continue
            value, valid = (torch.cat(turned(part, turns, labeled)) for part in targets)
            count = valid.sum()
            total = total + count * self.task.loss(logits[: len(labeled)], Target(value, valid))
            pixels = pixels + count
        return total / pixels.clamp_min(1.0)

    @property
    def deployed(self) -> nn.Module:
        """The model."""
        return self.model


def turned(images: Tensor, turns: list[int], rows: list[int]) -> list[Tensor]:
    """The rows named, each (1, ..., H, W) turned by its own number of quarter turns."""
    return [rotate(images[row : row + 1], turns[row]) for row in rows]
