"""PASCAL VOC 2012 segmentation, or any set arranged like it.

Everingham, Van Gool, Williams, Winn, Zisserman: The PASCAL Visual Object Classes Challenge 2012.
Hariharan, Arbeláez, Bourdev, Maji, Malik: Semantic Contours from Inverse Detectors. ICCV 2011 (SBD).
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from types import MappingProxyType

import numpy as np

from ssl_bench import DataError, Files, FolderDataset, Sample, collect_samples, find_roots
from ssl_bench_tasks.layouts.mat import read_variable

CLASSES = (
    *("background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow"),
    *(
        "diningtable",
        "dog",
        "horse",
        "motorbike",
        "person",
        "pottedplant",
        "sheep",
        "sofa",
        "train",
        "tvmonitor",
    ),
)


_LISTS = "ImageSets/Segmentation"
AUGMENTED = 10582
"""Training images of PASCAL VOC 2012 with SBD."""
BLENDED: Mapping[int, str] = MappingProxyType(
    {662: "1/16", 1323: "1/8", 2645: "1/4", 2646: "1/4", 5291: "1/2", 5292: "1/2"}
)
"""Labelled images, drawn from all 10,582, to their share."""
CLASSIC: Mapping[int, str] = MappingProxyType({92: "1/16", 183: "1/8", 366: "1/4", 732: "1/2", 1464: "full"})
"""Labelled images, drawn from the 1,464 with fine masks, to their share of those."""


class Sbd(FolderDataset):
    """SBD as its authors give it; where PASCAL VOC lies beside it, it serves that."""

    layout = "SBD: dataset/{img/*.jpg,cls/*.mat,train.txt,val.txt}"
    targets_are = "indices"
    marks = (("img", "cls"),)
    train_files = (Files(images="img", targets=("cls",), target_ending=".mat"),)
    train_lists = ("train.txt",)
    test_lists = ("val.txt",)
    class_names = CLASSES
    fallback = True

    def decode_target(self, data: bytes, path: Path) -> np.ndarray:
        """(H, W) uint8: `GTcls.Segmentation` of a MATLAB file."""
        return read_cls(data, path)


class Voc(FolderDataset):
    """Images and masks named by lists; 21 classes unless classes.txt, here or beside the kit, names others.

    A mask comes from SegmentationClass, or else from SegmentationClassAug, or else from SBD where that lies in the
    folder given. Training images are those of `train_aug.txt`, or else those of `train.txt` and of SBD. Those
    without a mask are unlabelled.
    """

    layout = (
        "PASCAL VOC: JPEGImages, SegmentationClass and ImageSets/Segmentation/{train,val}.txt, "
        "also within VOCdevkit/VOC2012; with SegmentationClassAug and train_aug.txt, with SBD, or with neither"
    )
    targets_are = "indices"
    marks = (("JPEGImages",),)
    train_files = (Files(images="JPEGImages", targets=("SegmentationClass", "SegmentationClassAug")),)
    train_lists = (f"{_LISTS}/train_aug.txt", f"{_LISTS}/train.txt")
    test_lists = (f"{_LISTS}/val.txt",)
    class_names = CLASSES
    wrappers = ("VOC2012", "VOCdevkit")

    @cached_property
    def _sbd(self) -> Mapping[str, Sample]:
        roots = find_roots(self._base, Sbd.is_root)
        return (
            collect_samples(Sbd.train_files, roots[0], self._base, lone_targets=True)
            if len(roots) == 1
            else {}
        )

    def _collect(
        self, role: str, parts: Sequence[Files], *, taken: Collection[str] = (), lone_targets: bool = False
    ) -> dict[str, Sample]:
        samples = super()._collect(role, parts, taken=taken, lone_targets=lone_targets)
        for name, other in self._sbd.items():
            own = samples.setdefault(name, other)
            if own.target is None:
                samples[name] = replace(own, target=other.target)
        return samples

    def _listed(
        self, samples: Mapping[str, Sample], *lists: Path | None
    ) -> tuple[Mapping[str, Sample], Mapping[str, Sample]]:
        train, test = super()._listed(samples, *lists)
        if self._find(self.train_lists[:1]) is None:
            train = {**train, **{name: samples[name] for name in self._sbd if name not in test}}
        return train, test

    def decode_target(self, data: bytes, path: Path) -> np.ndarray:
        """(H, W) uint8, from a picture or a file of SBD."""
        return read_cls(data, path) if path.suffix == ".mat" else super().decode_target(data, path)

    def protocol(self, labeled: Collection[str]) -> str:
        """`blended` or `classic` with the share, where the public lists have as many images."""
        count = len(labeled)
        if len(self.train) == AUGMENTED and count in BLENDED:
            return f"blended {BLENDED[count]}"
        return f"classic {CLASSIC[count]}" if count in CLASSIC and len(self.train) >= max(CLASSIC) else ""


def read_cls(data: bytes, path: Path) -> np.ndarray:
    """(H, W) uint8 of class ids: `GTcls.Segmentation` of a file of SBD."""
    ids = read_variable(data, path, "GTcls", "Segmentation")
    if ids.ndim != 2 or ids.dtype != np.uint8:
        raise DataError(f"{path} holds no GTcls.Segmentation of (H, W) uint8; fetch it again")
    return ids
