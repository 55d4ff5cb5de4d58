"""Which images are labelled. A split is known by the hash of its content, never by a fraction alone."""

import contextlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

from ssl_bench.data.copies import NO_PRINTS, Print, find_pairs
from ssl_bench.data.lists import NameList, read_prefixes
from ssl_bench.dataset import Dataset
from ssl_bench.errors import DataError, UsageError
from ssl_bench.seeds import digest, name_hash

FEWEST = 2
"""Images that a search learns from and is scored on, at least."""


@dataclass(frozen=True)
class LabelSplit:
    """Ids of labelled and unlabelled training images."""

    source: str
    """As asked for: `1/8`, `100`, `all` or a list's file name."""
    seed: int
    labeled: tuple[str, ...]
    unlabeled: tuple[str, ...]
    held_out: tuple[str, ...] = ()
    """Ids of images with a label that are scored on in the test set's place, and in no batch: for a search."""

    @property
    def hash(self) -> str:
        """Content hash: equal exactly where the labelled, unlabelled and held-out ids are."""
        held_out = [sorted(self.held_out)] if self.held_out else []
        return digest([sorted(self.labeled), sorted(self.unlabeled), *held_out])


def make_split(dataset: Dataset, labels: str, seed: int, *, task: str) -> LabelSplit:
    """The split of a data set for `labels`: a fraction `1/8`, a count `100`, `all`, or a list file's path.

    Generated splits are nested: at one seed every smaller split lies inside every larger one. Counts from
    fractions are rounded up (1/16 of 10582 is 662, as in the public VOC lists). Raises UsageError or
    DataError where the split cannot be made.
    """
    pool = list(dataset.train)
    if labels == "all":
        labeled = pool
    elif is_number(labels):
        labeled = ranked(pool, seed)[: _count(labels, dataset, task)]
    else:
        labeled = list(read_labels(Path(labels), dataset))
    return split_of(dataset, labeled, _source(labels), seed)


def _source(labels: str) -> str:
    """What a split is called by: a list that is named as a number, or `all`, is no generated split."""
    if _is_generated(labels):
        return labels
    name = Path(labels).name
    return f"{name} (list)" if _is_generated(name) else name


def _is_generated(labels: str) -> bool:
    return labels == "all" or is_number(labels)


def split_of(dataset: Dataset, labeled: Sequence[str], source: str, seed: int = 0) -> LabelSplit:
    """The split of a data set in which these images are labelled and all others are not."""
    chosen = set(labeled)
    unlabeled = [name for name in [*dataset.train, *dataset.unlabeled] if name not in chosen]
    # One order for one content: batches are drawn by position, and a list's order must not change them.
    return LabelSplit(source, seed, tuple(ranked(labeled, 0)), tuple(dataset.pool(unlabeled)))


def hold_out(dataset: Dataset, split: LabelSplit, share: Fraction, *, task: str) -> tuple[str, ...]:
    """Labelled images to score a search on: about a `share` of the split's, drawn by the split's seed.

    What is of one group, such as a scene, stays together. Raises UsageError where no two images would be left on
    either side.
    """
    groups: dict[str, list[str]] = {}
    for name, group in untorn(dataset, split.labeled).items():
        groups.setdefault(group, []).append(name)
    wanted = max(FEWEST, math.ceil(share * len(split.labeled)))
    held: list[str] = []
    # A salt, so that the draw is another one than that of the labels.
    for group in sorted(groups, key=lambda name: name_hash(f"held out\0{split.seed}\0{name}")):
        if len(held) < wanted:
            held += groups[group]
    if len(held) < FEWEST or len(split.labeled) - len(held) < FEWEST:
        scenes = "" if len(groups) == len(split.labeled) else f" of {len(groups)} scenes"
        raise UsageError(
            f"task '{task}': {len(split.labeled)} labelled images{scenes} are too few to hold {wanted} out and learn "
            f"from {FEWEST} or more; give more with --labels, or another --held-out"
        )
    return tuple(sorted(held))


def untorn(dataset: Dataset, names: Sequence[str], known: Mapping[str, Print] = NO_PRINTS) -> dict[str, str]:
    """Images to what must not be torn: their group, joined with those of their near copies, which pixels tell.

    `known`: prints of images that were looked at already.
    """
    head = {name: dataset.group(name) for name in names}
    prints = prints_of(dataset, names, known)
    # All of them: of a burst the likeliest few may never lead to the rest.
    for pair in find_pairs(prints, prints, likeliest=None):
        one, other = head[names[pair.first]], head[names[pair.second]]
        if one != other:
            head = {name: one if group == other else group for name, group in head.items()}
    return head


