"""Scores on whole test images at their own resolution."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from ssl_bench.dataset import GuardedDataset
from ssl_bench.errors import Diverged
from ssl_bench.task import Metrics, Scores, Task
from ssl_bench.train.batches import as_images, whole_target
from ssl_bench.train.inference import exact_inference
from ssl_bench.world.world import ALONE, World

TOGETHER = 2**21
"""Pixels of the images that a GPU predicts together: a little above one of full HD."""
UNCERTAIN = 0.25
"""Share of the pixels that counts as the uncertain ones."""
ONE_VALUE = 0.5 / 255
"""Largest difference within a prediction that shows one value: half a step of what is stored."""
WAITING = 32
"""Images on the host that may wait for others of their size."""


@dataclass(frozen=True)
class Evaluation:
    """Scores of the set, and of each image in the order of the test ids."""

    scores: Scores
    per_image: Mapping[str, Sequence[Any]]
    one_value: bool = False
    """Whether each prediction shows one value everywhere, as of a network that has given up."""


class Share(NamedTuple):
    """What some of the images give: their metrics, and by name what is recorded of each."""

    metrics: Metrics
    rows: dict[str, Mapping[str, Any]]
    one_value: bool = True
    """Whether each prediction shows one value everywhere."""

    def merged(self, other: "Share") -> "Share":
        """With the images of another one."""
        self.metrics.merge(other.metrics)
        return Share(self.metrics, self.rows | other.rows, self.one_value and other.one_value)


@exact_inference()
def evaluate(
    predict: Callable[[Tensor], Tensor],
    task: Task,
    data: GuardedDataset,
    names: Sequence[str],
    device: torch.device,
    between: Callable[[], None] = lambda: None,
    world: World = ALONE,
    doubt: Callable[[Tensor], Tensor | None] | None = None,
) -> Evaluation:
    """Score `predict` (images to logits) on the test images named; nothing is resized or cropped.

    `between` is called before each image is read; what it raises ends the evaluation. The processes of `world` take
    the images in turn, and all of them get the scores of the whole set, or raise what one of them raised. On a GPU
    images of one size are predicted together, each scored by itself; on a CPU, where that is no faster and rounds
    otherwise, one is taken at a time. `doubt`: of images, (B, 1, H, W); then the `UNCERTAIN` share of each image's
    valid pixels that has most of it is scored alone. Raises Diverged for a prediction that is not finite: an argmax or
    a PSNR of it would look like a score.
    """
    if not names:  # Nothing is held out: nothing is measured.
        return Evaluation({}, {})
    mine = names[world.rank :: world.size]
    share: Share | Exception
    try:
        share = _score(predict, task, data, mine, device, between, doubt)
    except Exception as error:
        if world.size == 1:
            raise
        share = error  # The others wait to be told.
    whole = Share(task.metrics(), {})
    for found in world.gather(share):
        if isinstance(found, Exception):
            raise found
        whole = found if world.size == 1 else whole.merged(found)
    in_order = [whole.rows[name] for name in names]
    keys = list(dict.fromkeys(key for row in in_order for key in row))
    per_image = {key: [row.get(key) for row in in_order] for key in keys}
    return Evaluation(whole.metrics.compute(), per_image, whole.one_value)


def _score(
    predict: Callable[[Tensor], Tensor],
    task: Task,
    data: GuardedDataset,
    names: Sequence[str],
    device: torch.device,
    between: Callable[[], None],
    doubt: Callable[[Tensor], Tensor | None] | None,
) -> Share:
    share = Share(task.metrics(), {})
    one_value = True
    together = TOGETHER if device.type == "cuda" else 0

    def image(name: str) -> np.ndarray:
        between()
        return data.image(name)

    for group in groups_by_size(image, names, together):
        stored = np.stack([image for _, image in group]).transpose(0, 3, 1, 2)
        images = as_images(torch.from_numpy(stored.copy()), device)
        predictions, doubts = task.activate(predict(images)), doubt(images) if doubt else None
        finite = predictions.isfinite().flatten(1).all(1).tolist()
        one_value = one_value and _shows_one_value(task.decode(predictions))
        for row, (name, _) in enumerate(group):
            if not finite[row]:
                raise Diverged(
                    f"the prediction for test image '{name}' is not finite; try a lower learning rate"
                )
            target = whole_target(data.target(name), task.kind, device)
            if doubts is not None:
                target = target._replace(valid=most_doubted(doubts[row : row + 1], target.valid))
            region = data.unknown(name)
            unknown = None if region is None else torch.from_numpy(region)[None, None].to(device)
            share.rows[name] = share.metrics.update(predictions[row : row + 1], target, unknown)
    return share._replace(one_value=one_value)


def _shows_one_value(labels: Tensor) -> bool:
    """Whether no difference between two pixels of an image would be seen: labels as `Task.decode` gives them."""
    spread = labels.amax((-2, -1)) - labels.amin((-2, -1))
    return bool((spread <= ONE_VALUE).all())


def most_doubted(doubt: Tensor, valid: Tensor) -> Tensor:
    """The `UNCERTAIN` share of an image's valid pixels (1, 1, H, W) bool with the most doubt (1, 1, H, W), or more
    where some are alike; none where none is valid."""
    known = doubt[valid]
    count = math.ceil(UNCERTAIN * len(known))
    if not count:
        return valid
    return valid & (doubt >= known.topk(count).values[-1])


def groups_by_size(
    image: Callable[[str], np.ndarray], names: Sequence[str], pixels: int
) -> Iterator[list[tuple[str, np.ndarray]]]:
    """Names with their images (H, W, C), those of one shape together: up to so many pixels in all, and one at least.

    No more than `WAITING` images are held, so that a group may be smaller; without room for two the order is kept.
    """
    waiting: dict[tuple[int, ...], list[tuple[str, np.ndarray]]] = {}
    for name in names:
        picture = image(name)
        height, width = picture.shape[:2]
        group = waiting.setdefault(picture.shape, [])
        group.append((name, picture))
        if (len(group) + 1) * height * width > pixels:
            yield waiting.pop(picture.shape)
        elif sum(map(len, waiting.values())) >= WAITING:
            yield waiting.pop(next(iter(waiting)))
    yield from waiting.values()
