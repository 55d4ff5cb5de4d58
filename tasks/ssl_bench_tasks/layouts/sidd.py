"""SIDD: photographs of smartphones, noisy and clean; as whole frames, as crops, and the blocks for validation.

Abdelhamed, Lin, Brown: A High-Quality Denoising Dataset for Smartphone Cameras. CVPR 2018.
"""

import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from threading import Lock
from typing import ClassVar

import numpy as np

from ssl_bench import DataError, Files, FolderDataset, Identify, Sample, require_inside, subfolders
from ssl_bench_tasks.layouts.mat import read_variable, shape_of

_INSTANCE = re.compile(r"\d+_(?P<scene>\d+)_\w+(_\d+){3}_[A-Z]")
"""instance_scene_camera_ISO_shutter_temperature_brightness."""
_SMALL = re.compile(r"(?P<kind>NOISY|GT)_SRGB_(?P<frame>\d+)", re.IGNORECASE)
_MEDIUM = re.compile(r"\d+_(?P<kind>NOISY|GT)_SRGB_(?P<frame>\d+)", re.IGNORECASE)
_CROP = re.compile(r"(?<![A-Za-z])(NOISY|GT)(?![A-Za-z])", re.IGNORECASE)
_BLOCKS = ("ValidationNoisyBlocksSrgb.mat", "ValidationGtBlocksSrgb.mat")


class _Sidd(FolderDataset):
    """The blocks for validation, where they lie beside, are the test set; else a fifth of the scenes is held out,
    the first by the hash of their numbers, so that no scene is in both.
    """

    targets_are = "picture"
    holds_out = True
    _lock: ClassVar[Lock] = Lock()

    @classmethod
    def group(cls, name: str) -> str:
        """The number of the scene, second in an instance's name; else what a crop's name begins with, its frame."""
        match = _INSTANCE.search(name)
        return match["scene"] if match else re.split(r"[_\-/]", name)[0]

    def beside(self) -> Mapping[str, Sample]:
        """The two MATLAB files of blocks, here or above."""
        noisy, clean = (self._find((name,)) for name in _BLOCKS)
        return _blocks(noisy, clean, self._base) if noisy and clean else {}

    def image(self, name: str) -> np.ndarray:
        """(H, W, 3) uint8."""
        sample = self._sample(name)
        return super().image(name) if sample.block is None else self._block(sample.image, sample.block)

    def target(self, name: str) -> np.ndarray:
        """(H, W, 3) uint8."""
        sample = self._sample(name)
        if sample.block is None or sample.target is None:
            return super().target(name)
        return self._block(sample.target, sample.block)

    def _block(self, path: Path, place: tuple[int, int]) -> np.ndarray:
        def read(data: bytes, path: Path) -> np.ndarray:
            return read_variable(data, path, path.stem)

        with self._lock:  # The file is 250 MB: once is enough.
            blocks = self._array("blocks", str(path), path, read)
        return np.ascontiguousarray(blocks[place])


def _blocks(noisy: Path, clean: Path, base: Path) -> dict[str, Sample]:
    """Samples by `image/block`, for files of (images, blocks, H, W, 3) uint8 each."""
    for path in (noisy, clean):
        require_inside(path, base)
    shapes = [shape_of(path, path.stem) for path in (noisy, clean)]
    if shapes[0] != shapes[1] or len(shapes[0]) != 5 or shapes[0][-1] != 3:
        raise DataError(
            f"{noisy} holds blocks of shape {shapes[0]} and {clean} of {shapes[1]}, not equal ones of (images, "
            "blocks, height, width, 3); fetch them again"
        )
    places = np.ndindex(*shapes[0][:2])
    return {f"{i:02d}/{j:02d}": Sample(noisy, clean, block=(i, j)) for i, j in places}


