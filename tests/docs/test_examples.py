"""Third parties' packages: installed into an environment of their own, found and run by their entry points."""

import subprocess
import sys
import sysconfig
import venv
from collections.abc import Callable
from pathlib import Path

import pytest

from ssl_bench.machine.files import read_json

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted(path.parent for path in (ROOT / "examples").glob("*/pyproject.toml"))
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Run]:
    """A virtual environment that has ours beneath it, and a function that runs its Python in a folder of its own."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder / "venv", symlinks=True)
    (site,) = (folder / "venv").glob("lib/python*/site-packages")
    ours = [path for path in sys.path if path and Path(path).is_dir() and "lib-dynload" not in path]
    (site / "ours.pth").write_text("".join(f"import site; site.addsitedir({path!r})\n" for path in ours))
    python = folder / "venv" / "bin" / "python"

    def run(*arguments: object, status: int = 0) -> subprocess.CompletedProcess[str]:
        ended = subprocess.run(
            [python, *map(str, arguments)], cwd=folder, capture_output=True, text=True, check=False
        )
        assert ended.returncode == status, ended.stdout + ended.stderr
        return ended

    return folder, run


@pytest.mark.slow
def test_third_parties_in_an_environment_of_their_own(environment: tuple[Path, Run]) -> None:
    folder, run = environment
    bench = ("-m", "ssl_bench")
    run(*bench, "new", "method", "two")
    options = ("--no-deps", "--no-build-isolation", "--no-index", "--quiet", "--disable-pip-version-check")
    run("-m", "pip", "install", *options, *EXAMPLES, folder / "ssl-bench-two")
    site = sysconfig.get_path(
        "purelib", vars={"base": str(folder / "venv"), "platbase": str(folder / "venv")}
    )
    assert len(list(Path(site).glob("ssl_bench_*.dist-info"))) == len(EXAMPLES) + 1

    listed = run(*bench, "list", "plugins").stdout
    for words in (
        "ssl-bench-pi-model 0.1.0",
        "methods: pi\n",
        "methods: two\n",
        "tasks: depth\n",
        "trackers: wandb\n",
    ):
        assert words in listed
    assert "datasets: night/raindrops\n" in listed
    assert "left out" not in listed

    checked = run(*bench, "check", "ssl-bench-pi-model", "two", "raindrops").stdout.splitlines()
    methods = [
        f"ok    method {name} on {kind}"
        for name in ("pi", "two")
        for kind in ("classification", "regression")
    ]
    assert checked == [*methods, "ok    dataset night/raindrops"]
    tested = run("-m", "pytest", "-p", "no:cacheprovider", *EXAMPLES, folder / "ssl-bench-two").stdout
    assert "skipped" not in tested

    small = ("--set", "depth.iterations=4", "--set", "depth.crop=32", "--devices", "cpu", "--jobs", "1")
    said = run(*bench, "run", "--tasks", "depth", "--methods", "supervised,pi", *small).stdout
    assert "Pi-Model" in said
    (record,) = (read_json(path) for path in (folder / "runs" / "cells").glob("*-pi-*/result.json"))
    assert record is not None
    assert record["providers"]["method"] == "ssl-bench-pi-model 0.1.0"
    assert record["providers"]["task"] == "ssl-bench-depth 0.1.0"
    tables = "".join(path.read_text() for path in (folder / "runs" / "leaderboards").glob("*.md"))
    assert "ssl-bench-pi-model 0.1.0" in tables
    assert "ssl-bench-depth 0.1.0" in tables
