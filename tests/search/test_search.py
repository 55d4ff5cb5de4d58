"""Search: what is tried, what it is scored on, what is chosen, and what is written down."""

import json
import tomllib
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from conftest import Said
from inline import InlineExecutor
from trees import save

from ssl_bench.data.splits import hold_out, make_split, without
from ssl_bench.dataset import Dataset, GuardedDataset
from ssl_bench.errors import DataError, UsageError
from ssl_bench.executor import Job
from ssl_bench.machine.files import write_json
from ssl_bench.plan.order import Order
from ssl_bench.plan.plan import Request, make_plan
from ssl_bench.plan.variants import pick_variants
from ssl_bench.registry.loading import load_registry
from ssl_bench.search.grid import Search, learning_rates, make_searches
from ssl_bench.search.picture import picture
from ssl_bench.search.report import about
from ssl_bench.search.request import SearchRequest
from ssl_bench.search.suite import winner_suite
from ssl_bench.search.trials import Outcome, Slice, Trial, gather
from ssl_bench.specs import RATE, Metric
from ssl_bench.store.results import ResultStore
from ssl_bench.worker.worker import run_cell

REGISTRY, CPU = load_registry(), torch.device("cpu")
Command = Callable[..., Said]


class Names(Dataset):
    """Images by name alone; what stands before a slash is the scene."""

    def __init__(self, train: Sequence[str], test: Sequence[str] = ("test",)) -> None:
        self.train, self.test = train, test

    @classmethod
    def group(cls, name: str) -> str:
        return name.rpartition("/")[0] or name

    def image(self, name: str) -> np.ndarray:
        # What follows a `~` is which shot of one thing it is.
        thing, _, shot = name.partition("~")
        random = np.random.default_rng([*thing.encode()])
        return random.integers(0, 250, (4, 4, 3), np.uint8) + np.uint8(len(shot))

    def target(self, name: str) -> np.ndarray:
        return np.zeros((4, 4), np.uint8)

    def fingerprint(self) -> str:
        return "names"


def search_of(methods: str, entries: Sequence[str], preset: str = "", task: str = "night") -> Search:
    asked = SearchRequest(methods=methods, grid=entries)
    variants = pick_variants(REGISTRY, asked.methods)
    return make_searches(REGISTRY, ("night", "matting"), variants, asked.grid, preset)[task]


@pytest.mark.parametrize(("labels", "count"), [("16", 4), ("4", 2), ("all", 25), ("10", 3)])
def test_a_slice_is_held_out_of_the_labelled_images(labels: str, count: int) -> None:
    dataset = Names([f"{number:03d}" for number in range(100)])
    split = make_split(dataset, labels, 0, task="t")
    held = hold_out(dataset, split, Fraction(1, 4), task="t")
    left = without(dataset, split, held)
    assert len(held) == count
    assert set(held) <= set(split.labeled)
    assert not set(held) & {*left.labeled, *left.unlabeled, *dataset.test}
    assert {*held, *left.labeled, *left.unlabeled} == set(dataset.train)
    assert left.hash != split.hash
    assert left.hash != without(dataset, split, held[:-1]).hash
    # Another seed draws another slice, and other labels besides.
    other = make_split(dataset, labels, 1, task="t")
    assert labels == "4" or hold_out(dataset, other, Fraction(1, 4), task="t") != held


def test_scenes_are_not_torn() -> None:
    dataset = Names([f"{scene}/{view}" for scene in range(6) for view in range(5)])
    split = make_split(dataset, "12", 0, task="t")
    held = hold_out(dataset, split, Fraction(1, 4), task="t")
    left = without(dataset, split, held)
    scenes = {dataset.group(name) for name in held}
    assert not scenes & {dataset.group(name) for name in (*left.labeled, *left.unlabeled)}
    one_scene = Names([f"0/{view}" for view in range(9)])
    with pytest.raises(UsageError, match="9 labelled images of 1 scenes are too few"):
        hold_out(one_scene, make_split(one_scene, "all", 0, task="t"), Fraction(1, 4), task="t")


def test_near_copies_are_not_torn() -> None:
    dataset = Names([f"{number}~{shot}" for number in range(10) for shot in ("", "s")])
    for seed in range(3):
        split = make_split(dataset, "all", seed, task="t")
        held = hold_out(dataset, split, Fraction(1, 4), task="t")
        left = without(dataset, split, held)
        assert {name[0] for name in held}.isdisjoint({name[0] for name in left.labeled})
        assert len(held) == 6


