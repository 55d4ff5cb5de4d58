"""What a survey finds, and what of it is wrong or odd."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ssl_bench.data.copies import Print, find_pairs
from ssl_bench.data.pictures import MEND
from ssl_bench.dataset import VOID, Dataset
from ssl_bench.errors import DataError
from ssl_bench.recipe import Kind
from ssl_bench.words import first_of

SHOWN, MOST = 5, 20
"""Images and classes that one note names."""
_DARK = 0.55
"""Of white: targets that reach no further are rather of other numbers."""
_BLACK = 8
"""Levels of 255: images that reach no further are rather of other numbers."""
_SCATTERED, _FEWEST = 0.2, 3
"""Share of a class's pixels that lie alone, and the fewest such classes, from which a note says so."""
Prints = Sequence[tuple[str, Print]]
"""Ids, and what tells their images again."""


@dataclass
class Values:
    """Range and mean of the numbers in files."""

    low: float = np.inf
    high: float = -np.inf
    total: float = 0.0
    count: int = 0

    @classmethod
    def of(cls, array: np.ndarray) -> "Values":
        """Take range, sum and count of the numbers in an array."""
        return cls(float(array.min()), float(array.max()), float(array.sum(dtype=np.float64)), array.size)

    def add(self, other: "Values") -> None:
        """Take in what is known of other numbers."""
        self.low, self.high = min(self.low, other.low), max(self.high, other.high)
        self.total += other.total
        self.count += other.count

    def __str__(self) -> str:
        return f"{self.low:g} to {self.high:g}, mean {self.total / max(1, self.count):.4g}"


@dataclass
class Survey:
    """What was found. `errors` make a data set unfit; `notes` are for its owner to judge."""

    faults: list[str] = field(default_factory=list)
    """Errors of files, and of what the targets hold together."""
    copies: list[str] = field(default_factory=list)
    """Errors of images that are in training and test."""
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
    lone: np.ndarray = field(default_factory=lambda: np.zeros(VOID + 1, np.int64))
    """Pixels of each class id of which no neighbour has the same."""
    unchanged: list[str] = field(default_factory=list)
    """Images whose target is the image itself."""
    prints: dict[str, Print] = field(default_factory=dict)
    """What tells each image again, by id."""

    @property
    def errors(self) -> list[str]:
        """All errors: of files, of what the targets hold together, and of copies."""
        return [*self.faults, *self.copies]


def compare(found: Survey, dataset: Dataset, train: Prints, unlabeled: Prints, test: Prints) -> None:
    """Look for copies: an error across training and test, a note within either; what is only near is a note."""
    near: list[str] = []
    for what, others in (("training", train), ("unlabelled", unlabeled)):
        for pair in find_pairs([one for _, one in test], [one for _, one in others]):
            name, twin = test[pair.first][0], others[pair.second][0]
            if not pair.copy:
                near.append(f"'{name}' and '{twin}'")
                continue
            found.duplicates += 1
            how = "pixel for pixel" if pair.exact else "but for encoding, size or noise"
            places = dataset.place(name), dataset.place(twin)
            found.copies.append(
                f"test image '{name}' is the training image '{twin}', {how}: {places[0]}, {places[1]}; take one of "
                "them out"
                if what == "training"
                else f"{places[1]} is the test image {places[0]}, {how}, which no method may train on; take it out of "
                "the unlabelled images"
            )
    if near:
        found.notes.append(
            f"{len(near)} pairs of a test and a training image look nearly the same; see that none shows one scene: "
            f"{first_of(near, SHOWN)}"
        )
    for role, group in (("training", [*train, *unlabeled]), ("test", test)):
        alike: dict[bytes, list[str]] = {}
        for name, one in group:
            alike.setdefault(one.content, []).append(name)
        for names in alike.values():
            if len(names) > 1:
                found.duplicates += 1
                shown = first_of([f"'{name}'" for name in names], SHOWN)
                found.notes.append(f"{len(names)} {role} images are the same, pixel for pixel: {shown}")
    pairs = find_pairs([one for _, one in train], [one for _, one in unlabeled])
    again = [
        f"'{train[pair.first][0]}' as '{unlabeled[pair.second][0]}'"
        for pair in pairs
        if pair.copy and not pair.exact
    ]
    if again:
        found.duplicates += len(again)
        found.notes.append(
            f"{len(again)} images with a target are among the unlabelled ones again, but for encoding, size or noise: "
            f"{first_of(again, SHOWN)}"
        )


