"""Everything there is to know of a data set without a network: every file read, counted and compared."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np

from ssl_bench.dataset import VOID, Dataset
from ssl_bench.errors import DataError
from ssl_bench.reader import THREADS
from ssl_bench.specs import Kind


@dataclass
class Values:
    """Range and mean of stored values, by the depth they are stored in."""

    low: float = np.inf
    high: float = -np.inf
    total: float = 0.0
    count: int = 0

    def add(self, array: np.ndarray) -> None:
        """Take the values of an array in."""
        self.low = min(self.low, float(array.min()))
        self.high = max(self.high, float(array.max()))
        self.total += float(array.sum(dtype=np.float64))
        self.count += array.size

    def __str__(self) -> str:
        return f"{self.low:g} to {self.high:g}, mean {self.total / max(1, self.count):.4g}"


@dataclass
class Survey:
    """What was found. `errors` make a data set unfit; `notes` are for its owner to judge."""

    errors: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    sizes: Counter[tuple[int, int]] = field(default_factory=Counter)
    """(width, height) of images."""
    images: Values = field(default_factory=Values)
    targets: dict[str, Values] = field(default_factory=dict)
    """By dtype; none for class ids."""
    pixels: np.ndarray = field(default_factory=lambda: np.zeros(VOID + 1, np.int64))
    """Of each class id, void last, over all targets."""
    holders: np.ndarray = field(default_factory=lambda: np.zeros(VOID + 1, np.int64))
    """Targets that hold each class id."""
    doubles: int = 0
    """Groups of equal images within training or test, and images in both."""
    labeled: int = 0
    """Targets read."""


@dataclass(frozen=True)
class _Seen:
    name: str
    fault: str = ""
    content: bytes = b""
    size: tuple[int, int] = (0, 0)


def survey(dataset: Dataset, kind: Kind, report: Callable[[], None] = lambda: None) -> Survey:
    """Read every image, and every target that there is, going on after faults. `report` is called per image."""
    found = Survey()
    train, unlabeled, test = map(tuple, (dataset.train, dataset.unlabeled, dataset.test))
    without = frozenset(unlabeled)

    def read(name: str) -> tuple[_Seen, np.ndarray | None, np.ndarray | None]:
        try:
            dataset.check_image(name, with_target=name not in without)
            image = dataset.image(name)
            target = None if name in without else dataset.target(name)
        except DataError as error:
            return _Seen(name, fault=str(error)), None, None
        content = hashlib.sha256(repr(image.shape).encode() + image.tobytes()).digest()
        return _Seen(name, content=content, size=(image.shape[1], image.shape[0])), image, target

    seen: dict[str, _Seen] = {}
    with ThreadPoolExecutor(THREADS) as pool:
        for one, image, target in _in_turn(pool, read, (*train, *unlabeled, *test)):
            seen[one.name] = one
            if image is None:
                found.errors.append(one.fault)
            else:
                found.sizes[one.size] += 1
                found.images.add(image)
            if target is not None:
                _add_target(found, target, kind)
            report()
    _compare(found, [seen[name] for name in (*train, *unlabeled)], [seen[name] for name in test])
    _judge(found, dataset, kind)
    return found


def _in_turn(
    pool: ThreadPoolExecutor,
    read: Callable[[str], tuple[_Seen, np.ndarray | None, np.ndarray | None]],
    names: Sequence[str],
) -> Iterator[tuple[_Seen, np.ndarray | None, np.ndarray | None]]:
    """As `pool.map`, but only a few results wait at a time: they hold whole images."""
    step = 4 * THREADS
    for start in range(0, len(names), step):
        yield from pool.map(read, names[start : start + step])


def _add_target(found: Survey, target: np.ndarray, kind: Kind) -> None:
    found.labeled += 1
    if kind == "classification":
        counts = np.bincount(target.ravel(), minlength=VOID + 1)
        found.pixels += counts
        found.holders += counts > 0
    else:
        found.targets.setdefault(str(target.dtype), Values()).add(target)


def _compare(found: Survey, train: Sequence[_Seen], test: Sequence[_Seen]) -> None:
    """Images that are pixel for pixel the same: an error across training and test, a note within either."""
    places: dict[bytes, list[str]] = {}
    for one in train:
        if one.content:
            places.setdefault(one.content, []).append(one.name)
    for one in test:
        if one.content in places:
            twin = places[one.content][0]
            found.doubles += 1
            found.errors.append(f"test image '{one.name}' is the training image '{twin}', pixel for pixel")
    tested: dict[bytes, list[str]] = {}
    for one in test:
        if one.content:
            tested.setdefault(one.content, []).append(one.name)
    for role, group in (("training", places), ("test", tested)):
        for names in group.values():
            if len(names) > 1:
                found.doubles += 1
                shown = ", ".join(f"'{name}'" for name in names[:5]) + (", ..." if len(names) > 5 else "")
                found.notes.append(f"{len(names)} {role} images are the same, pixel for pixel: {shown}")


def _judge(found: Survey, dataset: Dataset, kind: Kind) -> None:
    """Notes on values that are allowed and yet likely a slip."""
    if kind == "classification":
        try:
            classes = dataset.classes
        except DataError as error:  # They were to be counted: of a broken mask this has been said before.
            found.errors += [] if str(error) in found.errors else [str(error)]
            return
        absent = [name for number, name in enumerate(classes) if not found.holders[number]]
        if absent and found.labeled:
            found.notes.append(f"no target holds {', '.join(f'`{name}`' for name in absent)}")
        if found.pixels.sum() and found.pixels[VOID] == found.pixels.sum():
            found.errors.append("every pixel of every target is void (255)")
        return
    for dtype, values in found.targets.items():
        top = 1 if dtype.startswith("float") else np.iinfo(dtype).max
        if values.high <= top / 128:
            found.notes.append(f"targets of {dtype} reach {values.high:g} only, where {top} is white")
    if len(found.targets) > 1:
        found.notes.append(f"targets are stored in several depths: {', '.join(sorted(found.targets))}")
