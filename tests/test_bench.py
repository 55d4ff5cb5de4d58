"""The benchmark from Python."""

import inspect
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from inline import InlineExecutor
from PIL import Image

import ssl_bench
from ssl_bench.cli.plan import plan as plan_command
from ssl_bench.errors import CellError, UsageError
from ssl_bench.leaderboard.frame import COLUMNS, frame_of
from ssl_bench.store.results import read_records

TINY = {"night.iterations": 4, "night.crop": 32}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl_bench.Bench, pd.DataFrame]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ssl_bench_plugins.executors.local.LocalExecutor", InlineExecutor)
        bench = ssl_bench.Bench(tmp_path_factory.mktemp("bench") / "runs")
        plan = bench.plan(
            tasks="night", methods=["supervised", "mt"], seeds=[1, 0], settings=TINY, control=False
        )
        return bench, bench.run(plan)


def test_results_are_the_records(finished: tuple[ssl_bench.Bench, pd.DataFrame]) -> None:
    bench, frame = finished
    assert list(frame.columns[: len(COLUMNS)]) == list(COLUMNS)
    assert list(zip(frame.method, frame.seed, strict=True)) == [
        ("supervised", 0),
        ("supervised", 1),
        ("mt", 0),
        ("mt", 1),
    ]
    for row in frame.itertuples():
        record = json.loads((bench.store.cells / row.cell / "result.json").read_text())
        assert (row.metric, row.labeled, row.labels) == ("psnr", 2, "2")
        assert (row.settings, row.split_seed) == ("", record["cell"]["split"]["seed"])
        assert row.score == row.psnr == record["metrics"]["psnr"]
        assert row.ssim == record["metrics"]["ssim"]
        assert row.seconds == record["cost"]["seconds"]
    pd.testing.assert_frame_equal(bench.results(), frame)
    one = bench.plan(tasks="night", methods="mt", settings=TINY, control=False)
    assert list(bench.results(one).cell) == [one.cells[0].id]
    assert (bench.store.leaderboards / "README.md").is_file()


def test_variants_are_not_pooled() -> None:
    folder = Path(__file__).parents[1] / "leaderboards/records"
    frame = frame_of(read_records(folder))
    own = frame[(frame.task == "night") & (frame.method == "mt")]
    assert set(own.settings) == {"lambda_mt=0.1", "lambda_mt=1.0"}
    assert set(own.split_seed) == {0, 1, 2}


def test_a_finished_plan_runs_nothing(
    finished: tuple[ssl_bench.Bench, pd.DataFrame], monkeypatch: pytest.MonkeyPatch
) -> None:
    bench, frame = finished
    # Its tables are current, and are not made again.
    monkeypatch.delattr("ssl_bench.leaderboard.write.render")
    plan = bench.plan(
        tasks="night", methods=("supervised", "mt"), seeds=range(2), settings=TINY, control=False
    )
    # The local executor would start processes; there is nothing to start.
    pd.testing.assert_frame_equal(bench.run(plan, devices="cpu"), frame)


def test_a_trained_network_predicts(finished: tuple[ssl_bench.Bench, pd.DataFrame]) -> None:
    bench, frame = finished
    trained = bench.load(frame.cell[2])
    assert trained.cell.method == "mt"
    picture = np.random.default_rng(0).integers(0, 255, (37, 50, 3), np.uint8)
    assert trained.predict(picture).shape == (37, 50, 3)
    assert trained.predict(picture).dtype == np.uint8
    assert isinstance(bench.show(frame.cell[2], count=1), Image.Image)
    assert bench.load(bench.store.cells / frame.cell[2]).cell.id == frame.cell[2]
    for device in ("cuda", "cuda:7", "foo", "", 5):
        with pytest.raises(UsageError, match=f"device {device}: give one that this machine has: cpu"):
            bench.load(frame.cell[2], device)  # type: ignore[arg-type]
    for count in (0, -1, "a", 1.5):
        with pytest.raises(UsageError, match=f"count {count}: give a whole number, 1 or more"):
            bench.show(frame.cell[2], count)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="data '=x': write TASK=PATH"):
        bench.show(frame.cell[2], data={"": "x"})


def test_what_a_user_can_mend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = ssl_bench.Bench(tmp_path / "runs")
    with pytest.raises(UsageError, match=r"unknown method 'mtt'; did you mean 'mt'\?"):
        bench.plan(methods=["mtt"])
    with pytest.raises(UsageError, match="seeds -1: give 0 or more"):
        bench.plan(seeds=-1)
    with pytest.raises(UsageError, match="seeds empty"):
        bench.plan(seeds=[])
    with pytest.raises(UsageError, match="no finished cell 'x'"):
        bench.load("x")
    assert bench.results().empty
    assert not (tmp_path / "runs").exists()
    monkeypatch.setattr("ssl_bench_plugins.executors.local.LocalExecutor", InlineExecutor)
    plan = bench.plan(
        tasks="night", methods="supervised", settings={**TINY, "night.optimizer.learning_rate": 1e30}
    )
    with pytest.raises(UsageError, match="jobs 0"):
        bench.run(plan, jobs=0)
    with pytest.raises(CellError, match=r"1 of 1 cell did not finish; night-.*: loss .* is nan at step 1"):
        bench.run(plan)


def test_arguments_are_the_options_of_the_command() -> None:
    arguments = set(inspect.signature(ssl_bench.Bench.plan).parameters) - {"self"}
    # Where results go, and what is done beside planning.
    others = {"suite", "out", "jobs", "executor", "estimate", None}
    assert (
        arguments == {parameter.name for parameter in plan_command.params if parameter.expose_value} - others
    )
    assert all(f"{name}: " in (ssl_bench.Bench.plan.__doc__ or "") for name in arguments)


def test_import_is_light() -> None:
    script = (
        "import sys, ssl_bench\n"
        "light = not {'torch', 'pydantic', 'pandas', 'click'} & set(sys.modules)\n"
        "ssl_bench.Bench('runs').plan(tasks='night')\n"
        "print(light, 'torch' in sys.modules, 'Bench' in dir(ssl_bench))"
    )
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert said.stdout.split() == ["True", "False", "True"]
