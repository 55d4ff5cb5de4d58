"""What people type and mean: titles and capitals, options of other tools, homes in values, seeds and lists."""

import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from conftest import Said

from ssl_bench.errors import UsageError
from ssl_bench.hookspecs import hookimpl
from ssl_bench.plan.plan import Request, make_plan
from ssl_bench.plan.settings import configs_for, parse_settings
from ssl_bench.plan.variants import plain
from ssl_bench.registry.loading import load_registry
from ssl_bench.specs import MethodSpec

Command = Callable[..., Said]
NIGHT = ("plan", "--tasks", "night", "--methods", "supervised")


def test_titles_and_capitals_are_names() -> None:
    registry = load_registry()
    same = (
        Request(
            tasks="night",
            methods="mt,supervised",
            control=False,
            settings=["night.crop=32", "mt.alpha_mt=0.9"],
        ),
        Request(
            tasks="Night Image Enhancement",
            methods="SupOnly, MT",
            control=False,
            labels=["NIGHT=1/8"],
            settings=["Night.crop=32", "MT.alpha_mt=0.9"],
            trials=["Mt=3"],
        ),
    )
    plans = [[cell.method for cell in make_plan(registry, request).cells] for request in same]
    assert plans == [["supervised", "mt"]] * 2
    night, mt = registry.task("NIGHT"), registry.method("Mt")
    given = parse_settings(registry, {"NIGHT.Mt.alpha_mt": 0.5}, [night], [mt])
    (_, config) = configs_for(night, plain(mt), "smoke", given, ())[0]
    assert config.model_dump()["alpha_mt"] == 0.5
    assert registry.dataset("night", "SYNTHETIC").name == "synthetic"


def test_what_two_are_called_is_an_error() -> None:
    spec = registry_spec = load_registry().method("mt")
    twin = MethodSpec(name="mt2", title=registry_spec.title, method=spec.method)
    other = MethodSpec(name="m-t2", title="Other", method=spec.method)
    plugin = SimpleNamespace(__name__="twins", provide_methods=hookimpl(lambda: [twin, other]))
    registry = load_registry([plugin])
    assert registry.method("mt").name == "mt"
    with pytest.raises(UsageError, match="'MT2' may be mt2 or m-t2; write one of these"):
        registry.method("MT2")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("plan", "--methods", "meanteacher"), "unknown method 'meanteacher'; did you mean 'mt'?"),
        ((*NIGHT, "--backbones", "resnet50"), "unknown backbone 'resnet50'; did you mean 'unet/resnet50'?"),
        ((*NIGHT, "--backbones", "DeepLabV3"), "did you mean 'deeplabv3/resnet50'?"),
        (
            ("run", "--lr", "0.01"),
            "no such option: --lr; did you mean '--set TASK.optimizer.learning_rate=RATE'?",
        ),
        (("run", "--batch_size=3"), "did you mean '--set TASK.labeled_rows=ROWS'?"),
        (("plan", "--gpu"), "did you mean '--devices cuda'?"),
        (("run", "--devices", "gpu"), "--devices 'gpu': did you mean 'cuda'?"),
        (("plan", "--devices", "GPU:0,1"), "--devices 'GPU:0,1': did you mean 'cuda:0,1'?"),
        (
            ("plan", "--set", "segmentation.scale=0.5,2.0"),
            "--set segmentation.scale=0.5,2.0: input should be a valid tuple; write [0.5, 2.0], in quotes",
        ),
        (
            (*NIGHT, "--labels", "100.0"),
            "--labels 100.0: a fraction lies above 0 and up to 1, a count is 1 or more",
        ),
        ((*NIGHT, "--labels", "129"), "has 128 images with labels, fewer than 129, besides 40 to test on"),
    ],
)
def test_what_is_meant_is_said(command: Command, arguments: tuple[str, ...], words: str) -> None:
    said = command(*arguments)
    assert (said.status, said.out, len(said.err.splitlines())) == (2, "", 1)
    assert words in said.err


def test_options_that_a_command_lacks_are_not_offered(command: Command) -> None:
    assert "--set" not in command("status", "--lr", "1").err


def test_a_list_in_brackets_is_a_list(command: Command) -> None:
    assert command(*NIGHT, "--set", "night.scale=[0.5, 2.0]").status == 0


