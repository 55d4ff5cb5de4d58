"""Images that are files: read, kept, checked and fingerprinted. Free of torch."""

import contextlib
import hashlib
import json
import os
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np

from ssl_bench.data.cache import ArrayCache
from ssl_bench.data.class_table import PLAIN
from ssl_bench.data.pictures import read_alpha, read_bytes, read_indices, read_unknown, require_classes
from ssl_bench.data.samples import Sample
from ssl_bench.dataset import Dataset
from ssl_bench.errors import DataError
from ssl_bench.pixels.arrays import is_stack, slice_of
from ssl_bench.pixels.channels import (
    RGB,
    STATEMENT,
    Channels,
    Statement,
    channels_of,
    fit,
    is_open,
    narrowed,
    read_image,
    read_restored,
    span,
    white_of,
)
from ssl_bench.pixels.decode import QUARTER_TURNS, orientation, shown_otherwise
from ssl_bench.pixels.rasters import Raster, read_raster
from ssl_bench.seeds import digest

Reader = Callable[[bytes, Path], np.ndarray]
TargetKind = Literal["indices", "picture", "alpha"]

THREADS = min(4, os.cpu_count() or 1)
"""For what decodes every file."""


class FileDataset(Dataset):
    """A data set whose images, targets and trimaps are files, one each.

    Decoded arrays are kept, up to a sixteenth of the memory, the least recently used going first, and are read-only.
    """

    targets_are: ClassVar[TargetKind]
    """Class ids (H, W), pictures of the images' channels (H, W, C) or mattes (H, W, 1)."""
    path: Path

    def __init__(self, path: Path, train: Mapping[str, Sample], test: Mapping[str, Sample]) -> None:
        """Training samples without a target are unlabelled ones. `path` is what messages name."""
        self.path = path
        self._take(train, test)
        self._cache = ArrayCache()
        self._shapes: dict[tuple[str, str], tuple[int, ...]] = {}
        self._turns: dict[Path, int] = {}
        self._classes: tuple[str, ...] | None = ()
        self._table = PLAIN
        self._statement = Statement()
        self._channels: Channels | None = None
        self._digests: dict[Path, str] = {}
        self._stamps: dict[Path, tuple[int, ...] | None] = {}
        self._restated: set[Path] = set()
        self._fingerprint = ""

    def _take(self, train: Mapping[str, Sample], test: Mapping[str, Sample]) -> None:
        self._samples = {**train, **test}
        self.train = tuple(name for name, sample in train.items() if sample.target)
        self.unlabeled = tuple(name for name, sample in train.items() if not sample.target)
        self.test = tuple(test)

    @property
    def classes(self) -> tuple[str, ...]:  # type: ignore[override]
        """As `Dataset.classes`; where nothing names them they are counted, once."""
        if self._classes is None:
            self._classes = self.count_classes()
        return self._classes

    def know_classes(self, names: tuple[str, ...]) -> None:
        """As `Dataset.know_classes`."""
        self._classes = names

    def count_classes(self) -> tuple[str, ...]:
        """The classes of a set that has some and names none."""
        return ()

    @property
    def channels(self) -> Channels:  # type: ignore[override]
        """As `Dataset.channels`; found once, by the first training image and what its folder says."""
        if self._channels is None:
            self._channels = self.find_channels()
        return self._channels

    def know_channels(self, channels: Channels) -> None:
        """As `Dataset.know_channels`."""
        self._channels = channels

    def find_channels(self) -> Channels:
        """What the training images are made of: 8-bit RGB where none can be read, as reading them will say.

        Where integers of more than 8 bits come without a stated range, all of them are read, restored pictures
        included, and a note says which range their values speak for.
        """
        paths = {name: self._samples[name].image for name in (*self.train, *self.unlabeled)}
        rasters = ((name, self._raster(name, path)) for name, path in paths.items())
        name, first = next(((name, raster) for name, raster in rasters if raster is not None), ("", None))
        if first is None:
            return RGB
        found = channels_of(first, self._statement)
        if not is_open(found, self._statement):
            with contextlib.suppress(DataError):  # As reading the image will say.
                self._keep("image", name, np.ascontiguousarray(fit(first, paths[name], found)))
            return found

        def values(place: tuple[str, Path | None]) -> np.ndarray | None:
            name, path = place
            raster = None if path is None else self._raster(name, path)
            return None if raster is None or str(raster.values.dtype) != found.depth else raster.values

        places: list[tuple[str, Path | None]] = [*paths.items()]
        if self.targets_are == "picture":
            places += [(name, self._samples[name].target) for name in self.train]
        with ThreadPoolExecutor(THREADS) as pool:
            low, high = span(pool.map(values, places))
        known = narrowed(found, low, high)
        if known.high < white_of(np.dtype(found.depth)):
            self.notes = (
                *self.notes,
                f"the training images are of {found.depth} and reach {high:g}: they are read with {known.high:g} as "
                f"white; a {STATEMENT} beside their folders with `range = [BLACK, WHITE]` says otherwise",
            )
        return known

    def _raster(self, name: str, path: Path) -> Raster | None:
        """What a file holds, or None where it cannot be read."""
        try:
            return read_raster(self._content(path, name), path, alpha=bool(self._statement.bands))
        except DataError:
            return None

    def image(self, name: str) -> np.ndarray:
        """As `Dataset.image`. Raises DataError where the file cannot be read, as do `target` and `unknown`."""
        channels = self.channels
        return self._array(
            "image", name, self._sample(name).image, lambda data, path: read_image(data, path, channels)
        )

    def target(self, name: str) -> np.ndarray:
        """As `Dataset.target`. Raises DataError where there is none."""
        return self._array("target", name, self._target_path(name), self._read_target)

    def unknown(self, name: str) -> np.ndarray | None:
        """As `Dataset.unknown`."""
        path = self._sample(name).unknown
        return None if path is None else self._array("unknown", name, path, read_unknown)

    def place(self, name: str) -> Path:
        """The file of an image."""
        return self._sample(name).image

    def decode_target(self, data: bytes, path: Path) -> np.ndarray:
        """A target from its file's bytes, for layouts to override that store targets in a way of their own."""
        if self.targets_are == "indices":
            return read_indices(data, path, self._table)
        if self.targets_are == "alpha":
            return read_alpha(data, path)
        return read_restored(data, path, self.channels)

    def _read_target(self, data: bytes, path: Path) -> np.ndarray:
        target = self.decode_target(data, path)
        if self._classes:
            require_classes(target, len(self._classes), path)
        return target

    def fingerprint(self) -> str:
        """sha256 over ids, roles, class names and the bytes of all files, wherever the folder lies."""
        if not self._fingerprint:
            # Several images may share a file.
            paths = list(dict.fromkeys(path for sample in self._samples.values() for path in sample.paths()))
            with ThreadPoolExecutor(THREADS) as pool:
                digests = dict(zip(paths, pool.map(self._digest, paths), strict=True))
            self._digests.update(digests)
            content: list[object] = [self.targets_are, self.classes, *self._table.key]
            content += [] if self.channels.are_rgb else [["channels", *self.channels.key]]
            for role, names in (("train", self.train), ("unlabeled", self.unlabeled), ("test", self.test)):
                for name in names:
                    sample = self._samples[name]
                    files = [sample.image, sample.target, sample.unknown]
                    files += [sample.background] if sample.background else []
                    content.append([role, name, *(path and digests[path] for path in files)])
                    # What stood in these files was once read at other numbers.
                    content += ["as stored"] if sample.target in self._restated else []
            self._fingerprint = hashlib.sha256(json.dumps(content).encode()).hexdigest()
        return self._fingerprint

    def content(self, names: Collection[str], readable: Collection[str]) -> str:
        """As `Dataset.content`."""
        files = self._files(names, readable)
        paths = list(dict.fromkeys(path for _, found in files for path in found))
        with ThreadPoolExecutor(THREADS) as pool:
            self._digests.update(zip(paths, pool.map(self._digest, paths), strict=True))
        return self._known(files, self._digests)

    def stamp(self, names: Collection[str], readable: Collection[str]) -> str:
        """As `Dataset.stamp`."""
        files = self._files(names, readable)
        for _, found in files:
            for path in found:
                self._note(path)
        return self._known(files, self._stamps)

    def _files(self, names: Collection[str], readable: Collection[str]) -> list[tuple[str, list[Path]]]:
        samples, readable = [(name, self._sample(name)) for name in names], frozenset(readable)
        return [(name, [*sample.paths()] if name in readable else [sample.image]) for name, sample in samples]

    def _known(self, files: Sequence[tuple[str, Sequence[Path]]], of: Mapping[Path, object]) -> str:
        held = sorted([name, *(of[path] for path in paths)] for name, paths in files)
        return digest([self.targets_are, *self._table.key, held], 64)

    def _note(self, path: Path) -> None:
        """Keep how a file looks from outside; called before it is read, so that a change meanwhile shows."""
        if path not in self._stamps:
            try:
                found = path.stat()
            except OSError:
                self._stamps[path] = None
            else:
                times = (found.st_mtime_ns, found.st_ctime_ns)
                self._stamps[path] = (found.st_size, *times, found.st_ino)

    def check_image(self, name: str, *, with_target: bool) -> int:
        """As `Dataset.check_image`; a difference in size names both files."""
        sample, size = self._sample(name), self._size("image", name)
        if not with_target:
            return 1
        others = {"target": sample.target, "unknown": sample.unknown}
        for role, path in others.items():
            if path is None:
                continue
            what, other = "trimap" if role == "unknown" else role, self._size(role, name)
            self._require_one_orientation(sample.image, size, what, path, other)
            if other != size:
                raise DataError(
                    f"sizes differ: image {sample.image} is {_px(size)}, its {what} {path} is {_px(other)}; "
                    "make them equal or take both out"
                )
        return 1 + sum(path is not None for path in others.values())

    def _require_one_orientation(
        self, image: Path, size: tuple[int, ...], what: str, path: Path, other: tuple[int, ...]
    ) -> None:
        """Raise DataError where an image and its target are turned unlike each other, and sizes do not settle it."""
        turns = self._turns.get(image, 1), self._turns.get(path, 1)
        if turns[0] == turns[1]:
            return
        stored = [
            each[::-1] if turn in QUARTER_TURNS else each
            for each, turn in zip((size, other), turns, strict=True)
        ]
        # Where only the upright sizes are equal, the target was drawn on the upright picture.
        if size == other and stored[0] != stored[1]:
            return
        fit = (
            "fit only as they are stored"
            if size != other and stored[0] == stored[1]
            else "may not show one thing"
        )
        raise DataError(
            f"EXIF turns image {image} by orientation {turns[0]} ({_px(size)} upright) and its {what} {path} by "
            f"{turns[1]} ({_px(other)}), and the two {fit}; save both upright without EXIF, or take both out"
        )

    def _size(self, role: str, name: str) -> tuple[int, ...]:
        """Height and width of an image, target or trimap, which is read for it unless it was before."""
        if (role, name) not in self._shapes:
            array = getattr(self, role)(name)
            self._shapes.setdefault((role, name), array.shape)
        return self._shapes[role, name][:2]

    def _sample(self, name: str) -> Sample:
        if name not in self._samples:
            raise DataError(f"no image '{name}' in {self.path}")
        return self._samples[name]

    def _target_path(self, name: str) -> Path:
        path = self._sample(name).target
        if path is None:
            raise DataError(f"image '{name}' in {self.path} has no target; it can only serve as unlabelled")
        return path

    def _array(self, role: str, name: str, path: Path, reader: Reader) -> np.ndarray:
        array = self._cache.get((role, name))
        if array is None:
            array = self._decoded(path, reader, name)
            self._keep(role, name, array)
        return array

    def _keep(self, role: str, name: str, array: np.ndarray) -> None:
        self._cache.put((role, name), array)
        self._shapes[role, name] = array.shape

    def _decoded(self, path: Path, reader: Reader, name: str = "") -> np.ndarray:
        # A view of some channels would keep the others in memory.
        return np.ascontiguousarray(reader(self._content(path, name), path))

    def _content(self, path: Path, name: str) -> bytes:
        """The bytes of a file, or of a stack the slice that a sample is."""
        self._note(path)
        data = read_bytes(path)
        if path not in self._digests:
            self._digests[path] = self._hash(data, path)
        if path not in self._turns:  # To look for it costs a tenth of decoding.
            self._turns[path] = orientation(data)
        sample = self._samples.get(name)
        if sample is None or not is_stack(path):
            return data
        return slice_of(data, path, sample.slice)

    def _digest(self, path: Path) -> str:
        self._note(path)
        return self._digests.get(path) or self._hash(read_bytes(path), path)

    def _hash(self, data: bytes, path: Path) -> str:
        if self.targets_are == "indices" and shown_otherwise(data):
            self._restated.add(path)
        return hashlib.sha256(data).hexdigest()


def _px(size: tuple[int, ...]) -> str:
    return f"{size[1]} x {size[0]} px"
