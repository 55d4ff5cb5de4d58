"""Data is called by the name of its folder, and as somebody says beside the records; by content, never by place."""

import copy
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Said
from test_leaderboard import grids, make
from written import render

from ssl_bench.errors import UsageError
from ssl_bench.plan.cell import describe
from ssl_bench.plan.sources import Source
from ssl_bench.registry.loading import load_registry
from ssl_bench.specs import resolve
from ssl_bench.store.record import Record
from ssl_bench.store.results import same
from ssl_bench.store.titles import read_titles, with_title

REGISTRY = load_registry()
Command = Callable[..., Said]
STREETS, SCENES = "0123456789abcdef" * 4, "fedcba9876543210" * 4


def write(folder: Path) -> None:
    """Two data sets of one layout, and one that has no title."""
    runs = [
        make("segmentation", "mt", 0, 50.0, cell__dataset="voc", cell__data=STREETS),
        make("segmentation", "mt", 1, 51.0, cell__dataset="voc", cell__data=STREETS),
        make("segmentation", "mt", 0, 60.0),
        make("night", "mt", 0, 17.0, cell__dataset="lol", cell__data=SCENES),
        make("night", "mt", 0, 18.0),
    ]
    (folder / "records").mkdir()
    for number, record in enumerate(runs):
        (folder / "records" / f"{number}.json").write_text(json.dumps(record))


def test_tables_name_the_data_as_they_are_told(command: Command, tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "data.toml").write_text(
        f'[titles]\n"{STREETS[:12]}" = "Streets | 7"\n"{SCENES}" = "Scenes"\n'
    )
    assert command("leaderboard", tmp_path).status == 0
    text = (tmp_path / "leaderboards" / "leaderboard.md").read_text()
    titles = [line for line in text.splitlines() if line.startswith("## Tier")]
    assert titles == [
        "## Tier lite, labels 1/8, synthetic",
        "## Tier lite, labels 1/8, Scenes",
        "## Tier lite, labels 1/8, Streets \\| 7",
    ]
    settings = [grid for grid in grids(text) if grid[0][0] == "Task"]
    assert [[row[2] for row in grid[1:]] for grid in settings] == [
        ["synthetic `d0d0d0d0d0d0`"] * 2,
        ["Scenes (lol) `fedcba9876543210`"],
        ["Streets \\| 7 (voc) `0123456789abcdef`"],
    ]


def test_data_is_called_as_its_folder_is(tmp_path: Path) -> None:
    """Wherever it lies: a copy under another name is the same data, and its records are the same records."""
    task, method = REGISTRY.task("night"), REGISTRY.method("mt")
    folder = tmp_path / "a" / "my rooms"
    folder.mkdir(parents=True)
    spec = REGISTRY.dataset("night", "pairs")
    opened = resolve(REGISTRY.dataset("night", "synthetic").dataset).open(None)
    called = [Source(spec, opened, path).title for path in (folder, folder / "..", None)]
    assert called == ["my rooms", "a", ""]
    assert "data" not in describe(task, method, data=called[2])
    record = make("night", "mt", 0, 17.0, cell__dataset="pairs")
    record["describe"]["data"] = describe(task, method, data=called[0])["data"]
    assert "## Tier lite, labels 1/8, my rooms" in render([record])["leaderboard.md"]
    assert (
        "Rooms"
        in render([with_title(Record.of(record), {record["cell"]["data"]: "Rooms"})])["leaderboard.md"]
    )
    elsewhere = copy.deepcopy(record)
    elsewhere["describe"]["data"]["title"] = "rooms-copy"
    assert same(Record.of(record), Record.of(elsewhere))
    elsewhere["describe"]["task"]["title"] = "other"
    assert not same(Record.of(record), Record.of(elsewhere))


def test_without_titles_nothing_changes(command: Command, tmp_path: Path) -> None:
    write(tmp_path)
    assert command("leaderboard", tmp_path).status == 0
    text = (tmp_path / "leaderboards" / "leaderboard.md").read_text()
    assert "labels 1/8, voc" in text
    assert "labels 1/8, lol" in text
    (tmp_path / "data.toml").write_text("[titles]\n")
    before = (tmp_path / "leaderboards" / "leaderboard.md").read_text()
    assert command("leaderboard", tmp_path).status == 0
    assert (tmp_path / "leaderboards" / "leaderboard.md").read_text() == before


def test_a_title_of_one_run_holds_for_all_runs_on_the_data() -> None:
    first, second = (make("night", "mt", seed, 17.0, cell__data=SCENES) for seed in range(2))
    records = [with_title(Record.of(first), {SCENES[:16]: "Scenes"}), second]
    tables = render(records)
    assert tables == render(records[::-1])
    assert "| Scenes (synthetic) `fedcba9876543210` |" in tables["leaderboard.md"]
    assert "17.00 ± 0.00 (n=2)" in tables["leaderboard.md"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("titles", "not valid TOML"),
        ("[title]\n", "write one table"),
        ("[titles]\nabcdefabcdef = 3\n", "write one table"),
        ('[titles]\nabc = "x"\n', "first 12 characters"),
    ],
)
def test_a_file_that_cannot_be_meant_is_refused(tmp_path: Path, content: str, words: str) -> None:
    assert read_titles(tmp_path) == {}
    (tmp_path / "data.toml").write_text(content)
    with pytest.raises(UsageError, match=words):
        read_titles(tmp_path)
