"""Ten ways to spoil one file: each ends `run` in one line of its own that names the file, before any training."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import Said
from PIL import Image
from trees import mask, save

Spoil = Callable[[Path, pytest.MonkeyPatch], object]


def truncated(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path.write_bytes(path.read_bytes()[:-200])


def empty(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path.write_bytes(b"")


def wrong_magic(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path.write_bytes(b"GIF89a" + path.read_bytes()[6:])


def other_size(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(path, np.zeros((5, 9, 3), np.uint8))


def absent(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path.unlink()


def class_200(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mask(path, 0, 1, 200)


def not_a_number(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.full((20, 24), 0.5, np.float32)
    values[3, 4] = np.nan
    path.unlink()
    Image.fromarray(values).save(path.with_suffix(".tiff"))


def link_outside(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outside = path.rename(path.parents[2] / "outside.png")
    path.symlink_to(outside)


def unreadable(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = Path.read_bytes

    def refuse(self: Path) -> bytes:
        if self == path:
            raise PermissionError(13, "Permission denied")  # Modes do not bind root.
        return read(self)

    monkeypatch.setattr(Path, "read_bytes", refuse)


def huge(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.new("1", (30000, 12000)).save(path)


@pytest.fixture
def trees(tmp_path: Path) -> dict[str, Path]:
    """A set for each of three tasks, ten pairs each."""
    generator = np.random.default_rng(0)
    for task in ("segmentation", "matting", "night"):
        for number in range(10):
            save(tmp_path / task / f"input/{number}.png", generator.integers(0, 256, (20, 24, 3), np.uint8))
            target = tmp_path / task / f"target/{number}.png"
            if task == "segmentation":
                save(target, generator.integers(0, 2, (20, 24), np.uint8))
            else:
                save(target, generator.integers(0, 256, (20, 24, 3)[: 2 + (task == "night")], np.uint8))
    (tmp_path / "segmentation/classes.txt").write_text("ground\nsky\n")
    return {path.name: path for path in tmp_path.iterdir()}


@pytest.mark.parametrize(
    ("spoil", "task", "place", "words"),
    [
        (truncated, "night", "input/7.png", "is cut short or damaged"),
        (empty, "night", "target/7.png", "is empty (0 bytes)"),
        (wrong_magic, "night", "input/7.png", "is no picture, whatever its name says"),
        (other_size, "night", "input/7.png", "sizes differ: image"),
        (absent, "night", "input/7.png", "is a target without its image"),
        (class_200, "segmentation", "target/7.png", "holds class 200, but there are 2 classes"),
        (not_a_number, "matting", "target/7.png", "values that are no numbers (NaN or infinite)"),
        (link_outside, "night", "input/7.png", "is a link that leads out of the data folder"),
        (unreadable, "night", "input/7.png", "cannot be read: permission denied"),
        (huge, "night", "input/7.png", "has more pixels than are decoded"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_faults(
    command: Callable[..., Said],
    trees: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    spoil: Spoil,
    task: str,
    place: str,
    words: str,
) -> None:
    spoil(trees[task] / place, monkeypatch)
    arguments = ["--tasks", task, "--methods", "supervised,full", "--data", f"{task}={trees[task]}"]
    said = command("run", *arguments, "--out", tmp_path / "out")
    assert said.status == 2
    assert said.err.count("\n") == 1, said.err
    assert words in said.err
    name = trees[task] / place
    # A target without its image names the target, and where the image should be.
    assert str(name.with_suffix("")) in said.err or (spoil is absent and "target/7.png" in said.err)
    assert not list(tmp_path.glob("out/cells/*"))
