"""`ssl-bench advise` from a folder to a network, on a task whose runs are of two steps."""

import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import Said
from trees import save

from ssl_bench.advise.rounds import Rounds
from ssl_bench.advise.wanted import spread_out
from ssl_bench.store.results import ResultStore

TOY = """
from ssl_bench import DatasetSpec, Metric, Recipe, TaskSpec, hookimpl

RECIPE = Recipe(iterations=2, epochs=1, labeled_rows=2, unlabeled_rows=2, crop=16)


@hookimpl
def provide_tasks():
    return [TaskSpec(
        name="toy",
        title="Toy",
        kind="regression",
        task="ssl_bench_tasks.night:Night",
        metrics=(Metric(name="psnr", symbol="PSNR", unit="dB"),),
        recipes=dict.fromkeys(("smoke", "lite", "paper"), RECIPE),
        backbones=dict.fromkeys(("smoke", "lite", "paper"), "unet-small"),
        dataset="pairs",
    )]


@hookimpl
def provide_datasets():
    return [DatasetSpec(name="pairs", task="toy", dataset="ssl_bench_tasks.layouts.pairs:ImagePairs")]
"""


@pytest.fixture
def arguments(tmp_path: Path) -> list[str]:
    (tmp_path / "toy.py").write_text(TOY)
    for number in range(20):
        picture = np.random.default_rng(number).integers(0, 256, (16, 20, 3), dtype=np.uint8)
        save(tmp_path / f"set/input/{number:02}.png", picture)
        if number < 6:
            save(tmp_path / f"set/target/{number:02}.png", picture // 2)
    out = tmp_path / "runs"
    return ["advise", "toy", str(tmp_path / "set"), "--plugin", str(tmp_path / "toy.py"), "--out", str(out)]


@pytest.mark.slow
def test_from_a_folder_to_a_network(
    arguments: list[str], tmp_path: Path, command: Callable[..., Said]
) -> None:
    asked = [*arguments, "--methods", "mt", "--minutes", "0.0001", "--jobs", "2"]
    said = command(*asked)
    assert (said.status, said.err) == (0, "")
    assert "6 images with labels, 14 without; 3 folds, 4 labels to learn from in each" in said.out
    runs = tmp_path / "runs"
    content = json.loads((runs / "advice/advice.json").read_text())
    folds = {one["row"]: sorted(one["scores"]) for one in content["evidence"]["entrants"]}
    # Without time to spare one repeat is run, and of all that was asked for.
    assert folds["supervised"] == folds["control"] == folds["mt"] == ["0.0", "0.1", "0.2"]
    assert sorted(content["evidence"]["fewer"]) == ["2"]
    assert len(content["evidence"]["fewer"]["2"]) == 3
    records = {record.cell.id: record for record in ResultStore(runs).records()}
    network = records[content["network"]]
    assert network.cell.split.labeled == 6
    assert network.metrics == {}
    assert {record.cell.split.held_out for record in records.values() if record is not network} == {2}
    wanted = (runs / "advice/label-these.txt").read_text().splitlines()
    assert len({*wanted}) == 8
    assert all(int(Path(name).stem) >= 6 for name in wanted)
    assert "over training on your labels alone" in said.out or "Nothing stands above" in said.out

    again = command(*asked)
    assert again.status == 0
    assert "] toy" not in again.out, "what has finished is not run again"
    report = command("report", runs, "--images", "0", "--plugin", tmp_path / "toy.py")
    assert report.status == 0
    page = (runs / "report.html").read_text()
    assert "Does it pay to learn from unlabelled images? set" in page
    assert 'alt="The pictures to label first, in order"' in page
    predicted = command(
        "predict",
        content["network"],
        tmp_path / "set/input/19.png",
        "--out",
        tmp_path / "predicted",
        "--runs",
        runs,
        "--plugin",
        tmp_path / "toy.py",
    )
    assert predicted.status == 0
    assert (tmp_path / "predicted/19.png").is_file()


@pytest.mark.parametrize(
    ("more", "status", "words"),
    [
        (["--labels", "4,x"], 2, "--labels 'x': give counts of images, such as 4,8"),
        (["--methods", "no-such"], 2, "no-such"),
        (["--dataset", "no-such"], 2, "no-such"),
    ],
)
def test_what_cannot_be_asked(
    arguments: list[str], command: Callable[..., Said], more: list[str], status: int, words: str
) -> None:
    said = command(*arguments, *more)
    assert (said.status, said.out) == (status, "")
    assert words in said.err
    assert said.err.count("\n") == 1


class Prices:
    """A study of four methods on two repeats of three folds, none of which has run."""

    rows = ("a", "b", "c", "d")
    baseline = "a"
    counts = (3,)

    def __init__(self) -> None:
        from ssl_bench.advise.folds import Fold

        self.folds = [Fold(repeat, number, (), ()) for repeat in range(2) for number in range(3)]

    def left(self, cells: object) -> list[object]:
        return list(cells)  # type: ignore[call-overload,no-any-return]

    def cell(self, row: str, fold: object) -> tuple[str, object]:
        return row, fold

    def evidence(self) -> object:
        return type("Nothing", (), {"scored": ()})()


def joined(seconds: float, prices: dict[str, float]) -> tuple[list[str], list[str]]:
    rounds = Rounds(Prices(), lambda cells: None, 2, time.monotonic() + seconds)  # type: ignore[arg-type]
    rounds.join(prices)
    return rounds.rows, list(rounds.left_out)


def test_methods_join_as_the_time_allows() -> None:
    prices = {"d": 20.0, "b": 40.0, "c": 10.0}
    # One repeat of c, d and b is 15, 30 and 60 s on two slots.
    assert joined(1000, prices) == (["b", "c", "d"], [])
    assert joined(100, prices) == (["c", "d"], ["b"])
    assert joined(20, prices) == (["c"], ["d", "b"])
    assert joined(5, prices) == ([], ["c", "d", "b"])


def test_images_to_label_are_spread_out() -> None:
    worth = np.array([1.0, 0.99, 0.5, 0.1])
    places = np.array([[0.0, 0.0], [0.0, 0.01], [1.0, 0.0], [0.0, 1.0]])
    assert spread_out(worth, places, 3) == [0, 2, 3]
    assert spread_out(worth, places, 9) == [0, 2, 3, 1]


def test_what_fails_is_not_run_for_ever() -> None:
    class Failing(Prices):
        counts = (3,)

        def cells(self, rows: list[str], folds: list[object]) -> list[object]:
            return [
                type("Cell", (), {"id": f"{row}{fold.repeat}{fold.number}"})()
                for row in rows
                for fold in folds
            ]  # type: ignore[attr-defined]

    ran: list[int] = []
    rounds = Rounds(Failing(), lambda cells: ran.append(len(cells)), 2, time.monotonic() + 1000)  # type: ignore[arg-type]
    rounds.join_all(["a", "b"])
    rounds._contenders = lambda: ["a"]  # type: ignore[method-assign]
    while rounds.go_on():
        assert len(ran) < 9
    # Two methods on three folds, then one on those of the second repeat.
    assert ran == [6, 3]
