"""Which files make one image: the declaration of a folder of pairs, and how its files are paired."""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ssl_bench.errors import DataError
from ssl_bench.scan import folder_at, picture_files

Identify = Callable[[PurePosixPath], str | None]
Rule = Callable[[str], Iterable[str]]

TOKENS = (
    *(("noisy", "gt"), ("noisy", "clean"), ("low", "normal"), ("low", "high"), ("dark", "normal")),
    *(("input", "target"), ("input", "gt"), ("image", "mask"), ("image", "matte"), ("image", "label")),
)
"""Parts of a name in which an image and its target may differ."""


def own_name(name: str) -> Iterator[str]:
    """The rule of most sets: a target has its image's id."""
    yield name


def parent_name(name: str) -> Iterator[str]:
    """Many to one: the images of a folder share the target that is called like it."""
    if "/" in name:
        yield name.rpartition("/")[0]


def any_name(name: str) -> Iterator[str]:
    """The image's own id; that id with one of `TOKENS` replaced, in its own case; the id of its folder."""
    yield name
    folder, slash, stem = name.rpartition("/")
    for old, new in TOKENS:

        def replacement(found: re.Match[str], new: str = new) -> str:
            return new.upper() if found[0].isupper() else new.title() if found[0].istitle() else new

        swapped = re.sub(old, replacement, stem, flags=re.IGNORECASE)
        if swapped != stem:
            yield f"{folder}{slash}{swapped}"
    yield from parent_name(name)


@dataclass(frozen=True, kw_only=True)
class Files:
    """A folder of images and where their targets lie, relative to the layout's root.

    An id is made from a file's path within its folder, without extension (`Identify`); None says that the file is
    not of this kind. `rule` gives the ids that an image's target may have, the likeliest first. Folders are found
    without regard to upper and lower case, the case that is written here first.
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
    rule: Rule = own_name
    target_ending: str = ""
    """Of targets that are no pictures, such as `.mat`."""

    def present(self, root: Path) -> bool:
        """Whether any folder of images or targets is there."""
        return any(folder_at(root, folder).is_dir() for folder in (self.images, *self.targets))


@dataclass(frozen=True)
class Sample:
    """The files of one image."""

    image: Path
    target: Path | None = None
    unknown: Path | None = None
    background: Path | None = None
    """What the image is laid over, where it is a cut-out."""
    block: tuple[int, int] | None = None
    """Which of the images that the files hold, where they hold many."""

    def paths(self) -> Iterator[Path]:
        """Those that there are."""
        files = (self.image, self.target, self.unknown, self.background)
        return (path for path in files if path is not None)

    def names(self, name: str, root: Path) -> list[str]:
        """Paths from `root` on by which a list file may call the image `name`: its files, and a folder of its own."""
        own = [self.image.parent] if self.image.parent.name == name else []
        files = [path for path in (self.image, self.target, self.unknown) if path is not None]
        return ["/".join(path.parts[len(root.parts) :]) for path in (*files, *own)]


def collect(
    parts: Iterable[Files], root: Path, base: Path, *, taken: Collection[str] = (), lone_targets: bool = False
) -> dict[str, Sample]:
    """Samples by id, of the images in several folders, each in the order of its ids.

    `base`: the resolved folder out of which no link may lead. Where an id is in `taken` or in an earlier folder, all
    ids of the later one get that folder before them. Raises DataError for two files of one id and, unless
    `lone_targets`, for a target without its image.
    """
    samples: dict[str, Sample] = {}
    for files in parts:
        found = _pair(files, root, base, lone_targets)
        if any(name in taken or name in samples for name in found):
            found = {f"{files.images}/{name}": sample for name, sample in found.items()}
        samples.update(found)
    return samples


def _pair(files: Files, root: Path, base: Path, lone_targets: bool) -> dict[str, Sample]:
    def index(folder: str, identify: Identify, ending: str = "") -> dict[str, Path]:
        return _index(folder_at(root, folder), identify, base, nested=files.nested, ending=ending)

    images = index(files.images, files.image_id)
    targets: Mapping[str, Path] = {}
    for folder in files.targets:
        targets = {**index(folder, files.target_id, files.target_ending), **targets}
    unknown = index(files.unknown, files.target_id) if files.unknown else {}
    chosen = {name: next((other for other in files.rule(name) if other in targets), None) for name in images}
    used = set(chosen.values())
    lone = next((path for name, path in targets.items() if name not in used), None)
    if lone is not None and not lone_targets:
        raise DataError(
            f"{lone} is a target without its image in {folder_at(root, files.images)}; add it or take it out"
        )
    return {
        name: Sample(path, targets.get(chosen[name] or ""), unknown.get(chosen[name] or name))
        for name, path in images.items()
    }


def _index(folder: Path, identify: Identify, base: Path, *, nested: bool, ending: str) -> dict[str, Path]:
    found: dict[str, Path] = {}
    files = picture_files(folder, base, nested=nested, ending=ending) if folder.is_dir() else ()
    for path, within in files:
        name = identify(PurePosixPath(within))
        if name is None:
            continue
        if name in found:
            raise DataError(f"{found[name]} and {path} are one id, '{name}'; take one of them out")
        found[name] = path
    return dict(sorted(found.items()))
