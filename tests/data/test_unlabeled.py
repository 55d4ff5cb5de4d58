"""Unlabelled images: further folders of them, and that nothing about their targets is ever learnt."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import Said
from PIL import Image
from trees import save

from ssl_bench.errors import DataError, UsageError
from ssl_bench.plan.plan import Plan, Request, make_plan
from ssl_bench.registry.loading import load_registry
from ssl_bench.run.loop import check_data
from ssl_bench.store.results import ResultStore, same
from ssl_bench.worker.build import open_cell_data
from ssl_bench.worker.worker import run_cell

REGISTRY = load_registry()
CPU = torch.device("cpu")
METHODS = [spec.name for spec in REGISTRY.sorted("methods")]


def picture(generator: np.random.Generator, top: int = 256, size: tuple[int, ...] = (16, 20)) -> np.ndarray:
    return generator.integers(0, top, size, np.uint8)


def make_pairs(root: Path, count: int = 12, *, classes: int = 0) -> Path:
    """Pairs of noise; with classes, masks of ids."""
    generator = np.random.default_rng(0)
    for number in range(count):
        save(root / f"input/{number}.png", picture(generator, size=(16, 20, 3)))
        target = picture(generator, classes) if classes else picture(generator, size=(16, 20, 3))
        save(root / f"target/{number}.png", target)
    return root


def plan(root: Path, task: str = "night", **request: object) -> Plan:
    settings = [
        f"{task}.{name}" for name in ("iterations=2", "crop=16", "labeled_rows=2", "unlabeled_rows=2")
    ]
    asked = {
        "tasks": task,
        "methods": "mt",
        "labels": ("2",),
        "data": (f"{task}={root}",),
        "settings": settings,
    }
    return make_plan(REGISTRY, Request(**{"control": False, **asked, **request}))  # type: ignore[arg-type]


class Silent:
    """Counts what is read."""

    files = 0

    def checking(self, title: str, files: int) -> None: ...

    def checked(self) -> None:
        self.files += 1

    def noted(self, note: str) -> None: ...


def check(made: Plan) -> int:
    display = Silent()
    check_data(made, made.cells, display)  # type: ignore[arg-type]
    return display.files


@pytest.fixture
def extra(tmp_path: Path) -> Path:
    for number, name in enumerate(("1.png", "10.JPG", "deep/1.png")):
        save(tmp_path / "more" / name, number)
    return tmp_path / "more"


def test_a_folder_of_further_images(tmp_path: Path, extra: Path) -> None:
    root = make_pairs(tmp_path / "set")
    made = plan(root, unlabeled=(str(extra),))
    (order,), (was,) = made.orders, plan(root).orders
    cell, before = order.cell, was.cell
    data = made.sources["night"].dataset
    assert data.unlabeled == ("extra/1", "extra/10", "extra/deep/1")
    assert int(data.image("extra/deep/1")[0, 0, 0]) == 2
    assert {*cell.split.unlabeled} == {*before.split.unlabeled, *data.unlabeled}
    assert cell.split.labeled == before.split.labeled
    assert cell.data != before.data
    assert order.listing != was.listing
    assert check(made) == 12 + 3 + 2 + len(data.test)
    with pytest.raises(DataError, match=r"'extra/1' .* has no target"):
        data.target("extra/1")
    opened = open_cell_data(order, REGISTRY)
    assert (opened.train, opened.unlabeled, opened.test) == (data.train, data.unlabeled, data.test)
    store = ResultStore(tmp_path / "runs")
    run_cell(store.stage(order).path, CPU, REGISTRY)
    assert store.finished(cell) is not None
    shutil.copytree(extra, tmp_path / "elsewhere")
    assert plan(root, unlabeled=(f"night={tmp_path / 'elsewhere'}",)).cells[0].id == cell.id
    save(extra / "10.JPG", 99)
    assert plan(root, unlabeled=(str(extra),)).cells[0].data != cell.data


def test_several_folders_and_data_made_in_memory(tmp_path: Path, extra: Path) -> None:
    save(tmp_path / "second/1.png", 3)
    made = plan(tmp_path, data=(), unlabeled=(str(extra), f"night={tmp_path / 'second'}"))
    assert made.sources["night"].dataset.unlabeled[-2:] == ("extra/deep/1", "extra2/1")
    assert made.orders[0].path is None
    assert check(made) == 4
    (extra / "10.JPG").write_bytes(b"")
    with pytest.raises(DataError, match=r"10\.JPG is empty"):
        check(plan(tmp_path, data=(), unlabeled=(str(extra),)))


def test_faulty_folders(tmp_path: Path, extra: Path) -> None:
    root = make_pairs(tmp_path / "set")
    for entries, words in [
        ((f"matting={extra}",), "task 'matting' is not part of this command"),
        ((f"nigth={extra}",), "unknown task 'nigth'"),
        (("night=",), "write TASK=FOLDER"),
    ]:
        with pytest.raises(UsageError, match=words):
            plan(root, unlabeled=entries)
    with pytest.raises(UsageError, match="since there are several tasks"):
        plan(root, tasks="night,matting", unlabeled=(str(extra),))
    with pytest.raises(DataError, match="no folder at"):
        plan(root, unlabeled=(str(tmp_path / "none"),))
    (tmp_path / "bare").mkdir()
    with pytest.raises(DataError, match="no pictures in"):
        plan(root, unlabeled=(str(tmp_path / "bare"),))
    made = plan(root)
    test = root / f"input/{made.sources['night'].dataset.test[0]}.png"
    shutil.copy(test, extra / "innocent.png")
    with pytest.raises(
        DataError, match=r"innocent\.png is the test image .*, which no method may train on"
    ) as caught:
        check(plan(root, unlabeled=(str(extra),)))
    assert str(test) in str(caught.value)


def test_on_the_command_line_and_in_a_suite(
    tmp_path: Path, extra: Path, command: Callable[..., Said]
) -> None:
    root = make_pairs(tmp_path / "set")
    arguments = ["--tasks", "night", "--methods", "mt", "--labels", "2", "--data", f"night={root}"]
    said = command("plan", *arguments, "--out", tmp_path / "out")
    assert ", 0 without," in said.out
    said = command("plan", *arguments, "--unlabeled", extra, "--out", tmp_path / "out")
    assert (said.status, said.err) == (0, "")
    assert ", 3 without," in said.out
    suite = tmp_path / "suite.toml"
    for entry in (f"unlabeled = '{extra}'", f"[unlabeled]\nnight = '{extra}'"):
        suite.write_text(f"tasks = 'night'\nmethods = 'mt'\nlabels = '2'\ndata = 'night={root}'\n{entry}\n")
        assert command("plan", suite, "--out", tmp_path / "out").out == said.out


@pytest.mark.parametrize("task", ["segmentation", "denoising"])
def test_targets_of_unlabelled_images_change_nothing(tmp_path: Path, task: str) -> None:
    """For every method: records are equal after the unlabelled images' targets have become garbage."""
    root = make_pairs(tmp_path / "set", classes=3 if task == "segmentation" else 0)
    made = plan(root, task, methods="all", backbones="unet-small")
    spec = REGISTRY.task(task)
    # A small network has no pretrained encoder, without which some are nothing.
    skipped = {one.title.rpartition(" ")[2] for one in made.skipped if "random weights" in one.reason}
    assert len(skipped) == 2
    more = plan(root, task, methods=",".join(sorted(skipped)), backbones="fpn/tf_efficientnet_lite0")
    orders = [*made.orders, *more.orders]
    cells = [order.cell for order in orders]
    assert {cell.method for cell in cells} == {
        name for name in METHODS if not REGISTRY.method(name).unsupported(spec)
    }
    everything = set(made.sources[task].dataset.train)
    given = [order for order in orders if not set(order.cell.split.labeled) >= everything]
    fair = [order.cell for order in given]
    assert {cell.method for cell in cells} - {cell.method for cell in fair} == {"full"}
    assert all(
        cell.classes == tuple(f"class {i}" for i in range(3)) for cell in fair if task == "segmentation"
    )
    stores = [ResultStore(tmp_path / name) for name in ("before", "after")]
    for order in given:
        run_cell(stores[0].stage(order).path, CPU, REGISTRY)
    data = made.sources[task].dataset
    for name in fair[0].split.unlabeled:
        (root / f"target/{name}.png").write_bytes(b"poison")
    for order in given:
        run_cell(stores[1].stage(order).path, CPU, REGISTRY)
        cell = order.cell
        records = [store.finished(cell) for store in stores]
        assert records[0] is not None
        assert records[1] is not None
        assert same(records[0], records[1]), cell.method
    assert len(fair[0].split.unlabeled) == len(data.train) - 2 > 3


def test_no_mask_is_decoded_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = make_pairs(tmp_path / "set", classes=3)
    opened: list[int] = []
    load = Image.open
    monkeypatch.setattr(Image, "open", lambda *a, **k: opened.append(1) or load(*a, **k))
    made = plan(root, "segmentation", methods="full")
    # Nothing names the classes, so that the masks are read for them; the first image tells what images are made of.
    assert len(opened) == 13
    check(made)
    assert len(opened) == 24
    opened.clear()
    worker = open_cell_data(made.orders[0], REGISTRY)
    assert len(worker.classes) == 3
    assert opened == []
