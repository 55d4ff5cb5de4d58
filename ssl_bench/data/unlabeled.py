"""Further images without targets, from folders of their own: `--unlabeled TASK=FOLDER`."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy as np

from ssl_bench.data.reader import FileDataset
from ssl_bench.data.samples import Files, Sample, Unread, collect_samples, say_unread
from ssl_bench.data.scan import require_folder
from ssl_bench.dataset import Dataset
from ssl_bench.errors import DataError
from ssl_bench.pixels.channels import Channels
from ssl_bench.seeds import digest


class _Extra(FileDataset):
    targets_are = "picture"


class WithUnlabeled(Dataset):
    """A data set and the pictures of some folders, at any depth, as more unlabelled images.

    Their ids begin with `extra/`, those of a second folder with `extra2/`, and so on: content, and not where a
    folder lies, makes the fingerprint.
    """

    def __init__(self, base: Dataset, folders: Sequence[Path]) -> None:
        """Raises DataError for a folder that is not there or holds no picture."""
        samples: dict[str, Sample] = {}
        notes: list[str] = []
        for number, folder in enumerate(folders, start=1):
            require_folder(folder)
            left: list[Unread] = []
            found = collect_samples((Files(images=".", nested=True),), folder, folder.resolve(), unread=left)
            unread = say_unread(left)
            if not found:
                raise DataError(
                    f"no pictures in {folder}; give a folder of unlabelled images"
                    + "".join(f"; {line}" for line in unread)
                )
            notes += unread
            prefix = "extra" if number == 1 else f"extra{number}"
            samples |= {f"{prefix}/{name}": sample for name, sample in found.items()}
        known = {*base.train, *base.unlabeled, *base.test}
        if both := sorted(known & {*samples}):
            raise DataError(f"{base.path} has an image '{both[0]}', a name kept for --unlabeled; rename it")
        self._base, self._extra = base, _Extra(folders[0], samples, {})
        self._names = frozenset(samples)
        self.path = base.path or folders[0]
        self.train, self.test = base.train, base.test
        self.unlabeled = (*base.unlabeled, *samples)
        self._own_notes = notes

    @property
    def notes(self) -> Sequence[str]:  # type: ignore[override]
        """Those of the data set, and of the further folders."""
        return (*self._base.notes, *self._own_notes)

    @property
    def channels(self) -> Channels:  # type: ignore[override]
        """Those of the data set, which the further images must have as well."""
        found = self._base.channels
        self._extra.know_channels(found)
        return found

    def know_channels(self, channels: Channels) -> None:
        """As `Dataset.know_channels`."""
        self._base.know_channels(channels)

    def pool(self, unlabeled: Sequence[str]) -> Sequence[str]:
        """As `Dataset.pool`, which passes over the further images."""
        base, extra = self._apart(unlabeled)
        return [*self._base.pool(base), *extra]

    @property
    def tests_on_its_own(self) -> bool:
        """As of the data set."""
        return self._base.tests_on_its_own

    @property
    def classes(self) -> tuple[str, ...]:  # type: ignore[override]
        """Those of the data set."""
        return self._base.classes

    def know_classes(self, names: tuple[str, ...]) -> None:
        """As `Dataset.know_classes`."""
        self._base.know_classes(names)

    def image(self, name: str) -> np.ndarray:
        """As `Dataset.image`."""
        if name not in self._names:
            return self._base.image(name)
        self._extra.know_channels(self.channels)
        return self._extra.image(name)

    def target(self, name: str) -> np.ndarray:
        """As `Dataset.target`. Raises DataError for one of the further images."""
        return (self._extra if name in self._names else self._base).target(name)

    def unknown(self, name: str) -> np.ndarray | None:
        """As `Dataset.unknown`."""
        return (self._extra if name in self._names else self._base).unknown(name)

    def place(self, name: str) -> Path | None:
        """As `Dataset.place`."""
        return (self._extra if name in self._names else self._base).place(name)

    def group(self, name: str) -> str:  # type: ignore[override]
        """As `Dataset.group`."""
        return name if name in self._names else self._base.group(name)

    def aliases(self) -> Mapping[str, Sequence[str]]:
        """As `Dataset.aliases`."""
        return {**self._base.aliases(), **self._extra.aliases()}

    def protocol(self, labeled: Collection[str]) -> str:
        """As `Dataset.protocol`."""
        return self._base.protocol(labeled)

    def fingerprint(self) -> str:
        """Of the data set's fingerprint and of the further images' ids and bytes."""
        self._extra.know_channels(self.channels)
        return digest([self._base.fingerprint(), self._extra.fingerprint()], length=64)

    def content(self, names: Collection[str], readable: Collection[str]) -> str:
        """As `Dataset.content`, of both."""
        base, extra = self._apart(names)
        found = self._base.content(base, self._apart(readable)[0])
        return found and digest([found, self._extra.content(extra, ())], length=64)

    def stamp(self, names: Collection[str], readable: Collection[str]) -> str:
        """As `Dataset.stamp`, of both."""
        base, extra = self._apart(names)
        found = self._base.stamp(base, self._apart(readable)[0])
        return found and digest([found, self._extra.stamp(extra, ())], length=64)

    def _apart(self, names: Collection[str]) -> tuple[list[str], list[str]]:
        """Those of the data set, and those of the further images."""
        return (
            [name for name in names if name not in self._names],
            [name for name in names if name in self._names],
        )

    def check_image(self, name: str, *, with_target: bool) -> int:
        """As `Dataset.check_image`."""
        part = self._extra if name in self._names else self._base
        return part.check_image(name, with_target=with_target)


def open_data(
    dataset: type[Dataset],
    path: Path | None,
    unlabeled: Sequence[Path] = (),
    classes: tuple[str, ...] = (),
    channels: Channels | None = None,
    tested: int | None = None,
    shift: str = "",
) -> Dataset:
    """The data set in a folder, or in memory, with further unlabelled images.

    `classes`, `channels`: what these gave before, where that is known. `tested`: how many labelled images to hold out,
    where that is asked for. `shift`: `WAY:SHARE` of the unlabelled ones that are from elsewhere, or empty. Raises
    DataError as `Dataset.open`, `Dataset.test_on` and `Dataset.shift`.
    """
    opened = dataset.open(path)
    if tested is not None:
        opened.test_on(tested)
    if shift:
        way, _, share = shift.rpartition(":")
        opened.shift(way, float(share))
    if classes:
        opened.know_classes(classes)
    if channels is not None:
        opened.know_channels(channels)
    return WithUnlabeled(opened, unlabeled) if unlabeled else opened
