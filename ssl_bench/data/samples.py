"""Which files make one image: the declaration of a folder of pairs, and how its files are paired."""

import re
import unicodedata
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from ssl_bench.data.scan import folder_at, picture_files
from ssl_bench.errors import DataError, PluginError
from ssl_bench.pixels.arrays import count_slices, is_stack, slice_names
from ssl_bench.pixels.decode import EXTENSIONS

Identify = Callable[[PurePosixPath], str | None]
Unread = tuple[Path, Path]
"""A folder of images or targets, and a file in or below it whose format is not read, or a folder in it that is not
looked into."""
Rule = Callable[[str], Iterable[str]]

TOKENS = (
    *(("noisy", "gt"), ("noisy", "clean"), ("low", "normal"), ("low", "high"), ("dark", "normal")),
    *(("input", "target"), ("input", "gt"), ("image", "mask"), ("image", "matte"), ("image", "label")),
    *(("image", "gt"), ("img", "mask"), ("img", "matte"), ("img", "label"), ("img", "gt")),
)
"""Parts of a name in which an image and its target may differ."""
_SHOWN = 5


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


def one_form(name: str) -> str:
    """A name in Unicode's composed form (NFC): systems differ in which of two they store."""
    return unicodedata.normalize("NFC", name)


@dataclass(frozen=True, kw_only=True)
class Files:
    """A folder of images and where their targets lie, relative to the layout's root.

    An id is made from a file's path within its folder, without extension (`Identify`); None says that the file is
    not of this kind. `rule` gives the ids that an image's target may have, the likeliest first; of these, what is
    another image's id is that image's own. Folders are found without regard to upper and lower case, the case that
    is written here first.
    """

    images: str
    targets: tuple[str, ...] = ()
    """The first folder that has an image's target counts."""
    unknown: str = ""
    """Folder of trimaps; their ids are made as those of targets are."""
    unknown_rule: Rule = own_name
    """The ids that a trimap may have, of its target's id or its image's."""
    nested: bool = False
    """Look into subfolders, too."""
    image_id: Identify = str
    target_id: Identify = str
    rule: Rule = own_name
    naming: str = "a target has its image's name"
    """The rule in words, for whoever's names do not agree."""
    target_ending: str = ""
    """Of targets that are no pictures, such as `.mat`."""

    def __post_init__(self) -> None:
        if isinstance(self.targets, str):
            raise PluginError(
                f"Files(targets='{self.targets}'): give a tuple of folders, `('{self.targets}',)`"
            )

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
    slice: int | None = None
    """Which image of a stack (`ssl_bench.pixels.arrays`) it is."""

    def paths(self) -> Iterator[Path]:
        """Give the files of an image and of what goes with it, those that there are."""
        files = (self.image, self.target, self.unknown, self.background)
        return (path for path in files if path is not None)

    def names(self, name: str, root: Path) -> list[str]:
        """Paths from `root` on by which a list file may call the image `name`: its files, and a folder of its own."""
        own = [self.image.parent] if self.image.parent.name == name else []
        files = [path for path in (self.image, self.target, self.unknown) if path is not None]
        return ["/".join(path.parts[len(root.parts) :]) for path in (*files, *own)]


def collect_samples(
    parts: Iterable[Files],
    root: Path,
    base: Path,
    *,
    taken: Collection[str] = (),
    lone_targets: bool = False,
    unread: list[Unread] | None = None,
) -> dict[str, Sample]:
    """Samples by id, of the images in several folders, each in the order of its ids.

    `base`: the resolved folder out of which no link may lead. Where an id is in `taken` or in an earlier folder, all
    ids of the later one get that folder before them. Files of other formats are added to `unread`. Raises DataError
    for two files of one id and, unless `lone_targets`, for targets and trimaps without their images.
    """
    samples: dict[str, Sample] = {}
    for files in parts:
        left: list[Unread] = []
        found = dict(_slices(_pair(files, root, base, lone_targets, left)))
        if unread is not None:
            unread += left
        if any(name in taken or name in samples for name in found):
            found = {f"{files.images}/{name}": sample for name, sample in found.items()}
        samples.update(found)
    return samples


def say_unread(unread: Iterable[Unread]) -> list[str]:
    """A line for each folder and ending among files that were not read, and for folders that were not looked into."""
    groups: dict[tuple[Path, str | None], list[str]] = {}
    for folder, path in dict.fromkeys(unread):
        groups.setdefault((folder, None if path.is_dir() else path.suffix.lower()), []).append(path.name)
    return [_say(folder, ending, names) for (folder, ending), names in groups.items()]


