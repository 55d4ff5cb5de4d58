"""`ssl-bench tune` end to end: killed half-way, resumed, and its winners run."""

import re
import subprocess
import sys
import time
import tomllib
from pathlib import Path
from typing import Any

import pytest
import torch
from trees import save

from ssl_bench.machine.files import read_json
from ssl_bench.plan.order import Order
from ssl_bench.registry.loading import load_registry
from ssl_bench.store.results import ResultStore, read_records, same
from ssl_bench.worker.worker import run_cell

pytestmark = pytest.mark.slow

TASKS = ("matting", "night")
GRID = ("--grid", "mt.lambda_mt=0.1,100", "--grid", "mt.alpha_mt=0.5,0.99")


def start(*arguments: object) -> subprocess.Popen[str]:
    line = [sys.executable, "-m", "ssl_bench", *map(str, arguments), "--devices", "cpu", "--jobs", "2"]
    pipe = subprocess.PIPE
    return subprocess.Popen(line, stdout=pipe, stderr=pipe, text=True)


def end(process: subprocess.Popen[str]) -> str:
    out, err = process.communicate(timeout=500)
    assert (process.returncode, err) == (0, "")
    return out


def chosen(page: str) -> dict[str, list[str]]:
    """Title to the cells of the row in bold, of a page of a search; it is the best of its table."""
    found = {}
    for title, table in re.findall(r"^## (.*?)\n\n(.*?)\n\n", page, flags=re.DOTALL | re.MULTILINE):
        rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]
        bold = [row for row in rows if row[-1].startswith("**")]
        assert len(bold) == 1
        scores = [float(row[-1].strip("*").split()[0]) for row in rows]
        assert float(bold[0][-1].strip("*").split()[0]) == max(scores)
        assert rows.index(bold[0]) == scores.index(max(scores))
        found[title] = bold[0][:-1]
    return found


@pytest.fixture
def arguments(tmp_path: Path) -> list[Any]:
    """Two tasks on a few tiny pictures each."""
    for task in TASKS:
        for number in range(20):
            save(tmp_path / task / f"input/{number}.png", 12 * number)
            save(
                tmp_path / task / f"target/{number}.png",
                255 - 12 * number,
                channels=1 if task == "matting" else 3,
            )
    given: list[Any] = ["--tasks", ",".join(TASKS), "--labels", "1/2", "--backbones", "unet-small"]
    for task in TASKS:
        given += ["--data", f"{task}={tmp_path / task}"]
        given += ["--set", f"{task}.iterations=6", "--set", f"{task}.crop=8"]
    return given


def test_a_search_is_killed_and_goes_on(tmp_path: Path, arguments: list[Any]) -> None:
    out = tmp_path / "out"
    command = ["tune", "--methods", "mt", *GRID, *arguments, "--out", out]
    process = start(*command)
    deadline = time.monotonic() + 400
    try:
        while len(list(out.glob("cells/*/result.json"))) < 5:
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.02)
    finally:
        process.kill()
        process.communicate(timeout=60)
    before = {path: path.read_bytes() for path in out.glob("cells/*/result.json")}
    assert 5 <= len(before) < 16
    assert not (out / "tune").exists()

    said = end(start(*command))
    # Two tasks, two methods (the baseline has joined), 2 x 2 points.
    assert re.search(r"16 cells: \d+ to run", said)
    records = {record.cell.id: record for record in read_records(out / "cells")}
    assert len(records) == 16
    assert all(path.read_bytes() == content for path, content in before.items())
    store = ResultStore(tmp_path / "again")
    for folder in sorted(out.glob("cells/*-mt-*"))[:2]:
        order = Order.from_json(read_json(folder / "cell.json") or {})
        cell = order.cell
        assert not set(cell.split.held_out) & {*cell.split.labeled, *cell.split.unlabeled}
        run_cell(store.stage(order).path, torch.device("cpu"), load_registry())
        finished = store.finished(cell)
        assert finished is not None
        assert same(finished, records[cell.id])

    page, suite = (out / "tune/README.md").read_text(), tomllib.loads((out / "tune/winners.toml").read_text())
    best = chosen(page)
    assert len(best) == 4
    for task, title in zip(TASKS, ("Portrait Image Matting", "Night Image Enhancement"), strict=True):
        assert [str(value) for value in suite["set"][task]["mt"].values()] == best[f"{title}: MT"]
        assert [str(value) for value in suite["set"][task]["supervised"].values()] == best[
            f"{title}: SupOnly"
        ]
    assert suite["trials"] == {task: {"supervised": 4, "mt": 4} for task in TASKS}
    assert sorted(path.name for path in out.glob("tune/*.svg")) == [
        f"{task}-{method}.svg" for task in TASKS for method in ("mt", "supervised")
    ]
    assert not list((out / "leaderboards").glob("*"))

    end(start("run", out / "tune/winners.toml", "--tasks", "night", "--out", tmp_path / "final"))
    board = (tmp_path / "final/leaderboards/leaderboard.md").read_text()
    assert re.search(r"\| SupOnly +\| trials \| 4(, rate × [\d.]+)? +\|", board)
    assert re.search(r"\| MT \[1\] +\| trials \| 4 +\|", board)
    final = list(read_records(tmp_path / "final/cells"))
    # The control has joined for the report, and nothing was searched for it.
    stated = {record.cell.method: record.cell.trials for record in final}
    assert stated == {"supervised": 4, "mt": 4, "control": None}
    assert all("held_out" not in record.cell.split.to_json() for record in final)
