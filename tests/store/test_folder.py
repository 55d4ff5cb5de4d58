"""The folder of a cell and its record, by their types."""

import ast
import json
from pathlib import Path

import pytest

import ssl_bench
from ssl_bench.errors import DataError
from ssl_bench.machine.files import write_json
from ssl_bench.store.folder import CellFolder
from ssl_bench.store.record import Record, parse_record
from ssl_bench.store.results import ResultStore

ROOT = Path(__file__).parents[2]
PACKAGES = ("ssl_bench", "plugins", "tasks")
RECORDS = sorted(
    [*(ROOT / "leaderboards").rglob("records/*.json"), *(ROOT / "tests/golden").rglob("records/*.json")]
)
FILES = CellFolder(Path())
NAMES = {
    path.name
    for path in (
        *(FILES.order, FILES.record, FILES.earlier_record, FILES.lock, FILES.log, FILES.weights),
        *FILES.leftovers,
    )
}


def test_no_file_name_stands_in_two_modules() -> None:
    found: dict[str, set[str]] = {}
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            for node in ast.walk(tree):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    for name in NAMES & {node.value, Path(node.value).name}:
                        found.setdefault(name, set()).add(str(path.relative_to(ROOT)))
    assert {name for name, places in found.items() if len(places) > 1} == set()
    # Its suffix stands apart from the name that it is made of.
    assert found.keys() == NAMES - {FILES.earlier_record.name}


def test_committed_records_are_written_as_they_were_read(tmp_path: Path) -> None:
    assert len(RECORDS) > 200
    for path in RECORDS:
        content = json.loads(path.read_text(encoding="utf-8"))
        record = parse_record(path)
        write_json(tmp_path / "again.json", record.to_json(), durable=False)
        write_json(tmp_path / "plain.json", content, durable=False)
        assert (tmp_path / "again.json").read_bytes() == (tmp_path / "plain.json").read_bytes(), path
        assert record.cell.id == content["cell"]["id"]


def test_what_a_later_version_adds_is_kept() -> None:
    content = {
        "schema": 1,
        "cell": {"id": "a", "moon": "full", "seed": 3},
        "metrics": {"psnr": 5},
        "cost": {"seconds": 4, "tea": None},
        "more": [1],
    }
    record = Record.of(content)
    assert record.to_json() == content
    assert (record.cell.seed, record.cost.seconds, record.cost.parameters) == (3, 4, None)
    assert type(record.cost.seconds) is int


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"schema": 2}, "no record of a form that is known here (schema 2)"),
        ({"cell": {"id": "../a"}}, "no whole record (cell.id: it names no cell)"),
        ({"cell": {"id": "a", "seed": "three"}}, "no whole record (cell.seed: "),
        ({"metrics": []}, "no whole record (metrics: "),
        ({"cost": {"seconds": "long"}}, "no whole record (cost.seconds"),
    ],
)
def test_a_strange_record_is_named_with_the_reason(tmp_path: Path, change: dict, reason: str) -> None:
    folder = CellFolder(tmp_path / "cells" / "a")
    folder.path.mkdir(parents=True)
    write_json(folder.record, {"schema": 1, "cell": {"id": "a"}, "metrics": {}} | change)
    with pytest.raises(DataError) as raised:
        parse_record(folder.record)
    assert str(raised.value).startswith(f"{folder.record} is {reason}")
    assert folder.finished() is None
    assert ResultStore(tmp_path).records() == []


def test_words_of_a_cell(tmp_path: Path) -> None:
    folder = ssl_bench.CellFolder(tmp_path)
    assert (folder.read_failure(), folder.read_progress()) == (None, None)
    folder.fail("no memory", worth_retrying=True)
    assert json.loads(folder.failure.read_text()) == {"message": "no memory", "worth_retrying": True}
    failure = folder.read_failure()
    assert failure is not None
    assert (failure.worth_retrying, failure.diverged) == (True, False)
    for content, left in (
        ({"step": 3, "iterations": 9, "steps_per_second": 2.0, "host": "x"}, 3.0),
        ({"step": 3, "iterations": 9, "steps_per_second": None}, None),
    ):
        write_json(folder.progress, content)
        progress = folder.read_progress()
        assert progress is not None
        assert progress.seconds_left == left
    folder.progress.write_text('{"step": "three", "iterations": 9}')
    assert folder.read_progress() is None
    (tmp_path / "gone").mkdir()
    gone = CellFolder(tmp_path / "gone")
    gone.path.rmdir()
    gone.fail("nobody can read this")
    assert not gone.path.exists()
