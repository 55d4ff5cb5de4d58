"""`ssl-bench predict` as a user types it, and its files as they are read back."""

import errno
import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import Said
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from ssl_bench.data.pictures import read_alpha, read_indices, read_picture
from ssl_bench.errors import DataError, UsageError
from ssl_bench.machine.files import read_json, write_json
from ssl_bench.task import Task
from ssl_bench.testing.toys import ToyRegression
from ssl_bench.train.batches import whole_image
from ssl_bench.use import predict
from ssl_bench.use.trained import CPU, Trained, load_trained
from ssl_bench.worker.checkpoint import save_weights

Command = Callable[..., Said]
SmallCell = Callable[[str], Path]
READERS = {
    "segmentation": read_indices,
    "matting": read_alpha,
    "denoising": read_picture,
    "night": read_picture,
}


def photograph(path: Path, width: int = 61, height: int = 47, seed: int = 0) -> np.ndarray:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 255, (height, width, 3), np.uint8)
    Image.fromarray(pixels).save(path)
    return read_picture(path.read_bytes(), path)


def expected(trained: Trained, image: np.ndarray) -> np.ndarray:
    """By the steps of an evaluation."""
    task = trained.task
    with torch.inference_mode():
        label = task.decode(task.activate(trained.method.predict(whole_image(image, CPU))))[0]
    if task.kind == "classification":
        return label.numpy()
    return label.permute(1, 2, 0).numpy() * 255


@pytest.mark.parametrize("task", READERS)
def test_files_hold_what_evaluation_scores(
    command: Command, tmp_path: Path, small_cell: SmallCell, task: str
) -> None:
    folder = small_cell(task)
    inputs = {
        "a": photograph(tmp_path / "in" / "a.png"),
        "deep/b.c": photograph(tmp_path / "in" / "deep" / "b.c.jpg", 33, 70),
    }
    said = command("predict", folder, tmp_path / "in", "--out", tmp_path / "out")
    assert (said.status, said.err) == (0, "")
    assert "2 predictions written" in said.out
    trained = load_trained(folder)
    for name, image in inputs.items():
        path = tmp_path / "out" / f"{name}.png"
        read = READERS[task](path.read_bytes(), path)
        assert read.shape[:2] == image.shape[:2]
        assert read.dtype == np.uint8
        difference = np.abs(read - expected(trained, image))
        assert difference.max() <= (0 if task == "segmentation" else 0.5 + 255e-4)
    assert (tmp_path / "out" / "classes.json").exists() == (task == "segmentation")


def test_masks_show_their_classes_in_colours(command: Command, tmp_path: Path, small_cell: SmallCell) -> None:
    photograph(tmp_path / "a.png")
    folder = small_cell("segmentation")
    command("predict", folder, tmp_path / "a.png", "--out", tmp_path / "out")
    task, legend = load_trained(folder).task, read_json(tmp_path / "out" / "classes.json")
    assert legend is not None
    assert [row["name"] for row in legend["classes"]] == list(task.classes)
    assert legend["classes"][1] == {"id": 1, "name": task.classes[1], "color": "#800000"}
    with Image.open(tmp_path / "out" / "a.png") as mask:
        assert mask.mode == "P"
        np.testing.assert_array_equal(np.asarray(mask.convert("RGB")), task.picture(np.asarray(mask)))
        assert mask.info["ssl-bench source"] == hashlib.sha256((tmp_path / "a.png").read_bytes()).hexdigest()