def test_a_search_sees_no_test_image() -> None:
    guarded = GuardedDataset(Names(["a", "b", "c"]), labeled=["a"], held_out=["b"])
    assert guarded.scored == ["b"]
    assert guarded.target("b").shape == (4, 4)
    for read in (guarded.image, guarded.target, guarded.unknown):
        with pytest.raises(DataError, match="'test' must not be read by a search"):
            read("test")
    with pytest.raises(DataError, match="unlabelled"):
        guarded.target("c")


@pytest.mark.parametrize(
    ("count", "rates"),
    [
        (1, [1.0]),
        (2, [0.316, 1.0]),
        (3, [0.316, 1.0, 3.16]),
        (4, [0.1, 0.316, 1.0, 3.16]),
        (5, [0.1, 0.316, 1.0, 3.16, 10.0]),
    ],
)
def test_learning_rates_go_in_geometric_steps_around_the_recipes(count: int, rates: list[float]) -> None:
    assert learning_rates(count) == rates


@pytest.mark.parametrize("count", range(1, 20))
def test_any_number_of_learning_rates_holds_the_recipes_own(count: int) -> None:
    rates = learning_rates(count)
    assert len(set(rates)) == count
    assert 1.0 in rates
    assert 0.1 <= min(rates) <= max(rates) <= 10
    ratios = [b / a for a, b in pairwise(rates)]
    assert not ratios or max(ratios) < 1.02 * min(ratios)


def test_every_method_gets_as_many_trials() -> None:
    entries = ["gct.lambda_fc=0.1,1", "gct.xi=0.4,0.6", "mt.eta_mt=1,3"]
    search = search_of("supervised,mt,gct,full", entries)
    assert search.trials == 4
    assert {name: len(points) for name, points in search.points.items()} == dict.fromkeys(search.grids, 4)
    assert search.points["gct"][1] == {"lambda_fc": 0.1, "xi": 0.6}
    assert search.points["mt"][0] == {"eta_mt": 1, RATE: 0.316}
    assert [point[RATE] for point in search.points["supervised"]] == [0.1, 0.316, 1.0, 3.16]
    uneven = search_of("mt,gct", ["mt.eta_mt=1,3", "gct.xi=0.2,0.4,0.6"])
    assert {name: len(points) for name, points in uneven.points.items()} == {"mt": 6, "gct": 6}


