"""Status, merge and collect over folders as runs leave them."""

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import Said
from test_leaderboard import make

from ssl_bench.machine.lock import Lock, holder
from ssl_bench.store.merge import difference, merge
from ssl_bench.store.record import Record
from ssl_bench.store.results import read_records
from ssl_bench.store.seal import sealed
from ssl_bench.store.status import read_status, score_text
from ssl_bench.store.titles import read_titles

Command = Callable[..., Said]


def cell(root: Path, name: str, score: float | None = None, **files: str) -> Path:
    """A cell's folder; with a score a finished one, with weights."""
    folder = root / "cells" / name
    folder.mkdir(parents=True)
    (folder / "cell.json").write_text("{}\n")
    if score is not None:
        record = {
            "schema": 1,
            "cell": {"id": name},
            "metrics": {"miou": score, "classes": [1, 2]},
            "cost": {"seconds": time.time()},
            "provenance": {"device": str(root)},
        }
        (folder / "result.json").write_text(json.dumps(record, indent=1) + "\n")
        (folder / "weights.pt").write_text(f"weights of {root.name}")
    for file, content in files.items():
        (folder / file.replace("__", ".")).write_text(content)
    return folder


def tree(root: Path) -> dict[str, str]:
    return {str(path.relative_to(root)): path.read_text() for path in root.rglob("*") if path.is_file()}


@pytest.fixture
def machines(tmp_path: Path) -> tuple[Path, Path, Path]:
    """Two machines' results, and where to join them."""
    first, second = tmp_path / "A", tmp_path / "B"
    cell(first, "both", 50.0)
    cell(second, "both", 50.0)
    cell(first, "one", 51.0)
    cell(first, "beaten", failure__json='{"message": "loss is nan"}', log__txt="== first attempt\n")
    cell(second, "beaten", 52.0)
    cell(first, "ahead", checkpoint__pt="old")
    os.utime(first / "cells" / "ahead" / "checkpoint.pt", (1, 1))
    cell(second, "ahead", checkpoint__pt="new")
    return first, second, tmp_path / "C"


def test_merge_joins_and_may_be_repeated(command: Command, machines: tuple[Path, Path, Path]) -> None:
    first, second, to = machines
    said = command("merge", first, second, "--out", to)
    assert (said.status, said.err) == (0, "")
    assert "3 added, 0 there already, 1 not finished" in said.out
    joined = tree(to)
    assert sorted(joined) == [
        "cells/ahead/cell.json",
        "cells/ahead/checkpoint.pt",
        "cells/beaten/cell.json",
        "cells/beaten/result.json",
        "cells/beaten/weights.pt",
        "cells/both/cell.json",
        "cells/both/result.json",
        "cells/both/weights.pt",
        "cells/one/cell.json",
        "cells/one/result.json",
        "cells/one/weights.pt",
    ]
    assert joined["cells/beaten/weights.pt"] == "weights of B"
    assert joined["cells/ahead/checkpoint.pt"] == "new"
    again = command("merge", first, second, "--out", to)
    assert "0 added, 3 there already" in again.out
    assert tree(to) == joined
    # What was cut off on the way is completed.
    (to / "cells" / "one" / "result.json").unlink()
    (to / "cells" / "one" / ".result.json.12-ab").write_text("{")
    assert "1 added" in command("merge", first, "--out", to).out
    assert tree(to) == joined
    # A failed cell of the target gives way as well.
    cell(to, "late", failure__json='{"message": "x"}', checkpoint__pt="half")
    cell(second, "late", 53.0)
    merge([second], to)
    assert sorted(path.name for path in (to / "cells" / "late").iterdir()) == [
        "cell.json",
        "result.json",
        "weights.pt",
    ]


