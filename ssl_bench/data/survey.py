"""Everything there is to know of a data set without a network: every file read, counted and compared."""

import contextlib
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np

from ssl_bench.data.copies import Print
from ssl_bench.data.oddities import Survey, Values, compare, judge
from ssl_bench.data.reader import THREADS
from ssl_bench.dataset import VOID, Dataset
from ssl_bench.errors import DataError
from ssl_bench.recipe import Kind


@dataclass(frozen=True)
class _Seen:
    """What is kept of one image."""

    name: str
    fault: str = ""
    print: Print | None = None
    size: tuple[int, int] = (0, 0)
    values: Values = field(default_factory=Values)
    depth: str = ""
    target: Values | np.ndarray | None = None
    """Pixels of each class id, and of these the lone ones, (2, 256); or the values of a picture; None where there is no
    target."""
    unchanged: bool = False


def survey(
    dataset: Dataset,
    kind: Kind,
    targets: Collection[str] | None = None,
    report: Callable[[], None] = lambda: None,
) -> Survey:
    """Read every image, and the `targets` named or all, going on after faults. `report` is called once per file.

    Images made in memory are passed over.
    """
    with contextlib.suppress(DataError):  # It is said of each image.
        _ = dataset.channels
    found = Survey(notes=list(dataset.notes))
    train, unlabeled, test = (
        [name for name in names if dataset.place(name) is not None]
        for names in (dataset.train, dataset.unlabeled, dataset.test)
    )
    wanted = frozenset((*train, *test) if targets is None else targets)
    if kind == "classification":
        with contextlib.suppress(DataError):  # It is said below, after the files' own faults.
            _ = dataset.classes

    def read(name: str) -> _Seen:
        return _see(dataset, name, kind, report, with_target=name in wanted)

    seen: dict[str, _Seen] = {}
    with ThreadPoolExecutor(THREADS) as pool:
        for one in pool.map(read, (*train, *unlabeled, *test)):
            seen[one.name] = one
            _add(found, one)
    judge(found, dataset, kind)
    found.prints = {name: one.print for name, one in seen.items() if one.print}
    compare(
        found,
        dataset,
        *(
            [(name, found.prints[name]) for name in names if name in found.prints]
            for names in (train, unlabeled, test)
        ),
    )
    return found


def files_of(dataset: Dataset, targets: Collection[str] | None = None) -> int:
    """How many files `survey` reads, trimaps aside."""
    named = len(dataset.train) + len(dataset.test) if targets is None else len(targets)
    return len(dataset.train) + len(dataset.unlabeled) + len(dataset.test) + named


def _see(dataset: Dataset, name: str, kind: Kind, report: Callable[[], None], *, with_target: bool) -> _Seen:
    try:
        image = dataset.image(name)
        target = dataset.target(name) if with_target else None
        count = dataset.check_image(name, with_target=with_target)
    except DataError as error:
        return _Seen(name, fault=str(error))
    for _ in range(count):
        report()
    counted: Values | np.ndarray | None = None
    if target is not None:
        counted = _count(target) if kind == "classification" else Values.of(target)
    size = (image.shape[1], image.shape[0])
    depth = "" if target is None else str(target.dtype)
    channels = dataset.channels
    numbers = image if channels.are_rgb else channels.stored(image)
    unchanged = target is not None and target.ndim == 3 and _is_same(image, target)
    return _Seen(name, "", Print.of(image), size, Values.of(numbers), depth, counted, unchanged)


def _count(ids: np.ndarray) -> np.ndarray:
    """Of each id in (H, W) uint8 the pixels, and those without an equal beside, above or below: (2, 256)."""
    alone = np.ones(ids.shape, np.bool_)
    for one, other in ((np.s_[:, 1:], np.s_[:, :-1]), (np.s_[1:], np.s_[:-1])):
        differ = ids[one] != ids[other]
        alone[one] &= differ
        alone[other] &= differ
    return np.stack([np.bincount(each.ravel(), minlength=VOID + 1) for each in (ids, ids[alone])])


def _is_same(image: np.ndarray, target: np.ndarray) -> bool:
    """Whether a restored picture or a matte (H, W, C) is the image."""
    return image.dtype == target.dtype and np.array_equal(
        image if target.shape == image.shape else image[..., : target.shape[2]], target
    )


def _add(found: Survey, one: _Seen) -> None:
    if one.fault:
        found.faults += [] if one.fault in found.faults else [one.fault]
        return
    found.sizes[one.size] += 1
    found.images.add(one.values)
    if isinstance(one.target, Values):
        found.targets.setdefault(one.depth, Values()).add(one.target)
    elif one.target is not None:
        found.pixels += one.target[0]
        found.holders += one.target[0] > 0
        found.lone += one.target[1]
    found.unchanged += [one.name] * one.unchanged
    found.labeled += one.target is not None
