"""The code in the documents runs.

Python blocks of a document are executed in order, in one namespace. Console blocks are run and must say what they show.
Shell blocks of `RUN` are run in order; every other `ssl-bench` command is read as the command line reads it, names of
tasks, methods, networks and settings included. Wherever something is trained, it is for two steps on crops of
32 px, and scored on three images.
"""

import re
import shlex
import tomllib
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
import torch
from conftest import Said
from documents import NAMES, ROOT, blocks, commands, dialogues, shell
from inline import InlineExecutor
from PIL import Image
from trees import save

from ssl_bench.cli.commands import cli
from ssl_bench.cli.suite import load_suite
from ssl_bench.pixels.channels import read_statement
from ssl_bench.plan import plan as planning
from ssl_bench.plan.request import Request
from ssl_bench.plan.settings import parse_settings, resolve_config
from ssl_bench.plan.variants import methods_of, pick_variants
from ssl_bench.recipe import Kind, Recipe
from ssl_bench.registry.loading import load_registry
from ssl_bench.registry.registry import Registry, pick
from ssl_bench.testing.toys import build_toy, toy_spec, train_toy

Command = Callable[..., Said]
RUN = ("docs/start.md", "docs/method.md")
PLACEHOLDER = re.compile(r"[A-Z_]+(\.\.\.)?|…")


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder to be in, where whatever is trained is trained for two steps, in this process, and scored on three
    of the embedded test images."""
    recipe_for = planning.recipe_for

    def shrunk(*arguments: Any) -> Recipe:
        return recipe_for(*arguments).model_copy(update={"iterations": 2, "crop": 32})

    monkeypatch.setattr(planning, "recipe_for", shrunk)
    monkeypatch.setattr("ssl_bench_tasks.synthetic.base.TEST", 3)
    monkeypatch.setattr("ssl_bench_plugins.executors.local.LocalExecutor", InlineExecutor)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def plugin_files(tiny: Path) -> Path:
    """The files that the documents tell their readers to save, by the names that they give."""
    (tiny / "my_fixmatch.py").write_text(blocks("docs/method.md", "python")[0])
    (tiny / "raindrops.py").write_text(blocks("docs/plugins.md", "python")[0])
    for suite in ("suite.toml", "runs/tune/winners.toml"):
        (tiny / suite).parent.mkdir(parents=True, exist_ok=True)
        (tiny / suite).write_text(blocks("docs/start.md", "toml")[0])
    (tiny / "examples").symlink_to(ROOT / "examples")  # readers of the README are in a clone
    return tiny


@pytest.mark.parametrize("document", NAMES)
def test_commands_are_well_formed(document: str, plugin_files: Path) -> None:
    plugins = []
    for block in blocks(document, "python"):
        if name := re.match(r"# (\w+\.py)$", block, flags=re.MULTILINE):
            (plugin_files / name[1]).write_text(block)
            plugins += ["--plugin", name[1]]
    for arguments in commands(document):
        check(arguments, plugins, f"{document}: ssl-bench {shlex.join(arguments)}")


def check(arguments: list[str], plugins: list[str], where: str) -> None:
    """Read a command without running it. A word in capitals stands for whatever the reader puts there, and the
    `plugins` that a page shows are taken for installed."""
    command: click.Command = cli
    context = click.Context(cli)
    while isinstance(command, click.Group) and arguments and not arguments[0].startswith("-"):
        name, *arguments = arguments
        if PLACEHOLDER.fullmatch(name):
            return
        found = command.get_command(context, name)
        assert found is not None, f"{where}: no such command"
        command = found
    if isinstance(command, click.Group):
        assert set(arguments) <= {"--help"}, where
        return
    if any("--plugin" in parameter.opts for parameter in command.params):
        arguments = [*plugins, *arguments]
    try:
        with command.make_context(where, list(arguments), parent=context) as context:
            values = context.params
    except click.exceptions.Exit:
        return  # --help, --version
    except click.MissingParameter:
        # "`ssl-bench predict`", where prose speaks of the command.
        assert arguments in ([], plugins), where
        return
    except click.BadParameter:
        if not any(PLACEHOLDER.fullmatch(word) for word in arguments):
            raise
        return
    check_names({key: value for key, value in values.items() if not _stands_for(value)})


def check_names(values: dict[str, Any]) -> None:
    """UsageError for a task, method, network or setting that does not exist."""
    registry = with_guide()
    settings = values.get("settings") or ()
    if not isinstance(settings, dict):  # As a suite has them.
        settings = [text for text in settings if not re.search(r"\b[A-Z]+\b|=$|…", text)]
    given = {name: values[name] for name in ("tasks", "methods", "backbones") if values.get(name)}
    request = Request(**given, settings=settings)
    tasks = [registry.task(name) for name in pick(registry, "tasks", request.tasks, registry.task)]
    methods = methods_of(pick_variants(registry, request.methods))
    parse_settings(registry, request.settings, tasks, methods)
    for name in request.backbones:
        registry.check_backbone(name)


def _stands_for(value: object) -> bool:
    return isinstance(value, str) and PLACEHOLDER.fullmatch(value) is not None


@cache
def with_guide() -> Registry:
    """What is installed, the method of the guide, and that of the examples."""
    sources = {
        "my_fixmatch": blocks("docs/method.md", "python")[0],
        "pi_model": (ROOT / "examples" / "pi-model" / "pi_model.py").read_text(),
    }
    plugins = []
    for name, source in sources.items():
        namespace: dict[str, Any] = {"__name__": name}
        exec(source, namespace)
        plugins.append(type(name, (), {"provide_methods": staticmethod(namespace["provide_methods"])}))
    return load_registry(plugins)


@pytest.mark.parametrize("document", [name for name in NAMES if blocks(name, "python")])
def test_python_runs(document: str, plugin_files: Path) -> None:
    namespace: dict[str, Any] = {"__name__": "document"}
    for block in blocks(document, "python"):
        exec(block, namespace)


@pytest.mark.parametrize("document", RUN)
def test_shell_runs(document: str, plugin_files: Path, command: Command) -> None:
    for line in shell(document):
        words = shlex.split(line, comments=True)
        if words[0] != "ssl-bench":
            assert words[0] in ("python3", ".", "pip"), line  # setting up, which the project's own checks do
            continue
        # One seed says as much as three about whether a command runs.
        arguments = ["0" if word == "0,1,2" else word for word in words[1:]]
        said = command(*arguments)
        assert (said.status, said.err) == (0, ""), f"{line}\n{said.err}"


@pytest.mark.parametrize("document", [name for name in NAMES if blocks(name, "console")])
def test_commands_say_what_is_shown(
    document: str, folders: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    for line, answer in dialogues(document):
        said = command(*shlex.split(line)[1:])
        assert said.err == answer, line
        assert said.status in (1, 2)


@pytest.fixture
def folders(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The folders of the page of errors, and a folder to be in. Nothing is trained there, so that nothing is small."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    for name in ("broken", "unequal", "portraits"):
        for number in range(10):
            picture = rng.integers(0, 256, (24, 32, 3), np.uint8)
            save(tmp_path / name / f"input/{number}.png", picture)
            save(tmp_path / name / f"target/{number}.png", picture)
    (tmp_path / "broken/target/3.png").write_bytes((tmp_path / "broken/target/3.png").read_bytes()[:200])
    Image.new("RGB", (30, 24)).save(tmp_path / "unequal/target/3.png")
    (tmp_path / "empty").mkdir()
    return tmp_path


@pytest.mark.parametrize("document", [name for name in NAMES if blocks(name, "toml")])
def test_toml_is_read(document: str, tmp_path: Path) -> None:
    for block in blocks(document, "toml"):
        content = tomllib.loads(block)
        if content.keys() <= {"bands", "range", "show"}:
            (tmp_path / "data.toml").write_text(block)
            assert read_statement(tmp_path / "data.toml").path == tmp_path / "data.toml"
        elif "project" not in content:
            (tmp_path / "suite.toml").write_text(block)
            with click.Context(cli) as context:
                load_suite(context, click.Option(["--suite"]), tmp_path / "suite.toml")
                assert context.default_map


def test_the_plugin_shown_is_the_example() -> None:
    # It is installed, checked and run by tests of its own.
    example = ROOT / "examples" / "raindrops" / "ssl_bench_raindrops.py"
    assert blocks("docs/plugins.md", "python")[0] == example.read_text()


@pytest.mark.parametrize(("kind", "settings"), [
    ("classification", {"threshold": 0.36}),
    ("classification", {"threshold": 0.36, "mix": "none", "weak": "weak", "target": "soft"}),
    ("regression", {}),
])  # fmt: skip
def test_the_method_of_the_guide_is_fixmatch(kind: Kind, settings: dict[str, Any]) -> None:
    own, built_in = with_guide().method("my-fixmatch"), with_guide().method("fixmatch")
    config = resolve_config(toy_spec(kind), own, settings)
    names = {"weight": "lambda_fm", "threshold": "tau_fm", "decay": "alpha_fm"}
    same = {names.get(name, name): getattr(config, name) for name in type(config).model_fields}
    runs = [
        train_toy(replace(spec, check_with=values), kind, steps=4)
        for spec, values in ((own, settings), (built_in, same))
    ]
    mine, theirs = (run.state_dict() for run in runs)
    assert mine.keys() == theirs.keys()
    assert all(torch.equal(value, theirs[name]) for name, value in mine.items())
    assert any(
        not torch.equal(value, build_toy(own, kind).state_dict()[name]) for name, value in mine.items()
    )


def test_the_readme_has_its_two_commands() -> None:
    first, second = blocks("README.md", "bash")[:2]
    assert "ssl-bench run" in first
    assert "pytest" in second
    assert all(len(command.strip().splitlines()) == 1 for command in (first, second))
    assert (ROOT / ".ci" / "run").is_file()
