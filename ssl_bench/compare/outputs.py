"""What the methods of a comparison make of some test images."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ssl_bench.compare.choice import Choice, Comparison, choose_images, image_scores
from ssl_bench.compare.regions import Box, difference, find_boxes
from ssl_bench.dataset import VOID, Dataset
from ssl_bench.errors import UsageError
from ssl_bench.leaderboard.reading.fields import MISSING
from ssl_bench.leaderboard.reading.scores import shown
from ssl_bench.pixels.channels import eight_bit
from ssl_bench.registry.registry import Registry
from ssl_bench.task import Task
from ssl_bench.use.shown_data import NOT_STATED, open_shown_data
from ssl_bench.use.trained import load_trained


@dataclass(frozen=True)
class Row:
    """One test image: pictures (H, W, 3) uint8 of one size, as `Task.picture` draws them."""

    name: str
    image: np.ndarray
    label: np.ndarray
    outputs: tuple[np.ndarray, ...]
    scores: tuple[float | None, ...]
    """Of the image by the metric that ranks, one per method; None where the record has none."""
    boxes: tuple[Box, ...]
    """Where the outputs differ most."""


@dataclass(frozen=True)
class Outputs:
    """The rows of a comparison."""

    comparison: Comparison
    task: Task
    rows: tuple[Row, ...]
    total: int
    """How many test images there are to choose from."""
    void: bool
    """Whether a label shown holds pixels that are not scored."""

    @property
    def scored(self) -> bool:
        """Whether any image has a score by the metric that ranks."""
        return self.comparison.head.metric != MISSING and any(
            score is not None for row in self.rows for score in row.scores
        )

    def score_texts(self, row: Row) -> list[str]:
        """The scores of a row as tables write them, one per method; empty where there is none to write."""
        digits = self.comparison.head.digits
        return [
            "" if score is None or not self.scored else f"{shown(score, digits):.{digits}f}"
            for score in row.scores
        ]


def make_outputs(
    comparison: Comparison,
    registry: Registry,
    choice: Choice,
    count: int,
    seed: int = 0,
    data: Mapping[str, Path] = NOT_STATED,
) -> Outputs:
    """Rebuild each cell's network and predict the chosen images, on the CPU.

    `data`: task to the folder of its data, where the user says so. Raises DataError as `open_shown_data`, and where
    weights are no longer what they were; UsageError where there is no test image.
    """
    dataset: Dataset | None = None
    names: Sequence[str] = ()
    images: list[np.ndarray] = []
    stored: list[list[np.ndarray]] = []
    for one in comparison.shown:
        trained = load_trained(one.folder, registry, data=data)
        if dataset is None:
            dataset, task = open_shown_data(trained.order, registry, data), trained.task
            if not dataset.test:
                raise UsageError(
                    "no image with a label was left to compare them on; `ssl-bench predict` takes others"
                )
            names = choose_images(comparison, dataset.test, choice, count, seed)
            images = [dataset.image(name) for name in names]
        stored.append([trained.predict(image) for image in images])
    assert dataset is not None
    scores = [image_scores(one.entry) for one in comparison.shown]
    rows, void = [], False
    for place, name in enumerate(names):
        target = dataset.target(name)
        classes = task.kind == "classification"
        void = void or bool(classes and (target == VOID).any())
        outputs = [made[place] for made in stored]
        spread = difference(outputs, classes=classes, valid=target != VOID if classes else None)
        rows.append(
            Row(
                name,
                dataset.channels.drawn(images[place]),
                task.picture(eight_bit(target)),
                tuple(task.picture(eight_bit(output)) for output in outputs),
                tuple(found.get(name) for found in scores),
                tuple(find_boxes(spread)),
            )
        )
    return Outputs(comparison, task, tuple(rows), len(dataset.test), void)