def test_predictions_that_are_there_are_kept_and_other_files_are_never_replaced(
    command: Command, tmp_path: Path, small_cell: SmallCell
) -> None:
    folder = small_cell("matting")
    photograph(tmp_path / "a.png")
    arguments = ("predict", folder, tmp_path / "a.png", "--out", tmp_path / "out")
    command(*arguments)
    output = tmp_path / "out" / "a.png"
    before = output.stat()
    said = command(*arguments)
    assert said.status == 0
    assert "0 predictions written, 1 there already" in said.out
    assert output.stat().st_mtime_ns == before.st_mtime_ns
    # Another cell's, another picture's, somebody's own, and the input itself.
    photograph(tmp_path / "b" / "a.png", seed=1)
    own = tmp_path / "own" / "a.png"
    photograph(own, seed=2)
    for cell, image, out in (
        ("night", tmp_path / "a.png", tmp_path / "out"),
        ("matting", tmp_path / "b" / "a.png", tmp_path / "out"),
        ("matting", tmp_path / "a.png", own.parent),
        ("matting", tmp_path / "a.png", tmp_path),
    ):
        content = (out / "a.png").read_bytes()
        said = command("predict", small_cell(cell), image, "--out", out)
        assert said.status == 2
        assert len(said.err.strip().splitlines()) == 1
        assert "name another --out" in said.err
        assert (out / "a.png").read_bytes() == content


def test_predictions_by_other_weights_are_made_anew(
    command: Command, tmp_path: Path, small_cell: SmallCell
) -> None:
    """A cell that was run again by other code has its id and other weights; files of earlier versions state none."""
    cell, output = tmp_path / small_cell("night").name, tmp_path / "out" / "a.png"
    shutil.copytree(small_cell("night"), cell)
    photograph(tmp_path / "a.png")
    arguments = ("predict", cell, tmp_path / "a.png", "--out", output.parent)
    command(*arguments)
    before = read_picture(output.read_bytes(), output)
    weights = torch.load(cell / "weights.pt", weights_only=True)
    record = json.loads((cell / "result.json").read_text())
    halved = {name: value / 2 if value.is_floating_point() else value for name, value in weights.items()}
    record["provenance"]["weights_sha256"] = save_weights(cell / "weights.pt", halved)
    write_json(cell / "result.json", record)
    assert "1 prediction written" in command(*arguments).out
    assert not np.array_equal(read_picture(output.read_bytes(), output), before)
    chunks = PngInfo()
    with Image.open(output) as picture:
        assert picture.info["ssl-bench weights"] == record["provenance"]["weights_sha256"]
        for name in ("ssl-bench cell", "ssl-bench source"):
            chunks.add_text(name, picture.info[name])
        picture.save(output, pnginfo=chunks)
    assert "1 prediction written" in command(*arguments).out
    # Nor does the record of an earlier version state them.
    del record["provenance"]["weights_sha256"]
    write_json(cell / "result.json", record)
    assert "0 predictions written, 1 there already" in command(*arguments).out


def test_predictions_beside_their_pictures_are_no_pictures(
    command: Command, tmp_path: Path, small_cell: SmallCell
) -> None:
    photograph(tmp_path / "in/a.jpg")
    arguments = ("predict", small_cell("matting"), tmp_path / "in", "--out", tmp_path / "in")
    assert "1 prediction written" in command(*arguments).out
    said = command(*arguments)
    assert (said.status, said.err) == (0, "")
    assert "0 predictions written, 1 there already" in said.out


