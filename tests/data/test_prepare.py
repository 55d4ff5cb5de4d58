"""`ssl-bench data prepare`: parts against the source's own pixels, resuming, and what is refused."""

import hashlib
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from conftest import Said
from PIL import Image

from ssl_bench.advise.folds import folds_of
from ssl_bench.data import reader
from ssl_bench.data.prepare import MANIFEST, Cut, Preparation
from ssl_bench.data.splits import hold_out, make_split, without
from ssl_bench.dataset import Dataset
from ssl_bench.errors import DataError
from ssl_bench.registry.loading import load_registry
from ssl_bench.specs import resolve

Command = Callable[..., Said]
REGISTRY = load_registry()
SIZES = ((80, 100), (33, 130), (20, 24))
CROP, STRIDE = 32, 24


def opened(task: str, name: str, path: Path) -> Dataset:
    dataset: Dataset = resolve(REGISTRY.dataset(task, name).dataset).open(path)
    return dataset


def save(path: Path, array: np.ndarray, mode: str | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)


def sidd(folder: Path) -> Path:
    """Two frames of each of five scenes, of three sizes."""
    generator = np.random.default_rng(0)
    for instance in range(10):
        scene = folder / "Data" / f"{instance:04d}_{instance % 5:03d}_S6_00100_00060_3200_L"
        for kind in ("NOISY", "GT"):
            height, width = SIZES[instance % 3]
            save(scene / f"{kind}_SRGB_010.PNG", generator.integers(0, 255, (height, width, 3), np.uint8))
    return folder


