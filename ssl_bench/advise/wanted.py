"""Which images to label next: those on which the networks of the folds differ most, spread out over what they show.

Disagreement of networks that learnt from other labels is query by committee (Seung, Opper, Sompolinsky: Query by
Committee. COLT 1992); spreading the choice out by distance between features is the greedy k-centre of core-sets
(Sener, Savarese: Active Learning for Convolutional Neural Networks: A Core-Set Approach. ICLR 2018).
"""

from collections.abc import Callable, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ssl_bench.backbone import TaskNetwork
from ssl_bench.dataset import Dataset
from ssl_bench.seeds import name_hash
from ssl_bench.train.batches import whole_image
from ssl_bench.use.trained import CPU, Trained

MOST = 200
"""Images that are looked at, drawn by the hash of their names."""
SIDE = 320
"""Longer side, px, to which larger images are reduced for it."""
THUMB = 8
"""Side of the reduced prediction, px, that tells images apart where the network shows no features."""


@torch.inference_mode()
def wanted_images(
    networks: Sequence[Trained],
    dataset: Dataset,
    names: Sequence[str],
    count: int,
    report: Callable[[], None] = lambda: None,
) -> list[str]:
    """Ids of up to `count` images, the most wanted first. `networks`: two or more; `report`: called for each image."""
    drawn = sorted(names, key=name_hash)[:MOST]
    if len(drawn) <= count:
        return drawn
    disagreement, places = [], []
    for name in drawn:
        image = reduced(whole_image(dataset.image(name), CPU))
        predictions = torch.stack([network.activations(image)[0] for network in networks])
        disagreement.append(float(predictions.var(0).sum(0).mean()))
        places.append(_place(networks[0], image, predictions[0]))
        report()
    chosen = spread_out(np.array(disagreement), torch.stack(places).numpy(), count)
    return [drawn[index] for index in chosen]


def reduced(image: Tensor) -> Tensor:
    """(1, C, H, W) with its longer side at most `SIDE`."""
    factor = SIDE / max(image.shape[-2:])
    if factor >= 1:
        return image
    height, width = (max(1, round(side * factor)) for side in image.shape[-2:])
    return F.interpolate(image, (height, width), mode="area")


def spread_out(worth: np.ndarray, places: np.ndarray, count: int) -> list[int]:
    """Indices of the most worth first, each weighed by its distance to the nearest that is taken before it.

    `worth` (N,) at least 0; `places` (N, D).
    """
    chosen = [int(worth.argmax())]
    nearest = np.full(len(worth), np.inf)
    while len(chosen) < min(count, len(worth)):
        nearest = np.minimum(nearest, np.linalg.norm(places - places[chosen[-1]], axis=1))
        value = worth * nearest
        value[chosen] = -1.0
        chosen.append(int(value.argmax()))
    return chosen


def _place(network: Trained, image: Tensor, prediction: Tensor) -> Tensor:
    """(D,) what an image shows: the mean of the deepest features, or else its reduced prediction; of length 1."""
    deployed = network.method.deployed
    if isinstance(deployed, TaskNetwork) and deployed.has_features:
        found = deployed.features(image)[-1].mean((2, 3))[0]
    else:
        found = F.adaptive_avg_pool2d(prediction, THUMB).flatten()
    return F.normalize(found, dim=0)
