"""Commands as a user types them: errors in one line and the right status, before any compute."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import Said
from PIL import Image
from trees import save

from ssl_bench.cli.commands import cli
from ssl_bench.errors import suggestion
from ssl_bench.plan.plan import Plan, make_plan

Command = Callable[..., Said]


def assert_one_line(said: Said, status: int, *words: str) -> None:
    assert said.status == status
    assert len(said.err.strip().splitlines()) == 1, said.err
    assert "Traceback" not in said.err
    for word in words:
        assert word in said.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--tasks", "segmentaton"], ["unknown task 'segmentaton'", "did you mean 'segmentation'?"]),
        (["--methods", "mtt"], ["unknown method 'mtt'", "did you mean 'mt'?"]),
        (["--backbones", "unet-smal"], ["unknown backbone", "did you mean 'unet-small'?"]),
        (["--backbones", "unett/resnet18"], ["unknown decoder 'unett'", "did you mean 'unet'?"]),
        (["--set", "mt.alpha=0.5"], ["unknown field 'mt.alpha'", "did you mean 'mt.alpha_mt'?"]),
        (["--set", "night.learning_rate=1"], ["did you mean 'night.optimizer.learning_rate'?"]),
        (["--set", "mtt.alpha=0.5"], ["unknown task or method 'mtt'"]),
        (["--set", "mt.alpha_mt=1.5"], ["--set mt.alpha_mt=1.5", "less than 1"]),
        (["--set", "mt.noise=loud"], ["--set mt.noise=loud", "'none', 'weak' or 'strong'"]),
        (["--set", "night.crop=-3"], ["--set night.crop=-3", "greater than or equal to 8"]),
        (["--set", "night.scale=[3, 1]"], ["scale must be a range"]),
        (["--set", "mt.alpha_mt"], ["METHOD.FIELD=VALUE"]),
        (["--methods", "supervised", "--set", "mt.alpha_mt=0.5"], ["'mt' is not part of this command"]),
        (["--labels", "9/8"], ["--labels 9/8"]),
        (["--labels", "lots"], ["--labels 'lots'", "a fraction (1/8), a count (100)"]),
        (["--labels", "129"], ["128 images with labels, fewer than 129"]),
        (["--set", "night.optimizer.betas=[2, 3]"], ["night.optimizer.betas", "less than 1"]),
        (["--tasks", "matting", "--labels", "night=1/8"], ["task 'night' is not part of this command"]),
        (["--labels", "nigth=1/8"], ["unknown task 'nigth'"]),
        (["--seeds", "a"], ["--seeds 'a'"]),
        (["--seeds", "-1"], ["0 or more"]),
        (["--split-seeds", "0-"], ["--split-seeds '0-'", "0,1,2 or 0-4"]),
        (["--split-seeds", "4-0"], ["--split-seeds '4-0'"]),
        (["--seeds", "0-99999999999"], ["--seeds '0-99999999999'"]),
        (["--tier", "huge"], ["huge", "smoke"]),
        (["--data", "night"], ["write TASK=PATH"]),
        (["--data", "night=/no/such/folder"], ["/no/such/folder"]),
        (["--tasks", "night", "--data", "matting=x"], ["task 'matting' is not part of this command"]),
        (["--dataset", "night=voc"], ["unknown dataset for task 'night'"]),
        (["--dataset", "night=lol"], ["needs a folder; add --data night=PATH"]),
        (["--devices", "tpu"], ["--devices 'tpu'", "auto, cpu, cuda"]),
        (["--jobs", "0"], ["--jobs"]),
        (["--hang-seconds", "nan"], ["--hang-seconds", "no number of seconds"]),
        (["--hang-seconds", "inf"], ["--hang-seconds", "no number of seconds"]),
        (["--checkpoint-seconds", "nan"], ["--checkpoint-seconds", "no number of seconds"]),
        (["--nonsense"], ["--nonsense"]),
        (["--executor", "locl"], ["unknown executor 'locl'", "did you mean 'local'?"]),
        (["--trials", "nigth.mt=4"], ["unknown task 'nigth'"]),
        (["--trackers", "tensorbord"], ["did you mean 'tensorboard'?"]),
        (["no-such-suite.toml"], ["suite no-such-suite.toml"]),
    ],
    ids=lambda value: " ".join(value) if value and value[0].startswith("-") else None,
)
def test_bad_input(command: Command, tmp_path: Path, arguments: list[str], words: list[str]) -> None:
    assert_one_line(command("run", "--out", tmp_path / "out", *arguments), 2, *words)
    assert not (tmp_path / "out" / "cells").exists() or not list((tmp_path / "out" / "cells").iterdir())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["runn"], ["unknown command 'runn'; did you mean 'run'?"]),
        (["xyz"], ["unknown command 'xyz'; known: advise, check, collect"]),
        (["data", "chek"], ["unknown command 'chek'; did you mean 'check'?"]),
        (["data", "split", "mak"], ["unknown command 'mak'; did you mean 'make'?"]),
    ],
)
def test_commands_that_there_are_not(command: Command, arguments: list[str], words: list[str]) -> None:
    assert_one_line(command(*arguments), 2, *words)


def test_a_network_that_is_likely_meant_is_named_alone(command: Command) -> None:
    assert command("plan", "--backbones", "unet-smal").err.endswith("did you mean 'unet-small'?\n")
    assert_one_line(command("plan", "--backbones", "xyz"), 2, "known: ", "DECODER/ENCODER")


def test_list_files_of_any_name(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ssl_bench.plan.plan import Request, make_plan
    from ssl_bench.registry.loading import load_registry

    monkeypatch.chdir(tmp_path)
    (cell,) = make_plan(load_registry(), Request(tasks="night", methods="supervised", labels=["4"])).cells
    for name in ("my=1, 2.txt", "night=list.txt"):
        (tmp_path / name).write_text("\n".join(cell.split.labeled))
        for entry in (name, f"night={name}"):
            said = command("plan", "--tasks", "night", "--methods", "supervised", "--labels", entry)
            assert said.status == 0, said.err
            assert f"{name} labels (4)" in said.out
    (tmp_path / "suite.toml").write_text('labels = ["my=1, 2.txt", "matting=1/4"]\n')
    said = command("plan", "suite.toml", "--tasks", "night", "--methods", "supervised")
    assert "my=1, 2.txt labels (4)" in said.out


@pytest.mark.parametrize("names", [("bad\udcff", "0"), ("good", "0\udcff")])
def test_names_that_are_no_text(command: Command, tmp_path: Path, names: tuple[str, str]) -> None:
    folder = tmp_path / names[0]
    try:
        for name in [names[1], *map(str, range(1, 10))]:
            for kind in ("input", "target"):
                save(folder / kind / f"{name}.png", 9)
    except (OSError, ValueError):
        pytest.skip("the file system takes no such names")
    given = ("--tasks", "night", "--methods", "supervised", "--labels", "2", "--data", f"night={folder}")
    assert_one_line(command("plan", *given), 2, "\\udcff", "the name is not UTF-8; rename it")


def test_a_gpu_where_there_is_none(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    assert_one_line(
        command("run", "--devices", "cuda", "--out", tmp_path), 2, "no CUDA device", "--devices cpu"
    )
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    assert_one_line(command("run", "--devices", "cuda:0,5", "--out", tmp_path), 2, "no GPU 5", "0 to 1")


def test_out_that_cannot_be_written(command: Command, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert_one_line(command("run", "--out", tmp_path / "file" / "x"), 2, "--out", "cannot be written")
    # As of a variable that is not set: not the current folder.
    assert_one_line(command("run", "--out", ""), 2, "--out", "the path is empty")


def test_no_space_in_out(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Path, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    assert_one_line(command("run", "--out", tmp_path), 2, "No space left on device")


def pairs(folder: Path, count: int = 6) -> Path:
    generator = np.random.default_rng(0)
    for name in ("input", "target"):
        (folder / name).mkdir(parents=True)
        for index in range(count):
            Image.fromarray(generator.integers(0, 255, (20, 24, 3), np.uint8)).save(
                folder / name / f"{index}.png"
            )
    return folder


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (lambda folder: (folder / "input" / "1.png").write_bytes(b""), ["1.png"]),
        (lambda folder: (folder / "input" / "1.png").write_bytes(b"GIF89a no image"), ["1.png"]),
        (
            lambda f: (f / "input" / "1.png").write_bytes((f / "input" / "1.png").read_bytes()[:200]),
            ["1.png"],
        ),
        (
            lambda folder: Image.new("RGB", (8, 9)).save(folder / "input" / "1.png"),
            ["input/1.png", "target/1.png"],
        ),
        (lambda folder: (folder / "input" / "1.png").unlink(), ["1.png"]),
    ],
    ids=["empty", "not an image", "truncated", "sizes differ", "no pair"],
)
def test_faulty_files_are_named(
    command: Command, tmp_path: Path, fault: Callable[[Path], object], words: list[str]
) -> None:
    folder = pairs(tmp_path / "night")
    fault(folder)
    arguments = [
        "--tasks",
        "night",
        "--methods",
        "full",
        "--data",
        f"night={folder}",
        "--out",
        tmp_path / "out",
    ]
    assert_one_line(command("run", *arguments), 2, *words)


def test_a_mask_with_a_class_out_of_range(command: Command, tmp_path: Path) -> None:
    folder = pairs(tmp_path / "set")
    for index in range(6):
        Image.fromarray(np.full((20, 24), 7 if index == 3 else 1, np.uint8)).save(
            folder / "target" / f"{index}.png"
        )
    (folder / "classes.txt").write_text("sky\nground\n")
    arguments = ["--tasks", "segmentation", "--methods", "full", "--data", f"segmentation={folder}"]
    assert_one_line(command("run", *arguments, "--out", tmp_path / "out"), 2, "3.png", "7")


def test_an_empty_folder(command: Command, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert_one_line(command("plan", "--data", f"night={tmp_path / 'empty'}"), 2, "empty")


def test_suite_files(command: Command, tmp_path: Path) -> None:
    suite = tmp_path / "suite.toml"
    suite.write_text(
        'tasks = ["night", "matting"]\nmethods = "supervised,mt"\nseeds = [0, 1]\n'
        'labels = ["1/4", "night=4"]\n[set]\nmt.alpha_mt = 0.5\nnight.iterations = 3\n'
    )
    said = command("plan", suite)
    assert "12 cells: 12 to run" in said.out
    assert said.out.count("4 labels (4)") == said.out.count("1/4 labels (32)") == 6
    assert "8 cells: 8 to run" in command("plan", suite, "--no-control").out
    assert "4 cells: 4 to run" in command("plan", suite, "--tasks", "night", "--methods", "mt").out
    suite.write_text('tasks = "night"\nmethods = "mt"\ncontrol = false\ndevices = "cpu"\njobs = 1\n')
    assert "1 cell: 1 to run" in command("plan", suite).out
    suite.write_text("taskes = 'night'\n")
    assert_one_line(command("plan", suite), 2, "unknown key 'taskes'", "did you mean 'tasks'?")
    suite.write_text("tasks = \n")
    assert_one_line(command("plan", suite), 2, "not valid TOML")
    suite.write_text("jobs = 'two'\n")
    assert_one_line(command("plan", suite), 2, f"suite {suite}", "'--jobs'")
    # What a suite gives, and the command line does not, is the suite's fault.
    for text, words in (("seeds = []", "--seeds empty: give 0 or more"), ("labels = ['']", "--labels ''")):
        suite.write_text(f"{text}\n")
        assert_one_line(command("plan", suite), 2, f"suite {suite}: {words}")
    suite.write_text("seeds = []\n")
    assert command("plan", suite, "--seeds", "1", "--tasks", "night", "--methods", "mt").status == 0
    suite.write_text("seeds = 1\n")
    assert f"suite {suite}" not in command("plan", suite, "--seeds", "x").err
    suite.write_text("help = true\n")
    assert_one_line(command("plan", suite), 2, "unknown key 'help'")
    for text, words in (
        ("to = 3\n[grid]\nx = 1", "--grid 'x=1'"),
        ("[tier]\na = 1", "'tier' takes a value, and not a table"),
        ("out = ['a', 'b']", "'out' takes one value, and not a list"),
        ("retries = 1.5", "'1.5' is not a valid integer range"),
        ("hang_seconds = nan", "no number of seconds"),
        ("hang_seconds = 'soon'", "'soon' is not a valid number of seconds"),
    ):
        suite.write_text(f"{text}\n")
        assert_one_line(command("tune", suite), 2, words)


def test_the_command_line_changes_of_a_suite_what_it_names(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    suite = tmp_path / "suite.toml"
    suite.write_text(
        'tasks = ["night", "denoising"]\nmethods = "mt"\ncontrol = false\nlabels = ["night=4", "denoising=6"]\n'
        "[set]\nnight.mt.lambda_mt = 0.25\ndenoising.mt.lambda_mt = 0.5\nmatting.mt.lambda_mt = 2\n"
        "night.iterations = 3\n[trials]\nnight.mt = 16\nmt = 4\n"
    )
    plans: list[Plan] = []
    monkeypatch.setattr(
        "ssl_bench.plan.plan.make_plan", lambda *given: plans.append(make_plan(*given)) or plans[-1]
    )

    def planned(*more: str) -> dict[str, tuple[object, ...]]:
        assert command("plan", suite, *more).status == 0
        return {
            f"{cell.task} {cell.row}": (
                cell.config["lambda_mt"],
                cell.trials,
                cell.split.source,
                cell.recipe["iterations"],
            )
            for cell in plans.pop().cells
        }

    plain = {"night mt": (0.25, 16, "4", 3), "denoising mt": (0.5, 4, "6", 80)}
    assert planned() == plain
    assert planned("--set", "denoising.iterations=7") == plain | {"denoising mt": (0.5, 4, "6", 7)}
    # What is set for all tasks goes before a suite's of one, and is what nobody searched.
    assert planned("--set", "mt.lambda_mt=1") == {
        "night mt": (1, None, "4", 3),
        "denoising mt": (1, None, "6", 80),
    }
    # Names are names in any spelling that is read.
    for written in ("MT.lambda_mt=1", "M T.lambda_mt=1"):
        assert planned("--set", written) == planned("--set", "mt.lambda_mt=1")
    own = planned("--set", "Night.Mt.lambda_mt=1", "--trials", "Denoising.MT=7")
    assert own == {"night mt": (1, None, "4", 3), "denoising mt": (0.5, 7, "6", 80)}
    assert planned("--set", "Night.iterations=5") == plain | {"night mt": (0.25, 16, "4", 5)}
    assert planned("--labels", "Night=8") == planned("--labels", "night=8")
    assert planned("--labels", "night=8") == plain | {"night mt": (0.25, 16, "8", 3)}
    assert {row[2] for row in planned("--labels", "8").values()} == {"8"}
    # Neither is a row of other settings, nor one beside the row that was searched.
    assert planned("--methods", "mt,mt:lambda_mt=9")["night mt:lambda_mt=9"][:2] == (9, None)
    assert planned("--methods", "mt:noise=strong")["night mt:noise=strong"][:2] == (0.25, 16)
    # A suite may be about more than a command, and the command line may not.
    assert planned("--tasks", "night") == {"night mt": plain["night mt"]}
    said = command("plan", suite, "--tasks", "night", "--set", "denoising.iterations=7")
    assert_one_line(said, 2, "--set denoising.iterations=7: 'denoising' is not part of this command")


def test_plan_says_what_is_skipped_and_why(command: Command) -> None:
    said = command("plan", "--labels", "1/8,1/4", "--tasks", "night", "--methods", "supervised,full")
    # The upper bound trains on all labels, whatever the split: one cell serves both.
    assert "3 cells: 3 to run" in said.out


def test_one_split_under_two_spellings_is_one_cell(command: Command) -> None:
    said = command("plan", "--labels", "1/8,16,0.125", "--tasks", "night", "--methods", "supervised")
    assert "1 cell: 1 to run" in said.out


def test_a_data_root_that_is_not_there(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_BENCH_DATA", "/no/such/root")
    assert_one_line(command("plan"), 2, "SSL_BENCH_DATA=/no/such/root")


def test_list_names_the_provider(command: Command) -> None:
    said = command("list", "methods")
    assert said.status == 0
    assert "mt " in said.out
    assert "ssl-bench 0.1.0" in said.out


def test_leaderboard_without_records(command: Command, tmp_path: Path) -> None:
    assert_one_line(command("leaderboard", tmp_path), 2, "no records below")


@pytest.mark.parametrize("task", ["segmentation", "denoising", "matting", "night"])
def test_contact_sheets(command: Command, tmp_path: Path, task: str) -> None:
    said = command("data", "show", task, "--out", tmp_path / "sheet.png", "--count", 3)
    assert said.status == 0
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert len(np.unique(np.asarray(sheet).reshape(-1, 3), axis=0)) > 100


def test_contact_sheet_that_cannot_be_written(command: Command, tmp_path: Path) -> None:
    assert_one_line(
        command("data", "show", "night", "--out", tmp_path / "no" / "x.png"), 2, "cannot be written"
    )


def install(folder: Path, name: str, code: str) -> None:
    """A distribution as pip would leave it: a module and its entry point."""
    (folder / f"{name}.py").write_text(code)
    info = folder / f"{name}-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text(f"[ssl_bench]\n{name} = {name}\n")


METHOD = """
from ssl_bench.hookspecs import hookimpl
from ssl_bench.specs import MethodSpec
@hookimpl
def provide_methods():
    return [MethodSpec(name={name!r}, title="Mine", method="nowhere:Nothing")]
