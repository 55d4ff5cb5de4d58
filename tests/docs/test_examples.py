"""Third parties' packages: installed into an environment of their own, found and run by their entry points."""

import os
import subprocess
import sys
import venv
from collections.abc import Callable
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder

from ssl_bench.machine.files import read_json

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted(path.parent for path in (ROOT / "examples").glob("*/pyproject.toml"))
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Run]:
    """A virtual environment with all that ours has beneath it; a function runs its Python in a folder of its own."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder / "venv", symlinks=True)
    (site,) = (folder / "venv").glob("lib/python*/site-packages")
    ours = [path for path in sys.path if path and Path(path).is_dir() and "lib-dynload" not in path]
    (site / "ours.pth").write_text("".join(f"import site; site.addsitedir({path!r})\n" for path in ours))
    python = folder / "venv" / "bin" / "python"

    # The checkout stands on no path: what runs is what the wheel holds.
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}

    def run(*arguments: object, status: int = 0) -> subprocess.CompletedProcess[str]:
        ended = subprocess.run(
            [python, *map(str, arguments)], cwd=folder, env=clean, capture_output=True, text=True, check=False
        )
        assert ended.returncode == status, ended.stdout + ended.stderr
        return ended

    return folder, run


def install(run: Run, folder: Path, *packages: Path) -> None:
    wheels = [
        next(WheelBuilder(str(package)).build(directory=str(folder / "wheels"))) for package in packages
    ]
    options = ("--no-deps", "--no-index", "--no-compile", "--quiet", "--disable-pip-version-check")
    run("-m", "pip", "install", *options, "--force-reinstall", *wheels)


@pytest.mark.slow
@pytest.mark.longest
def test_third_parties_in_an_environment_of_their_own(environment: tuple[Path, Run]) -> None:
    folder, run = environment
    bench = ("-m", "ssl_bench")
    install(run, folder, ROOT)
    run(*bench, "new", "method", "two")
    install(run, folder, *EXAMPLES, folder / "ssl-bench-two")
    listed = run(*bench, "list", "plugins").stdout
    assert listed.count("ssl-bench-") == len(EXAMPLES) + 1

    for words in (
        "ssl-bench-pi-model 0.1.0",
        "methods: pi\n",
        "methods: two\n",
        "tasks: monocular-depth\n",
        "trackers: wandb\n",
    ):
        assert words in listed
    assert "datasets: night/raindrops\n" in listed
    assert "left out" not in listed

    checked = run(*bench, "check", "ssl-bench-pi-model", "raindrops").stdout.splitlines()
    methods = [f"ok    method pi on {kind}" for kind in ("classification", "regression")]
    assert checked == [*methods, "ok    dataset night/raindrops"]
    tested = run("-m", "pytest", "-p", "no:cacheprovider", *EXAMPLES, folder / "ssl-bench-two").stdout
    assert "skipped" not in tested

    small = (
        "--set",
        "monocular-depth.iterations=4",
        "--set",
        "monocular-depth.crop=32",
        "--devices",
        "cpu",
        "--jobs",
        "1",
    )
    said = run(*bench, "run", "--tasks", "monocular-depth", "--methods", "supervised,pi", *small).stdout
    assert "Pi-Model" in said
    (record,) = (read_json(path) for path in (folder / "runs" / "cells").glob("*-pi-*/result.json"))
    assert record is not None
    assert record["providers"]["method"] == "ssl-bench-pi-model 0.1.0"
    assert record["providers"]["task"] == "ssl-bench-monocular-depth 0.1.0"
    tables = "".join(path.read_text() for path in (folder / "runs" / "leaderboards").glob("*.md"))
    assert "ssl-bench-pi-model 0.1.0" in tables
    assert "ssl-bench-monocular-depth 0.1.0" in tables
