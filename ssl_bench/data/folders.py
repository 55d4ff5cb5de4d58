"""Data sets in folders: a few class attributes describe a layout to one shared reader.

    class Lol(FolderDataset):
        layout = "LOL: our485/{low,high} and eval15/{low,high}"
        targets_are = "picture"
        marks = (("our485", "eval15"),)
        train_files = (Files(images="our485/low", targets=("our485/high",)),)
        test_files = (Files(images="eval15/low", targets=("eval15/high",)),)

`recognise` finds which of several layouts lies in a folder.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import ClassVar, Self

import numpy as np

from ssl_bench.data.class_table import PLAIN
from ssl_bench.data.lists import NameList, read_classes
from ssl_bench.data.pictures import MEND, ColouredMask, colour_list
from ssl_bench.data.reader import THREADS, FileDataset
from ssl_bench.data.samples import Files, Sample, Unread, collect_samples, say_unread
from ssl_bench.data.scan import DEPTH, find_roots, folder_at, folders_beside, require_folder, require_inside
from ssl_bench.dataset import VOID, Dataset
from ssl_bench.errors import DataError
from ssl_bench.pixels.channels import STATEMENT, read_statement
from ssl_bench.pixels.decode import EXTENSIONS
from ssl_bench.seeds import name_hash
from ssl_bench.words import first_of, number_of

__all__ = ["Files", "FolderDataset", "name_hash", "recognise"]

CLASSES = "classes.txt"
SHOWN = 12
"""Ids that a message lists."""


class FolderDataset(FileDataset):
    """Images in folders. A layout is a subclass with `layout`, `targets_are`, `marks` and `train_files`.

    The test set is, in this order: `test_files`, where one of their folders is there, or else `validation_files`
    likewise; the ids of list files; what `beside` finds; a fifth of the training images, where `holds_out`. What
    is of one `group` is never torn. Training images without a target are unlabelled. Where a folder holds an id of
    an earlier one, all its ids have the folder before them (`test/input/7`).
    """

    marks: ClassVar[tuple[tuple[str, ...], ...]] = ()
    """Alternatives, each a set of folders that must all be there: what tells the layout's root."""
    train_files: ClassVar[tuple[Files, ...]]
    test_files: ClassVar[tuple[Files, ...]] = ()
    validation_files: ClassVar[tuple[Files, ...]] = ()
    """The test set of whoever has no `test_files`; not used where those are there."""
    train_lists: ClassVar[tuple[str, ...]] = ()
    """List files of training ids; the first that exists counts."""
    test_lists: ClassVar[tuple[str, ...]] = ()
    holds_out: ClassVar[bool] = False
    class_names: ClassVar[tuple[str, ...]] = ()
    """Used where there is no classes.txt; empty: as many classes as the masks hold."""
    wrappers: ClassVar[tuple[str, ...]] = ()
    """Names of folders beside which classes.txt may lie, too."""
    fallback: ClassVar[bool] = False
    """Answers to a folder only where no other layout does."""

    root: Path
    """Where in `path` the layout lies."""

    def __init__(self, path: Path, root: Path) -> None:
        self.root = root
        self._base = path.resolve()
        self._unread: list[Unread] = []
        self._whole: Mapping[str, Sample] = {}
        super().__init__(path, *self._parts())
        self._unread += folders_beside(root, self._read())
        self._require_targets()
        if self.targets_are == "indices":
            found = self._find((CLASSES,))
            self._table = PLAIN if found is None else read_classes(found)
            self._classes = self.named_classes() or None
        if stated := self._find((STATEMENT,)):
            self._statement = read_statement(stated)
        self.notes = (*say_unread(self._unread), *self._table.notes)

    @classmethod
    def open(cls, path: Path | None) -> Self:
        """The data set in a folder, or up to three levels below it. Raises DataError as `Dataset.open`."""
        if path is None:
            raise DataError(f"no folder is given; give one that holds {cls.layout}")
        require_folder(path)
        roots = find_roots(path, cls.is_root)
        if not roots:
            raise DataError(f"{path} does not hold {cls.layout} (looked {DEPTH} levels down); check the path")
        if len(roots) > 1:
            raise DataError(f"{path} holds several data sets, {', '.join(map(str, roots))}; give one of them")
        return cls(path, roots[0])

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """Whether the layout lies in `path`, or up to three levels below it; looks at names of folders only."""
        return bool(find_roots(path, cls.is_root))

    @classmethod
    def is_root(cls, folder: Path) -> bool:
        """Whether the layout lies right here."""
        return any(all(folder_at(folder, name).is_dir() for name in names) for names in cls.marks)

    @classmethod
    def hold_out(cls, groups: Sequence[str]) -> set[str]:
        """The groups for the test set: a fifth of them, and at least one, first by the hash of their names."""
        return set(sorted(groups, key=name_hash)[: max(1, round(len(groups) / 5))])

    def beside(self) -> Mapping[str, Sample]:
        """Samples of a test set that lies beside the folders in a form of its own."""
        return {}

    def _parts(self) -> tuple[Mapping[str, Sample], Mapping[str, Sample]]:
        """Samples for training and for the test set."""
        lists = self._find(self.train_lists), self._find(self.test_lists)
        # Where lists say which images count, a folder of masks may well serve further lists.
        train = self._collect("training", self.train_files, lone_targets=any(lists))
        for parts in (self.test_files, self.validation_files):
            if any(files.present(self.root) for files in parts):
                return train, self._collect("test", parts, taken=train)
        if any(lists):
            return self._listed(train, *lists)
        if beside := self.beside():
            return train, beside
        if not self.holds_out:
            folders = [files.images for files in (*self.test_files, *self.validation_files)]
            sought = folders or [*self.train_lists[-1:], *self.test_lists[-1:]]
            raise DataError(f"{self.root} has no {' or '.join(sought)}; it should hold {self.layout}")
        return self.hold_apart(train)

    def hold_apart(self, samples: Mapping[str, Sample]) -> tuple[Mapping[str, Sample], Mapping[str, Sample]]:
        """Samples for training, and those of the groups that are held out."""
        self._whole = samples
        groups = sorted({self.group(name) for name, sample in samples.items() if sample.target})
        return self._held_apart(self.hold_out(groups) if len(groups) > 1 else set())

    def test_on(self, count: int) -> None:
        """As `Dataset.test_on`: groups by the hash of their names, until they are enough."""
        if not self._whole:
            raise DataError(f"{self.path}: its test images are given: --test is for data without any")
        sizes = Counter(self.group(name) for name, sample in self._whole.items() if sample.target)
        held: set[str] = set()
        for group in sorted(sizes, key=name_hash):
            if sum(sizes[name] for name in held) < count:
                held.add(group)
        if len(held) == len(sizes):
            whole = f"{sum(sizes.values())} labelled images in {len(sizes)} groups"
            raise DataError(f"{self.path}: --test {count} of {whole} leaves none to train on; take fewer")
        self._take(*self._held_apart(held))

    @property
    def tests_on_its_own(self) -> bool:
        """As `Dataset.tests_on_its_own`."""
        return bool(self._whole)

    def _held_apart(self, held: Collection[str]) -> tuple[Mapping[str, Sample], Mapping[str, Sample]]:
        """Samples for training, and those of the groups that are held out."""
        samples = self._whole
        test = {
            name: sample for name, sample in samples.items() if sample.target and self.group(name) in held
        }
        return {name: sample for name, sample in samples.items() if self.group(name) not in held}, test

    def _collect(
        self, role: str, parts: Sequence[Files], *, taken: Collection[str] = (), lone_targets: bool = False
    ) -> dict[str, Sample]:
        samples = collect_samples(
            parts, self.root, self._base, taken=taken, lone_targets=lone_targets, unread=self._unread
        )
        if not samples:
            there = [files for files in parts if files.present(self.root)] or parts
            places = " or ".join(str(folder_at(self.root, files.images)) for files in there)
            raise DataError(
                f"no {role} images in {places}; the folder should hold {self.layout}{self._but_unread()}"
            )
        return samples

    def _listed(
        self, samples: Mapping[str, Sample], *lists: Path | None
    ) -> tuple[Mapping[str, Sample], Mapping[str, Sample]]:
        train, test = lists
        if train is None or test is None:
            absent = self.train_lists[-1] if train is None else self.test_lists[-1]
            raise DataError(f"{self.root} has {train or test} but no {absent}; give both lists")
        names = NameList(self._aliases(samples))
        listed = names.read(train), names.read(test)
        both = sorted({*listed[0]} & {*listed[1]})
        if both:
            raise DataError(
                f"{train} and {test} share {len(both)} ids, '{both[0]}' first; keep each in one of them"
            )
        groups = [{self.group(name) for name in ids} for ids in listed]
        if torn := sorted(groups[0] & groups[1]):
            raise DataError(
                f"{train} and {test} share {len(torn)} scenes, '{torn[0]}' first; keep each in one of them"
            )
        return {name: samples[name] for name in listed[0]}, {name: samples[name] for name in listed[1]}

    def aliases(self) -> Mapping[str, Sequence[str]]:
        """As `Dataset.aliases`."""
        return self._aliases(self._samples)

    def _aliases(self, samples: Mapping[str, Sample]) -> dict[str, list[str]]:
        # Paths may begin anywhere above the root, as in VOCdevkit/VOC2012/JPEGImages/7.jpg, or where all paths begin.
        above = {place.as_posix().removeprefix("/") for place in (self.root.resolve(), self.root.absolute())}
        return {
            name: [f"{place}/{path}" for path in sample.names(name, self.root) for place in sorted(above)]
            for name, sample in samples.items()
        }

    def _read(self) -> set[Path]:
        """Folders that the layout names, and those that hold a file of an image."""
        parts = (*self.train_files, *self.test_files, *self.validation_files)
        named = {
            folder for files in parts for folder in (files.images, *files.targets, files.unknown) if folder
        }
        held = {path.parent for sample in self._samples.values() for path in sample.paths()}
        return held | {folder_at(self.root, folder) for folder in named}

    def _but_unread(self) -> str:
        """What is there and was not read, behind a complaint that something is missing."""
        return "".join(f"; {line}" for line in say_unread(self._unread))

    def _require_targets(self) -> None:
        parts = (*self.train_files, *self.test_files, *self.validation_files)
        folders = {folder: folder_at(self.root, folder) for files in parts for folder in files.targets}
        places = " or ".join(str(folder) for folder in folders.values() if folder.is_dir())
        places = places or f"{self.root} (no folder {' or '.join(folders)})"
        if not self.test:
            raise DataError(
                f"{self.root} has too few images with a target, or too few scenes of them, to hold a test set out; "
                f"add some{self._but_unread()}"
            )
        if not self.train:
            raise DataError(
                f"no training image in {self.root} has a target in {places}; add some{self._but_unread()}"
            )
        for name in self.test:
            if self._samples[name].target is None:
                image = self._samples[name].image
                raise DataError(
                    f"test image {image} has no target in {places}; add it or take the image out{self._but_unread()}"
                )

    def named_classes(self) -> tuple[str, ...]:
        """Those of classes.txt, or else those of the layout; none where the masks are to tell."""
        return self._table.names or self.class_names

    def count_classes(self) -> tuple[str, ...]:
        """As many as the masks hold. Reads all of them; DataError where their ids have gaps, or they are of colours."""

        def held(name: str) -> np.ndarray | ColouredMask:
            try:
                return np.bincount(self.target(name).ravel(), minlength=VOID + 1) > 0
            except ColouredMask as error:
                return error

        with ThreadPoolExecutor(THREADS) as pool:
            found = list(pool.map(held, (*self.train, *self.test)))
        if coloured := [one for one in found if isinstance(one, ColouredMask)]:
            for one in coloured:
                if not one.are_classes:
                    raise one
            colours = sum((one.colours for one in coloured), start=Counter[tuple[int, int, int]]())
            raise DataError(
                f"{len(coloured)} of {len(found)} masks in {self.root} show classes as colours, and no {CLASSES} says "
                f"which; found {colour_list(colours)}; write {self.root / CLASSES}, one `R G B NAME` a line, and call "
                "what is no class `void`"
            )
        ids = np.flatnonzero(np.any([one for one in found if not isinstance(one, ColouredMask)], axis=0))
        classes = [int(number) for number in ids if number != VOID]
        if classes == [0]:
            raise DataError(
                f"the masks in {self.root} hold no class but 0 (255 is void): number the classes 0, 1, 2, ... "
                f"or name them in {CLASSES}" + (f", as `0 NAME` and `{VOID} NAME`" if VOID in ids else "")
            )
        if not classes or classes != list(range(len(classes))):
            some = first_of(classes, SHOWN)
            raise DataError(
                f"the masks in {self.root} hold the ids {some or 'of void alone'}, which do not number classes 0, 1, "
                f"2, ... without gap: name each in {self.root / CLASSES}, one `ID NAME` a line ({MEND})"
            )
        return tuple(f"class {number}" for number in classes)

    def _find(self, names: Iterable[str]) -> Path | None:
        for place in self._places():
            for path in (place / name for name in names):
                if path.is_file():
                    require_inside(path, self._base if place.is_relative_to(self._base) else place)
                    return path
        return None

    def _places(self) -> Iterator[Path]:
        """Where lists and class names may lie: the root and what is above it, up to the folder given."""
        place = self.root.resolve()
        yield place
        while (place != self._base and place.is_relative_to(self._base)) or place.name in self.wrappers:
            place = place.parent
            yield place


