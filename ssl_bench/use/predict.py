"""Picture files through a finished cell, to files of the same names. Which goes where is settled before any compute."""

import hashlib
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from ssl_bench.data.pictures import read_bytes, without_extension
from ssl_bench.data.samples import Unread, say_unread
from ssl_bench.data.scan import picture_files
from ssl_bench.errors import DataError, UsageError
from ssl_bench.machine.files import read_json, read_regular, write_bytes, write_json
from ssl_bench.pixels.arrays import count_slices, is_stack, slice_names, slice_of
from ssl_bench.pixels.channels import read_image
from ssl_bench.pixels.tiffs import text_of, write_tiff

if TYPE_CHECKING:
    from ssl_bench.task import Task
    from ssl_bench.use.trained import Trained

LEGEND = "classes.json"
"""Beside masks: what their ids mean and which colours they have."""
_CELL, _WEIGHTS, _SOURCE = "ssl-bench cell", "ssl-bench weights", "ssl-bench source"
"""Text chunks of a written PNG: the cell's id, and the sha256 of its weights and of the input file."""


@dataclass(frozen=True)
class Job:
    """A picture file and where its prediction goes."""

    source: Path
    output: Path
    slice: int | None = None
    """Of a stack of images, which."""

    def bytes(self) -> bytes:
        """What is predicted. DataError where it cannot be read."""
        data = read_bytes(self.source)
        return slice_of(data, self.source, self.slice) if is_stack(self.source) else data


def ending_of(task: "Task") -> str:
    """What predictions are written as: TIFF where a picture is restored that is not 8-bit RGB, else PNG."""
    return ".tif" if task.restores and not task.input.are_rgb else ".png"


def find_jobs(images: Sequence[Path], out: Path, unread: list[Unread], faults: list[str]) -> list[Job]:
    """A job for each picture file given, and for each in the folders given and below them, as `out`/NAME.png.

    Of a stack each slice is a job, `out`/NAME/000.png and so on. Files of other formats in the folders are added to
    `unread`, and to `faults` what is wrong with each stack whose slices cannot be counted.

    Subfolders of a folder given are kept. Raises UsageError where there is none, where two would be written to one
    file, or where a file would be replaced by its own prediction; DataError as `picture_files`.
    """
    jobs: dict[Path, Job] = {}
    left: list[Unread] = []
    for source, name in _sources(images, out, left):
        try:
            count = count_slices(source) if is_stack(source) else None
        except DataError as error:
            faults.append(str(error))
            continue
        parts = [(None, name)] if count is None else slice_names(name, count)
        for number, stem in parts:
            _add(jobs, Job(source, out / f"{stem}.png", number))
    if not jobs and not faults:
        others = "".join(f"; {line}" for line in say_unread(left))
        raise UsageError(
            f"no picture files in {', '.join(map(str, images))}; give files or folders of them{others}"
        )
    unread += left
    return list(jobs.values())


def _add(jobs: dict[Path, Job], job: Job) -> None:
    other = jobs.setdefault(job.output, job)
    if other.source.resolve() != job.source.resolve():
        raise UsageError(
            f"{other.source} and {job.source} would both be written to {job.output}; predict them apart"
        )


def is_done(job: Job, trained: "Trained") -> bool:
    """Whether the output is there, made by this very network from this very file; not so for one of this cell by other
    weights. UsageError for any other file there."""
    try:
        job.output.stat()
    except OSError:  # Not there, or a name that cannot be, as writing it will say.
        return False
    made = _said(job.output)
    try:
        content = job.bytes()
    except DataError:  # As reading it for a prediction will say; nothing is written then.
        return False
    if made.get(_CELL) == trained.cell.id and made.get(_SOURCE) == hashlib.sha256(content).hexdigest():
        return made.get(_WEIGHTS) == trained.weights_sha256
    raise UsageError(
        f"{job.output} is there and is no prediction of this cell for {job.source}; name another --out"
    )


def _said(path: Path) -> Mapping[str, object]:
    """What a prediction says of where it comes from."""
    if path.suffix == ".tif":
        try:
            found = json.loads(text_of(path))
        except (ValueError, RecursionError):
            found = {}
        return found if isinstance(found, dict) else {}
    try:
        with Image.open(io.BytesIO(read_regular(path))) as picture:
            return {str(name): value for name, value in picture.info.items()}
    except (OSError, ValueError, SyntaxError):
        return {}


def write_prediction(trained: "Trained", job: Job) -> None:
    """Predict one file. Raises DataError where it cannot be read, CellError where the prediction is not finite."""
    data = job.bytes()
    stored = trained.predict(read_image(data, job.source, trained.cell.channels))
    about = {
        _CELL: trained.cell.id,
        _WEIGHTS: trained.weights_sha256,
        _SOURCE: hashlib.sha256(data).hexdigest(),
    }
    if job.output.suffix == ".tif":
        content = write_tiff(trained.task.input.stored(stored), json.dumps(about))
    else:
        chunks = PngInfo()
        for name, value in about.items():
            chunks.add_text(name, value)
        buffer = io.BytesIO()
        trained.task.to_file(stored).save(buffer, format="PNG", pnginfo=chunks)
        content = buffer.getvalue()
    job.output.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(job.output, content, durable=False)


def write_legend(trained: "Trained", out: Path) -> Path | None:
    """Write names and colours of the classes, where the task has classes. UsageError where another legend is there."""
    classes = trained.task.classes
    if not classes:
        return None
    colors = trained.task.picture(np.arange(len(classes), dtype=np.uint8)[None])[0].tolist()
    rows: list[dict[str, Any]] = [
        {"id": number, "name": name, "color": "#{:02x}{:02x}{:02x}".format(*color)}
        for number, (name, color) in enumerate(zip(classes, colors, strict=True))
    ]
    path = out / LEGEND
    if path.exists():
        if read_json(path) != {"classes": rows}:
            raise UsageError(f"{path} is there and names other classes; name another --out")
        return path
    write_json(path, {"classes": rows})
    return path


def _sources(images: Sequence[Path], out: Path, unread: list[Unread]) -> Iterator[tuple[Path, str]]:
    def is_ours(path: Path, folder: Path) -> bool:
        """Whether a file is of an earlier run, where --out lies within the folder, or is the folder."""
        if out.resolve() == folder.resolve():
            return path.suffix in (".png", ".tif") and _CELL in _said(path)
        return path.resolve().is_relative_to(out.resolve())

    for path in images:
        if path.is_file():
            yield path, without_extension(path.name)
        elif path.is_dir():
            left: list[Path] = []
            for picture, name in picture_files(path, path.resolve(), nested=True, unread=left):
                if not is_ours(picture, path):
                    yield picture, name
            unread += [(path, other) for other in left if not is_ours(other, path)]
        else:
            raise UsageError(f"{path}: no such file or folder; check the path")
