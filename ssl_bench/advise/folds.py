"""Labelled images in folds: each is tested once a repeat, and never learnt from and tested at once."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from ssl_bench.data.copies import NO_PRINTS, Print, find_pairs
from ssl_bench.data.splits import LabelSplit, prints_of, split_of, untorn, without
from ssl_bench.dataset import Dataset
from ssl_bench.errors import UsageError
from ssl_bench.seeds import name_hash

FOLDS = (6, 4, 3)
"""Folds of a repeat: as many as leave two images to each. The more, the less intervals lose to folds that share what
they learn from."""
FEWEST = 2 * FOLDS[-1]
"""Labelled images, at least."""


@dataclass(frozen=True)
class Fold:
    """A part of the labelled images that is tested, and the others in the order in which they are taken."""

    repeat: int
    number: int
    tested: tuple[str, ...]
    learnt: tuple[str, ...]
    """Counts of labels are beginnings of it, so that they are nested."""
    twins: tuple[str, ...] = ()
    """Images without a label that show what a tested one shows, and that no method may see."""

    @property
    def name(self) -> str:
        """Give repeat and number as one word, `0.3`."""
        return f"{self.repeat}.{self.number}"

    def split(self, dataset: Dataset, count: int) -> LabelSplit:
        """The split with `count` images labelled, and its repeat's number for a seed.

        All others are unlabelled but those tested and what is of their groups.
        """
        whole = split_of(dataset, self.learnt[:count], str(count), self.repeat)
        found = without(dataset, whole, sorted(self.tested))
        # Copies of one another count as a group here, and not for the data set.
        kept = frozenset((*self.tested, *self.twins))
        return replace(found, unlabeled=tuple(name for name in found.unlabeled if name not in kept))


def folds_of(dataset: Dataset, repeats: int, prints: Mapping[str, Print] = NO_PRINTS) -> list[Fold]:
    """The folds of each repeat, drawn anew by its number. Raises UsageError for too few images or groups.

    `prints`: of the images that were looked at already, by id.
    """
    size = len(dataset.train)
    groups = groups_of(dataset, prints) if size >= FEWEST else []
    count = next((count for count in FOLDS if size >= 2 * count and len(groups) >= count), 0)
    if not count:
        scenes = "" if len(groups) in (0, size) else f" of {len(groups)} scenes"
        raise UsageError(
            f"{dataset.path}: {size} labelled images{scenes} are too few to learn from some and test on others; label "
            f"{FEWEST} or more"
        )
    twins = _twins_of(dataset, prints)
    return [
        replace(fold, twins=tuple(sorted({twin for name in fold.tested for twin in twins.get(name, ())})))
        for repeat in range(repeats)
        for fold in _repeat(groups, count, repeat)
    ]


def groups_of(dataset: Dataset, prints: Mapping[str, Print] = NO_PRINTS) -> list[list[str]]:
    """The labelled images by what must not be torn: scenes, bursts, and near copies, which are told by their pixels."""
    found: dict[str, list[str]] = {}
    for name, group in untorn(dataset, dataset.train, prints).items():
        found.setdefault(group, []).append(name)
    return list(found.values())


def _twins_of(dataset: Dataset, prints: Mapping[str, Print]) -> dict[str, list[str]]:
    """A labelled image to its near copies among those without a label."""
    train, others = list(dataset.train), list(dataset.unlabeled)
    of_train, of_others = (prints_of(dataset, names, prints) for names in (train, others))
    found: dict[str, list[str]] = {}
    for pair in find_pairs(of_train, of_others, likeliest=None):
        found.setdefault(train[pair.first], []).append(others[pair.second])
    return found


def _repeat(groups: Sequence[Sequence[str]], count: int, repeat: int) -> Iterator[Fold]:
    order = sorted(groups, key=lambda names: name_hash(f"folds\0{repeat}\0{min(names)}"))
    parts: list[list[str]] = [[] for _ in range(count)]
    # Large groups first, each to the smallest part: parts differ by as little as groups allow.
    for names in sorted(order, key=len, reverse=True):
        min(parts, key=len).extend(names)
    for number, tested in enumerate(parts):
        others = [name for part in parts if part is not tested for name in part]
        learnt = sorted(others, key=lambda name: name_hash(f"learnt\0{repeat}\0{name}"))
        yield Fold(repeat, number, tuple(tested), tuple(learnt))
