"""One model of a request: an option is a field, read once, from text or typed."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest
from conftest import Said

import ssl_bench
from ssl_bench.cli.commands import cli
from ssl_bench.cli.executors import ExecutorCommand
from ssl_bench.cli.options import request_from, request_options
from ssl_bench.errors import UsageError
from ssl_bench.plan.plan import make_plan
from ssl_bench.plan.request import COMPUTED, Request, asked, taking
from ssl_bench.registry.loading import load_registry

REGISTRY = load_registry()


class Seasoned(Request):
    """A request with one more field."""

    spice: int = asked(COMPUTED, 3, "How hot it is computed.", ge=0)


def test_a_field_is_an_option_a_key_and_an_argument(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found: list[Any] = []

    @click.command(cls=ExecutorCommand, context_settings=cli.context_settings)
    @request_options(Seasoned)
    def cook(suite: Path | None, **options: Any) -> None:
        found.append(request_from(Seasoned, options, REGISTRY).spice)

    with pytest.raises(SystemExit):
        cook.main(["--help"])
    section = capsys.readouterr().out.partition("How it is computed:")[2].partition("\n\n")[0]
    assert "--spice INTEGER RANGE" in section
    assert "How hot it is computed. [default: 3; x>=0]" in " ".join(section.split())
    suite = tmp_path / "suite.toml"
    suite.write_text("spice = 7\n")
    for arguments in ([], ["--spice", "4"], [str(suite)], [str(suite), "--spice", "5"]):
        cook.main(arguments, standalone_mode=False)
    assert found == [3, 4, 7, 5]

    class Kitchen(ssl_bench.Bench):
        @taking(Seasoned)
        def plan(self, **fields: Any) -> Any:
            """Plan what is cooked."""
            return Seasoned(**fields)

    assert Kitchen(tmp_path).plan(spice=9, seeds=range(2)).spice == 9
    assert "spice: How hot it is computed." in (Kitchen.plan.__doc__ or "")
    for wrong in (lambda: Seasoned(spice=-1), lambda: cook.main(["--spice", "-1"], standalone_mode=False)):
        with pytest.raises((UsageError, click.BadParameter), match="-1"):
            wrong()


def test_text_and_values_are_one_request(tmp_path: Path) -> None:
    typed = Request(
        tasks=("night", "matting"),
        methods=("mt", "mt:noise=none"),
        seeds=(0, 1, 2, 5),
        labels={"": ("1/8", "all"), "night": (8,)},
        data={"night": tmp_path},
        unlabeled={"": [tmp_path]},
        test=4,
        settings={"mt": {"alpha_mt": 0.5}, "night.scale": [0.5, 2.0]},
        trials={"night.mt": 3},
        weights=tmp_path / "x.pth",
    )
    assert typed == Request(
        tasks="night, matting",
        methods="mt,mt:noise=none",
        seeds="0-2,5",
        labels=["1/8,all", "night=8"],
        data=[f"night={tmp_path}"],
        unlabeled=str(tmp_path),
        test="4",
        settings=["mt.alpha_mt=0.5", "night.scale=[0.5, 2.0]"],
        trials=["night.mt=3"],
        weights=f"{tmp_path}/x.pth",
    )
    assert typed.seeds == (0, 1, 2, 5)
    assert typed.data == {"night": tmp_path}
    assert typed.labels == {"": ("1/8", "all"), "night": ("8",)}


@pytest.mark.parametrize(
    ("field", "words"),
    [
        ({"seedz": 1}, "unknown option 'seedz'; did you mean 'seeds'?"),
        ({"seeds": 1.5}, "--seeds 1.5: give integers of 0 or more"),
        ({"seeds": True}, "--seeds True: give integers of 0 or more"),
        ({"seeds": "0-20000"}, "--seeds '0-20000': a range has 10000 seeds at most"),
        ({"seeds": "1" * 45}, f"--seeds '{'1' * 45}': a seed has 18 digits at most"),
        ({"split_seeds": 10**18}, f"--split-seeds '{10**18}': a seed has 18 digits at most"),
        ({"devices": "cuda:a"}, "--devices 'cuda:a': GPU numbers are integers of 0 or more"),
        ({"devices": "cuda:-1"}, "--devices 'cuda:-1': GPU numbers are integers of 0 or more"),
        ({"threads": 0}, "--threads 0: input should be greater than or equal to 1"),
        ({"tier": "huge"}, "--tier huge: input should be 'smoke', 'lite' or 'paper'"),
        ({"data": "night"}, "--data 'night': write TASK=PATH"),
        ({"data": {"night": ""}}, "--data 'night=': write TASK=PATH"),
        ({"data": ["night=a", "night=b"]}, "--data is given twice for night"),
        ({"test": -1}, "--test '-1': give a whole number of images"),
        ({"settings": {"alpha_mt": 1}}, "--set 'alpha_mt=1': write METHOD.FIELD=VALUE"),
        ({"hang_seconds": float("nan")}, "--hang-seconds nan: input should be a finite number"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, dict) else "",
)
def test_what_can_be_no_value_is_told_in_a_line(field: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError) as error:
        Request(**field)
    assert str(error.value).startswith(words)
    assert "\n" not in str(error.value)


def test_a_task_has_its_own_before_what_is_for_all() -> None:
    tasks = [REGISTRY.task(name) for name in ("night", "matting")]
    asked_for = Request(labels={"": "1/4", "NIGHT": [8, 4]})
    assert asked_for.by_task("labels", REGISTRY, tasks) == {"night": ("8", "4"), "matting": ("1/4",)}
    with pytest.raises(UsageError, match="--labels is given twice for night"):
        Request(labels={"NIGHT": 4, "night": 8}).by_task("labels", REGISTRY, tasks)
    with pytest.raises(UsageError, match="task 'denoising' is not part of this command"):
        Request(labels={"denoising": 4}).by_task("labels", REGISTRY, tasks)


def test_a_method_in_any_spelling_is_one_cell() -> None:
    ids = [
        make_plan(REGISTRY, Request(tasks="night", methods=name, control=False)).cells[0].id
        for name in ("mt:noise=none", "MT:noise=none")
    ]
    assert ids[0] == ids[1]


def test_options_and_folders_in_either_spelling(command: Callable[..., Said], tmp_path: Path) -> None:
    said = [
        command("plan", task, "night", method, "mt", seed, "0-1", "--split_seed", 3, folder, tmp_path).out
        for task, method, seed, folder in (
            ("--tasks", "--methods", "--seeds", "--out"),
            ("--task", "--method", "--seed", "--runs"),
        )
    ]
    assert said[0] == said[1]
    assert "4 cells: 4 to run" in said[0]
    for arguments in (["status"], ["leaderboard"], ["report"], ["merge", "--out", tmp_path / "o"]):
        named, given = (command(*arguments, *where, tmp_path) for where in ([], ["--runs"]))
        assert (named, named.status) == (given, 2)
        twice = command(*arguments, tmp_path, "--runs", tmp_path)
        assert "named both as arguments and by --runs" in twice.err