def test_the_appendix_is_a_preset() -> None:
    search = search_of("supervised,mt,s4l,advssl,gct", [], "appendix")
    assert search.trials == 16
    assert len(search.points["gct"]) == 16
    # The settings that the appendix reports for each task are points of the grid.
    for found in ((1.0, 100, 3, 0.4), (0.1, 1.0, 5, 0.6), (1.0, 100, 5, 0.4)):
        assert (
            dict(zip(("lambda_fc", "lambda_dc", "eta_dc", "xi"), found, strict=True)) in search.points["gct"]
        )
    assert all(set(point) == {RATE} for point in search.points["supervised"])
    wins = search_of("gct", ["gct.xi=0.5"], "appendix")
    assert {point["xi"] for point in wins.points["gct"]} == {0.5}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], ["nothing to search", "--grid METHOD.FIELD=A,B"]),
        (["--grid", "gct.xi"], ["write METHOD.FIELD=A,B"]),
        (["--grid", "gct.xi="], ["write METHOD.FIELD=A,B"]),
        (["--grid", "gtc.xi=0.4,0.6"], ["unknown method 'gtc'", "did you mean 'gct'?"]),
        (["--grid", "gct.xy=0.4,0.6"], ["unknown field 'gct.xy'", "did you mean 'gct.xi'?"]),
        (["--grid", "mt.eta_mt=1,3"], ["method 'mt' is not part of this command"]),
        (["--grid", "night.crop=32,64"], ["a recipe is the same for every method", "learning_rate_factor"]),
        (["--grid", "gct.xi=0.4,1.6"], ["--grid gct.xi=1.6", "less than or equal to 1"]),
        (["--grid", "gct.mode=gct,fcc"], ["--grid gct.mode=fcc", "'gct', 'fc' or 'dc'"]),
        (["--grid", "gct.xi=0.4,0.4"], ["a value is given twice"]),
        (["--grid", "gct.xi=0.4,0.6", "--grid", "gct.xi=0.2,0.8"], ["given twice for gct.xi"]),
        (["--grid", "matting.gct.xi=0.4,0.6"], ["task 'matting' is not part of this command"]),
        (["--grid", "night.gct.xy=0.4,0.6"], ["unknown field 'night.gct.xy'", "did you mean 'gct.xi'?"]),
        (["--methods", "gct,gct:mode=dc", "--preset", "appendix"], ["one of gct and gct:mode=dc"]),
        (["--methods", "gct:paper", "--preset", "appendix"], ["those of tier paper", "none to choose"]),
        (
            ["--methods", "gct:xi=0.5", "--grid", "gct.xi=0.4,0.6"],
            ["gct:xi=0.5 gives gct.xi a value of its own, and it is searched; leave out one of the two"],
        ),
        (
            ["--methods", "gct:lambda_dc=1", "--preset", "appendix"],
            ["gct:lambda_dc=1 gives gct.lambda_dc a value of its own, and it is searched"],
        ),
        (
            ["--methods", "gct,supervised:learning_rate_factor=0.5", "--grid", "gct.xi=0.4,0.6"],
            [
                "supervised:learning_rate_factor=0.5 gives",
                "supervised gets learning rates to fill up 2 points",
            ],
        ),
        (
            ["--methods", "gct", "--grid", "gct.xi=0.4,0.6", "--set", "night.gct.xi=0.5"],
            ["--set night.gct.xi gives gct.xi a value of its own, and it is searched"],
        ),
        (
            ["--methods", "gct", "--grid", "gct.xi=0.4,0.6", "--set", "Night.GCT.xi=0.5"],
            ["--set night.gct.xi gives gct.xi a value of its own, and it is searched"],
        ),
        (
            ["--grid", "gct.xi=0.4,0.6", "--labels", "4", "--to", "/dev/null/x"],
            ["--to /dev/null/x: cannot be written"],
        ),
        (["--grid", "gct.xi=[1,2],[3,4]"], ["--grid gct.xi=[1, 2]", "a valid number"]),
        (["--grid", "gct.lambda_fc=1,1.0", "--labels", "4"], ["gct would try one point twice"]),
        (["--grid", "gct.xi=0.4,0.6", "--preset", "apendix"], ["did you mean 'appendix'?"]),
        (["--grid", "gct.xi=0.4,0.6", "--held-out", "4"], ["--held-out '4'", "such as 1/4"]),
        (["--grid", "gct.xi=0.4,0.6"], ["2 labelled images are too few", "--labels"]),
        (["--grid", "gct.xi=0.4,0.6", "--labels", "3"], ["3 labelled images are too few", "--labels"]),
        (["--grid", "gct.xi=0.4,0.6", "--labels", "1/8,1/4"], ["1/4 and 1/8", "search once for each"]),
        (["--grid", "gct.xi=0.4,0.6", "--trials", "gct=2"], ["no such option", "--trials"]),
        (["--methods", "supervised", "--preset", "appendix"], ["other methods", "gct"]),
    ],
    ids=lambda value: " ".join(value)[:40],
)
def test_bad_searches(command: Command, tmp_path: Path, arguments: list[str], words: list[str]) -> None:
    out = tmp_path / "out"
    said = command("tune", "--tasks", "night", "--methods", "gct", "--out", out, *arguments)
    assert said.status == 2
    assert len(said.err.strip().splitlines()) == 1, said.err
    for word in words:
        assert word in said.err
    assert not out.exists()


def outcome(scores: Mapping[Any, Sequence[float]], *, without: int = 0, **changes: Any) -> Outcome:
    trials = [
        Trial({"xi": value}, tuple(found), 2, 0 if found else without) for value, found in scores.items()
    ]
    content: dict[str, Any] = {
        "task": "night",
        "task_title": "Night <Image>",
        "method": "gct",
        "method_title": "GCT",
        "metric": Metric(name="psnr", symbol="PSNR", unit="dB"),
        "grid": {"xi": list(scores)},
        "trials": tuple(trials),
        "row": "gct",
        "slices": (Slice(12, 4, "abc"),),
    }
    return Outcome(**{**content, **changes})


