"""The user's own folders: `input/` and `target/`, paired by name."""

from collections.abc import Iterator, Sequence

from ssl_bench import Files, FolderDataset, any_name, name_hash

SUFFIXES = (
    *("mask", "masks", "label", "labels", "gt", "matte", "alpha", "seg", "segmentation", "target", "clean"),
    *("annotation", "groundtruth", "ground_truth"),
)
"""What a target's name may have behind its image's, after `_`, `-` or `.`."""


def own_or_suffixed(name: str) -> Iterator[str]:
    """As `any_name`, and the image's id with one of `SUFFIXES` behind it."""
    yield from any_name(name)
    yield from _suffixed(name, SUFFIXES)


def of_trimap(name: str) -> Iterator[str]:
    """As `own_or_suffixed`, and the id with `trimap` behind it."""
    yield from own_or_suffixed(name)
    yield from _suffixed(name, ("trimap",))


def _suffixed(name: str, suffixes: Sequence[str]) -> Iterator[str]:
    for suffix in suffixes:
        for mark in "_-.":
            yield from (f"{name}{mark}{one}" for one in (suffix, suffix.title(), suffix.upper()))


def _pairs(images: str, *targets: str, unknown: str = "") -> Files:
    return Files(
        images=images,
        targets=targets,
        unknown=unknown,
        unknown_rule=of_trimap,
        nested=True,
        rule=own_or_suffixed,
        naming="a target has its image's name, or that with _mask, _label, _gt, _matte or _alpha behind it",
    )


class _Pairs(FolderDataset):
    """Images of `input/` without a target, and all of `unlabeled/` or `unlabelled/`, are unlabelled.

    The target of `input/a_NOISY.png` is `target/a_NOISY`, or `target/a_GT` (or another of the pairs of words in
    `ssl_bench.data.samples.TOKENS`), that of `input/7/2.png` also `target/7`, that of `input/a.png` also
    `target/a_mask` (or another of `SUFFIXES`): the first of these that is there, in this order, and that is not called
    as another image.

    Without a `test/` folder about a fifth of the labelled pairs is held out, and of folders in `input/` about a
    fifth as a whole. A pair's part depends on the hash of its stem, or folder, alone, on no file's content and no
    other pair: whatever is added later moves none that was there (but the test set and the training set have at
    least one pair each, however few there are). Trimaps of test images may lie in `test/trimap`, called as the
    target or the image, or that with a suffix of a target or `_trimap` behind it.
    """

    layout = (
        "your own pairs: input and target, and unlabeled and test/{input,target} if you like, "
        "or train/{input,target} and test/{input,target}"
    )
    marks = (("input", "target"), ("train/input", "train/target"))
    train_files = (
        _pairs("input", "target"),
        _pairs("train/input", "train/target"),
        _pairs("unlabeled"),
        _pairs("unlabelled"),
        _pairs("train/unlabeled"),
        _pairs("train/unlabelled"),
    )
    test_files = (_pairs("test/input", "test/target", unknown="test/trimap"),)
    validation_files = (_pairs("val/input", "val/target"),)
    holds_out = True
    fallback = True

    @classmethod
    def group(cls, name: str) -> str:
        """The folder, or the name of an image that lies in none."""
        return name.rpartition("/")[0] or name

    @classmethod
    def hold_out(cls, groups: Sequence[str]) -> set[str]:
        """The names whose hash lies in the lowest fifth of its range."""
        ranked = sorted(groups, key=name_hash)
        count = sum(name_hash(name)[0] < 256 / 5 for name in ranked)
        return set(ranked[: min(max(count, 1), len(ranked) - 1)])


class SegmentationPairs(_Pairs):
    """Targets are masks of class ids, 255 void; classes.txt names classes, ids or colours, else the ids number them."""

    targets_are = "indices"


class ImagePairs(_Pairs):
    """Pairs of pictures: targets are RGB."""

    targets_are = "picture"


class AlphaPairs(_Pairs):
    """Pairs of pictures and mattes of them."""

    targets_are = "alpha"
