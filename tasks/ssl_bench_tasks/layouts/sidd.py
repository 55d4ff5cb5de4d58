"""SIDD Small: photographs of smartphones, noisy and clean.

Abdelhamed, Lin, Brown: A High-Quality Denoising Dataset for Smartphone Cameras. CVPR 2018.
"""

import re
from pathlib import Path, PurePosixPath

from ssl_bench.folders import Files, FolderDataset
from ssl_bench.records import Identify
from ssl_bench.scan import subfolders

_INSTANCE = re.compile(r"\d+_(?P<scene>\d+)_\w+(_\d+){3}_[A-Z]")
"""instance_scene_camera_ISO_shutter_temperature_brightness."""


def _frame(kind: str) -> Identify:
    def identify(path: PurePosixPath) -> str | None:
        return path.parent.name or None if path.name.upper() == f"{kind}_SRGB_010" else None

    return identify


class SiddSmall(FolderDataset):
    """One pair per scene instance, whose folder's name is the id.

    `train.txt` and `val.txt` in the folder say what is for training and what for the test; without them a fifth
    of the scenes, the first by the hash of their numbers, is held out, so that no scene is in both.
    """

    layout = (
        "SIDD Small: Data/<0001_001_S6_...>/{NOISY,GT}_SRGB_010.PNG, with train.txt and val.txt or without"
    )
    targets_are = "picture"
    train_files = (
        Files(
            images="Data",
            targets=("Data",),
            nested=True,
            image_id=_frame("NOISY"),
            target_id=_frame("GT"),
        ),
    )
    train_lists = ("train.txt",)
    test_lists = ("val.txt",)
    holds_out = True

    @classmethod
    def is_root(cls, folder: Path) -> bool:
        """Whether Data, or Data/Data, holds folders named like instances of a scene; SIDD Medium is not meant."""
        data = folder / "Data"
        places = [data, data / "Data"] if data.is_dir() and "medium" not in folder.name.lower() else []
        return any(_INSTANCE.fullmatch(child.name) for place in places for child in subfolders(place))

    @classmethod
    def group(cls, name: str) -> str:
        """The number of the scene, second in the name of an instance."""
        match = _INSTANCE.fullmatch(name)
        return match["scene"] if match else name
