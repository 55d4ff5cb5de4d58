"""Orders of images every beginning of which holds the classes in about the same shares as the whole."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from ssl_bench.data.reader import THREADS
from ssl_bench.data.splits import ranked
from ssl_bench.dataset import VOID, Dataset

CANDIDATES = 16
"""Images compared for each place: the more, the closer to the shares, and the less is left to the seed."""


def presence(dataset: Dataset, names: Sequence[str], report: Callable[[], None] = lambda: None) -> np.ndarray:
    """(N, C) bool: which classes each image's target holds. Reads the targets; `report` is called per target."""
    classes = len(dataset.classes)

    def row(name: str) -> np.ndarray:
        found = np.bincount(dataset.target(name).ravel(), minlength=VOID + 1)[:classes] > 0
        report()
        return found

    with ThreadPoolExecutor(THREADS) as pool:
        return np.array(list(pool.map(row, names)), bool).reshape(len(names), classes)


def stratified(names: Sequence[str], holds: np.ndarray, seed: int, count: int) -> list[str]:
    """The first `count` names of an order drawn from the seed; a smaller count gives a beginning of it.

    `holds` (N, C) bool: the classes of each image. At each place the class that is furthest behind its share of the
    whole is served: of the first images, by seeded rank, that hold it, the one that fits the shares best is taken.
    So every class comes early, rare ones first. After Sechidis, Tsoumakas, Vlahavas: On the Stratification of
    Multi-Label Data. ECML PKDD 2011. The order of `names` does not matter.
    """
    place = {name: row for row, name in enumerate(names)}
    order = ranked(names, seed)
    holds = holds[[place[name] for name in order]] if order else holds
    holds = holds[:, holds.any(0)]
    share = holds.mean(0)
    free, taken = np.ones(len(order), bool), np.zeros(holds.shape[1])
    chosen: list[str] = []
    while len(chosen) < min(count, len(order)):
        due = len(chosen) + 1
        behind = np.where((holds & free[:, None]).any(0), due - taken / share, -np.inf)
        # Of classes equally far behind the rarest comes first, as long as an image with it is left.
        first = np.lexsort((share, -behind))[:1]
        wanted = holds[:, first[0]] if first.size and np.isfinite(behind[first[0]]) else np.ones_like(free)
        offered = np.flatnonzero(free & wanted)[:CANDIDATES]
        misfit = ((taken + holds[offered] - due * share) ** 2 / share).sum(1)
        best = offered[int(misfit.argmin())]
        free[best] = False
        taken += holds[best]
        chosen.append(order[best])
    return chosen
