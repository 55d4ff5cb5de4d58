"""CamVid, in the folders of its two usual copies: ids in `trainannot`, or colours in `train_labels`.

Brostow, Fauqueur, Cipolla: Semantic Object Classes in Video. Pattern Recognition Letters 30 (2009).
Badrinarayanan, Kendall, Cipolla: SegNet. IEEE TPAMI 39 (2017), for the 11 classes.
"""

import csv
from functools import cached_property
from pathlib import Path, PurePosixPath

import numpy as np

from ssl_bench import VOID, DataError, Files, FolderDataset, is_colored, read_colors, read_lines

CLASSES = (
    *("sky", "building", "pole", "road", "pavement", "tree", "sign symbol", "fence", "car", "pedestrian"),
    "bicyclist",
)
UNLABELED = 11
"""What the copy of 11 classes says of a pixel without one."""
COLORS = "class_dict.csv"


def _without_l(path: PurePosixPath) -> str:
    return str(path).removesuffix("_L")


def _part(name: str) -> tuple[Files, ...]:
    return (Files(images=name, targets=(f"{name}annot", f"{name}_labels"), target_id=_without_l),)


class CamVid(FolderDataset):
    """Masks of ids 0 to 10 and 11 for void, or of the colours that class_dict.csv names.

    The test set is `test`, or `val` where there is no `test`. classes.txt names other classes.
    """

    layout = "CamVid: {train,val,test} with {train,val,test}annot, or with {train,val,test}_labels and class_dict.csv"
    targets_are = "indices"
    marks = (("train", "trainannot"), ("train", "train_labels"))
    train_files = _part("train")
    test_files = _part("test")
    validation_files = _part("val")
    class_names = CLASSES

    @cached_property
    def _colors(self) -> tuple[tuple[str, ...], np.ndarray, np.ndarray] | None:
        """Names, colours (N, 3) and ids (N,) of class_dict.csv, where that is there."""
        path = self._find((COLORS,))
        if path is None:
            return None
        rows = list(csv.DictReader([line for _, line in read_lines(path)], skipinitialspace=True))
        try:
            colors = np.array([[int(row[band]) for band in "rgb"] for row in rows], np.uint8).reshape(-1, 3)
            names = [row["name"] for row in rows]
        except (KeyError, TypeError, ValueError, OverflowError):
            raise DataError(f"{path} must have columns name,r,g,b with values 0 to 255; correct it") from None
        kept = [name for name in names if name.lower() != "void"]
        ids = np.array([VOID if name.lower() == "void" else kept.index(name) for name in names], np.uint8)
        return tuple(kept), colors, ids

    def named_classes(self) -> tuple[str, ...]:
        """Those of the colours, where there are some."""
        return self._colors[0] if self._colors else super().named_classes()

    def decode_target(self, data: bytes, path: Path) -> np.ndarray:
        """(H, W) uint8, 255 void; so is 11 unless there are more classes than 11."""
        if self._colors and is_colored(data, path):
            return read_colors(data, path, *self._colors[1:])
        ids = super().decode_target(data, path)
        return np.where(ids == UNLABELED, np.uint8(VOID), ids) if len(self.classes) <= UNLABELED else ids
