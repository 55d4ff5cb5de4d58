"""`ssl-bench advise` from a folder to a network, on a task whose runs are of two steps."""

import json
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from conftest import Said
from trees import save

from ssl_bench.advise.finish import places_of
from ssl_bench.advise.folds import Fold
from ssl_bench.advise.rounds import Rounds
from ssl_bench.advise.start import unsearched
from ssl_bench.advise.wanted import spread_out
from ssl_bench.plan.settings import resolve_config
from ssl_bench.registry.loading import load_registry
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
    # Words, then one figure, then tables.
    places = [page.index(text) for text in ("Does it pay to", "Bars: 95 % intervals", "<table", "<nav")]
    assert places == sorted(places)
    assert "one method alone" not in page[: places[-1]]
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
    shown = command("show", content["network"], "--runs", runs, "--plugin", tmp_path / "toy.py")
    assert shown.status == 2
    assert "no image with a label was left to show it on; `ssl-bench predict` takes others" in shown.err
    assert shown.err.count("\n") == 1


@pytest.mark.parametrize(
    ("more", "status", "words"),
    [
        (["--labels", "4,x"], 2, "--labels 'x': give counts of images, such as 4,8"),
        (["--methods", "no-such"], 2, "no-such"),
        (["--methods", "full,mt"], 2, "--methods full: it learns from every label"),
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


def test_as_many_labels_as_a_fold_has_are_not_fewer(
    arguments: list[str], command: Callable[..., Said]
) -> None:
    said = command(*arguments, "--labels", "2,4")
    assert said.status == 2
    assert said.err == "ssl-bench: --labels 4: a fold has 4 labels to learn from; give fewer than that\n"
    assert "] toy" not in said.out


@dataclass
class Toy:
    """A study of four methods and a control on two repeats of six folds, of which those are done that have run."""

    rows: tuple[str, ...] = ("a", "b", "c", "control", "d")
    baseline: str = "a"
    counts: tuple[int, ...] = (5,)
    done: set[str] = field(default_factory=set)
    costs: dict[str, float] = field(default_factory=dict)
    best: str = "a"
    """Of what learns from labels alone."""

    def __post_init__(self) -> None:
        self.folds = [Fold(repeat, number, (), ()) for repeat in range(2) for number in range(6)]
        self.plan = SimpleNamespace(cells=[self.cell(row, self.folds[0]) for row in self.rows])

    def cell(self, row: str, fold: Fold) -> Any:
        role = "control" if row == "control" else "baseline" if row in "ab" else "ssl"
        return SimpleNamespace(id=f"{row}{fold.name}", row=row, describe={"method": {"role": role}})

    def cells(self, rows: Iterable[str], folds: Iterable[Fold]) -> list[Any]:
        return [self.cell(row, fold) for fold in folds for row in rows]

    def left(self, cells: Iterable[Any]) -> list[Any]:
        return [cell for cell in cells if cell.id not in self.done]

    def evidence(self) -> Any:
        return SimpleNamespace(
            scored=[SimpleNamespace(row=row, cost=cost) for row, cost in self.costs.items()],
            reference=SimpleNamespace(row=self.best),
        )


def rounds_of(study: Toy, seconds: float, ran: list[list[str]]) -> Rounds:
    """Rounds that run nothing and note what they would."""

    def run(cells: Sequence[Any]) -> None:
        ran.append([cell.id for cell in cells])
        study.done |= {cell.id for cell in cells}

    rounds = Rounds(study, run, 2, time.monotonic() + seconds)  # type: ignore[arg-type]
    rounds._contenders = lambda: rounds.rows  # type: ignore[method-assign]
    return rounds


def joined(seconds: float, prices: dict[str, float]) -> tuple[list[str], list[str]]:
    rounds = rounds_of(Toy(), seconds, [])
    rounds.join(prices)
    return rounds.rows, list(rounds.left_out)


def test_methods_join_as_the_time_allows() -> None:
    prices = {"d": 20.0, "b": 40.0, "c": 10.0}
    # One repeat of c, d and b is 30, 60 and 120 s on two slots.
    assert joined(1000, prices) == (["a", "b", "c", "d"], [])
    assert joined(200, prices) == (["a", "c", "d"], ["b"])
    assert joined(40, prices) == (["a", "c"], ["d", "b"])
    assert joined(10, prices) == (["a"], ["c", "d", "b"])


def test_the_best_of_labels_alone_takes_part_whatever_the_time() -> None:
    rounds = rounds_of(Toy(costs={"a": 30.0, "b": 500.0, "control": 10.0}, best="b"), 10, [])
    rounds.first()
    assert rounds.rows == ["a", "control"]
    rounds.join({})
    assert (rounds.rows, rounds.left_out) == (["a", "b", "control"], {})


def test_what_takes_part_goes_before_what_joins() -> None:
    study = Toy(costs={"a": 30.0, "b": 5.0, "control": 10.0})
    rounds = rounds_of(study, 135 + 1.5 * 30, [])
    rounds.first()
    # What is left of the first repeat of a and control takes 60 of the 135 s, of b 7.5 s, and of d 300 s; nor is
    # there time for three folds of d, which are 150 s.
    rounds.join({"d": 100.0})
    assert (rounds.rows, rounds.left_out) == (["a", "b", "control"], {"d": 100.0})
    rounds = rounds_of(study, 135 + 1.5 * 30, [])
    rounds.first()
    rounds.join({"d": 20.0})
    assert (rounds.rows, rounds.left_out) == (["a", "b", "control", "d"], {}), "of d three folds are 30 s"
    study.costs["b"] = 60.0
    rounds = rounds_of(study, 135 + 1.5 * 60, [])
    rounds.first()
    rounds.join({})
    assert (rounds.rows, rounds.left_out) == (["a", "control"], {}), "b has run, if on few folds"


def test_answers_get_surer_round_by_round() -> None:
    ran: list[list[str]] = []
    rounds = rounds_of(Toy(), 1000, ran)
    rounds.first()
    rounds.join_all(["c"])
    while rounds.go_on():
        assert len(ran) < 9
    names = ["".join(cell[: -len("0.0")] for cell in cells) for cells in ran]
    # First what learns from labels alone and the control, then a method on the same folds, then all on others.
    assert names == ["abcontrol" * 3, "c" * 3, *["accontrol" * 3] * 3]
    assert {cell[-3:] for cell in ran[0]} == {"0.0", "0.1", "0.2"} == {cell[-3:] for cell in ran[1]}


def test_without_time_the_first_folds_alone_are_run() -> None:
    ran: list[list[str]] = []
    rounds = rounds_of(Toy(costs={"a": 1.0}), 0, ran)
    rounds.first()
    rounds.join_all(["c"])
    while rounds.go_on():
        assert len(ran) < 9
    assert len(ran) == 2


def test_images_to_label_are_spread_out() -> None:
    worth = np.array([1.0, 0.99, 0.5, 0.1])
    places = np.array([[0.0, 0.0], [0.0, 0.01], [1.0, 0.0], [0.0, 1.0]])
    assert spread_out(worth, places, 3) == [0, 2, 3]
    assert spread_out(worth, places, 9) == [0, 2, 3, 1]


def test_what_fails_is_not_run_for_ever() -> None:
    ran: list[int] = []
    rounds = Rounds(Toy(), lambda cells: ran.append(len(cells)), 2, time.monotonic() + 1000)  # type: ignore[arg-type]
    rounds.join_all(["a", "b"])
    rounds._contenders = lambda: ["a"]  # type: ignore[method-assign]
    while rounds.go_on():
        assert len(ran) < 9
    # Two methods on six folds, then one on those of the second repeat.
    assert ran == [6, 6, 3, 3]


def test_what_was_asked_for_is_paid_for_before_others_join() -> None:
    rounds = rounds_of(Toy(costs={"b": 20.0}), 100 + 1.5 * 30, [])
    rounds.join_all(["d"])
    # Six folds of d take 90 of the 100 s that are left, and of b 60.
    rounds.join({"d": 30.0})
    assert (rounds.rows, rounds.left_out) == (["a", "d"], {})
    assert rounds._seconds()["d"] == 30.0


def test_a_slice_of_a_file_is_named() -> None:
    files = {"a": Path("u/a.png"), "v/000": Path("u/v.npy"), "v/001": Path("u/v.npy")}
    dataset = SimpleNamespace(place=files.__getitem__, unlabeled=list(files))
    assert places_of(dataset, ["v/001", "a"]) == ("u/v.npy: v/001", "u/a.png")  # type: ignore[arg-type]


def test_what_a_search_found_elsewhere_is_not_taken_over() -> None:
    registry = load_registry()
    task, method = registry.task("matting"), registry.method("mt")
    found = resolve_config(task, method, {}, "lite").model_dump()
    settings = unsearched(task, method)
    assert found["lambda_mt"] == 0.0, "the search switched the method off"
    assert settings == {"lambda_mt": 1.0}, "and what short runs ask for everywhere stays"
    assert unsearched(task, registry.method("control")) == {}
    assert unsearched(task, registry.method("fixmatch")) == {}
