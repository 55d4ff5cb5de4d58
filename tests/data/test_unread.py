"""Files in folders of pictures that no reader takes are named and counted, wherever pictures are read."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Said
from test_layouts import make_pairs, make_sidd
from test_public_layouts import make_distinctions, make_medium, make_sbd
from trees import mask, save, write

from ssl_bench.dataset import Dataset
from ssl_bench.errors import DataError
from ssl_bench_tasks.layouts.distinctions import Distinctions
from ssl_bench_tasks.layouts.pairs import ImagePairs
from ssl_bench_tasks.layouts.ppm import Ppm
from ssl_bench_tasks.layouts.sice import Sice
from ssl_bench_tasks.layouts.sidd import SiddMedium, SiddSmall
from ssl_bench_tasks.layouts.voc import Sbd, Voc

Command = Callable[..., Said]


def make_sice(root: Path) -> Path:
    for scene in range(5):
        save(root / f"Label/{scene}.JPG", scene)
        for exposure in range(3):
            save(root / f"{scene}/{exposure}.JPG", exposure)
    write(root / "readme.txt", ["of the whole set"])
    return root


def make_voc_with_sbd(root: Path) -> Path:
    for name in ("a", "b", "c"):
        save(root / f"voc/JPEGImages/{name}.jpg")
        mask(root / f"voc/SegmentationClass/{name}.png", 0, 3)
    write(root / "voc/ImageSets/Segmentation/train.txt", ["a", "b"])
    write(root / "voc/ImageSets/Segmentation/val.txt", ["c"])
    make_sbd(root / "sbd", {"d": 1})
    return root


def make_ppm(root: Path) -> Path:
    for number in range(6):
        save(root / f"image/{number}.jpg", number)
        save(root / f"matte/{number}.png", number, channels=1)
    return root


def make_lone_sbd(root: Path) -> Path:
    make_sbd(root, {"a": 1, "b": 2})
    folder = root / "benchmark_RELEASE/dataset"
    write(folder / "train.txt", ["a"])
    write(folder / "val.txt", ["b"])
    return root


SIDD = "SIDD_Small_sRGB_Only/Data/0005_003_S6_00100_00060_3200_L"
CASES: list[tuple[type[Dataset], Callable[[Path], Path], str, str]] = [
    (Sice, make_sice, "3/9.bin", "1 file in {root} is of a format that is not read (.bin): 9.bin; save it"),
    (Sice, make_sice, "Label/9.gif", "1 file in {root}/Label is of a format"),
    (SiddSmall, make_sidd, f"{SIDD}/NOISY_SRGB_010.jxl", "(.jxl): NOISY_SRGB_010.jxl; save it as PNG"),
    (
        SiddMedium,
        make_medium,
        "Data/0001_001_S6_00100_00060_3200_L/0001_GT_SRGB_019.gif",
        "(.gif): 0001_GT_SRGB_019",
    ),
    (
        Distinctions,
        make_distinctions,
        "backgrounds/sky.gif",
        "1 file in {root}/backgrounds is of a format that is not read (.gif)",
    ),
    (Distinctions, make_distinctions, "D646/Train/FG/bare.png", "a foreground without a matte ends: 'bare'"),
    (Sbd, make_lone_sbd, "benchmark_RELEASE/dataset/cls/a.png", "(.png): a.png; take it out"),
    (
        Voc,
        make_voc_with_sbd,
        "sbd/benchmark_RELEASE/dataset/img/e.gif",
        "1 file in {root}/sbd/benchmark_RELEASE/dataset/img is of a format",
    ),
    (Ppm, make_ppm, "image/more/7.png", "1 folder in {root}/image is not looked into: more"),
    (ImagePairs, make_pairs, "unlabeled/without", "is of a format that is not read (no ending): without"),
]


@pytest.mark.parametrize(
    ("layout", "make", "name", "words"), CASES, ids=[f"{case[0].__name__}-{case[2]}" for case in CASES]
)
def test_layouts_name_what_they_do_not_read(
    tmp_path: Path, layout: type[Dataset], make: Callable[[Path], Path], name: str, words: str
) -> None:
    root = make(tmp_path / "set")
    assert not layout.open(root).notes
    save(root / name)
    notes = layout.open(root).notes
    assert len(notes) == 1
    assert words.format(root=root) in notes[0]


@pytest.mark.parametrize(
    ("made", "named"),
    [
        (["test/images/a.png", "test/masks/a.png"], {"test": ["images", "masks"]}),
        (["test/a.png"], {"": ["test"]}),
        (["Train/input/a.png", "more/deep/a.png"], {"": ["more"]}),
        (["train/pictures/a.png", "val/masks/a.png"], {"train": ["pictures"], "val": ["masks"]}),
        (["notes/a.txt", ".thumbnails/a.png", "empty/deep"], {}),
    ],
)
def test_folders_beside_those_that_are_read_are_named(
    tmp_path: Path, made: list[str], named: dict[str, list[str]]
) -> None:
    root = make_pairs(tmp_path / "set")
    read = ImagePairs.open(root)
    for name in made:
        save(root / name) if "." in name else (root / name).mkdir(parents=True)
    opened = ImagePairs.open(root)
    assert [note.partition(";")[0] for note in opened.notes] == [
        f"{len(names)} folder{'s'[: len(names) > 1]} in {root / place} {'are' if len(names) > 1 else 'is'} "
        f"not looked into: {', '.join(names)}"
        for place, names in named.items()
    ]
    assert (opened.train, opened.test) == (read.train, read.test)


def test_unlabelled_is_a_folder_of_pairs_in_either_spelling(tmp_path: Path) -> None:
    root = make_pairs(tmp_path / "set")
    known = ImagePairs.open(root).unlabeled
    save(root / "unlabelled/new.png")
    opened = ImagePairs.open(root)
    assert {*opened.unlabeled} == {*known, "new"}
    assert not opened.notes


def test_what_is_beside_goes_behind_what_is_missing(tmp_path: Path) -> None:
    for name in ("a", "b"):
        save(tmp_path / f"input/{name}.png")
    (tmp_path / "target").mkdir()
    save(tmp_path / "masks/a.png")
    with pytest.raises(
        DataError, match=r"to hold a test set out; add some; 1 folder in .*: masks; move what"
    ):
        ImagePairs.open(tmp_path)


def test_predict_names_what_it_does_not_read(
    command: Command, tmp_path: Path, small_cell: Callable[[str], Path]
) -> None:
    cell, pictures, out = small_cell("segmentation"), tmp_path / "in", tmp_path / "in/out"
    save(pictures / "a.png")
    for name in ("b.gif", "deep/c.gif", "notes"):
        save(pictures / name)
    said = command("predict", cell, pictures, "--out", out)
    assert said.status == 0
    assert said.err.splitlines() == [
        f"note: 2 files in {pictures} are of a format that is not read (.gif): b.gif, c.gif; save them as PNG",
        f"note: 1 file in {pictures} is of a format that is not read (no ending): notes; save it as PNG",
    ]
    assert sorted(path.name for path in out.iterdir()) == ["a.png", "classes.json"]
    # What it wrote there itself is nothing to name.
    assert command("predict", cell, pictures, "--out", out).err == said.err
    (pictures / "a.png").unlink()
    shutil.rmtree(out)
    said = command("predict", cell, pictures, "--out", tmp_path / "other")
    assert said.status == 2
    assert "no picture files in" in said.err
    assert "2 files in" in said.err


def test_mend_names_what_it_does_not_read(command: Command, tmp_path: Path) -> None:
    mask(tmp_path / "masks/a.png", 0, 1)
    save(tmp_path / "masks/b.gif")
    said = command("data", "mend", tmp_path / "masks", "--out", tmp_path / "out", "--map", "0=0,1=255")
    assert said.status == 0
    assert f"note: 1 file in {tmp_path / 'masks'} is of a format that is not read (.gif): b.gif" in said.err
