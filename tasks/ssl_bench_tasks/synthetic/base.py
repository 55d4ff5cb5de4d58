"""What the four sets share: ids, lazy generation from a seed, a fingerprint."""

import hashlib
from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Self

import numpy as np

from ssl_bench import DataError, Dataset, UsageError, generator_for, name_hash
from ssl_bench_tasks.synthetic.elsewhere import FROM, WAYS, other_camera

TRAIN = 128
TEST = 40
SEED = 20
PROBES = ("train-0000", "test-0000")
"""Pictures that the fingerprint looks at."""


class SyntheticDataset(Dataset):
    """128 training images, all with a target, and 40 test images.

    Each picture is a pure function of (set, seed, split, index), made at first access and kept, so there is
    nothing for `check` to find.
    """

    task: ClassVar[str]
    shape: ClassVar[tuple[int, int]]
    """H, W of every picture; not square, so that rectangles are exercised."""
    version: ClassVar[int] = 1
    """Raised with every change of what is drawn."""
    way: str = ""
    """How images from elsewhere differ, one of `WAYS`; empty where there are none."""
    share: float = 0.0
    """Of the unlabelled images that are from elsewhere."""

    def __init__(self) -> None:
        self.train = tuple(f"train-{index:04d}" for index in range(TRAIN))
        self.test = tuple(f"test-{index:04d}" for index in range(TEST))
        self._known = frozenset(self.train) | frozenset(self.test)
        self._pairs: dict[str, tuple[np.ndarray, np.ndarray]] = {}

    @classmethod
    def open(cls, path: Path | None) -> Self:
        """The set. Raises UsageError where a path is given: there is nothing to read."""
        if path is not None:
            raise UsageError(f"the synthetic {cls.task} data are made in memory; leave out the path '{path}'")
        return cls()

    def shift(self, way: str, share: float) -> None:
        """As `Dataset.shift`, in one of `WAYS`; UsageError for another."""
        if way not in WAYS:
            raise UsageError(f"--shift '{way}:{share:g}': the embedded data knows {' and '.join(WAYS)}")
        self.way, self.share = way, share

    def pool(self, unlabeled: Sequence[str]) -> Sequence[str]:
        """As `Dataset.pool`: a larger share replaces what a smaller one does."""
        order = sorted(unlabeled, key=lambda name: name_hash(f"{FROM}{self.way}\0{name}"))
        gone = frozenset(order[: round(self.share * len(order))])
        return [f"{FROM}{name}" if name in gone else name for name in unlabeled]

    @abstractmethod
    def draw(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """One image (H, W, 3) uint8 and its target (H, W) or (H, W, O) uint8."""

    @abstractmethod
    def draw_other(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """The same of other contents: things and scenes that no labelled image has."""

    def draw_by_other_camera(
        self, rng: np.random.Generator, image: np.ndarray, target: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """An image and its target as another camera has them: the label of what is seen stays what it is."""
        return other_camera(rng, image), target

    def _pair(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        if name not in self._pairs:
            image, target = self._made(name)
            # One array serves every reader, so that none may write to it.
            image.flags.writeable = target.flags.writeable = False
            self._pairs[name] = image, target
        return self._pairs[name]

    def _made(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        own = name.removeprefix(FROM)
        if own not in self._known or (own != name and not self.way):
            raise DataError(
                f"no image '{name}' in the synthetic {self.task} data; "
                f"ids run from {self.train[0]} to {self.train[-1]} and {self.test[0]} to {self.test[-1]}"
            )
        split, index = own.split("-")
        if own == name:
            return self.draw(generator_for("synthetic", self.task, SEED, split, int(index)))
        rng = generator_for("synthetic", self.task, SEED, self.way, split, int(index))
        if self.way == "camera":
            return self.draw_by_other_camera(rng, *self._pair(own))
        return self.draw_other(rng)

    def image(self, name: str) -> np.ndarray:
        """(H, W, 3) uint8, read-only. Raises DataError for an id that the set does not have."""
        return self._pair(name)[0]

    def target(self, name: str) -> np.ndarray:
        """Class ids (H, W) with 255 void, or (H, W, O); uint8, read-only. Raises DataError as `image`."""
        return self._pair(name)[1]

    def fingerprint(self) -> str:
        """Hash of ids, seed, version and two whole pairs, which stand for the rest: all come from one program."""
        head = (type(self).__name__, self.version, SEED, TRAIN, TEST, self.shape, self.classes)
        content = hashlib.sha256(repr(head).encode())
        probes: tuple[str, ...] = PROBES
        if self.way:
            content.update(repr((self.way, self.share)).encode())
            probes = (*PROBES, f"{FROM}{PROBES[0]}")
        for name in probes:
            for array in self._pair(name):
                content.update(repr((array.shape, array.dtype.str)).encode())
                content.update(array.tobytes())
        return content.hexdigest()[:16]