@pytest.mark.parametrize(
    ("here", "there", "taken"),
    [(900, 10, False), (10, 900, True), (10, 10, False), (None, 900, False), (10, None, False)],
)
def test_a_checkpoint_gives_way_to_a_later_step_alone(
    tmp_path: Path, here: int | None, there: int | None, taken: bool
) -> None:
    """Whatever their times say, which are those of copies. None: a checkpoint that states no step."""
    first, to = tmp_path / "A", tmp_path / "C"
    for root, step in ((to, here), (first, there)):
        content = sealed(root.name.encode(), step or 0)
        (cell(root, "ahead") / "checkpoint.pt").write_bytes(content if step else root.name.encode())
    os.utime(to / "cells" / "ahead" / "checkpoint.pt", (1, 1))
    merge([first], to)
    assert (to / "cells" / "ahead" / "checkpoint.pt").read_bytes().endswith(b"A" if taken else b"C")


def test_merge_refuses_conflicts_before_it_writes(
    command: Command, machines: tuple[Path, Path, Path]
) -> None:
    first, second, to = machines
    path = second / "cells" / "both" / "result.json"
    path.write_text(path.read_text().replace("50.0", "50.5"))
    for name in ("merge", "collect"):
        said = command(name, first, second, "--out", to)
        assert said.status == 2
        assert len(said.err.splitlines()) == 1
        assert "cell both" in said.err
        assert "metrics.miou: 50.0 and 50.5" in said.err
        assert str(path) in said.err
        assert not to.exists()
    # A conflict with what is there already, as well.
    merge([first], to)
    before = tree(to)
    assert command("merge", second, "--out", to).status == 2
    assert tree(to) == before


@pytest.mark.parametrize("name", ["merge", "collect"])
def test_titles_of_data_come_along(command: Command, machines: tuple[Path, Path, Path], name: str) -> None:
    first, second, to = machines
    (first / "data.toml").write_text('[titles]\n"0123456789ab" = "Streets \\"7\\""\n')
    (second / "data.toml").write_text('[titles]\n"fedcba987654" = "Scenes"\n')
    said = command(name, first, second, "--out", to)
    assert (said.status, said.err) == (0, "")
    assert read_titles(to) == {"0123456789ab": 'Streets "7"', "fedcba987654": "Scenes"}
    (second / "data.toml").write_text('[titles]\n"0123456789abcdef" = "Roads"\n')
    before = tree(to)
    said = command(name, second, "--out", to)
    assert said.status == 2
    assert "is 'Streets \"7\"' in" in said.err
    assert tree(to) == before


def test_records_are_collected_as_they_are(command: Command, tmp_path: Path) -> None:
    for machine in ("A", "B"):
        path = cell(tmp_path / machine, "name", 1.0) / "result.json"
        path.write_text(
            json.dumps({**json.loads(path.read_text()), "cell": {"id": "name", "data": "0" * 64}})
        )
    # What one of them calls the data is no part of a record: they agree.
    (tmp_path / "A" / "data.toml").write_text(f'[titles]\n"{"0" * 12}" = "Mine"\n')
    said = command("collect", tmp_path / "A", tmp_path / "B", "--out", tmp_path / "C")
    assert (said.status, said.err) == (0, "")
    assert "1 record added, 0 there already" in said.out
    assert "Mine" not in (tmp_path / "C" / "name.json").read_text()


@pytest.mark.parametrize("name", ["merge", "collect"])
def test_a_folder_that_cannot_be_written(
    command: Command, machines: tuple[Path, Path, Path], name: str
) -> None:
    first, _, to = machines
    to.write_text("a file")
    said = command(name, first, "--out", to)
    assert said.status == 2
    assert said.err.startswith(f"ssl-bench: --out {to}: cannot be written")


def test_collect_keeps_records_alone(command: Command, machines: tuple[Path, Path, Path]) -> None:
    first, second, to = machines
    said = command("collect", first, second, "--out", to)
    assert (said.status, said.err) == (0, "")
    assert sorted(tree(to)) == ["beaten.json", "both.json", "one.json"]
    assert "0 records added, 3 there already" in command("collect", first, second, "--out", to).out
    assert len(list(read_records(to))) == 3


