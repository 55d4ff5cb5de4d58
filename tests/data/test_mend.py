"""`ssl-bench data mend`: copies of labels with other numbers."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import Said
from PIL import Image
from trees import save

Command = Callable[..., Said]


@pytest.fixture
def ids() -> np.ndarray:
    """Blocks that are not those of JPEG."""
    return np.repeat(np.repeat(np.array([[0, 1, 0], [2, 2, 1]], np.uint8), 11, 0), 13, 1)


def mended(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path))


def test_numbers_are_replaced(command: Command, tmp_path: Path, ids: np.ndarray) -> None:
    save(tmp_path / "masks/deep/a.png", np.array([0, 128, 255], np.uint8)[ids])
    said = command("data", "mend", tmp_path / "masks")
    assert said.status == 2
    assert "--map OLD=NEW" in said.err
    assert [line.split()[0] for line in said.out.splitlines()[1:]] == ["0", "128", "255"]
    out = tmp_path / "out"
    said = command("data", "mend", tmp_path / "masks", "--out", out, "--map", "0=0,128=1,255=2")
    assert (said.status, said.err) == (0, "")
    assert np.array_equal(mended(out / "deep/a.png"), ids)
    assert "nearest" not in said.out


def test_a_jpeg_takes_the_nearest_and_says_how_far(command: Command, tmp_path: Path, ids: np.ndarray) -> None:
    (tmp_path / "masks").mkdir()
    Image.fromarray(ids * 100).save(tmp_path / "masks/a.jpg", quality=75)
    said = command("data", "mend", tmp_path / "masks", "--out", tmp_path / "out", "--map", "0=0,100=1,200=2")
    assert said.status == 0
    assert "% of the pixels held none of these numbers and got the nearest" in said.out
    assert (mended(tmp_path / "out/a.png") == ids).mean() > 0.95


def test_mattes_of_three_equal_channels(command: Command, tmp_path: Path, ids: np.ndarray) -> None:
    save(tmp_path / "masks/a.png", np.dstack([np.minimum(ids, 1)] * 3))
    assert (
        command("data", "mend", tmp_path / "masks", "--out", tmp_path / "out", "--map", "0=0,1=255").status
        == 0
    )
    assert np.array_equal(mended(tmp_path / "out/a.png"), np.minimum(ids, 1) * np.uint8(255))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--map", "0=0", "--out", "out"], "holds 1, which --map does not name"),
        (["--map", "0", "--out", "out"], "give each number found once"),
        (["--map", "0=1,0=2", "--out", "out"], "give each number found once"),
        (["--map", "0=1,99999=2", "--out", "out"], "give each number found once"),
        (["--map", "0=0"], "--map goes with --out"),
        (["--map", "0=0", "--out", "masks"], "is there, or lies in"),
        (["--map", "0=0", "--out", "masks/new"], "is there, or lies in"),
    ],
)
def test_faults(
    command: Command,
    tmp_path: Path,
    ids: np.ndarray,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    words: str,
) -> None:
    save(tmp_path / "masks/a.png", ids)
    before = (tmp_path / "masks/a.png").read_bytes()
    monkeypatch.chdir(tmp_path)
    said = command("data", "mend", "masks", *arguments)
    assert said.status == 2
    assert said.err.count("\n") == 1
    assert words in said.err
    assert (tmp_path / "masks/a.png").read_bytes() == before


def test_colours_and_empty_folders(command: Command, tmp_path: Path) -> None:
    save(tmp_path / "masks/a.png", np.arange(36, dtype=np.uint8).reshape(3, 4, 3))
    arguments = ("--out", tmp_path / "out", "--map", "0=0")
    assert "no one number a pixel" in command("data", "mend", tmp_path / "masks", *arguments).err
    (tmp_path / "bare").mkdir()
    assert "no pictures in" in command("data", "mend", tmp_path / "bare", *arguments).err
    assert "no folder at" in command("data", "mend", tmp_path / "none", *arguments).err