def judge(found: Survey, dataset: Dataset, kind: Kind) -> None:
    """Look for what targets hold together: errors, and notes on what is allowed and yet likely a slip."""
    if dataset.channels.are_rgb and 0 <= found.images.high <= _BLACK:
        found.notes.append(f"images reach {found.images.high:g} only, where 255 is white")
    if kind == "classification":
        try:
            classes = dataset.classes
        except DataError as error:  # They were to be counted: of a broken mask this has been said before.
            found.faults += [] if str(error) in found.faults else [str(error)]
            return
        if found.labeled:
            _judge_classes(found, classes)
            _judge_scatter(found)
        return
    if found.unchanged:
        some = first_of([f"'{name}'" for name in found.unchanged], SHOWN)
        found.notes.append(
            f"{len(found.unchanged)} of {found.labeled} targets are their images, pixel for pixel: {some}"
        )
    for dtype, values in found.targets.items():
        top = 1 if dtype.startswith("float") else np.iinfo(dtype).max
        # As of percent, of 0 and 1 or 128, or of a camera's bits in a wider type.
        if values.high <= _DARK * top:
            found.notes.append(f"targets of {dtype} reach {values.high:g} only, where {top} is white")
        elif values.low == values.high:
            found.notes.append(f"every target of {dtype} holds {values.high:g} alone")
    if len(found.targets) > 1:
        found.notes.append(f"targets are stored in several depths: {', '.join(sorted(found.targets))}")


def _judge_scatter(found: Survey) -> None:
    """What is said of many classes whose pixels lie alone."""
    held = found.pixels[:VOID] > 0
    scattered = held & (found.lone[:VOID] > _SCATTERED * found.pixels[:VOID])
    if scattered.sum() >= _FEWEST and 2 * scattered.sum() >= held.sum() - 1:
        found.notes.append(
            f"{scattered.sum()} of {held.sum()} classes are pixels that lie alone, as in masks that were once JPEG or "
            f"resized smoothly; if so, name the others in a classes.txt ({MEND}; --classes and --nearest take each "
            "pixel for the nearest class)"
        )


def _judge_classes(found: Survey, classes: Sequence[str]) -> None:
    """What is wrong, or likely so, with which classes the targets hold."""
    total, void = int(found.pixels.sum()), int(found.pixels[VOID])
    held = [number for number in range(len(classes)) if found.holders[number]]
    absent = [name for number, name in enumerate(classes) if not found.holders[number]]
    if void == total:
        found.faults.append("every pixel of every target is void (255)")
    elif held == [0] and void:
        found.faults.append(
            f"the targets hold 0 and 255 alone, and 255 is void: no pixel is {_quoted(absent)}, and a network that "
            f"knows `{classes[0]}` alone would score 100 %; store the classes as 0, 1, ..., or write `0 {classes[0]}` "
            f"and `255 {absent[0]}` into classes.txt ({MEND})"
        )
    elif len(held) == 1:
        found.notes.append(
            f"every target holds `{classes[held[0]]}` alone: a network that knows nothing else scores 100 %"
        )
    elif absent:
        beside = f", and {100 * void / total:.2g} % of the pixels are void (255)" if void else ""
        found.notes.append(f"no target holds {_quoted(absent)}{beside}")


def _quoted(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names[:MOST]) + (
        f" or {len(names) - MOST} more" if len(names) > MOST else ""
    )
