"""Where images come from. Free of torch: arrays in, arrays out, one image at a time."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np

from ssl_bench.errors import DataError
from ssl_bench.pixels.channels import RGB, Channels
from ssl_bench.seeds import digest

VOID = 255
"""Class id of a pixel without a label, in files and in arrays."""

FEW_TESTED = 10
"""Test images, below which plans and tables say how few they are."""


class Dataset(ABC):
    """Images of one task by id. Image and target are read apart, so a target is read only where it is due."""

    path: Path | None = None
    """The folder it was opened from; None for data made in memory."""
    classes: tuple[str, ...] = ()
    """Names of the classes, in the order of their ids; empty for regression."""
    channels: Channels = RGB
    """What its images are made of. Left as it is, they have as many channels as the task's class says."""

    train: Sequence[str]
    """Ids of training images that have a target."""
    unlabeled: Sequence[str] = ()
    """Ids of further training images, without any target."""
    test: Sequence[str]
    """Ids of test images."""

    notes: Sequence[str] = ()
    """What its owner should hear of what was found when it was opened, a line each."""

    layout: ClassVar[str] = ""
    """What `recognises` looks for, in words, for error messages."""

    @classmethod
    def open(cls, path: Path | None) -> "Dataset":
        """The data set in a folder (or in memory, where `path` is None).

        Raises DataError where the folder does not hold what the layout promises.
        """
        raise NotImplementedError

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """Whether this layout lies in the folder."""
        return False

    def test_on(self, count: int) -> None:
        """Hold so many labelled images out for testing, or a few more where some must stay together.

        Only before anything is read of it. Raises DataError where test images are given, or too few would be left.
        """
        raise DataError(
            f"{self.path or 'data made in memory'}: its test images are given: --test is for data without any"
        )

    def shift(self, way: str, share: float) -> None:
        """Let a share in (0, 1] of the images that are unlabelled in a split be from elsewhere, in one of its `ways`.

        Only before anything is read of it. Raises DataError where it cannot make such images.
        """
        raise DataError(
            f"{self.path or 'data made in memory'}: --shift is for data that can make images from elsewhere; give a "
            "folder of such images by --unlabeled"
        )

    def pool(self, unlabeled: Sequence[str]) -> Sequence[str]:
        """Ids of the images that stand in a split's pool for its unlabelled ones: themselves, unless some are to be
        from elsewhere."""
        return unlabeled

    @property
    def tests_on_its_own(self) -> bool:
        """Whether its test images are labelled ones that it holds out by itself, since none are given as such."""
        return False

    @abstractmethod
    def image(self, name: str) -> np.ndarray:
        """(H, W, C) uint8, uint16 or float32 in [0, 1]: the full range of the type is that from black to white."""

    @abstractmethod
    def target(self, name: str) -> np.ndarray:
        """Class ids (H, W) uint8 with 255 void, or an image (H, W, O) uint8, uint16 or float32 in [0, 1]."""

    def unknown(self, name: str) -> np.ndarray | None:
        """(H, W) bool: the region a test image marks as the hard one (a trimap's middle), or None."""
        return None

    def place(self, name: str) -> Path | None:
        """The file of an image, or the folder that it comes from; None for one made in memory."""
        return self.path

    @classmethod
    def group(cls, name: str) -> str:
        """What must not be torn between training and scoring, such as an image's scene."""
        return name

    def aliases(self) -> Mapping[str, Sequence[str]]:
        """Id to the paths by which a list file may call the image, besides its id."""
        return dict.fromkeys((*self.train, *self.unlabeled, *self.test), ())

    def know_classes(self, names: tuple[str, ...]) -> None:
        """Be told what `classes` gave before; for a data set that would have to read masks to find out."""
        return None

    def know_channels(self, channels: Channels) -> None:
        """Be told what `channels` gave before; for a data set that would have to read images to find out."""
        return None

    def protocol(self, labeled: Collection[str]) -> str:
        """Name and share of the public protocol whose lists look like these labelled images; empty for none."""
        return ""

    @abstractmethod
    def fingerprint(self) -> str:
        """Hash of the content: equal exactly where ids, images and targets are."""

    def content(self, names: Collection[str], readable: Collection[str]) -> str:
        """Hash of the content of some images, and of the targets of the `readable` ones alone; no other is opened.

        Empty where a data set cannot tell, such as one made in memory: then `listing` alone tells of a change.
        """
        return ""

    def stamp(self, names: Collection[str], readable: Collection[str]) -> str:
        """The same of their files' sizes, times and numbers on the disk, when they were read: where it is equal, so is
        `content`. Reads nothing; empty where a data set cannot tell."""
        return ""

    def check_image(self, name: str, *, with_target: bool) -> int:
        """Read an image, and its target and trimap if so asked, and return how many files these are.

        Raises DataError where one cannot be read or the sizes differ.
        """
        image = self.image(name)
        if with_target and self.target(name).shape[:2] != image.shape[:2]:
            raise DataError(f"image '{name}' and its target differ in size")
        return 1 + with_target


def listing(dataset: Dataset) -> str:
    """Hash of the ids and their roles: a quick look whether a folder is still what it was."""
    return digest([list(dataset.train), list(dataset.unlabeled), list(dataset.test)])


class GuardedDataset:
    """A data set as a cell may see it: reading the target of an image that is not labelled raises.

    `held_out`: labelled images that are scored in the test set's place. Then reading a test image raises, too.
    """

    def __init__(self, dataset: Dataset, labeled: Collection[str], held_out: Sequence[str] = ()) -> None:
        self._dataset = dataset
        self.scored: Sequence[str] = held_out or dataset.test
        """Ids of the images to score on, in the order of the scores."""
        self._readable = frozenset(labeled) | frozenset(self.scored)
        self._closed = frozenset(dataset.test) - frozenset(self.scored)

    def image(self, name: str) -> np.ndarray:
        """As `Dataset.image`, for all that the cell may see."""
        self._require_open(name)
        return self._dataset.image(name)

    def target(self, name: str) -> np.ndarray:
        """As `Dataset.target`, for labelled and scored images only."""
        self._require_open(name)
        if name not in self._readable:
            raise DataError(f"image '{name}' is unlabelled in this split: its target must not be read")
        return self._dataset.target(name)

    def unknown(self, name: str) -> np.ndarray | None:
        """As `Dataset.unknown`, for all that the cell may see."""
        self._require_open(name)
        return self._dataset.unknown(name)

    def _require_open(self, name: str) -> None:
        if name in self._closed:
            raise DataError(f"test image '{name}' must not be read by a search")
