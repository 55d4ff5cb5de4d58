"""Unlabelled images from elsewhere: a stated share of a split's pool, in embedded data by construction."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from ssl_bench.errors import DataError, UsageError
from ssl_bench.plan.cell import Cell
from ssl_bench.plan.order import Order
from ssl_bench.plan.plan import Plan, Request, make_plan
from ssl_bench.registry.loading import load_registry
from ssl_bench.specs import resolve
from ssl_bench.store.folder import CellFolder
from ssl_bench.store.results import ResultStore
from ssl_bench.worker.build import open_cell_data
from ssl_bench.worker.worker import run_cell

REGISTRY = load_registry()
TASKS = [spec.name for spec in REGISTRY.sorted("tasks")]


def plan(task: str, **request: Any) -> Plan:
    asked = {"tasks": task, "methods": "mt", "labels": ("4",), "control": False}
    return make_plan(REGISTRY, Request(**{**asked, **request}))


def order(task: str, **request: Any) -> Order:
    return plan(task, **request).orders[0]


def cell(task: str, **request: Any) -> Cell:
    return order(task, **request).cell


@pytest.mark.parametrize("task", TASKS)
def test_a_share_of_the_pool_is_from_elsewhere(task: str) -> None:
    plainly, quarter, much = (
        order(task, **more) for more in ({}, {"shift": "camera:0.25"}, {"shift": "camera:0.75"})
    )
    own, some, most = plainly.cell, quarter.cell, much.cell
    assert len({each.id for each in (own, some, most)}) == 3
    assert own.split.labeled == some.split.labeled == most.split.labeled
    gone = [
        {name for name in each.split.unlabeled if name.startswith("elsewhere/")} for each in (own, some, most)
    ]
    assert [len(names) for names in gone] == [0, 31, 93]
    assert gone[1] < gone[2]
    assert {name.removeprefix("elsewhere/") for name in most.split.unlabeled} == {*own.split.unlabeled}
    other = order(task, shift="content:0.25")
    assert other.cell.data != some.data
    for each in (quarter, other):
        data = open_cell_data(each, REGISTRY)
        assert data.fingerprint() == each.cell.data
        name = next(name for name in each.cell.split.unlabeled if name.startswith("elsewhere/"))
        before = name.removeprefix("elsewhere/")
        image, target = data.image(name), data.target(name)
        assert (image.shape, image.dtype) == (data.image(before).shape, np.uint8)
        assert (target.shape, target.dtype) == (data.target(before).shape, np.uint8)
        assert not np.array_equal(image, data.image(before))
        assert np.array_equal(data.image(data.test[0]), open_cell_data(plainly, REGISTRY).image(data.test[0]))
    plain = resolve(REGISTRY.dataset(task, "synthetic").dataset).open(None)
    with pytest.raises(DataError, match="no image 'elsewhere/train-0000'"):
        plain.image("elsewhere/train-0000")


def test_what_another_camera_sees_keeps_its_label() -> None:
    for task in ("segmentation", "matting", "night"):
        data = open_cell_data(order(task, shift="camera:1"), REGISTRY)
        assert np.array_equal(data.target("elsewhere/train-0003"), data.target("train-0003"))
    nothing = open_cell_data(order("segmentation", shift="content:1"), REGISTRY)
    assert {*np.unique(nothing.target("elsewhere/train-0003"))} <= {0, 255}


def test_a_share_is_written_one_way() -> None:
    assert cell("night", shift="camera:0.50").id == cell("night", shift={"night": "camera:.5"}).id
    assert (
        cell("night", shift="night=camera:0.5").describe["data"]["title"]
        == "synthetic, unlabelled camera:0.5"
    )
    assert "data" not in cell("night").describe
    for wrong in ("camera", "camera:0", "camera:1.5", "camera:1e-1", ":0.5", "camera:", "camera:nan"):
        with pytest.raises(UsageError, match=r"--shift .* write WAY:SHARE"):
            cell("night", shift=wrong)
    with pytest.raises(UsageError, match=r"--shift 'moon:0.5': the embedded data knows camera and content"):
        cell("night", shift="moon:0.5")


def test_data_that_cannot_make_any_says_so(tmp_path: Path) -> None:
    for part in ("input", "target"):
        (tmp_path / part).mkdir()
        for number in range(12):
            Image.new("RGB", (16, 16), (number, 0, 0)).save(tmp_path / part / f"{number}.png")
    with pytest.raises(
        DataError, match=r"--shift is for data that can make images from elsewhere; give a folder"
    ):
        plan("night", data=(f"night={tmp_path}",), shift="camera:0.5")


def test_a_cell_learns_from_them_and_is_observed_on_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ssl_bench_tasks.synthetic.base.TEST", 3)
    settings = [f"night.{each}" for each in ("iterations=2", "crop=24", "unlabeled_rows=2")]
    (one,) = plan("night", shift="content:1", settings=settings, observe=True).orders
    assert all(name.startswith("elsewhere/") for name in one.cell.split.unlabeled)
    store = ResultStore(tmp_path)
    folder = store.stage(one).path
    assert CellFolder(folder).read_order() == one
    run_cell(folder, torch.device("cpu"), REGISTRY)
    record = store.finished(one.cell)
    assert record is not None
    assert record.observed