def test_the_best_trial() -> None:
    found = outcome({0.2: (20.0, 21.0), 0.4: (22.004, 22.0), 0.6: (22.0, 22.0), 0.8: (19.0, 19.0)})
    # 22.002 and 22 are shown as 22.00: the first wins.
    assert found.best is found.trials[1]
    lower = Metric(name="mae", symbol="MAE", higher_is_better=False)
    assert outcome({0.2: (2.0, 2.0), 0.4: (1.0, 1.0)}, metric=lower).best.point == {"xi": 0.4}  # type: ignore[union-attr]
    # One seed is missing: nothing is chosen yet. One diverged: it cannot be chosen.
    assert outcome({0.2: (20.0,), 0.4: (19.0, 19.0)}).best is None
    assert outcome({0.2: (), 0.4: (19.0, 19.0)}).best is None
    assert outcome({0.2: (), 0.4: (19.0, 19.0)}, without=2).best.point == {"xi": 0.4}  # type: ignore[union-attr]
    assert outcome({0.2: ()}, without=2).best is None


def test_a_grid_of_one_task_replaces_the_general_one() -> None:
    entries = ["mt.lambda_mt=0,1,10,100", "night.mt.lambda_mt=0,1", "night.mt.eta_mt=1,3,5"]
    night, matting = (search_of("supervised,mt", entries, task=task) for task in ("night", "matting"))
    assert (night.trials, matting.trials) == (6, 4)
    assert night.grids["mt"] == {"lambda_mt": [0, 1], "eta_mt": [1, 3, 5]}
    assert matting.points["mt"][0] == {"lambda_mt": 0}
    assert [len(search.points["supervised"]) for search in (night, matting)] == [6, 4]
    with pytest.raises(UsageError, match="nothing to search for task 'matting'"):
        search_of("mt", ["night.mt.eta_mt=1,3"])
    grid = SearchRequest(grid=[*entries, "gct.xi=0.4,0.6"]).grid
    searches = make_searches(
        REGISTRY, ("night",), pick_variants(REGISTRY, ["mt"]), grid, pass_over=["gct.xi"]
    )
    assert list(searches["night"].grids) == ["mt"]


