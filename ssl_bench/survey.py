"""Everything there is to know of a data set without a network: every file read, counted and compared."""

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
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

    @classmethod
    def of(cls, array: np.ndarray) -> "Values":
        """Those of an array."""
        return cls(float(array.min()), float(array.max()), float(array.sum(dtype=np.float64)), array.size)

    def add(self, other: "Values") -> None:
        """Take others in."""
        self.low, self.high = min(self.low, other.low), max(self.high, other.high)
        self.total += other.total
        self.count += other.count

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
    duplicates: int = 0
    """Groups of equal images within training or test, and images in both."""
    labeled: int = 0
    """Targets read."""


@dataclass(frozen=True)
class _Seen:
    """What is kept of one image."""

    name: str
    fault: str = ""
    content: bytes = b""
    size: tuple[int, int] = (0, 0)
    values: Values = field(default_factory=Values)
    depth: str = ""
    target: Values | np.ndarray | None = None
    """Pixels of each class id, or the values of a picture; None where there is no target."""


def survey(dataset: Dataset, kind: Kind, report: Callable[[], None] = lambda: None) -> Survey:
    """Read every image, and every target that there is, going on after faults. `report` is called per image."""
    found = Survey()
    train, unlabeled, test = map(tuple, (dataset.train, dataset.unlabeled, dataset.test))
    without = frozenset(unlabeled)

    def read(name: str) -> _Seen:
        return _see(dataset, name, kind, with_target=name not in without)

    seen: dict[str, _Seen] = {}
    with ThreadPoolExecutor(THREADS) as pool:
        for one in pool.map(read, (*train, *unlabeled, *test)):
            seen[one.name] = one
            _add(found, one)
            report()
    _compare(found, [seen[name] for name in (*train, *unlabeled)], [seen[name] for name in test])
    _judge(found, dataset, kind)
    return found


def _see(dataset: Dataset, name: str, kind: Kind, *, with_target: bool) -> _Seen:
    try:
        dataset.check_image(name, with_target=with_target)
        image = dataset.image(name)
        target = dataset.target(name) if with_target else None
    except DataError as error:
        return _Seen(name, fault=str(error))
    counted: Values | np.ndarray | None = None
    if target is not None:
        is_ids = kind == "classification"
        counted = np.bincount(target.ravel(), minlength=VOID + 1) if is_ids else Values.of(target)
    content = hashlib.sha256(repr(image.shape).encode() + image.tobytes()).digest()
    size = (image.shape[1], image.shape[0])
    return _Seen(
        name, "", content, size, Values.of(image), "" if target is None else str(target.dtype), counted
    )


def _add(found: Survey, one: _Seen) -> None:
    if one.fault:
        found.errors.append(one.fault)
        return
    found.sizes[one.size] += 1
    found.images.add(one.values)
    if isinstance(one.target, Values):
        found.targets.setdefault(one.depth, Values()).add(one.target)
    elif one.target is not None:
        found.pixels += one.target
        found.holders += one.target > 0
    found.labeled += one.target is not None


def _compare(found: Survey, train: Sequence[_Seen], test: Sequence[_Seen]) -> None:
    """Images that are pixel for pixel the same: an error across training and test, a note within either."""
    places: dict[bytes, list[str]] = {}
    for one in train:
        if one.content:
            places.setdefault(one.content, []).append(one.name)
    for one in test:
        if one.content in places:
            twin = places[one.content][0]
            found.duplicates += 1
            found.errors.append(f"test image '{one.name}' is the training image '{twin}', pixel for pixel")
    tested: dict[bytes, list[str]] = {}
    for one in test:
        if one.content:
            tested.setdefault(one.content, []).append(one.name)
    for role, group in (("training", places), ("test", tested)):
        for names in group.values():
            if len(names) > 1:
                found.duplicates += 1
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
