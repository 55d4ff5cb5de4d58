"""`ssl-bench data list`, `check` and `split`."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import Said
from hypothesis import given
from hypothesis import strategies as st
from test_splits import Names
from trees import mask, save, write

from ssl_bench.data.splits import make_split, ranked, read_labels
from ssl_bench.data.stratify import stratified
from ssl_bench.errors import DataError
from ssl_bench.plan.plan import Request, make_plan
from ssl_bench.registry.loading import load_registry
from ssl_bench_tasks.layouts.voc import Voc

Command = Callable[..., Said]
REGISTRY = load_registry()


@pytest.fixture
def scenes(tmp_path: Path) -> Path:
    """Sixteen pairs; sky everywhere, a car in every second mask, a ship in two."""
    generator = np.random.default_rng(0)
    for number in range(20):
        part = "train" if number < 16 else "test"
        save(tmp_path / f"set/{part}/input/{number}.png", generator.integers(0, 256, (6, 8, 3), np.uint8))
        ids = [0, *[1] * (number % 2), *[2] * (number in (3, 8, 17)), 255]
        mask(tmp_path / f"set/{part}/target/{number}.png", *ids)
    write(tmp_path / "set/classes.txt", ["sky", "car", "ship"])
    return tmp_path / "set"


def test_list(command: Command) -> None:
    said = command("data", "list")
    assert (said.status, said.err) == (0, "")
    for spec in REGISTRY.sorted("datasets"):
        assert f"  {spec.name} " in said.out
    assert "JPEGImages, SegmentationClass" in said.out
    one = command("data", "list", "night")
    assert "our485/{low,high}" in one.out
    assert "JPEGImages" not in one.out
    assert "did you mean 'night'?" in command("data", "list", "nigth").err


def test_check_of_a_clean_set(command: Command, scenes: Path) -> None:
    said = command("data", "check", scenes, "--task", "segmentation")
    assert (said.status, said.err) == (0, "")
    assert "(task segmentation, dataset pairs)" in said.out
    assert "16 images with a target, 0 without" in said.out
    assert "8 x 6 px (20)" in said.out
    assert "duplicates none" in said.out
    rows = {
        line.split()[1]: line.split() for line in said.out.splitlines() if line.endswith(("20", "10", "3"))
    }
    assert [rows[name][-1] for name in ("sky", "car", "ship", "(void)")] == ["20", "10", "3", "20"]
    # Masks repeat their ids along the 48 pixels: half sky with [0, 255], a third with [0, 1, 255], and so on.
    pixels = sum(
        np.resize([0, *[1] * (n % 2), *[2] * (n in (3, 8, 17)), 255], 48).tolist().count(0) for n in range(20)
    )
    assert rows["sky"][2] == f"{100 * pixels / (20 * 48):.2f}"
    assert said.out.endswith("no errors\n")


def test_check_goes_on_after_a_fault(command: Command, scenes: Path) -> None:
    (scenes / "train/input/1.png").write_bytes(b"x")
    mask(scenes / "train/target/2.png", 200)
    save(scenes / "test/input/17.png", np.zeros((3, 4, 3), np.uint8))
    (scenes / "train/input/5.png").write_bytes((scenes / "test/input/18.png").read_bytes())
    (scenes / "train/input/6.png").write_bytes((scenes / "train/input/7.png").read_bytes())
    said = command("data", "check", scenes, "--task", "segmentation")
    assert said.status == 1
    assert said.err == f"ssl-bench: 4 errors in {scenes}\n"
    errors = [line for line in said.out.splitlines() if line.startswith("  error")]
    assert f"{scenes / 'train/input/1.png'} is no picture" in errors[0]
    assert f"{scenes / 'train/target/2.png'} holds class 200" in errors[1]
    assert f"{scenes / 'test/input/17.png'} is 4 x 3 px" in errors[2]
    assert "test image '18' is the training image '5', pixel for pixel" in errors[3]
    assert "2 training images are the same, pixel for pixel: '6', '7'" in said.out


def test_check_of_folders_that_cannot_be_opened(command: Command, scenes: Path, tmp_path: Path) -> None:
    said = command("data", "check", scenes)
    assert said.status == 2
    assert "say which with --task and --dataset" in said.err
    assert command("data", "check", tmp_path / "none").status == 2
    assert command("data", "check", tmp_path / "none", "--task", "night", "--dataset", "lol").status == 2
    said = command("data", "check", scenes, "--task", "night", "--dataset", "lol")
    assert said.status == 1
    assert f"{scenes} does not hold LOL: our485" in said.out
    assert "did you mean" in command("data", "check", scenes, "--task", "nigth").err
    assert "no such layout" in command("data", "check", scenes, "--dataset", "nothing").err
    (scenes / "test/target/17.png").unlink()
    said = command("data", "check", scenes, "--task", "segmentation")
    assert said.status == 1
    assert f"test image {scenes / 'test/input/17.png'} has no target" in said.out


def test_check_finds_the_task_by_the_layout(command: Command, tmp_path: Path) -> None:
    for part, numbers in {"our485": range(4), "eval15": range(4, 6)}.items():
        for number in numbers:
            save(tmp_path / f"{part}/low/{number}.png", number)
            save(tmp_path / f"{part}/high/{number}.png", 1)
    said = command("data", "check", tmp_path)
    assert (said.status, said.err) == (0, "")
    assert "(task night, dataset lol)" in said.out
    assert "targets of uint8 reach 1 only, where 255 is white" in said.out


@given(st.data())
def test_stratified_orders_are_nested_and_serve_every_class(data: st.DataObject) -> None:
    count, classes = data.draw(st.integers(1, 40)), data.draw(st.integers(0, 5))
    rows = st.lists(st.booleans(), min_size=classes, max_size=classes)
    holds = np.array([data.draw(rows) for _ in range(count)], bool).reshape(count, classes)
    names = [f"{number}" for number in range(count)]
    seed = data.draw(st.integers(0, 3))
    whole = stratified(names, holds, seed, count)
    assert sorted(whole) == sorted(names)
    small = data.draw(st.integers(0, count))
    assert stratified(names, holds, seed, small) == whole[:small]
    turned = data.draw(st.permutations(range(count)))
    assert stratified([names[i] for i in turned], holds[turned], seed, count) == whole
    first = holds[[int(name) for name in whole[: holds.any(0).sum()]]]
    assert np.array_equal(first.any(0), holds.any(0))


def test_stratified_shares() -> None:
    generator = np.random.default_rng(0)
    share = np.array([1.0, 0.5, 0.2, 0.1, 0.03])
    holds = generator.random((2000, 5)) < share
    names = [f"2007_{number:06d}" for number in range(2000)]
    for seed in range(2):
        chosen = [names.index(name) for name in stratified(names, holds, seed, 250)]
        off = np.abs(holds[chosen].mean(0) - holds.mean(0))
        drawn = [names.index(name) for name in ranked(names, seed)[:250]]
        assert off.max() < 0.006 < np.abs(holds[drawn].mean(0) - holds.mean(0)).max()
    assert set(stratified(names, holds, 0, 250)) != set(stratified(names, holds, 1, 250))


def run_split(command: Command, scenes: Path, *arguments: object) -> Said:
    name, *others = arguments
    return command("data", "split", name, "segmentation", *others, "--data", scenes, "--dataset", "pairs")


def test_make_inspect_and_compare(command: Command, scenes: Path, tmp_path: Path) -> None:
    said = run_split(command, scenes, "make", "--labels", "1/8,1/4,12", "--out", tmp_path / "lists")
    assert (said.status, said.err) == (0, "")
    paths = [tmp_path / f"lists/segmentation-{labels}-seed0.txt" for labels in ("1_8", "1_4", "12")]
    lists = [path.read_text().split() for path in paths]
    assert [len(names) for names in lists] == [2, 4, 12]
    assert set(lists[0]) < set(lists[1]) < set(lists[2])
    assert {"3", "8"} & set(lists[0])  # The rarest class comes first.
    assert "classes absent: 0" in said.out
    said = run_split(command, scenes, "inspect", paths[1])
    assert "4 labelled, 12 unlabelled, split " in said.out
    assert "sky: in 4 images, 100.0 %" in said.out
    assert "nested: " in run_split(command, scenes, "compare", paths[0], paths[1]).out
    assert "the same split" in run_split(command, scenes, "compare", paths[0], paths[0]).out
    write(tmp_path / "other.txt", [str(n) for n in range(16) if str(n) not in lists[1]])
    assert "disjoint" in run_split(command, scenes, "compare", paths[1], tmp_path / "other.txt").out
    strangers = [str(n) for n in range(16) if str(n) not in lists[0]]
    write(tmp_path / "other.txt", [lists[0][0], *strangers[:2]])
    assert (
        "shared: 1, only first: 1, only second: 2"
        in run_split(command, scenes, "compare", paths[0], tmp_path / "other.txt").out
    )


def test_a_task_without_classes_is_drawn_as_run_does(command: Command, tmp_path: Path) -> None:
    said = command("data", "split", "make", "night", "--labels", "1/8", "--out", tmp_path)
    assert "no classes to stratify by" in said.out
    made = (tmp_path / "night-1_8-seed0.txt").read_text().split()
    assert command("data", "split", "export", "night", "1/8", "--out", tmp_path / "x.txt").status == 0
    assert sorted(made) == sorted((tmp_path / "x.txt").read_text().split())
    cells = make_plan(
        REGISTRY,
        Request(tasks="night", methods="mt", control=False, labels=("1/8", str(tmp_path / "x.txt"))),
    ).cells
    assert len(cells) == 1  # One content, one cell.


def test_default_splits_read_no_target(scenes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    request = Request(
        tasks="segmentation", methods="mt", control=False, data=(f"segmentation={scenes}",), labels=("1/4",)
    )

    def refuse(self: object, name: str) -> np.ndarray:
        raise AssertionError("a target was read")

    monkeypatch.setattr("ssl_bench.data.reader.FileDataset.target", refuse)
    (cell,) = make_plan(REGISTRY, request).cells
    assert set(cell.split.labeled) == set(ranked([str(n) for n in range(16)], 0)[:4])


def test_help_says_who_stratifies(command: Command) -> None:
    said = command("data", "split", "--help")
    assert "reads no target" in " ".join(said.out.split())
    assert "from `make` alone" in " ".join(said.out.split())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["make", "--labels", "9/8", "--out", "x"], "--labels 9/8"),
        (["make", "--labels", ",", "--out", "x"], "give fractions or counts"),
        (["make", "--labels", "17", "--out", "x"], "16 images with labels, fewer than 17"),
        (["inspect", "no-such-list.txt"], "no-such-list.txt cannot be read"),
        (["export", "1/8", "--match", "prefix", "--out", "x"], "--match prefix is for list files"),
        (["export", "1/8", "--out", "/proc/none/x.txt"], "cannot be written"),
    ],
)
def test_faults_of_split(
    command: Command,
    scenes: Path,
    arguments: list[str],
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    said = run_split(command, scenes, *arguments)
    assert said.status == 2
    assert said.err.count("\n") == 1
    assert words in said.err


TRAP = Names(["1", "10", "111", "2_1", "22"], test=["7", "17"])


def test_prefixes_leak_only_where_they_are_asked_for(tmp_path: Path) -> None:
    file = write(tmp_path / "list.txt", ["/JPEGImages/1.jpg /SegmentationClass/1.png", "2_1"], "\r\n")
    paths = {name: [f"VOC2012/JPEGImages/{name}.jpg"] for name in (*TRAP.train, *TRAP.test)}
    TRAP.aliases = lambda: paths  # type: ignore[method-assign]
    assert read_labels(file, TRAP) == ("1", "2_1")
    assert make_split(TRAP, str(file), 0, task="t").unlabeled == ("10", "111", "22")
    assert read_labels(file, TRAP, prefixes=True) == ("1", "10", "111", "2_1")
    for line, words in [("7", "'7' is in the test set"), ("3", "no training image begins with '3'")]:
        write(file, ["1", line])
        with pytest.raises(DataError, match=words):
            read_labels(file, TRAP, prefixes=True)


def test_prefix_on_the_command_line(command: Command, scenes: Path, tmp_path: Path) -> None:
    file = write(tmp_path / "list.txt", ["1"])
    out = tmp_path / "exact.txt"
    assert run_split(command, scenes, "export", file, "--out", out).status == 0
    assert out.read_text() == "1\n"
    assert run_split(command, scenes, "export", file, "--out", out, "--match", "prefix").status == 0
    assert set(out.read_text().split()) == {"1", *(str(n) for n in range(10, 16))}


@pytest.mark.parametrize(
    ("pool", "count", "protocol"),
    [
        (10582, 662, "blended 1/16"),
        (10582, 1323, "blended 1/8"),
        (10582, 2645, "blended 1/4"),
        (10582, 2646, "blended 1/4"),
        (10582, 5291, "blended 1/2"),
        (10582, 5292, "blended 1/2"),
        (10582, 92, "classic 1/16"),
        (10582, 183, "classic 1/8"),
        (1464, 366, "classic 1/4"),
        (1464, 732, "classic 1/2"),
        (1464, 1464, "classic full"),
        (1464, 662, ""),
        (240, 92, ""),
        (10582, 100, ""),
    ],
)
def test_public_protocols(pool: int, count: int, protocol: str) -> None:
    data = Voc.__new__(Voc)
    data.train = tuple(map(str, range(pool)))
    assert data.protocol(data.train[:count]) == protocol


def test_splits_of_two_seeds_are_two_cells() -> None:
    plans = [
        make_plan(
            REGISTRY,
            Request(
                tasks="night", methods="supervised,mt", control=False, labels=("1/8",), split_seeds=(seed,)
            ),
        )
        for seed in (0, 1)
    ]
    first, second = ({cell.id for cell in plan.cells} for plan in plans)
    assert len(first) == len(second) == 2
    assert not first & second
    assert len({cell.split.hash for plan in plans for cell in plan.cells}) == 2
