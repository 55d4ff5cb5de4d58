"""`ssl-bench new`: what it writes keeps its contract, and what it must not do."""

import importlib
import inspect
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Said

from ssl_bench.errors import PluginError
from ssl_bench.registry.loading import load_registry
from ssl_bench.registry.scaffold import EXAMPLES, PLUGIN_KINDS, Package, PluginKind, write_package
from ssl_bench.testing.contract import named_subjects

Command = Callable[..., Said]
REGISTRY = load_registry()


@pytest.mark.parametrize("kind", PLUGIN_KINDS)
def test_what_is_written_keeps_its_contract(tmp_path: Path, kind: PluginKind) -> None:
    package = Package(kind, "my-own_one", "matting" if kind == "dataset" else "")
    folder = write_package(package, REGISTRY, tmp_path)
    assert folder.name == "ssl-bench-my-own-one"
    for path in folder.iterdir():
        # Nothing is left of the example's own name.
        example = Package(kind, EXAMPLES[kind])
        assert not re.search(f"{example.name}|{example.module}", path.name + path.read_text())
        if path.suffix == ".py":
            compile(path.read_text(), str(path), "exec")
    subjects = list(named_subjects(REGISTRY, str(folder / "ssl_bench_my_own_one.py")))
    assert subjects
    for subject in subjects:
        assert not subject.skipped
        outcome = subject.outcome()
        assert outcome.findings == outcome.unchecked == []


@pytest.mark.parametrize(
    ("kind", "text", "instead", "sentence"),
    [
        ("dataset", 'targets_are = "', 'targets_are = "x', "it is one of indices, picture, alpha"),
        ("dataset", "marks = ", "names = ", "`marks` are to be tuples of folders"),
        ("dataset", "train_files = ", "files = ", "`train_files` is to be a tuple of Files"),
        ("task", ".astype(np.uint16)", ".astype(np.int64)", "is of int64, not uint8, uint16 or float32"),
    ],
)
def test_what_would_train_on_another_scale_or_another_task_is_caught(
    tmp_path: Path, kind: PluginKind, text: str, instead: str, sentence: str
) -> None:
    folder = write_package(
        Package(kind, "my-own_one", "matting" if kind == "dataset" else ""), REGISTRY, tmp_path
    )
    path = folder / "ssl_bench_my_own_one.py"
    assert text in path.read_text()
    path.write_text(path.read_text().replace(text, instead))
    findings = [line for subject in named_subjects(REGISTRY, str(path)) for line in subject.findings()]
    assert any(sentence in line for line in findings), findings


def test_a_kind_of_task_that_there_is_not_is_refused_where_it_is_read(tmp_path: Path) -> None:
    path = write_package(Package("task", "own"), REGISTRY, tmp_path) / "ssl_bench_own.py"
    path.write_text(path.read_text().replace('kind="regression"', 'kind="regresion"'))
    with pytest.raises(
        PluginError, match=r"task 'own' has kind='regresion': .* 'classification' or 'regression'"
    ):
        list(named_subjects(REGISTRY, str(path)))


def test_a_method_starts_from_the_vocabulary(tmp_path: Path) -> None:
    folder = write_package(Package("method", "own"), REGISTRY, tmp_path)
    text = (folder / "ssl_bench_own.py").read_text()
    for word in ("frozen_copy", "pseudo_error", "gated", "draw_boxes", "update_average"):
        assert f"    {word},\n" in text.partition("from ssl_bench.toolbox import (")[2].partition(")")[0]
    assert "progress.draws" in text
    assert 'progress.log("kept"' in text


@pytest.mark.parametrize(
    ("kind", "task"),
    [
        ("task", ""),
        ("tracker", ""),
        ("dataset", "night"),
        ("dataset", "segmentation"),
        ("dataset", "matting"),
    ],
)
def test_the_packages_own_tests_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: PluginKind, task: str
) -> None:
    package = Package(kind, f"own-{task or kind}", task)
    monkeypatch.syspath_prepend(write_package(package, REGISTRY, tmp_path))
    module = importlib.import_module(f"test_{package.module}")
    tests = [
        test for name, test in vars(module).items() if name.startswith("test_") and name != "test_contract"
    ]
    assert tests
    for test in tests:
        test(*[tmp_path] * len(inspect.signature(test).parameters))


def test_the_command_says_what_comes_next(command: Command, tmp_path: Path) -> None:
    said = command("new", "method", "two", "--out", tmp_path)
    assert said.status == 0
    assert "pip install -e" in said.out
    assert 'two = "ssl_bench_two"' in (tmp_path / "ssl-bench-two" / "pyproject.toml").read_text()
    module = tmp_path / "ssl-bench-two" / "ssl_bench_two.py"
    module.write_text("mine now")
    again = command("new", "task", "two", "--out", tmp_path)
    assert (again.status, module.read_text()) == (2, "mine now")
    assert "is there already, and is left as it is" in again.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["method", "mt"], ["method 'mt' is there already, from ssl-bench"]),
        (["method", "night"], ["task 'night' is there already"]),
        (["dataset", "lol", "--task", "night"], ["dataset 'night/lol' is there already"]),
        (["dataset", "rain", "--task", "nigth"], ["unknown task 'nigth'", "did you mean 'night'?"]),
        (["method", "Pi Model"], ["'Pi Model' cannot be a name", "did you mean 'pi-model'?"]),
        (["method", "../../x"], ["'../../x' cannot be a name", "did you mean 'x'?"]),
        (["method", "7"], ["'7' cannot be a name"]),
        (["method", "a" * 41], ["at most 40"]),
        (["methdo", "x"], ["unknown kind of plugin 'methdo'", "did you mean 'method'?"]),
        (["method", "x", "--task", "night"], ["--task goes with `new dataset`"]),
        (["method", "x", "--out", "/no/such/folder"], ["cannot be written"]),
    ],
    ids=lambda value: " ".join(value)[:30],
)
def test_bad_input(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], words: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    said = command("new", *arguments)
    assert said.status == 2
    assert len(said.err.splitlines()) == 1, said.err
    for word in words:
        assert word in said.err
    assert not list(tmp_path.iterdir())
