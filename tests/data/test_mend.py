"""`ssl-bench data mend`: copies of labels with other numbers."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import Said
from PIL import Image
from trees import save

from ssl_bench.data.lists import read_classes
from ssl_bench.data.pictures import read_indices

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
    assert (said.status, said.err) == (0, "")
    assert [line.split()[0] for line in said.out.splitlines()[1:-1]] == ["0", "128", "255"]
    assert "--map OLD=NEW" in said.out
    out = tmp_path / "out"
    said = command("data", "mend", tmp_path / "masks", "--out", out)
    assert said.status == 2
    assert "nothing says what is written: --map OLD=NEW" in said.err
    assert not out.exists()
    said = command("data", "mend", tmp_path / "masks", "--out", out, "--map", "0=0,128=1,255=2")
    assert (said.status, said.err) == (0, "")
    assert np.array_equal(mended(out / "deep/a.png"), ids)
    assert "nearest" not in said.out


def test_a_jpeg_takes_the_nearest_and_says_how_far(command: Command, tmp_path: Path, ids: np.ndarray) -> None:
    (tmp_path / "masks").mkdir()
    Image.fromarray(ids * 100).save(tmp_path / "masks/a.jpg", quality=75)
    said = command("data", "mend", tmp_path / "masks", "--out", tmp_path / "out", "--map", "0=0,100=1,200=2")
    assert said.status == 0
    assert "% of the pixels held none of these and got the nearest" in said.out
    assert (mended(tmp_path / "out/a.png") == ids).mean() > 0.95


def test_two_files_of_one_name_are_refused(command: Command, tmp_path: Path) -> None:
    for name in ("deep/a.bmp", "deep/a.png", "a.png"):
        save(tmp_path / "masks" / name)
    out = tmp_path / "out"
    for more in ((), ("--out", out, "--map", "0=0")):
        said = command("data", "mend", tmp_path / "masks", *more)
        folder = tmp_path / "masks/deep"
        assert said.status == 2
        assert said.err == (
            f"ssl-bench: {folder}/a.bmp and {folder}/a.png would both be deep/a.png; take one of them out\n"
        )
    assert not out.exists()


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
        (["--map", "0=0"], "--map and --classes go with --out"),
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


COLOURS = np.array([[0, 0, 0], [128, 64, 128], [220, 20, 60]], np.uint8)
TABLE = "0 0 0 void\n128 64 128 road\n220 20 60 person\n"


@pytest.mark.parametrize("options", [{"quality": 75}, {"quality": 90, "subsampling": 0}, {"quality": 40}])
def test_colours_as_jpeg_become_those_of_classes_txt(
    command: Command, tmp_path: Path, ids: np.ndarray, options: dict[str, int]
) -> None:
    (tmp_path / "masks").mkdir()
    Image.fromarray(COLOURS[ids]).save(tmp_path / "masks/a.jpg", **options)
    (tmp_path / "classes.txt").write_text(TABLE)
    said = command("data", "mend", tmp_path / "masks")
    assert "different colours" in said.out
    assert "--classes" in said.out
    arguments = ("--out", tmp_path / "out", "--classes", tmp_path / "classes.txt")
    said = command("data", "mend", tmp_path / "masks", *arguments)
    assert said.status == 0
    assert "got the nearest" in said.out
    table = read_classes(tmp_path / "classes.txt")
    found = read_indices((tmp_path / "out/a.png").read_bytes(), tmp_path / "out/a.png", table)
    assert (found == np.array([255, 0, 1])[ids]).mean() > 0.85


@pytest.mark.parametrize(
    ("lines", "numbers"),
    [("0 sky\n128 road\n255 car\n", [0, 128, 255]), ("sky\nroad\ncar\n", [0, 1, 2])],
)
def test_noise_in_a_lossless_copy_is_taken_for_the_nearest_only_if_asked(
    command: Command, tmp_path: Path, ids: np.ndarray, lines: str, numbers: list[int]
) -> None:
    clean = np.array(numbers, np.uint8)[ids]
    noisy = clean.copy()
    noisy[3, 4:9] += 3
    save(tmp_path / "masks/a.png", noisy)
    (tmp_path / "classes.txt").write_text(lines)
    arguments = ("--out", tmp_path / "out", "--classes", tmp_path / "classes.txt")
    said = command("data", "mend", tmp_path / "masks", *arguments)
    assert said.status == 2
    assert "does not name; name it, or take the nearest by --nearest" in said.err
    said = command("data", "mend", tmp_path / "masks", *arguments, "--nearest")
    assert said.status == 0
    found = read_indices(
        (tmp_path / "out/a.png").read_bytes(), Path("a.png"), read_classes(tmp_path / "classes.txt")
    )
    expected = ids.copy()
    expected[3, 4:9] = 2 if numbers[-1] == 2 else 0
    assert np.array_equal(found, expected)


def test_colours_of_palettes_and_of_several_modes(command: Command, tmp_path: Path, ids: np.ndarray) -> None:
    picture = Image.fromarray(ids, "P")
    picture.putpalette([*COLOURS.ravel().tolist(), *[7] * 759])
    (tmp_path / "masks").mkdir()
    picture.save(tmp_path / "masks/p.png")
    Image.fromarray(COLOURS[ids]).convert("RGBA").save(tmp_path / "masks/rgba.png")
    (tmp_path / "classes.txt").write_text(TABLE)
    arguments = ("--out", tmp_path / "out", "--classes", tmp_path / "classes.txt")
    assert command("data", "mend", tmp_path / "masks", *arguments).status == 0
    for name in ("p", "rgba"):
        assert np.array_equal(mended(tmp_path / f"out/{name}.png"), COLOURS[ids]), name


def test_map_and_classes_exclude_one_another(command: Command, tmp_path: Path, ids: np.ndarray) -> None:
    save(tmp_path / "masks/a.png", ids)
    said = command(
        "data", "mend", tmp_path / "masks", "--map", "0=0", "--classes", tmp_path / "c", "--out", "o"
    )
    assert said.status == 2
    assert "do not go together" in said.err