def content(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Files of a data set that have been decoded."""
    paths: list[Path] = []
    content = reader.FileDataset._content

    def counted(self: reader.FileDataset, path: Path, name: str) -> bytes:
        paths.append(path)
        return content(self, path, name)

    monkeypatch.setattr(reader.FileDataset, "_content", counted)
    return paths


def test_crops_are_the_sources_own_pixels(command: Command, tmp_path: Path, decoded: list[Path]) -> None:
    source, out = sidd(tmp_path / "sidd"), tmp_path / "crops"
    before = content(source)
    said = command("data", "prepare", source, "--out", out, "--crop", CROP, "--stride", STRIDE)
    assert (said.status, said.err) == (0, "")
    assert content(source) == before
    assert len(decoded) == len(set(decoded)) == 20
    original, made = opened("denoising", "sidd_small", source), opened("denoising", "pairs", out)
    for whole, parts in ((original.train, made.train), (original.test, made.test)):
        covered = {name: np.zeros(original.image(name).shape[:2], bool) for name in whole}
        for part in parts:
            name, top, left = part.rpartition("/")[2].rsplit("_", 2)
            box = slice(int(top), int(top) + CROP), slice(int(left), int(left) + CROP)
            np.testing.assert_array_equal(made.image(part), original.image(name)[box])
            np.testing.assert_array_equal(made.target(part), original.target(name)[box])
            covered[name][box] = True
        assert all(mask.all() for mask in covered.values())
    # 80 x 100: rows 0, 24, 48 and columns 0, 24, 48, 68.
    first = [part for part in (*made.train, *made.test) if "/0000_" in part]
    assert sorted(part[-12:] for part in first) == sorted(
        f"_{top:05d}_{left:05d}" for top in (0, 24, 48) for left in (0, 24, 48, 68)
    )
    scenes = [{part.split("_")[1] for part in parts} for parts in (made.train, made.test)]
    assert not scenes[0] & scenes[1]
    # A scene's folder is called as the scene.
    assert {part.split("/")[0] for part in made.train} == scenes[0]
    plan = command("plan", "--tasks", "denoising", "--methods", "supervised", "--data", f"denoising={out}")
    assert f"{len(made.train)} training images with labels" in plan.out


def test_smaller_copies_of_masks_hold_no_new_classes(command: Command, tmp_path: Path) -> None:
    source, out = tmp_path / "voc", tmp_path / "small"
    generator = np.random.default_rng(0)
    for index in range(8):
        save(source / "JPEGImages" / f"{index}.jpg", generator.integers(0, 255, (90, 120, 3), np.uint8))
        if index != 3:
            ids = np.array([0, 2, 7, 255], np.uint8)[generator.integers(0, 4, (90, 120))]
            save(source / "SegmentationClass" / f"{index}.png", ids)
    lists = source / "ImageSets" / "Segmentation"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("0\n1\n2\n3\n4\n")
    (lists / "val.txt").write_text("5\n6\n7\n")
    assert command("data", "prepare", source, "--out", out, "--resize", 40).status == 0
    original, made = opened("segmentation", "voc", source), opened("segmentation", "pairs", out)
    assert (made.train, made.unlabeled, made.test) == (original.train, original.unlabeled, original.test)
    assert made.classes == original.classes
    for name in (*made.train, *made.test):
        assert made.image(name).shape == (30, 40, 3)
        # Nearest: the middle of each block of 3 x 3.
        np.testing.assert_array_equal(made.target(name), original.target(name)[1::3, 1::3])
    with Image.open(out / "train" / "target" / "0.png") as mask:
        assert mask.mode == "P"


def test_deep_mattes_and_trimaps_are_kept(command: Command, tmp_path: Path) -> None:
    source, out = tmp_path / "p3m", tmp_path / "crops"
    generator = np.random.default_rng(0)
    for folder, images in (("train", "blurred_image"), ("validation/P3M-500-NP", "original_image")):
        for index in range(2):
            save(source / folder / images / f"{index}.jpg", generator.integers(0, 255, (40, 50, 3), np.uint8))
            save(source / folder / "mask" / f"{index}.png", generator.integers(0, 65535, (40, 50), np.uint16))
    trimap = np.array([0, 128, 255], np.uint8)[generator.integers(0, 3, (40, 50))]
    save(source / "validation/P3M-500-NP" / "trimap" / "1.png", trimap)
    assert command("data", "prepare", source, "--out", out, "--crop", 40).status == 0
    original, made = opened("matting", "p3m", source), opened("matting", "pairs", out)
    last = original.test[-1]
    part = next(name for name in made.test if name.endswith("1_00000_00010"))
    np.testing.assert_array_equal(made.target(part), original.target(last)[:, 10:])
    assert made.target(part).dtype == np.uint16
    np.testing.assert_array_equal(made.unknown(part), (trimap == 128)[:, 10:])
    assert made.unknown(next(name for name in made.test if name.endswith("0_00000_00010"))) is None


def test_an_interrupted_run_goes_on(command: Command, tmp_path: Path, decoded: list[Path]) -> None:
    source, out = sidd(tmp_path / "sidd"), tmp_path / "crops"
    arguments = ("data", "prepare", source, "--crop", CROP, "--out")
    command(*arguments, tmp_path / "straight")

    def interrupt(count: int) -> None:
        if len(work.done) == 4:
            raise KeyboardInterrupt

    dataset = opened("denoising", "sidd_small", source)
    task = resolve(REGISTRY.task("denoising").task)()
    work = Preparation(dataset, Cut(crop=CROP), out, task.to_file, kind=("denoising", "sidd_small"))
    with pytest.raises(KeyboardInterrupt):
        work.run(interrupt)
    assert not out.exists()
    partial = tmp_path / "crops.partial"
    done = [name for name in content(partial) if name != MANIFEST]
    # The machine went down while it wrote a line, and a disk lost bytes of a file.
    with (partial / MANIFEST).open("a") as manifest:
        manifest.write('{"frame": "0009')
    broken = next(iter(work.done.values()))
    (partial / next(iter(broken))).write_bytes(b"\0" * 100)
    decoded.clear()
    said = command(*arguments, out)
    assert said.status == 0
    assert "3 of 10 pictures are there and whole" in said.out
    assert len(decoded) == 2 * 7
    assert len(done) > 4
    assert not partial.exists()
    assert content(out) == content(tmp_path / "straight")
    # Once more: all is verified and nothing is done; a lost file is made again.
    decoded.clear()
    assert "10 of 10 pictures are there and whole" in command(*arguments, out).out
    assert len(decoded) == 1  # The first image tells what images are made of.
    next((out / "test" / "input").rglob("*.png")).unlink()
    assert "9 of 10 pictures" in command(*arguments, out).out
    assert content(out) == content(tmp_path / "straight")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "give either --crop N or --resize LONGSIDE"),
        (["--crop", 32, "--resize", 64], "give either --crop N or --resize LONGSIDE"),
        (["--resize", 64, "--stride", 8], "--stride goes with --crop"),
        (
            ["--crop", 32, "--stride", 33],
            "--stride 33 is more than --crop 32: what lies between crops would be lost",
        ),
        (["--crop", 32, "--out", "sidd/crops"], "name a folder outside the source"),
        (["--crop", 32, "--out", "."], "name a folder outside the source"),
        (["--crop", 32, "--out", "other"], "was not made by this command"),
        (["--crop", 32, "--out", "made"], "from other data or with other settings"),
        (["--crop", 32, "--task", "night"], "holds no known layout"),
        (["--crop", 32, "--dataset", "sidd"], "no such layout; see `ssl-bench data list`"),
        (["--crop", 32, "--task", "nigth"], "did you mean 'night'?"),
    ],
)
def test_what_is_refused(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[object], words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    sidd(tmp_path / "sidd")
    save(tmp_path / "other" / "own.png", np.zeros((4, 4, 3), np.uint8))
    if "made" in arguments:
        assert command("data", "prepare", "sidd", "--out", "made", "--crop", 64).status == 0
    before = content(tmp_path)
    said = command("data", "prepare", "sidd", *([] if "--out" in arguments else ["--out", "new"]), *arguments)
    assert said.status == 2
    assert words in said.err
    assert len(said.err.strip().splitlines()) == 1
    assert content(tmp_path) == before


def test_pairs_of_a_persons_own_need_a_task_and_keep_their_names_apart(
    command: Command, tmp_path: Path
) -> None:
    source = tmp_path / "own"
    for name in ("a__b", "c", "d"):
        for folder in ("input", "target", "test/input", "test/target"):
            save(source / folder / f"{name}.png", np.full((20, 20, 3), len(folder), np.uint8))
    said = command("data", "prepare", source, "--out", tmp_path / "out", "--crop", 16)
    assert said.status == 2
    assert "say which with --task" in said.err
    said = command("data", "prepare", source, "--out", tmp_path / "out", "--crop", 16, "--task", "night")
    assert (said.status, said.err) == (0, "")
    made = opened("night", "pairs", tmp_path / "out")
    assert len(made.train) == len(made.test) == 3 * 4


def test_ids_that_would_be_one_name_are_kept_apart_and_sizes_are_compared(tmp_path: Path) -> None:
    class Clash(Dataset):
        train, test = ("a/b", "a__b"), ("c",)

        def image(self, name: str) -> np.ndarray:
            return np.full((20, 20, 3), len(name), np.uint8)

        def target(self, name: str) -> np.ndarray:
            return np.zeros((20, 21 if name == "c" else 20, 3), np.uint8)

        def fingerprint(self) -> str:
            return "x"

    work = Preparation(Clash(), Cut(crop=16), tmp_path / "out", Image.fromarray, kind=("toy", "clash"))
    stems = [frame.stem for frame in work.frames]
    assert len({stem.split("/")[0] for stem in stems}) == len({stem.split("/")[1] for stem in stems}) == 3
    assert stems[2] == "c/c"
    with pytest.raises(DataError, match="sizes differ: 'c' and its target"):
        work.run()


def pictures(folder: Path, names: Sequence[str], *kinds: str, side: int = 48) -> Path:
    """Noise of its own for each name, in each of the folders `kinds`."""
    generator = np.random.default_rng(0)
    for name in names:
        for kind in kinds:
            save(folder / kind / f"{name}.png", generator.integers(0, 255, (side, side, 3), np.uint8))
    return folder


def pictures_of(names: Sequence[str]) -> set[str]:
    """The pictures that crops are of."""
    return {name.rpartition("/")[2].rsplit("_", 2)[0] for name in names}


def test_no_picture_is_both_learnt_from_and_tested_after_it_was_cut(command: Command, tmp_path: Path) -> None:
    source = pictures(tmp_path / "own", [f"{number}" for number in range(16)], "input", "target")
    pictures(source, ["more"], "unlabeled")
    arguments = ("--crop", 32, "--stride", 16, "--task", "night")
    assert command("data", "prepare", source, "--out", tmp_path / "out", *arguments).status == 0
    made = opened("night", "pairs", tmp_path / "out")
    whole = make_split(made, "all", 0, task="night")
    assert len(whole.labeled) == 4 * len(pictures_of(whole.labeled))
    # Advice, and a search.
    for fold in folds_of(made, 2):
        assert not pictures_of(fold.tested) & pictures_of(fold.learnt)
        split = fold.split(made, 4)
        assert len(split.labeled) == 4
        assert not pictures_of(fold.tested) & pictures_of((*split.labeled, *split.unlabeled))
    held = hold_out(made, whole, Fraction(1, 4), task="night")
    left = without(made, whole, held)
    assert len(held) % 4 == 0
    assert {*pictures_of(left.labeled)} == {*pictures_of(whole.labeled)} - {*pictures_of(held)}
    # A crop counts as an image: of few labels, some pictures' other crops are unlabelled.
    assert len(make_split(made, "3", 0, task="night").labeled) == 3


@pytest.mark.parametrize("cut", [Cut(crop=32), Cut(crop=64), Cut(resize=24)])
def test_what_was_one_group_is_one_group_after(tmp_path: Path, cut: Cut) -> None:
    names = [
        "0",
        *(f"{scene}/{shot}" for scene in ("0", "a/b", "a__b", "c") for shot in range(2)),
        "1",
        "2",
        "3",
    ]
    source = opened("night", "pairs", pictures(tmp_path / "own", names, "input", "target"))
    task = resolve(REGISTRY.task("night").task)()
    work = Preparation(source, cut, tmp_path / "out", task.to_file, kind=("night", "pairs"))
    work.run()
    made = opened("night", "pairs", tmp_path / "out")
    groups: dict[str, set[str]] = {}
    for frame in work.frames:
        parts = [path.split("/", 2)[2].removesuffix(".png") for path in work.done[frame.name]]
        assert {*parts} <= {*made.train, *made.test}
        groups.setdefault(source.group(frame.name), set()).update(map(made.group, parts))
    assert len(groups) == 7
    assert all(len(found) == 1 for found in groups.values())
    assert len(set.union(*groups.values())) == 7


def test_groups_of_any_name_stay_in_the_folder_and_are_read_back(tmp_path: Path) -> None:
    class Odd(Dataset):
        train, test = ("/1", "../1", ".x/1", "thumbs.db/1", "thumbs.db/2"), ("t/1",)

        @classmethod
        def group(cls, name: str) -> str:
            return name.rpartition("/")[0]

        def image(self, name: str) -> np.ndarray:
            return np.full((20, 20, 3), 9, np.uint8)

        target = image

        def fingerprint(self) -> str:
            return "x"

    Preparation(Odd(), Cut(crop=16), tmp_path / "deep/out", Image.fromarray, kind=("night", "odd")).run()
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["out"]
    made = opened("night", "pairs", tmp_path / "deep/out")
    assert len(made.train) == 5 * 4
    assert len({made.group(name) for name in made.train}) == 4