@pytest.mark.parametrize(("seeds", "note"), [("3", True), ("0", False), ("42", False), ("0,1,2", False)])
def test_one_seed_is_one_seed(command: Command, seeds: str, *, note: bool) -> None:
    said = command(*NIGHT, "--seeds", seeds)
    expected = "note: --seeds 3 is seed 3 alone; 0-2 would be 3 seeds\n"
    assert said.err == (expected if note else "")
    assert (f"seed {seeds} " in said.out) == ("," not in seeds)


def test_all_labels_are_one_split_and_all_tasks_are_all() -> None:
    registry = load_registry()
    request = Request(tasks="all,night", methods="full", labels=["night=all,4"], split_seeds="0-4")
    made = make_plan(registry, request)
    assert [*made.sources] == [spec.name for spec in registry.sorted("tasks")]
    assert "night: 'all' labels are one split, of which --split-seeds draws nothing" in made.notes
    assert not [note for note in made.notes if "'4'" in note]
    with pytest.raises(UsageError, match="unknown task 'nigth'"):
        make_plan(registry, request.model_copy(update={"tasks": ("all", "nigth")}))


def test_cells_elsewhere_are_pointed_to(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ask = ("predict", "night", "x.png", "--out", "y")
    assert "nothing has been run there yet" in command(*ask).err
    folder = tmp_path / "out-a" / "cells" / "night-x"
    folder.mkdir(parents=True)
    (folder / "result.json").write_text("{}")
    assert "no finished cell 'night' in runs; there is one in out-a: give --runs out-a" in command(*ask).err
    other = ("predict", "matting", "x.png", "--out", "y")
    assert "there are finished cells in out-a: give --runs out-a" in command(*other).err
    assert "there: night-x" in command(*other, "--runs", "out-a").err
    for name in ("night-mt-1", "night-mt-2", "night-gct-1", "night-gct-2", "night-gct-3"):
        shutil.copytree(folder, folder.parent / name)
    ask = ("predict", "mt", "x.png", "--out", "y", "--runs", "out-a")
    assert "there: night-mt-1, night-mt-2; `ssl-bench status out-a` lists all\n" in command(*ask).err
    assert "did you mean 'night-gct-3'?" in command("predict", "night-gct-4", *ask[2:]).err


def test_homes_are_found_in_values(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    home = str(tmp_path)
    assert f"{home}/none" in command(*NIGHT, "--data", "night=~/none").err
    assert f"{home}/none" in command(*NIGHT, "--unlabeled", "~/none").err
    assert f"{home}/none" in command(*NIGHT, "--unlabeled", "night=~/none").err
    (tmp_path / "any.pth").write_bytes(b"any")
    assert "cannot be read" in command(*NIGHT, "--weights", "~/none.pth").err
    assert "cannot be read" not in command(*NIGHT, "--weights", "~/any.pth").err
    assert f"{home}/none.py" in command("list", "--plugin", "~/none.py").err
    assert f"{home}/none.toml" in command("plan", "~/none.toml").err
    assert "no user's home" not in command(*NIGHT, "--data", "night=~no-such-user/x").err
    request = Request(tasks="night", methods="supervised", labels=("3",))
    names = make_plan(load_registry(), request).cells[0].split.labeled
    (tmp_path / "labels.txt").write_text("\n".join(names))
    said = command(*NIGHT, "--labels", "night=~/labels.txt,1/8", "--labels", "~/labels.txt")
    assert "labels.txt labels (3)" in said.out, said.err
    (tmp_path / "suite.toml").write_text(
        "tasks = 'night'\nmethods = 'MT'\nlabels = ['~/labels.txt']\nout = '~/here'\nplugin = '~/none.py'\n"
    )
    assert f"{home}/none.py" in command("plan", "~/suite.toml").err
    text = (tmp_path / "suite.toml").read_text().replace("plugin = '~/none.py'\n", "")
    (tmp_path / "suite.toml").write_text(text)
    assert "labels.txt labels (3)" in command("plan", "~/suite.toml", "--tasks", "Night").out
    (tmp_path / "relative.toml").write_text(text.replace("~/labels.txt", "labels.txt"))
    assert "labels.txt labels (3)" in command("plan", "relative.toml").out
