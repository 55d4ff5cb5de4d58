"""Finding a layout in a folder, and its picture files. Links that lead out of the folder given are refused.

What systems leave in folders (`IGNORED`) is passed over wherever a folder is listed.
"""

import os
from collections.abc import Callable, Collection, Iterator
from functools import lru_cache
from pathlib import Path, PurePosixPath

from ssl_bench.data.pictures import without_extension
from ssl_bench.errors import DataError

IGNORED = frozenset(
    {
        *(
            "__macosx",
            "@eadir",
            "@tmp",
            "@recycle",
            "@recently-snapshot",
            "#recycle",
            "#snapshot",
            "$recycle.bin",
        ),
        *(
            "thumbs.db",
            "ehthumbs.db",
            "ehthumbs_vista.db",
            "desktop.ini",
            "icon\r",
            "lost+found",
            "thumbs.db:encryptable",
        ),
        *("system volume information", "network trash folder", "temporary items"),
    }
)
"""Files and folders of operating systems and file servers, in lower case: no folder of data is thought to hold them.
Nor is what is hidden (`.DS_Store`, `._a.png`, `.thumbnails`), or begins with `SYNOFILE_THUMB`.
"""
DEPTH = 3
"""Folders are looked for this many levels down: archives unpack into one or two folders of their own."""
_MOST = 1000
_PARTS = ("train", "test", "val")
"""Folders, in lower case, that hold folders of data, whatever the layout."""


def require_folder(path: Path) -> None:
    """Raise DataError where there is no folder at `path`, or it may not be read."""
    try:
        with os.scandir(path):
            return
    except FileNotFoundError:
        raise DataError(f"no folder at {path}; check the path") from None
    except NotADirectoryError:
        raise DataError(f"{path} is a file, not a folder; give the folder that holds the data") from None
    except PermissionError:
        raise DataError(f"{path} cannot be read: permission denied; make it readable") from None


def find_roots(path: Path, is_root: Callable[[Path], bool]) -> list[Path]:
    """The nearest folders, all of one level, that `is_root` answers for; none past `DEPTH` or 1000 folders."""
    subfolders.cache_clear()
    level, seen = [path], 0
    for _ in range(DEPTH + 1):
        level = level[: _MOST - seen]
        seen += len(level)
        roots = [folder for folder in level if _holds(is_root, folder)]
        if roots:
            return roots
        level = [child for folder in level for child in subfolders(folder)]
    return []


def _holds(is_root: Callable[[Path], bool], folder: Path) -> bool:
    try:
        return is_root(folder)
    except OSError:  # A folder that may not be looked into.
        return False


@lru_cache(maxsize=2 * _MOST)  # Several layouts ask for the same folders; kept until the next search.
def subfolders(folder: Path) -> tuple[Path, ...]:
    """Folders in a folder, by name; none where it cannot be read."""
    try:
        with os.scandir(folder) as entries:
            counted = [entry.name for entry in entries if not is_passed_over(entry.name)]
    except OSError:
        return ()
    return tuple(folder / name for name in sorted(counted) if (folder / name).is_dir())


def file_stems(folder: Path) -> list[str]:
    """Names of the picture files in a folder, without extension; none where it cannot be read."""
    try:
        with os.scandir(folder) as entries:
            names = [entry.name for entry in entries if not is_passed_over(entry.name)]
    except OSError:
        return []
    return sorted(stem for name in names if (stem := without_extension(name)) != name)


def folders_beside(root: Path, read: Collection[Path]) -> Iterator[tuple[Path, Path]]:
    """Folders of pictures in a layout's root, or in its `train`, `test` and `val`, that hold none of `read`.

    Before each comes where it lies. None of a folder that is read itself: what is in that is for its reader to say.
    """
    above = {parent for folder in read for parent in folder.parents}
    parts = [child for child in subfolders(root) if child.name.lower() in _PARTS]
    for place in (root, *parts):
        for child in () if place in read else subfolders(place):
            is_part = place == root and child in parts
            is_known = child in read or (child in above and not is_part)
            if not is_known and _holds_pictures(child, 0 if is_part else DEPTH):
                yield place, child


def _holds_pictures(folder: Path, depth: int) -> bool:
    """Whether a picture lies in a folder, or up to `depth` levels below it."""
    if file_stems(folder):
        return True
    return depth > 0 and any(_holds_pictures(child, depth - 1) for child in subfolders(folder))


def folder_at(root: Path, name: str) -> Path:
    """The folder `root / name`, or else the only one that is called so but for upper and lower case.

    Where there is neither, `root / name` itself.
    """
    place = root
    for part in PurePosixPath(name).parts:
        near = [] if (place / part).is_dir() else subfolders(place)
        alike = [child for child in near if child.name.lower() == part.lower()]
        place = alike[0] if len(alike) == 1 else place / part
    return place


def require_utf8(path: Path) -> None:
    """Raise DataError for a name with bytes that are no text: no record could hold it."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        raise DataError(f"{str(path)!a}: the name is not UTF-8; rename it") from None


def require_inside(path: Path, base: Path) -> None:
    """Raise DataError where links lead from `path` out of `base` (resolved), or nowhere."""
    try:
        target = path.resolve(strict=True)
    except (OSError, RuntimeError):
        raise DataError(f"{path} is a link that leads nowhere; mend it or take it out") from None
    if not target.is_relative_to(base):
        raise DataError(
            f"{path} is a link that leads out of the data folder, to {target}; "
            "put the files themselves there, or give a folder that holds both"
        )


def picture_files(
    folder: Path, base: Path, *, nested: bool, ending: str = "", unread: list[Path] | None = None
) -> Iterator[tuple[Path, str]]:
    """Picture files in a folder, or those of another `ending`; in those below it, too, if `nested`; none of `IGNORED`.

    With each comes its path within `folder`, `/` between folders and without extension. Other files are added to
    `unread`, and so are folders that are not looked into. Raises DataError for links that lead out of `base`, the
    resolved folder of the data.
    """
    require_inside(folder, base)
    seen: set[Path] = set()
    pending = [(folder, "")]
    while pending:
        current, prefix = pending.pop()
        resolved = current.resolve()
        if resolved in seen:  # A link to a folder above would go round for ever.
            continue
        seen.add(resolved)
        require_folder(current)
        with os.scandir(current) as entries:
            found = sorted(
                (entry for entry in entries if not is_passed_over(entry.name)), key=lambda entry: entry.name
            )
        for entry in found:
            path = current / entry.name
            if _is_folder(entry):
                if nested:
                    require_inside(path, base)
                    pending.append((path, f"{prefix}{entry.name}/"))
                elif unread is not None:
                    unread.append(path)
            elif (stem := _stem(entry.name, ending)) != entry.name:
                require_utf8(path)
                if entry.is_symlink():
                    require_inside(path, base)
                yield path, prefix + stem
            elif unread is not None:
                unread.append(path)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # Links that go round.
        raise DataError(f"{entry.path} is a link that leads nowhere; mend it or take it out") from None


def _stem(name: str, ending: str) -> str:
    if not ending:
        return without_extension(name)
    return name[: -len(ending)] if name.lower().endswith(ending) else name


def is_passed_over(name: str) -> bool:
    """Whether a file or folder of this name is passed over: it is hidden, or of a system (`IGNORED`)."""
    return name.startswith((".", "SYNOFILE_THUMB")) or name.lower() in IGNORED