def _say(folder: Path, ending: str | None, names: Sequence[str]) -> str:
    count, s, are = len(names), "s"[: len(names) > 1], "are" if len(names) > 1 else "is"
    if ending is None:
        cure = "move what belongs to the data into a folder that is read"
        return f"{count} folder{s} in {folder} {are} not looked into: {_some(names)}; {cure}"
    them = "them" if s else "it"
    cure = f"take {them} out" if ending in EXTENSIONS else f"save {them} as PNG{_or_install(names[0])}"
    return (
        f"{count} file{s} in {folder} {are} of a format that is not read ({ending or 'no ending'}): {_some(names)}; "
        + cure
    )


def _pair(
    files: Files, root: Path, base: Path, lone_targets: bool, unread: list[Unread]
) -> dict[str, Sample]:
    def index(folder: str, identify: Identify, ending: str = "") -> dict[str, Path]:
        return _index(
            folder_at(root, folder), identify, base, nested=files.nested, ending=ending, unread=unread
        )

    images = index(files.images, files.image_id)
    targets: Mapping[str, Path] = {}
    for folder in files.targets:
        targets = {**index(folder, files.target_id, files.target_ending), **targets}
    unknown = index(files.unknown, files.target_id) if files.unknown else {}

    def first(name: str, ids: Iterable[str], there: Mapping[str, Path]) -> str:
        # What is called as another image is that one's own: `a_mask` is no target of `a` beside an image `a_mask`, and
        # `day` none of `day/1` beside an image `day`.
        return next((one for one in ids if one in there and (one == name or one not in images)), "")

    chosen = {name: first(name, files.rule(name), targets) for name in images}
    marked = {name: first(name, _trimap_ids(files, name, chosen[name]), unknown) for name in images}
    for what, there, used, naming in (
        ("target", targets, {*chosen.values()}, files.naming),
        ("trimap", unknown, {*marked.values()}, "a trimap has its image's name, or its target's"),
    ):
        lone = [(name, path) for name, path in there.items() if name not in used]
        if lone and not lone_targets:
            raise DataError(_lone(what, lone, folder_at(root, files.images), unread, naming))
    return {
        name: Sample(path, targets.get(chosen[name]), unknown.get(marked[name]))
        for name, path in images.items()
    }


def _trimap_ids(files: Files, name: str, target: str) -> Iterator[str]:
    """The ids that the trimap of an image may have; `target`: the id of the target, empty where there is none."""
    own = [each for each in (target, name) if each]
    yield from own
    for each in own:
        yield from files.unknown_rule(each)


def _slices(samples: Mapping[str, Sample]) -> Iterator[tuple[str, Sample]]:
    """The samples, those of a stack one by one, with their numbers behind its name."""
    for name, sample in samples.items():
        count = count_slices(sample.image) if is_stack(sample.image) else None
        if count is None:
            yield name, sample
            continue
        for other in (sample.target, sample.unknown):
            if other is not None and (not is_stack(other) or count_slices(other) != count):
                raise DataError(
                    f"{sample.image} is a stack of {count} slices, and {other} is none of as many; save it as one"
                )
        yield from ((one, replace(sample, slice=number)) for number, one in slice_names(name, count))


def _lone(
    what: str, lone: Sequence[tuple[str, Path]], folder: Path, unread: Sequence[Unread], naming: str
) -> str:
    """What is said of targets or trimaps without images."""
    name, path = lone[0]
    more = (
        f" (and {len(lone) - 1} more: {_some([path.name for _, path in lone[1:]])})" if len(lone) > 1 else ""
    )
    stems = {one_form(other.stem): other for place, other in unread if place == folder}
    there = stems.get(name.rpartition("/")[2])
    if there is not None:
        cure = f": {there} is of a format that is not read; save it as PNG"
    else:
        cure = f"; add it or take it out ({naming})"
    return f"{path} is a {what} without its image in {folder}{more}{cure}"


def _index(
    folder: Path, identify: Identify, base: Path, *, nested: bool, ending: str, unread: list[Unread]
) -> dict[str, Path]:
    found: dict[str, Path] = {}
    left: list[Path] = []
    if folder.is_dir():
        for path, within in picture_files(folder, base, nested=nested, ending=ending, unread=left):
            name = identify(PurePosixPath(one_form(within)))
            if name is None:
                continue
            if name in found:
                raise DataError(f"{found[name]} and {path} are one id, '{name}'; take one of them out")
            found[name] = path
    stems = (PurePosixPath(one_form(path.relative_to(folder).with_suffix("").as_posix())) for path in left)
    unread += [(folder, path) for path, name in zip(left, stems, strict=True) if identify(name) is not None]
    return dict(sorted(found.items()))


def _or_install(name: str) -> str:
    extras = {(".heic", ".heif"): "heif", (".nii", ".nii.gz"): "volumes"}
    found = [extra for endings, extra in extras.items() if name.lower().endswith(endings)]
    return f", or `pip install 'ssl-bench[{found[0]}]'`" if found else ""


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
