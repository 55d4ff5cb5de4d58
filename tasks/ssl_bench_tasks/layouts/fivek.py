"""MIT-Adobe FiveK: photographs as taken and as retouched.

Bychkovsky, Paris, Chan, Durand: Learning Photographic Global Tonal Adjustment with a Database of Input / Output
Image Pairs. CVPR 2011.
"""

import re
from pathlib import Path

from ssl_bench import Files, FolderDataset, file_stems, folder_at

_NAME = re.compile(r"a\d{4}(?!\d).*", re.IGNORECASE)


class FiveK(FolderDataset):
    """A pair shares its stem. Many sets lie in such folders: this one is known by its names."""

    layout = "FiveK: {train,test}/{input,target}, names such as a0001-jmac_DSC1459"
    targets_are = "picture"
    train_files = (Files(images="train/input", targets=("train/target",)),)
    test_files = (Files(images="test/input", targets=("test/target",)),)
    validation_files = (Files(images="val/input", targets=("val/target",)),)

    @classmethod
    def is_root(cls, folder: Path) -> bool:
        """Whether the folders are here and their names are this set's."""
        stems = file_stems(folder_at(folder, "train/input"))
        return any(stems) and all(_NAME.fullmatch(stem) for stem in stems)
