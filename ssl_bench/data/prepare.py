"""A data set of large pictures as one of crops or smaller copies, in the folders of one's own pairs. Free of torch.

    DEST/train/{input,target,unlabeled}    PNG files, those of one group in a folder of their own
    DEST/test/{input,target,trimap}        of what are test images in the source, likewise
    DEST/classes.txt                       names of classes, where there are any
    DEST/prepared.jsonl                    what it was made from, and the checksum of each file

A group is what the source never tears, such as a scene, and at the least all crops of a picture. The folder is what
tells it to whoever reads the copy, even where it is moved without its manifest.

Until it is whole the folder is called DEST.partial, and its manifest tells a next run what is done.
"""

import hashlib
import io
import json
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ssl_bench.data.reader import THREADS
from ssl_bench.data.scan import is_passed_over
from ssl_bench.dataset import Dataset
from ssl_bench.errors import DataError, UsageError
from ssl_bench.machine.files import TEMPORARY, write_bytes, write_text
from ssl_bench.machine.lock import LOCK, locked
from ssl_bench.seeds import digest

MANIFEST = "prepared.jsonl"
SCHEMA = 2

Files = dict[str, list[Any]]
"""Path within the folder to [bytes, sha256]."""
ToFile = Callable[[np.ndarray], Image.Image]
"""A stored target as the picture that a file holds (`Task.to_file`)."""


@dataclass(frozen=True, kw_only=True)
class Cut:
    """What is made of a picture: crops, or one smaller copy."""

    crop: int | None = None
    """Side of the crops, px. They cover the picture, the last of a row or column ending with it."""
    stride: int | None = None
    """From one crop to the next, px, `crop` at most; None: `crop`."""
    resize: int | None = None
    """Longest side of the copy, px. No picture is enlarged."""

    def parts(self, height: int, width: int) -> Iterator[tuple[str, Callable[[np.ndarray], np.ndarray]]]:
        """Endings of names, and how each part of a picture of this size is taken from an array of it."""
        if self.crop is not None:
            for top in _starts(height, self.crop, self.stride or self.crop):
                for left in _starts(width, self.crop, self.stride or self.crop):
                    rows, columns = slice(top, top + self.crop), slice(left, left + self.crop)
                    yield f"_{top:05d}_{left:05d}", lambda array, at=(rows, columns): array[at]  # type: ignore[misc]
            return
        assert self.resize is not None
        factor = min(1, self.resize / max(height, width))
        size = (max(1, round(width * factor)), max(1, round(height * factor)))
        yield "", lambda array: array if factor == 1 else _smaller(array, size)


@dataclass(frozen=True)
class Frame:
    """A picture of the source and where its parts go."""

    name: str
    stem: str
    """Where in the folders its parts go, but for their endings: `GROUP/NAME`, or `NAME` alone."""
    role: str
    """`train`, `unlabeled` or `test`."""