def test_a_picture_for_which_memory_runs_out_is_named(
    command: Command, tmp_path: Path, small_cell: SmallCell, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1.00 GiB.\nMore words.")

    photograph(tmp_path / "a.png")
    monkeypatch.setattr("ssl_bench.use.predict.write_prediction", full)
    said = command("predict", small_cell("night"), tmp_path / "a.png", "--out", tmp_path / "out")
    assert (said.status, said.err.count("\n")) == (1, 1)
    assert f"{tmp_path / 'a.png'}: the GPU's memory ran out; " in said.err


def test_an_unreadable_picture_is_named_and_the_others_are_done(
    command: Command, tmp_path: Path, small_cell: SmallCell
) -> None:
    photograph(tmp_path / "in" / "good.png")
    photograph(tmp_path / "in" / "torn.png")
    torn = tmp_path / "in" / "torn.png"
    torn.write_bytes(torn.read_bytes()[:500])
    said = command("predict", small_cell("night"), tmp_path / "in", "--out", tmp_path / "out")
    assert said.status == 1
    assert len(said.err.strip().splitlines()) == 1
    assert str(torn) in said.err
    assert "1 prediction written, 1 failed" in said.out
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["good.png"]


def test_a_stack_that_is_none_is_named_and_the_others_are_done(
    command: Command, tmp_path: Path, small_cell: SmallCell
) -> None:
    photograph(tmp_path / "in" / "good.png")
    np.save(tmp_path / "in" / "stack.npy", np.zeros((2, 20, 24, 3), np.uint8))
    narrow, torn = tmp_path / "in" / "narrow.npy", tmp_path / "in" / "torn.npy"
    np.save(narrow, np.zeros((40, 40, 3), np.uint8))
    torn.write_bytes(b"no array")
    arguments = ("predict", small_cell("night"), tmp_path / "in", "--out", tmp_path / "out")
    said = command(*arguments)
    assert said.status == 1
    first, second = said.err.strip().splitlines()
    assert f"{narrow} has shape (40, 40, 3), a stack of slices that are 3 px wide" in first
    assert f"{torn} is cut short" in second
    assert "3 predictions written, 2 failed" in said.out
    files = [path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.*")]
    assert sorted(files) == ["good.png", "stack/000.png", "stack/001.png"]
    assert "0 predictions written, 3 there already, 2 failed" in command(*arguments).out
    alone = command(*arguments[:2], narrow, *arguments[3:])
    assert (alone.status, alone.err.strip()) == (1, first)


@pytest.mark.parametrize(
    ("images", "words"),
    [
        (["a.png", "a.jpg"], "both be written to"),
        (["one", "two"], "both be written to"),
        (["nowhere"], "no such file or folder"),
        (["empty"], "no picture files in"),
    ],
)
def test_what_cannot_be_done_is_said_before_any_compute(
    command: Command, tmp_path: Path, small_cell: SmallCell, images: list[str], words: str
) -> None:
    for name in ("a.png", "a.jpg", "one/x.png", "two/x.jpg"):
        photograph(tmp_path / name)
    (tmp_path / "empty").mkdir()
    said = command(
        "predict", small_cell("night"), *(tmp_path / name for name in images), "--out", tmp_path / "out"
    )
    assert said.status == 2
    assert words in said.err
    assert len(said.err.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_a_picture_named_twice_is_one(command: Command, tmp_path: Path, small_cell: SmallCell) -> None:
    photograph(tmp_path / "in" / "a.png")
    said = command(
        *("predict", small_cell("night"), tmp_path / "in", tmp_path / "in" / "a.png", "--out"),
        tmp_path / "in" / "out",
    )
    assert "1 prediction written" in said.out
    again = command("predict", small_cell("night"), tmp_path / "in", "--out", tmp_path / "in" / "out")
    assert "0 predictions written, 1 there already" in again.out


def test_cells_are_found_by_the_beginning_of_their_id(
    command: Command, tmp_path: Path, small_cell: SmallCell
) -> None:
    folder = small_cell("night")
    photograph(tmp_path / "a.png")
    said = command(
        "predict", "nigh", tmp_path / "a.png", "--out", tmp_path / "out", "--runs", folder.parents[1]
    )
    assert said.status == 0
    missing = command(
        "predict", "dusk", tmp_path / "a.png", "--out", tmp_path / "out", "--runs", folder.parents[1]
    )
    assert missing.status == 2
    assert missing.err.startswith("ssl-bench: no finished cell 'dusk'")


def test_a_cell_needs_no_data_and_says_when_it_does_not_fit(tmp_path: Path, small_cell: SmallCell) -> None:
    source = small_cell("segmentation")
    for name in ("cell.json", "result.json", "weights.pt"):
        (tmp_path / name).write_bytes((source / name).read_bytes())
    cell = json.loads((tmp_path / "cell.json").read_text())
    write_json(tmp_path / "cell.json", {**cell, "dataset": "voc", "path": "/gone"})
    assert load_trained(tmp_path).task.classes == load_trained(source).task.classes
    write_json(tmp_path / "cell.json", {**cell, "backbone": "unet/resnet18"})
    with pytest.raises(DataError, match="does not fit"):
        load_trained(tmp_path)
    (tmp_path / "weights.pt").write_bytes(b"PK")
    with pytest.raises(DataError, match="no readable"):
        load_trained(tmp_path)


class Deep(ToyRegression):
    """A third party's task with finer steps."""

    def stored(self, prediction: torch.Tensor) -> np.ndarray:
        return (self.decode(prediction)[0].movedim(0, 2).numpy() * 65535).round().astype(np.uint16)


def test_one_name_that_cannot_be_written_loses_no_other(
    command: Command, tmp_path: Path, small_cell: SmallCell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The longest names that there are; one too long for its prediction, a file in a folder's place, a full disk."""
    longest, accented = "a" * 251, "é" * 120
    for name in (f"{longest}.png", f"{accented}.png", "deep/c.png", "full.png", "z.png"):
        photograph(tmp_path / "in" / name)
    too_long = tmp_path / f"{'b' * 252}.xx"  # A picture by its content; PNG needs one letter more.
    photograph(tmp_path / "x.png")
    (tmp_path / "x.png").rename(too_long)
    out = tmp_path / "out"
    out.mkdir()
    (out / "deep").write_text("a file where a folder is wanted")
    plain = predict.write_bytes

    def full(path: Path, content: bytes, **options: bool) -> None:
        if path.name == "full.png":
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        plain(path, content, **options)

    monkeypatch.setattr(predict, "write_bytes", full)
    arguments = ("predict", small_cell("segmentation"), tmp_path / "in", too_long, "--out", out)
    said = command(*arguments)
    assert said.status == 1
    assert "3 predictions written, 3 failed" in said.out
    lines = said.err.splitlines()
    assert len(lines) == 3
    assert sum("No space left on device" in line for line in lines) == 1
    assert sum("File name too long" in line for line in lines) == 1
    assert sum(f"{out / 'deep' / 'c.png'}: cannot be written" in line for line in lines) == 1
    there = sorted(path.name for path in out.iterdir())
    assert there == sorted([f"{longest}.png", f"{accented}.png", "classes.json", "deep", "z.png"])
    monkeypatch.undo()
    assert "1 prediction written, 3 there already, 2 failed" in command(*arguments).out


class Flow(ToyRegression):
    """A third party's task whose prediction is no picture."""

    out_channels = 2


def test_tasks_choose_their_files(tmp_path: Path) -> None:
    task: Task = Deep()
    values = torch.rand(1, 1, 5, 7)
    task.to_file(task.stored(values)).save(tmp_path / "deep.png")
    read = read_alpha((tmp_path / "deep.png").read_bytes(), tmp_path / "deep.png")
    np.testing.assert_allclose(read[..., 0] / 65535, values[0, 0].numpy(), atol=1e-5)
    with pytest.raises(UsageError, match=r"override Flow\.to_file"):
        Flow().to_file(Flow().stored(torch.rand(1, 2, 5, 7)))


@pytest.mark.slow
@pytest.mark.longest
@pytest.mark.timeout(1800)
def test_a_large_picture_in_bounded_memory(tmp_path: Path, small_cell: SmallCell) -> None:
    """Whole, 4000 x 2500 would take over 4 GB here; a tile is what costs, however large the picture."""
    script = (
        "import resource, sys\n"
        "from ssl_bench.cli import main\n"
        "try: main()\n"
        "finally: print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)\n"
    )
    pixels = np.random.default_rng(0).integers(0, 255, (200, 300, 3), np.uint8)
    Image.fromarray(pixels).resize((4000, 2500)).save(tmp_path / "large.jpg")
    arguments = ["predict", small_cell("segmentation"), tmp_path / "large.jpg", "--out", tmp_path / "out"]
    result = subprocess.run(
        [sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=True
    )
    with Image.open(tmp_path / "out" / "large.png") as mask:
        assert mask.size == (4000, 2500)
    assert int(result.stdout.split()[-1]) < 3000  # MB, of which 800 are the libraries
