"""LOL, versions 1 and 2: the same scenes in low and in normal light.

Wei, Wang, Yang, Liu: Deep Retinex Decomposition for Low-Light Enhancement. BMVC 2018.
Yang, Wang, Huang, Wang, Liu: Sparse Gradient Regularized Deep Retinex Network. IEEE TIP 2021.
"""

from pathlib import Path

from ssl_bench import Files, FolderDataset, any_name, file_stems, folder_at, subfolders


class Lol(FolderDataset):
    """485 pairs for training, 15 for the test; a pair shares its stem, which is a number."""

    layout = (
        "LOL: our485/{low,high} and eval15/{low,high}, or {train,val,test}/{low,high}, or "
        "{Train,Test}/{input,target} with numbers for names"
    )
    targets_are = "picture"
    marks = (("our485", "eval15"), ("train/low", "train/high"))
    train_files = (
        Files(images="our485/low", targets=("our485/high",)),
        Files(images="train/low", targets=("train/high",)),
        Files(images="Train/input", targets=("Train/target",)),
    )
    test_files = (
        Files(images="eval15/low", targets=("eval15/high",)),
        Files(images="test/low", targets=("test/high",)),
        Files(images="Test/input", targets=("Test/target",)),
    )
    validation_files = (Files(images="val/low", targets=("val/high",)),)

    @classmethod
    def is_root(cls, folder: Path) -> bool:
        """As the marks say; a prepared copy is known by its spelling and its numbers, since many sets look like it."""
        if super().is_root(folder):
            return True
        spelt = {"Train", "Test"} <= {child.name for child in subfolders(folder)}
        stems = file_stems(folder_at(folder, "Train/input")) if spelt else ()
        return any(stems) and all(stem.isdigit() for stem in stems)


class _Second(FolderDataset):
    targets_are = "picture"
    train_files = (Files(images="Train/Low", targets=("Train/Normal",), rule=any_name),)
    test_files = (Files(images="Test/Low", targets=("Test/Normal",), rule=any_name),)
    named_low: bool

    @classmethod
    def is_root(cls, folder: Path) -> bool:
        """Whether the folders are here; the two halves of the set differ in whether names begin with `low`."""
        low, normal = (folder_at(folder, f"Train/{name}") for name in ("Low", "Normal"))
        if not (low.is_dir() and normal.is_dir()):
            return False
        return any(stem.lower().startswith("low") for stem in file_stems(low)) == cls.named_low


class LolV2Real(_Second):
    """689 captured pairs for training, 100 for the test."""

    layout = "LOL v2 real: Real_captured/{Train,Test}/{Low/low00001.png,Normal/normal00001.png}"
    named_low = True


class LolV2Synthetic(_Second):
    """900 pairs made from raw photographs for training, 100 for the test."""

    layout = "LOL v2 synthetic: Synthetic/{Train,Test}/{Low,Normal}, names equal"
    named_low = False
