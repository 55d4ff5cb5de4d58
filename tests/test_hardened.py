"""Results and data that change behind a command's back: copied with their times kept, restored, damaged, foreign."""

import json
import os
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from test_unlabeled import make_pairs, plan
from trees import save

from ssl_bench.errors import CellError
from ssl_bench.registry import load_registry
from ssl_bench.results import ResultStore, read_record
from ssl_bench.run import write_leaderboards
from ssl_bench.worker import run_cell

REGISTRY = load_registry()
CPU = torch.device("cpu")
RECORDS = sorted((Path(__file__).parent / "golden" / "records").glob("*.json"))


def store_of(root: Path, count: int = 2) -> ResultStore:
    """A results folder with some finished cells of real runs."""
    for path in RECORDS[:count]:
        record = json.loads(path.read_text())
        folder = root / "cells" / record["cell"]["id"]
        folder.mkdir(parents=True)
        (folder / "cell.json").write_text("{}\n")
        (folder / "result.json").write_text(json.dumps(record, indent=1) + "\n")
    return ResultStore(root)


def test_tables_are_made_anew_where_content_changed_and_only_there(tmp_path: Path) -> None:
    store = store_of(tmp_path, 2)
    cells = [SimpleNamespace(id=folder.name) for folder in sorted(store.cells.iterdir())]
    made: Any = SimpleNamespace(cells=cells)
    assert write_leaderboards(REGISTRY, made, store)
    assert write_leaderboards(REGISTRY, made, store) == []

    # A record with another score in its place, with the time of the old one and the folder's.
    path = store.folder(cells[0]) / "result.json"
    times = [(each, each.stat()) for each in (path, path.parent, store.cells)]
    record = json.loads(path.read_text())
    record["metrics"] = {
        name: value * 0.5 for name, value in record["metrics"].items() if isinstance(value, float)
    }
    path.write_text(json.dumps(record, indent=1) + "\n")
    for each, found in times:
        os.utime(each, ns=(found.st_atime_ns, found.st_mtime_ns))
    before = (store.leaderboards / "leaderboard.md").read_text()
    assert write_leaderboards(REGISTRY, made, store)
    assert (store.leaderboards / "leaderboard.md").read_text() != before

    # A table that somebody spoilt; the clock is ahead.
    (store.leaderboards / "leaderboard.md").write_text("nothing\n")
    os.utime(store.leaderboards / "leaderboard.md", (4e9, 4e9))
    assert write_leaderboards(REGISTRY, made, store)
    assert write_leaderboards(REGISTRY, made, store) == []

    # A cell that is gone.
    shutil.rmtree(store.folder(cells[1]))
    assert write_leaderboards(REGISTRY, made, store)


def test_data_that_changed_after_the_plan_trains_nothing(tmp_path: Path) -> None:
    root = make_pairs(tmp_path / "set")
    made = plan(root)
    (cell,) = made.cells
    store = ResultStore(tmp_path / "runs")
    folder = store.stage(cell)
    scored = made.sources["night"].dataset.test

    def number(name: str) -> str:
        return name.rpartition("/")[2]

    def swapped(path: Path, back: bytes) -> None:
        """Refused with other pixels in a file, whose time is kept."""
        times = path.stat()
        save(path, np.random.default_rng(7).integers(0, 256, (16, 20, 3), np.uint8))
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
        with pytest.raises(CellError, match="has changed since the run was planned") as caught:
            run_cell(folder, CPU, REGISTRY)
        assert "\n" not in str(caught.value)
        path.write_bytes(back)

    for name, where in (
        (cell.split.labeled[0], "input"),
        (cell.split.labeled[0], "target"),
        (cell.split.unlabeled[0], "input"),
        (scored[0], "input"),
        (scored[0], "target"),
    ):
        path = root / where / f"{number(name)}.png"
        swapped(path, path.read_bytes())
    assert not (folder / "checkpoint.pt").exists()

    # Written back they have other times and the same content: nothing is wrong. Nor is the target of an unlabelled
    # image opened.
    closed = root / "target" / f"{number(cell.split.unlabeled[0])}.png"
    opened: list[Path] = []
    reading = Path.read_bytes

    def noted(path: Path) -> bytes:
        opened.append(path)
        return reading(path)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "read_bytes", noted)
        run_cell(folder, CPU, REGISTRY)
    assert read_record(folder / "result.json") is not None
    assert root / "input" / f"{number(cell.split.unlabeled[0])}.png" in opened
    assert not {closed} & {*opened}