def test_merge_of_what_is_no_results_folder(command: Command, tmp_path: Path) -> None:
    said = command("merge", tmp_path, "--out", tmp_path / "C")
    assert said.status == 2
    assert "is no results folder" in said.err
    said = command("collect", tmp_path, "--out", tmp_path / "C")
    assert (said.status, list(tmp_path.iterdir())) == (2, [])
    assert "no records below" in said.err
    folder = cell(tmp_path / "A", "name", 1.0)
    (folder / "result.json").write_text('{"schema": 1, "cell": {"id": "../../escaped"}}')
    said = command("collect", tmp_path / "A", "--out", tmp_path / "C")
    assert said.status == 2
    assert "names no cell" in said.err


def test_a_cell_at_work_is_left_out(command: Command, machines: tuple[Path, Path, Path]) -> None:
    first, second, to = machines
    lock = Lock(second / "cells" / "ahead")
    assert lock.take() is None
    said = command("merge", first, second, "--out", to)
    assert said.status == 0
    assert f"left out: {second / 'cells' / 'ahead'}" in said.err
    assert (to / "cells" / "ahead" / "checkpoint.pt").read_text() == "old"
    assert holder(second / "cells" / "ahead") == lock.owner


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        ({"a": {"b": [1, 2]}}, {"a": {"b": [1, 3]}}, "a.b[1]: 2 and 3"),
        ({"a": 1}, {"a": 1, "b": 2}, "b: only one of them has it"),
        ({"a": [1]}, {"a": [1, 2]}, "a: [1] and [1, 2]"),
        ({"a": None}, {"a": None}, None),
    ],
)
def test_difference(first: Any, second: Any, said: str | None) -> None:
    assert difference(first, second) == said


def test_status(command: Command, machines: tuple[Path, Path, Path]) -> None:
    first, second, to = machines
    progress = {
        "phase": "training",
        "step": 20,
        "iterations": 100,
        "steps_per_second": 4.0,
        "device": "cuda:3",
    }
    running = cell(first, "atwork", progress__json=json.dumps(progress))
    lock = Lock(running)
    assert lock.take() is None
    cell(first, "staged")
    cell(first, "stopped", progress__json=json.dumps(progress))
    states = {one.cell: one.state for one in read_status(first)}
    assert states == {
        "ahead": "interrupted",
        "atwork": "running",
        "beaten": "failed",
        "both": "finished",
        "one": "finished",
        "staged": "waiting",
        "stopped": "interrupted",
    }
    said = command("status", first)
    assert said.status == 0
    assert "7 cells: 2 finished, 1 running, 1 failed, 2 interrupted, 1 not started" in said.out
    line = next(line for line in said.out.splitlines() if "atwork" in line)
    assert f"{lock.owner} on cuda:3, training step 20/100, 4 steps/s, 20 s left, last sign 0 s ago" in line
    assert f"beaten: loss is nan (log: {first / 'cells' / 'beaten' / 'log.txt'})" in said.out
    assert "stopped: last seen at step 20/100" in said.out
    finished = said.out.partition("finished\n")[2].splitlines()
    assert [line.split(":")[0].strip() for line in finished] == ["both", "one"]
    assert score_text(Record.of(make("night", "mt", 0, 18.4))) == "PSNR 18.40 dB"
    assert score_text(Record.of(make("night", "mt", 0, None))) == "PSNR - dB"
    assert score_text(Record.of({"schema": 1, "cell": {"id": "x"}, "metrics": {}})) == ""
    lock.release()
    assert {one.cell: one.state for one in read_status(first)}["atwork"] == "interrupted"
    # A record cut short by something else than this program is no finished cell.
    (first / "cells" / "one" / "result.json").write_text('{"schema": 1')
    assert {one.cell: one.state for one in read_status(first)}["one"] == "damaged"
    (first / "cells" / "both" / "result.json").write_text(
        (second / "cells" / "beaten" / "result.json").read_text()
    )
    assert {one.cell: one.state for one in read_status(first)}["both"] == "damaged"
    nowhere = command("status", to)
    assert nowhere.status == 2
    assert "is no results folder" in nowhere.err