"""


def run_with(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    return subprocess.run(
        [sys.executable, "-m", "ssl_bench", *arguments],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )


def test_installed_plugins(tmp_path: Path) -> None:
    install(tmp_path, "pluginone", METHOD.format(name="pi"))
    install(tmp_path, "pluginbroken", "import no_such_module")
    listed = run_with(tmp_path, "list", "methods")
    assert listed.returncode == 0
    assert "pluginone 1.2" in listed.stdout
    assert listed.stderr.count("\n") == 1
    assert "plugin 'pluginbroken' is left out" in listed.stderr
    assert run_with(tmp_path, "plan", "--methods", "mt").returncode == 0
    install(tmp_path, "plugintwo", METHOD.format(name="pi"))
    clash = run_with(tmp_path, "list")
    assert clash.returncode == 2
    assert clash.stderr.count("\n") == 1
    assert "'pi' is provided twice" in clash.stderr
    assert "pluginone" in clash.stderr
    assert "plugintwo" in clash.stderr


def test_every_option_and_command_stands_below_a_title(command: Command) -> None:
    for name in ("run", "plan", "tune"):
        shown = command(name, "--help").out
        titles = [line for line in shown.splitlines() if line.endswith(":") and not line.startswith(" ")]
        assert titles[:2] == ["What is compared:", "On which data:"]
        rest = shown.partition("\nOther:\n")[2]
        assert rest.split() == ["-h,", "--help", "Show", "this", "message", "and", "exit."], name
    shown = command("--help").out
    assert "Other:" not in shown
    listed = re.findall(r"^  ([a-z]+)  ", shown, re.MULTILINE)
    assert sorted(listed) == sorted(cli.commands)


def test_a_run_of_nothing_is_an_error(command: Command, tmp_path: Path) -> None:
    said = command(
        "run", "--methods", "lora", "--backbones", "unet-small", "--tasks", "night", "--out", tmp_path
    )
    assert_one_line(said, 2, "no cell is left to run")
    assert "starts from random weights: there is nothing to keep" in said.out
    many = [f"name{number:02}" for number in range(50)]
    assert suggestion("x", many) == f"known: {', '.join(many[:40])} and 10 more"