class _Scenes(_Sidd):
    """A folder per instance of a scene. Lists of training and validation, where there are some, say what is what."""

    file_name: ClassVar[re.Pattern[str]]
    train_lists = ("train.txt",)
    test_lists = ("val.txt",)
    wrappers = ("Data",)

    @classmethod
    def is_root(cls, folder: Path) -> bool:
        """Whether folders named like instances of a scene, with files of this edition, lie here or in Data."""
        places = (folder, folder / "Data", folder / "Data" / "Data")
        return any(
            _INSTANCE.fullmatch(child.name) and cls._holds_frames(child)
            for place in places
            for child in subfolders(place)
        )

    @classmethod
    def _holds_frames(cls, folder: Path) -> bool:
        places = (folder, *subfolders(folder))  # The archive may have doubled it.
        return any(cls.file_name.fullmatch(path.stem) for place in places for path in place.iterdir())


class SiddSmall(_Scenes):
    """One pair per scene instance, whose folder's name is the id."""

    layout = (
        "SIDD Small: Data/<0001_001_S6_...>/{NOISY,GT}_SRGB_010.PNG, with train.txt and val.txt or without"
    )
    file_name = _SMALL

    @staticmethod
    def _frame(kind: str) -> Identify:
        def identify(path: PurePosixPath) -> str | None:
            return path.parent.name or None if path.name.upper() == f"{kind}_SRGB_010" else None

        return identify

    train_files = (
        Files(images=".", targets=(".",), nested=True, image_id=_frame("NOISY"), target_id=_frame("GT")),
    )


class SiddMedium(_Scenes):
    """Several frames per scene instance; an id is the folder's name and the frame's number."""

    layout = (
        "SIDD Medium: Data/<0001_001_S6_...>/0001_{NOISY,GT}_SRGB_{010,011}.PNG, "
        "with train.txt and val.txt or without"
    )
    file_name = _MEDIUM

    @staticmethod
    def _frame(kind: str) -> Identify:
        def identify(path: PurePosixPath) -> str | None:
            match = _MEDIUM.fullmatch(path.name)
            is_kind = match is not None and match["kind"].upper() == kind
            return f"{path.parent.name}/{match['frame']}" if match and is_kind else None

        return identify

    train_files = (
        Files(images=".", targets=(".",), nested=True, image_id=_frame("NOISY"), target_id=_frame("GT")),
    )


def _crops(folder: str) -> tuple[Files, ...]:
    def pair(images: str, *targets: str) -> Files:
        return Files(
            images=folder + images,
            targets=tuple(folder + name for name in targets),
            nested=True,
            image_id=_crop,
            target_id=_crop,
        )

    return (pair("input_crops", "target_crops", "gt_crops"), pair("input", "gt"))


def _crop(path: PurePosixPath) -> str:
    """The same for both of a pair: `0001_NOISY_SRGB_010_s001` and `0001_GT_SRGB_010_s001`, or equal names."""
    return _CROP.sub("SRGB", str(path)).replace("SRGB_SRGB", "SRGB")


class SiddCrops(_Sidd):
    """Crops of frames, made beforehand."""

    layout = (
        "SIDD crops: {train,val}/SIDD/{input_crops,target_crops}, or {input,gt}; SIDD alone, or all three "
        "folders, may be left out"
    )
    marks = tuple(
        (folder + images, folder + targets)
        for folder in ("train/SIDD/", "train/", "")
        for images, targets in (("input_crops", "target_crops"), ("input_crops", "gt_crops"), ("input", "gt"))
    )
    train_files = (*_crops("train/SIDD/"), *_crops("train/"), *_crops(""))
    test_files = (*_crops("test/SIDD/"), *_crops("test/"))
    validation_files = (*_crops("val/SIDD/"), *_crops("val/"))


class SiddBlocks(_Sidd):
    """The blocks for validation alone: a fifth of the images they were cut from is the test set."""

    layout = f"SIDD validation blocks: {' and '.join(_BLOCKS)}"
    train_files = ()
    fallback = True

    @classmethod
    def is_root(cls, folder: Path) -> bool:
        """Whether both files lie right here."""
        return all((folder / name).is_file() for name in _BLOCKS)

    def _parts(self) -> tuple[Mapping[str, Sample], Mapping[str, Sample]]:
        return self.hold_apart(_blocks(self.root / _BLOCKS[0], self.root / _BLOCKS[1], self._base))