class Preparation:
    """A data set being prepared: what is there already, and what remains."""

    def __init__(
        self, dataset: Dataset, cut: Cut, dest: Path, to_file: ToFile, *, kind: tuple[str, str]
    ) -> None:
        """`kind`: names of task and layout, which the manifest tells. UsageError where `dest` is something else."""
        if not dataset.channels.are_rgb:
            raise DataError(
                f"{dataset.path} has images of {dataset.channels}, and what is made here are PNG files of 8 bits; cut "
                "them by a program of their own"
            )
        self.dataset, self.cut, self.dest, self.to_file = dataset, cut, dest, to_file
        self.header = {
            "schema": SCHEMA,
            "task": kind[0],
            "dataset": kind[1],
            "source": dataset.fingerprint(),
            **asdict(cut),
        }
        self.frames = _frames(dataset, cut)
        self.folder = dest if dest.exists() else dest.with_name(f"{dest.name}.partial")
        if self.folder.exists() and not (self.folder / MANIFEST).is_file() and self._holds_others():
            raise UsageError(
                f"--out {self.folder} is there and was not made by this command; name another folder"
            )
        self.done = self._verified()
        self.waiting = [frame for frame in self.frames if frame.name not in self.done]

    def run(self, report: Callable[[int], None] = lambda count: None) -> None:
        """Make what remains, calling `report` once a frame, and give the folder its name.

        UsageError where another command is at it, or has made it meanwhile.
        """
        with locked(self.folder) as alive:
            if self.folder != self.dest and self.dest.exists():
                raise UsageError(f"--out {self.dest}: another command has made it meanwhile; run it again")
            for leftover in self.folder.rglob(TEMPORARY):  # of a command that was killed while it wrote
                leftover.unlink(missing_ok=True)
            self._run(lambda count: (alive(), report(count))[1])  # type: ignore[func-returns-value]
            if self.folder != self.dest:
                self.folder.rename(self.dest)
                (self.dest / LOCK).unlink(missing_ok=True)

    def _run(self, report: Callable[[int], None]) -> None:
        # First: without it the folder is not known for ours. And what has been found broken, or cut short, is forgotten
        # before anything is added.
        self._write_manifest()
        for part in ("train/input", "train/target", "test/input", "test/target"):
            (self.folder / part).mkdir(parents=True, exist_ok=True)
        if self.dataset.classes:
            lines = [
                f"{number} {' '.join(name.split())}\n" for number, name in enumerate(self.dataset.classes)
            ]
            write_text(self.folder / "classes.txt", "".join(lines))
        pool = ThreadPoolExecutor(THREADS)
        try:
            with (self.folder / MANIFEST).open("a", encoding="utf-8") as manifest:
                for frame, files in zip(self.waiting, pool.map(self._make, self.waiting), strict=True):
                    self.done[frame.name] = files
                    manifest.write(_line({"frame": frame.name, "files": files}))
                    manifest.flush()
                    report(1)
        finally:
            pool.shutdown(cancel_futures=True)
        self._write_manifest()

    def _holds_others(self) -> bool:
        """Whether anything is there but what a command that was killed at its start leaves."""
        return any(
            path.name != LOCK and not path.name.startswith(f".{LOCK}.") for path in self.folder.iterdir()
        )

    def _make(self, frame: Frame) -> Files:
        """Read a picture, once, and write its parts."""
        image = self.dataset.image(frame.name)
        arrays: dict[str, tuple[np.ndarray, ToFile]] = {}
        if frame.role == "unlabeled":
            arrays["train/unlabeled"] = (image, Image.fromarray)
        else:
            arrays[f"{frame.role}/input"] = (image, Image.fromarray)
            arrays[f"{frame.role}/target"] = (_storable(self.dataset.target(frame.name)), self.to_file)
        unknown = self.dataset.unknown(frame.name) if frame.role == "test" else None
        if unknown is not None:
            arrays["test/trimap"] = (np.where(unknown, 128, 0).astype(np.uint8), Image.fromarray)
        files: Files = {}
        height, width = image.shape[:2]
        for folder, (array, to_file) in arrays.items():
            if array.shape[:2] != (height, width):
                raise DataError(
                    f"sizes differ: '{frame.name}' and its {folder.rpartition('/')[2]}; make them equal"
                )
            (self.folder / folder / frame.stem).parent.mkdir(parents=True, exist_ok=True)
            for ending, take in self.cut.parts(height, width):
                buffer = io.BytesIO()
                to_file(np.ascontiguousarray(take(array))).save(buffer, format="PNG")
                content, name = buffer.getvalue(), f"{folder}/{frame.stem}{ending}.png"
                write_bytes(self.folder / name, content, durable=False)
                files[name] = [len(content), hashlib.sha256(content).hexdigest()]
        return files

    def _verified(self) -> dict[str, Files]:
        """Frames whose files are all there, of the size and content that the manifest states."""
        path = self.folder / MANIFEST
        if not path.is_file():
            return {}
        lines = list(_read_lines(path))
        if not lines or lines[0] != self.header:
            raise UsageError(
                f"{self.folder} was prepared from other data or with other settings, or by another version; name "
                "another --out"
            )
        known = {frame.name for frame in self.frames}
        stated = {line["frame"]: line["files"] for line in lines[1:] if line.get("frame") in known}
        with ThreadPoolExecutor(THREADS) as pool:
            whole = pool.map(self._whole, stated.values())
            return {name: files for (name, files), good in zip(stated.items(), whole, strict=True) if good}

    def _whole(self, files: Files) -> bool:
        for name, (size, checksum) in files.items():
            path = self.folder / name
            if not path.is_file() or path.stat().st_size != size:
                return False
            if hashlib.sha256(path.read_bytes()).hexdigest() != checksum:
                return False
        return True

    def _write_manifest(self) -> None:
        lines = [self.header]
        lines += [
            {"frame": frame.name, "files": self.done[frame.name]}
            for frame in self.frames
            if frame.name in self.done
        ]
        write_text(self.folder / MANIFEST, "".join(map(_line, lines)))