def recognise(
    path: Path,
    candidates: Iterable[tuple[str, type[Dataset]]],
    cure: str = "say which with `--dataset TASK=NAME`",
) -> str:
    """The name of the one layout that lies in a folder.

    Raises DataError where none does, or several do; `cure` says what can be done then.
    """
    require_folder(path)
    offered = list(candidates)
    found = [(name, dataset) for name, dataset in offered if dataset.recognises(path)]
    found = [each for each in found if not getattr(each[1], "fallback", False)] or found
    if len(found) == 1:
        return found[0][0]
    if found:
        names = " and ".join(f"'{name}'" for name, _ in found)
        raise DataError(f"{path} could be read as {names}; {cure}")
    own = [dataset.layout for _, dataset in offered if getattr(dataset, "fallback", False)]
    if own and (flat := sum(entry.suffix.lower() in EXTENSIONS for entry in path.iterdir())):
        raise DataError(
            f"{path} holds no known layout, but {number_of(flat, 'picture')} of its own: move the inputs to "
            f"{path / 'input'}, and the targets of those that have one, of the same names, to {path / 'target'}"
        )
    public = [name for name, dataset in offered if dataset.layout not in own]
    sought = list(dict.fromkeys(own))
    if public:
        # Each is a sentence of its own, and whoever has photographs alone wants none of them.
        sought.append(f"a public set's own folders ({', '.join(public)}; `ssl-bench data list` shows them)")
    raise DataError(
        f"{path} holds no known layout, looked {DEPTH} levels down; it should hold {', or '.join(sought)}"
    )
