"""PrevMatch as its public code has it: a state becomes a teacher whenever its score on test images is a new best.

The code of ST++ chooses the network that labels in the same way. This method looks at the test images of an embedded
set three times as often as PrevMatch takes states here; nothing else differs.
"""

from collections.abc import Iterator

import torch

from ssl_bench import Dataset, NetworkFactory, Progress, Target, Task
from ssl_bench.toolbox import evaluating, snapshots_taken, update_average
from ssl_bench_plugins.methods.prevmatch import PrevMatch
from ssl_bench_published_habits.configs import PeekingConfig
from ssl_bench_tasks.synthetic.denoising import SyntheticDenoising
from ssl_bench_tasks.synthetic.matting import SyntheticMatting
from ssl_bench_tasks.synthetic.night import SyntheticNight
from ssl_bench_tasks.synthetic.segmentation import SyntheticSegmentation

SETS = {
    "segmentation": SyntheticSegmentation,
    "denoising": SyntheticDenoising,
    "matting": SyntheticMatting,
    "night": SyntheticNight,
}


class Peeking(PrevMatch):
    """A network that learns from itself and from what scored best on test images."""

    best: torch.Tensor
    kept: torch.Tensor

    def __init__(self, task: Task, config: PeekingConfig, build_network: NetworkFactory) -> None:
        super().__init__(task, config, build_network)
        self.looking: PeekingConfig = config
        self.register_buffer("best", torch.tensor(-torch.inf))
        self.register_buffer("kept", torch.tensor(0))

    def taken(self, progress: Progress) -> int:
        """How many states became teachers so far."""
        return int(self.kept)

    def after_step(self, progress: Progress) -> None:
        """Where a look is due, a new best takes the oldest one's place."""
        steps = (progress.step, progress.step + 1)
        before, now = (snapshots_taken(s, progress.iterations, self.looking.looks) for s in steps)
        if now == before:
            return
        score = self._score()
        if score > self.best or self.looking.looks_at == "nothing":
            update_average(self.previous[int(self.kept) % self.config.pool], self.model, 0.0)
            self.best.fill_(score)
            self.kept += 1

    def _score(self) -> float:
        """By the first metric of the task, on test images; those of the four tasks are better where they are higher."""
        if self.looking.looks_at == "nothing":
            return 0.0
        metrics = self.task.metrics()
        device = self.best.device
        with evaluating(self.model):
            for image, target in pairs_of_test(SETS[self.looking.looks_at].open(None), self.task):
                metrics.update(
                    self.task.activate(self.model(image.to(device))),
                    Target(*(part.to(device) for part in target)),
                )
        return next(score for score in metrics.compute().values() if score is not None)


def pairs_of_test(data: Dataset, task: Task) -> Iterator[tuple[torch.Tensor, Target]]:
    """The test images of a set (1, 3, H, W) float32 in [0, 1], and their targets."""
    for name in data.test:
        image = torch.tensor(data.image(name)).permute(2, 0, 1)[None] / 255
        stored = torch.tensor(data.target(name))
        if task.kind == "classification":
            valid = (stored != 255)[None, None]
            yield image, Target(torch.where(valid[0], stored.long(), 0), valid)
        else:
            value = stored.permute(2, 0, 1)[None] / 255
            yield image, Target(value, torch.ones_like(value[:, :1], dtype=torch.bool))
