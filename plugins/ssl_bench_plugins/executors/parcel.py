"""A cell's folder on its way to another machine and back: the files that changed, and the names of all there are."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from ssl_bench import CellFolder, write_bytes

LARGE = 2**20
"""Bytes from which on a file is worth waiting for."""


@dataclass(frozen=True)
class Parcel:
    """What became of a folder's files since the parcel before. Plain bytes: nothing in it is run."""

    files: Mapping[str, bytes] = field(default_factory=dict)
    """Relative path to content, for those that changed."""
    present: frozenset[str] = frozenset()
    """All that there are."""

    def after(self, earlier: "Parcel") -> "Parcel":
        """Make one parcel of an earlier one and this."""
        files = {name: content for name, content in earlier.files.items() if name in self.present}
        return Parcel({**files, **self.files}, self.present)

    def unpack(self, folder: Path) -> None:
        """Write the files into `folder`, each whole or not at all, a record last, and remove those that are gone.

        Raises ValueError for a path that leads out of the folder, and OSError.
        """
        record = CellFolder(folder).record
        for name in sorted(self.files, key=lambda name: (folder / name == record, name)):
            path = PurePosixPath(name)
            if path.is_absolute() or ".." in path.parts:
                raise ValueError(f"'{name}' leads out of a cell's folder")
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            write_bytes(folder / path, self.files[name])
        for name, file in _files(folder):
            if name not in self.present:
                file.unlink(missing_ok=True)


class Packer:
    """Makes the parcels of one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.known: dict[str, tuple[int, int]] = {}

    def pack(self, *, large: bool = True) -> Parcel:
        """What changed since the last parcel; without `large`, a record and files of `LARGE` bytes and more wait.

        A record never travels before the weights that it speaks of.
        """
        files, present = {}, set()
        for name, path in _files(self.folder):
            try:
                state = path.stat()
                present.add(name)
                version = (state.st_mtime_ns, state.st_size)
                waits = state.st_size >= LARGE or path == CellFolder(self.folder).record
                if self.known.get(name) != version and (large or not waits):
                    files[name] = path.read_bytes()
                    self.known[name] = version
            except FileNotFoundError:
                present.discard(name)  # Taken away by the cell just now.
        return Parcel(files, frozenset(present))


def _files(folder: Path) -> Iterator[tuple[str, Path]]:
    """Relative path and path of what travels: no temporary files, nor the lock.

    Who works on a folder is said on the machine where it lies.
    """
    lock = CellFolder(folder).lock
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        hidden = any(part.startswith(".") for part in PurePosixPath(name).parts)
        if path.is_file() and not path.is_symlink() and not hidden and path != lock:
            yield name, path
