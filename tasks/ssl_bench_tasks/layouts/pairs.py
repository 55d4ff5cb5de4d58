"""The user's own folders: `input/` and `target/`, paired by stem."""

from collections.abc import Sequence

from ssl_bench.folders import Files, FolderDataset, name_hash


class _Pairs(FolderDataset):
    """Images of `input/` without a target, and all of `unlabeled/`, are unlabelled.

    Without a `test/` folder about a fifth of the labelled pairs is held out. A pair's part depends on the hash
    of its stem alone, on no file's content and no other pair: whatever is added later moves none that was there
    (but the test set and the training set have at least one pair each, however few there are).
    """

    layout = (
        "your own pairs: input and target, and unlabeled and test/{input,target} if you like, "
        "or train/{input,target} and test/{input,target}"
    )
    marks = (("input", "target"), ("train/input", "train/target"))
    train_files = (
        Files(images="input", targets=("target",)),
        Files(images="train/input", targets=("train/target",)),
        Files(images="unlabeled"),
        Files(images="train/unlabeled"),
    )
    test_files = (Files(images="test/input", targets=("test/target",)),)
    holds_out = True
    fallback = True

    @classmethod
    def hold_out(cls, groups: Sequence[str]) -> set[str]:
        """The stems whose hash lies in the lowest fifth of its range."""
        ranked = sorted(groups, key=name_hash)
        count = sum(name_hash(name)[0] < 256 / 5 for name in ranked)
        return set(ranked[: min(max(count, 1), len(ranked) - 1)])


class SegmentationPairs(_Pairs):
    """Targets are masks of class ids, 255 void; classes.txt names the classes, else the masks' ids number them."""

    targets_are = "indices"


class ImagePairs(_Pairs):
    """Targets are RGB pictures."""

    targets_are = "picture"


class AlphaPairs(_Pairs):
    """Targets are mattes."""

    targets_are = "alpha"
