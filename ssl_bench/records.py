"""Which files make one image: the declaration of a folder of pairs, and how its files are paired."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ssl_bench.errors import DataError
from ssl_bench.scan import picture_files

Identify = Callable[[PurePosixPath], str | None]


@dataclass(frozen=True, kw_only=True)
class Files:
    """A folder of images and where their targets lie, relative to the layout's root.

    An image and a target are a pair where their ids are equal. An id is made from a file's path within its
    folder, without extension (`Identify`); None says that the file is not of this kind.
    """

    images: str
    targets: tuple[str, ...] = ()
    """The first folder that has an image's target counts."""
    unknown: str = ""
    """Folder of trimaps; their ids are made as those of targets are."""
    nested: bool = False
    """Look into subfolders, too."""
    image_id: Identify = str
    target_id: Identify = str

    def present(self, root: Path) -> bool:
        """Whether any folder of images or targets is there."""
        return any((root / folder).is_dir() for folder in (self.images, *self.targets))


@dataclass(frozen=True)
class Record:
    """The files of one image."""

    image: Path
    target: Path | None = None
    unknown: Path | None = None

    def paths(self) -> Iterator[Path]:
        """Those that there are."""
        return (path for path in (self.image, self.target, self.unknown) if path is not None)

    def names(self, name: str, root: Path) -> list[str]:
        """Paths from `root` on by which a list file may call the image `name`: its files, and a folder of its own."""
        own = [self.image.parent] if self.image.parent.name == name else []
        return ["/".join(path.parts[len(root.parts) :]) for path in (*self.paths(), *own)]


def collect(
    parts: Iterable[Files], root: Path, base: Path, *, taken: Collection[str] = (), lone_targets: bool = False
) -> dict[str, Record]:
    """Id to record of the images in several folders, each in the order of its ids.

    `base`: the resolved folder out of which no link may lead. Where an id is in `taken` or in an earlier folder, all
    ids of the later one get that folder before them. Raises DataError for two files of one id and, unless
    `lone_targets`, for a target without its image.
    """
    records: dict[str, Record] = {}
    for files in parts:
        found = _pair(files, root, base, lone_targets)
        if any(name in taken or name in records for name in found):
            found = {f"{files.images}/{name}": record for name, record in found.items()}
        records.update(found)
    return records


def _pair(files: Files, root: Path, base: Path, lone_targets: bool) -> dict[str, Record]:
    def index(folder: str, identify: Identify) -> dict[str, Path]:
        return _index(root / folder, identify, base, nested=files.nested)

    images = index(files.images, files.image_id)
    targets: Mapping[str, Path] = {}
    for folder in files.targets:
        targets = {**index(folder, files.target_id), **targets}
    unknown = index(files.unknown, files.target_id) if files.unknown else {}
    lone = next((path for name, path in targets.items() if name not in images), None)
    if lone is not None and not lone_targets:
        raise DataError(
            f"{lone} is a target without its image in {root / files.images}; add it or take it out"
        )
    return {name: Record(path, targets.get(name), unknown.get(name)) for name, path in images.items()}


def _index(folder: Path, identify: Identify, base: Path, *, nested: bool) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path, within in picture_files(folder, base, nested=nested) if folder.is_dir() else ():
        name = identify(PurePosixPath(within))
        if name is None:
            continue
        if name in found:
            raise DataError(f"{found[name]} and {path} are one id, '{name}'; take one of them out")
        found[name] = path
    return dict(sorted(found.items()))