def _frames(dataset: Dataset, cut: Cut) -> list[Frame]:
    roles = (("train", dataset.train), ("unlabeled", dataset.unlabeled), ("test", dataset.test))
    found = [(name, dataset.group(name), role) for role, names in roles for name in names]
    sizes = Counter(group for _, group, _ in found)
    spelt = _spelt({text for name, group, _ in found for text in (name, group)})

    def stem(name: str, group: str) -> str:
        # A picture that is a group by itself, and of one part, needs no folder.
        is_alone = cut.crop is None and group == name and sizes[group] == 1
        return spelt[name] if is_alone else f"{spelt[group]}/{spelt[name]}"

    return [Frame(name, stem(name, group), role) for name, group, role in found]


def _spelt(texts: Collection[str]) -> dict[str, str]:
    """Each text as the name of one file or folder, no two alike, and none that a reader of folders passes over."""
    flat = {text: text.replace("/", "__") for text in texts}
    counts = Counter(flat.values())
    return {
        text: f"{digest(text, 6)}-{name}" if counts[name] > 1 or not name or is_passed_over(name) else name
        for text, name in flat.items()
    }


def _starts(length: int, side: int, stride: int) -> list[int]:
    last = max(0, length - side)
    return [*range(0, last, stride), last]


def _smaller(array: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(H, W) or (H, W, C) of any depth to (width, height)."""
    # Masks and trimaps have no values between theirs; of the smooth filters, Hamming's never overshoots.
    resampling = Image.Resampling.NEAREST if array.ndim == 2 else Image.Resampling.HAMMING
    if array.dtype == np.uint8 and (array.ndim == 2 or array.shape[2] in (3, 4)):
        return np.asarray(Image.fromarray(array).resize(size, resampling))
    # Pillow resizes other depths and channel counts plane by plane, as floats.
    planes = [
        np.asarray(Image.fromarray(plane.astype(np.float32)).resize(size, resampling))
        for plane in np.moveaxis(np.atleast_3d(array), 2, 0)
    ]
    resized = np.stack(planes, 2).reshape(size[1], size[0], *array.shape[2:])
    return resized if array.dtype.kind == "f" else np.rint(resized).astype(array.dtype)


def _storable(target: np.ndarray) -> np.ndarray:
    return np.rint(target * 65535).astype(np.uint16) if target.dtype.kind == "f" else target


def _line(content: dict[str, Any]) -> str:
    return json.dumps(content, ensure_ascii=False) + "\n"


def _read_lines(path: Path) -> Iterator[dict[str, Any]]:
    for line in path.read_text(encoding="utf-8", errors="replace").split("\n"):
        try:
            content = json.loads(line)
        except ValueError:  # The last one, of a run that was killed.
            return
        if isinstance(content, dict):
            yield content
