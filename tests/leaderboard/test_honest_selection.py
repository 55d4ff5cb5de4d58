"""What was chosen on test data is shown on request only, and what differs shares no column."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import Said
from test_leaderboard import Change, example, grids, make, scores
from written import check_one_table, main_table, read_entries, render, terminal

from ssl_bench.errors import UsageError
from ssl_bench.leaderboard.reading.columns import Column

Command = Callable[..., Said]
DIFFERENT: list[tuple[str, Any, str]] = [
    ("cell__tier", "smoke", "tier: lite and smoke"),
    ("cell__dataset", "camvid", "data set: camvid and synthetic"),
    ("cell__data", "e1e1e1e1e1e1", "data: d0d0d0d0d0d0 and e1e1e1e1e1e1"),
    ("cell__backbone", "unet/resnet18", "network: unet-small and unet/resnet18"),
    ("config__recipe", {"iterations": 900, "crop": 64}, "recipe: iterations 600 and 900"),
    (
        "config__recipe",
        {"iterations": 600, "crop": 64, "optimizer": {"name": "sgd"}},
        'optimizer.name "sgd" and null',
    ),
    ("cell__pretrained", "resnet18 0123", "pretrained weights: none and resnet18 0123"),
    ("cell__split__hash", "0ther0ther00", "split: 0ther0ther00 (1/8) and 18e18e18e18e (1/8)"),
    ("cell__threads", 2, "threads: 1 and 2"),
    ("providers__task", "ssl-bench 0.2.0", "versions: backbone ssl-bench 0.1.0"),
]


@pytest.mark.parametrize(("path", "value", "named"), DIFFERENT)
def test_one_table_is_refused_for_records_that_differ(path: str, value: Any, named: str) -> None:
    records = [*example(), make("night", "mt", 7, 18.0, **{path: value})]
    with pytest.raises(UsageError, match="--one-table: records of task 'night' differ in") as found:
        check_one_table(records)
    assert named in str(found.value)
    pair = [read_entries([record])[0][0] for record in (make("night", "mt", 0, 1.0), records[-1])]
    with pytest.raises(UsageError, match="cannot share a column"):
        Column(tuple(pair))


def test_one_table_of_records_that_agree() -> None:
    check_one_table(example())
    # Two records of one run, of which one alone would be shown.
    several = [*example(), make("night", "mt", 0, 99.0, provenance__method_code="b")]
    with pytest.raises(
        UsageError, match=r"--one-table: several records of one run differ .* \(night-mt-0\); name a folder"
    ):
        check_one_table(several)
    said = "1 run here has several records that differ in scores, and chance says which of them is shown: night-mt-0"
    assert said in " ".join(terminal(several).split())
    assert "several records" not in terminal(example())
    check_one_table([])
    tasks = [make("night", "mt", 0, 1.0), make("matting", "mt", 0, 1.0, cell__tier="smoke")]
    with pytest.raises(UsageError, match="tasks differ in tier: lite, smoke"):
        check_one_table(tasks)


def with_best(method: str, seed: int, score: float, best: float | None) -> Change:
    found = None if best is None else {"step": 300, "metrics": {"psnr": best}}
    return {**make("night", method, seed, score), "best": found}


def test_the_best_on_test_data_shows_on_request_alone_and_never_ranks() -> None:
    records = [with_best("supervised", 0, 18.0, 30.0), with_best("supervised", 1, 19.0, 20.0)]
    records += [with_best("mt", 0, 18.75, 18.75), with_best("mt", 1, 18.75, None)]
    plain = render(records)
    assert "25.00" not in "".join(plain.values())
    files = render(records, ["md", "html", "tex"], oracle=True)
    table, oracle = grids(files["leaderboard.md"])[:2]
    assert table == scores(main_table(records))[0]
    assert [row[2] for row in table[1:]] == ["18.50 ± 0.71 (n=2)", "18.75 ± 0.00 (n=2, +0.25)"]
    assert [row[2] for row in oracle[1:]] == ["*25.00 (+6.50)*", "*18.75 (+0.00)*"]
    assert '<span class="faint">25.00 (+6.50)</span>' in files["leaderboard.html"]
    assert r"\textcolor{gray}{25.00 (+6.50)}" in files["leaderboard/tier-lite-labels-1-8-oracle.tex"]
    assert "chosen on test data" in files["leaderboard.md"]


def test_the_options_of_the_command(command: Command, tmp_path: Path) -> None:
    records = tmp_path / "records"
    records.mkdir()
    for number, record in enumerate([*example(), with_best("mt", 9, 18.0, 19.0)]):
        (records / f"{number}.json").write_text(json.dumps(record))
    said = command("leaderboard", tmp_path, "--format", "md, csv", "--one-table", "--oracle")
    assert said.status == 0
    folder = tmp_path / "leaderboards"
    assert "*19.00 (+1.00)*" in (folder / "leaderboard.md").read_text()
    assert (folder / "leaderboard" / "tier-lite-labels-1-8-oracle.csv").exists()
    assert not list(folder.glob("*.html"))
    (records / "other.json").write_text(json.dumps(make("night", "mt", 0, 1.0, cell__tier="smoke")))
    said = command("leaderboard", tmp_path, "--one-table")
    assert said.status == 2
    assert "differ in tier: lite and smoke" in said.err
    said = command("leaderboard", tmp_path, "--format", "pdf")
    assert said.status == 2
    assert "unknown --format 'pdf'; known: csv, html, md, tex" in said.err