def test_a_search_repeats_from_one_suite(
    command: Command, tmp_path: Path, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ssl_bench_plugins.executors.local.LocalExecutor", InlineExecutor)
    suite = tmp_path / "search.toml"
    suite.write_text(
        f'tasks = ["night", "matting"]\nmethods = ["mt:noise=none"]\nheld_out = "1/2"\ndata = "night={pictures}"\n'
        'labels = ["night=8"]\nsplit_seeds = [100, 101]\n'
        "[set]\nnight.iterations = 2\nnight.crop = 8\n"
        "[grid]\nnight.mt.lambda_mt = [0, 1]\nmatting.mt.lambda_mt = [0, 1, 2]\nmatting.gct.xi = [0.4, 0.6]\n"
    )
    out = tmp_path / "out"
    said = command("tune", suite, "--tasks", "night", "--out", out)
    assert (said.status, said.err) == (0, "")
    # Two points of two methods on two splits, and no control: nothing is claimed here.
    assert "8 cells: 8 to run" in said.out
    assert said.out.count("night: 2 trials, 4 images scored, 4 learnt from (split") == 2
    assert "(n=2)" in said.out
    page = (out / "tune/README.md").read_text()
    assert "## Night Image Enhancement: MT (noise=none)" in page
    winners = tomllib.loads((out / "tune/winners.toml").read_text())
    assert winners["methods"] == ["supervised", "mt:noise=none"]
    assert winners["trials"] == {"night": {"supervised": 2, "mt": 2}}
    assert winners["set"]["night"]["mt"]["lambda_mt"] in (0, 1)
    planned = command("plan", out / "tune/winners.toml", "--split-seeds", "0-1", "--labels", "night=4")
    assert planned.status == 0, planned.err
    # Now with the control of a method that learns, and on other splits.
    assert "6 cells: 6 to run" in planned.out
    again = command("tune", suite, "--tasks", "night", "--out", tmp_path / "again")
    assert again.status == 0
    assert (tmp_path / "again/tune/README.md").read_text() == page


def test_every_split_is_said() -> None:
    found = [outcome({0.1: (1.0, 1.0)}, slices=(Slice(4, 4, "abc"), Slice(3, 5, "def")))]
    assert "4 images scored, 4 learnt from (split abc)" in about(found)
    assert "5 images scored, 3 learnt from (split def)" in about(found)


def test_the_suite_of_winners() -> None:
    found = [outcome({0.2: (1.0, 1.0), 0.4: (2.0, 2.0)})]
    text = winner_suite(
        {"tier": "lite", "data": ['night=/a"b\\c é']}, {"gct.mode": "fc", "night.gct.xi": 0.9}, found
    )
    assert text is not None
    assert tomllib.loads(text) == {
        "tier": "lite",
        "data": ['night=/a"b\\c é'],
        "tasks": ["night"],
        "methods": ["gct"],
        "trials": {"night": {"gct": 2}},
        "set": {"gct": {"mode": "fc"}, "night": {"gct": {"xi": 0.4}}},
    }
    assert winner_suite({}, {}, [outcome({0.2: (1.0,)})]) is None


def test_trials_are_those_of_the_task_that_was_searched() -> None:
    request = Request(
        tasks="night,matting", methods="gct,mt", control=False, trials=["night.gct=2", "gct=7", "night.mt=3"]
    )
    found = {(cell.task, cell.method): cell.trials for cell in make_plan(REGISTRY, request).cells}
    assert found == {("night", "gct"): 2, ("matting", "gct"): 7, ("night", "mt"): 3, ("matting", "mt"): None}


def test_a_long_name_beside_few_rows_has_room() -> None:
    long = "a_field_with_a_long_name"
    trials = tuple(Trial({long: "x", "b": b}, (1.0,), 1, 0) for b in (1, 2))
    heat = ElementTree.fromstring(picture(outcome({0.1: ()}, grid={long: ["x"], "b": [1, 2]}, trials=trials)))
    tile = heat.find(".//{http://www.w3.org/2000/svg}rect")
    assert tile is not None
    assert float(tile.get("height", "0")) > 6 * len(long)


def test_pictures() -> None:
    svg = "{http://www.w3.org/2000/svg}"
    curve = ElementTree.fromstring(picture(outcome({0.1: (1.0, 2.0), 0.4: (2.0, 2.0), 0.9: ()}, without=2)))
    assert curve.tag == f"{svg}svg"
    # Two scored points and the best one once more.
    assert len(curve.findall(f".//{svg}path[@class='mark']")) == 3
    # Without a score there is no axis to draw: its tiles say so.
    assert "<rect" in picture(outcome({0.1: (), 0.4: ()}))
    points = [{"a": a, "b": b} for a in ("x", "y") for b in (1, 2, 3)]
    values = [1.0, 5.0, 3.0, 2.0, 4.0, 5.0]
    trials = tuple(Trial(p, (v, v), 2, 0) for p, v in zip(points, values, strict=True))
    found = outcome({0.1: (0.0, 0.0)}, grid={"a": ["x", "y"], "b": [1, 2, 3]}, trials=trials)
    heat = ElementTree.fromstring(picture(found))
    tiles = [rect for rect in heat.findall(f".//{svg}rect") if "fill" in rect.attrib]
    assert len(tiles) == 6
    best = heat.find(f".//{svg}rect[@class='best']")
    assert best is not None
    # The first of the two that are shown as best: row x, column 2, in the darkest colour.
    assert (best.get("x"), best.get("y")) == (tiles[1].get("x"), tiles[1].get("y"))
    assert tiles[1].get("fill") == tiles[5].get("fill") == "#084081"
    texts = [text.text for text in heat.findall(f".//{svg}text")]
    assert [text for text in texts if text and text.endswith(".00")] == [f"{v:.2f}" for v in values]


def test_a_search_that_diverges_leaves_no_winners_of_another(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Diverging(InlineExecutor):
        def start(self, job: Job) -> int:
            write_json(job.folder / "failure.json", {"message": "loss is nan", "diverged": True})
            return 1

    monkeypatch.setattr("ssl_bench_plugins.executors.local.LocalExecutor", Diverging)
    (tmp_path / "tune").mkdir()
    (tmp_path / "tune" / "winners.toml").write_text("")
    said = command(
        *("tune", "--tasks", "night", "--methods", "mt", "--grid", "mt.eta_mt=1,3"),
        *("--labels", "4", "--out", tmp_path),
    )
    assert said.status == 1
    assert "every trial diverged of supervised on night, mt on night" in said.err
    assert not (tmp_path / "tune" / "winners.toml").exists()
    assert "no score" in (tmp_path / "tune" / "README.md").read_text()


def test_paths_of_a_suite_hold_from_everywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a=b, c").mkdir()
    for name in ("a=b, c/list.txt", "x=1,2.txt", "8", "all"):
        (tmp_path / name).write_text("")
    from ssl_bench.cli.tune import entries

    for entry in ("x=1,2.txt", "night=x=1,2.txt", "a=b, c/list.txt"):
        task, name = ("night=", entry[6:]) if entry.startswith("night=") else ("", entry)
        assert [*entries(Request(labels=entry).labels, files=True)] == [f"{task}{tmp_path / name}"]
    for entry in ("8", "night=8", "all", "1/8", "no.txt", "x" * 5000):
        assert [*entries(Request(labels=entry).labels, files=True)] == [entry]
    folders = Request(unlabeled="night=a=b, c").unlabeled
    assert [*entries(folders, files=False)] == [f"night={tmp_path / 'a=b, c'}"]
    assert [*entries({"": "x=1,2.txt"}, files=False)] == ["x=1,2.txt"]


def test_settings_of_one_task_alone() -> None:
    settings = ["gct.xi=0.5", "night.gct.xi=0.7"]
    cells = make_plan(
        REGISTRY, Request(tasks="night,matting", methods="gct", control=False, settings=settings)
    ).cells
    assert {cell.task: cell.config["xi"] for cell in cells} == {"night": 0.7, "matting": 0.5}
    for setting, words in (
        ("night.gct.xy=1", "did you mean 'night.gct.xi'"),
        ("night.mt.eta_mt=1", "not part"),
    ):
        with pytest.raises(UsageError, match=words):
            make_plan(REGISTRY, Request(tasks="night", methods="gct", control=False, settings=[setting]))
    (cell,) = make_plan(
        REGISTRY,
        Request(
            tasks="night",
            methods="mt",
            control=False,
            settings=["night.gct.xi=1", "gct.xi=1"],
            of_suite={"settings": {"night.gct.xi", "gct.xi"}},
        ),
    ).cells
    assert "xi" not in cell.config


def test_a_learning_rate_of_ones_own() -> None:
    plain, slow = (
        make_plan(REGISTRY, Request(tasks="night", methods="mt", control=False, settings=settings)).cells[0]
        for settings in ([], [f"mt.{RATE}=0.5"])
    )
    assert RATE not in plain.config
    assert (
        plain.id
        == make_plan(REGISTRY, Request(tasks="night", methods="mt", control=False, settings=[f"mt.{RATE}=1"]))
        .cells[0]
        .id
    )
    assert plain.recipe == slow.recipe
    rates = [cell.training.optimizer.learning_rate for cell in (plain, slow)]
    assert rates == [5e-3, 2.5e-3]
    assert slow.training.iterations == plain.training.iterations


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("night")
    for number in range(20):
        save(folder / f"input/{number}.png", 5 * number)
        save(folder / f"target/{number}.png", 100 + 5 * number)
    return folder


def test_cells_of_a_search_read_no_test_image(
    tmp_path: Path, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ssl_bench.data.reader import FileDataset

    read: set[str] = set()
    image, target = FileDataset.image, FileDataset.target
    monkeypatch.setattr(FileDataset, "image", lambda self, name: (read.add(name), image(self, name))[1])
    monkeypatch.setattr(FileDataset, "target", lambda self, name: (read.add(name), target(self, name))[1])
    search = search_of("supervised,mt", ["mt.eta_mt=1,3"])
    request = Request(
        tasks="night",
        methods="supervised,mt",
        control=False,
        labels=("1/2",),
        data=(f"night={pictures}",),
        settings=("night.iterations=2", "night.crop=8"),
        held_out="1/4",
        points={("night", method): points for method, points in search.points.items()},
    )
    plan = make_plan(REGISTRY, request)
    store, test = ResultStore(tmp_path), set(plan.sources["night"].dataset.test)
    assert len(plan.cells) == 4
    read.clear()
    for order in plan.orders:
        cell = order.cell
        run_cell(store.stage(order).path, CPU, REGISTRY)
        record = store.finished(cell)
        assert record is not None
        assert record.per_image["ids"] == list(cell.split.held_out)
        assert record.cell.split.held_out == len(cell.split.held_out) >= 2
        assert not set(cell.split.held_out) & {*cell.split.labeled, *cell.split.unlabeled, *test}
        assert order == Order.from_json(json.loads((store.folder(cell).path / "cell.json").read_text()))
    assert set(plan.cells[0].split.held_out) <= read
    assert not read & test
    # What is shown as best is what is chosen.
    for found in gather({"night": search}, plan.cells, store.finished, lambda cell: False):
        means = {trial.mean for trial in found.trials}
        assert found.best is not None
        assert found.rounded(found.best) == max(found.rounded(trial) or 0 for trial in found.trials)
        assert None not in means
    # None of it stands in a table of scores.
    from written import main_table

    assert main_table(store.records()).strip() == "No finished runs yet."