def prints_of(dataset: Dataset, names: Sequence[str], known: Mapping[str, Print]) -> list[Print]:
    """What tells images again, those read that are not among the `known`."""
    return [known[name] if name in known else Print.of(dataset.image(name)) for name in names]


def without(dataset: Dataset, split: LabelSplit, held_out: Sequence[str]) -> LabelSplit:
    """The split with images held out of training, and with them all that is of their groups."""
    groups = {dataset.group(name) for name in held_out}
    labeled, unlabeled = (
        tuple(name for name in names if dataset.group(name) not in groups)
        for names in (split.labeled, split.unlabeled)
    )
    return replace(split, labeled=labeled, unlabeled=unlabeled, held_out=tuple(held_out))


def observable(dataset: Dataset, split: LabelSplit) -> tuple[str, ...]:
    """Unlabelled images of a split whose labels the data set has, for an observer that teaches nobody."""
    without_label = frozenset(dataset.unlabeled)
    return tuple(name for name in split.unlabeled if name not in without_label)


def read_share(text: str) -> Fraction:
    """A share of the labelled images above 0 and below 1, such as `1/4`. UsageError for anything else."""
    if not is_number(text) or not 0 < Fraction(text) < 1:
        raise UsageError(f"--held-out '{text}': give a share above 0 and below 1, such as 1/4")
    return Fraction(text)


def ranked(names: Sequence[str], seed: int) -> list[str]:
    """Names in an order drawn from the seed that does not depend on the order they came in."""
    return sorted(names, key=lambda name: name_hash(f"{seed}\0{name}"))


def read_labels(path: Path, dataset: Dataset, *, prefixes: bool = False) -> tuple[str, ...]:
    """Labelled ids from a list file, in its order; what a line may be is said in `NameList`.

    `prefixes`: a line means every training image whose name begins with it, as some public code has it; 1 then means
    10 and 111, too. Raises DataError for ids that are unknown, repeated, in the test set or without a target.
    """
    names = (
        read_prefixes(path, dataset.train, dataset.test)
        if prefixes
        else NameList(dataset.aliases()).read(path)
    )
    for what, others in (("in the test set", dataset.test), ("without a target", dataset.unlabeled)):
        wrong = sorted({*names} & {*others})
        if wrong:
            raise DataError(
                f"{path}: image '{wrong[0]}' ({len(wrong)} in all) is {what} and cannot be labelled"
            )
    return names


def count_of(labels: str, dataset: Dataset, *, task: str) -> int:
    """How many images a fraction, a count or `all` is of a data set. Raises UsageError for anything else."""
    if labels != "all" and not is_number(check_labels(labels)):
        raise UsageError(f"--labels '{labels}': give a fraction (1/8), a count (100) or 'all'")
    return len(dataset.train) if labels == "all" else _count(labels, dataset, task)


def check_labels(text: str) -> str:
    """A value of `--labels` in its one spelling; UsageError if it can be none, before any data is opened.

    `04` is `4`, `2/16` and `0.125` are `1/8`, `1/1` is `all`: a cell is named by it, and has one name.
    """
    if not is_number(text):
        with contextlib.suppress(OSError):
            if text == "all" or Path(text).is_file():
                return text
        raise UsageError(f"--labels '{text}': give a fraction (1/8), a count (100), 'all' or a list file")
    value = Fraction(text)
    # `100.0` may be either.
    whole = value.denominator == 1 and not {*"./"} & {*text}
    if value <= 0 or (value > 1 and not whole):
        raise UsageError(f"--labels {text}: a fraction lies above 0 and up to 1, a count is 1 or more")
    return str(value) if whole or value < 1 else "all"


def has_as_many(dataset: Dataset, labels: str) -> bool:
    """Whether there are as many images with labels as a count asks for; of what is no count there always are."""
    return not is_number(labels) or Fraction(labels) <= max(1, len(dataset.train))


def is_number(text: str) -> bool:
    """Whether `--labels` takes a text for a fraction or a count, and not for a file."""
    try:
        Fraction(text)
    except (ValueError, ZeroDivisionError):
        return False
    return True


def _count(labels: str, dataset: Dataset, task: str) -> int:
    value, size = Fraction(labels), len(dataset.train)
    # `1` is a count; all of them as a fraction is spelt 1/1, 1.0 or `all`.
    is_fraction = value < 1 or "/" in labels or "." in labels
    count = math.ceil(value * size) if is_fraction else int(value)
    if count > size:
        raise UsageError(
            f"--labels {labels}: task '{task}' has {size} images with labels, fewer than {count}, besides "
            f"{len(dataset.test)} to test on; give {size} or fewer"
        )
    return count
