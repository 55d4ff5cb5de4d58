"""Modules that lie beside a plugin file and that it imports: part of its version, and with it in every process."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Said
from test_plugin_files import PI, order_of, with_file

from ssl_bench.errors import DataError, PluginError, UsageError
from ssl_bench.machine.files import read_json
from ssl_bench.plan.order import Order
from ssl_bench.registry.files import read_plugin_files
from ssl_bench.registry.helpers import find_helpers, module_names
from ssl_bench.store.results import ResultStore
from ssl_bench.use.trained import load_trained
from ssl_bench.worker.worker import registry_for

Command = Callable[..., Said]
WITH_HELPER = "import helper_scale\n" + PI.replace(
    "weight * masked_mean", "helper_scale.SCALE * weight * masked_mean"
)


@pytest.fixture
def pi(tmp_path: Path) -> Path:
    assert "helper_scale.SCALE" in WITH_HELPER
    (tmp_path / "helper_scale.py").write_text("SCALE = 1.0\n")
    path = tmp_path / "my_pi.py"
    path.write_text(WITH_HELPER)
    return path


def test_which_modules_are_helpers(tmp_path: Path) -> None:
    files = {
        "deep/__init__.py": "import helper_c",
        "deep/in/side.py": "",
        "deep/notes.txt": "",
        "spread/part.py": "",
        **{f"helper_{name}.py": "" for name in "abcdefg"},
        "helper_a.py": "from helper_b import x",
        "random.py": "1 / 0",
        "numpy.py": "1 / 0",
        "ssl_bench.py": "1 / 0",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    source = (
        "import random, numpy.linalg, ssl_bench.task, helper_a as a, my_own\n"
        "from spread import part\n"
        "def later():\n    import deep.in_side\n    return import_module('helper_d.x'), 'helper_e'\n"
        "reference = 'helper_f:Class'\n"
    )
    found = find_helpers(tmp_path / "my_own.py", source)
    names = [f"helper_{name}.py" for name in "abcdf"]
    assert sorted(found) == sorted([*names, "deep/__init__.py", "deep/in/side.py", "spread/part.py"])
    assert module_names(found) == [
        "deep",
        "deep.in",
        "deep.in.side",
        *(name.removesuffix(".py") for name in names),
        "spread",
        "spread.part",
    ]
    assert find_helpers(tmp_path / "my_own.py", "import helper_a as (") == {}


def test_a_helper_that_changes_is_another_cell(pi: Path, tmp_path: Path) -> None:
    first = order_of(with_file(pi))
    assert first.helpers == {"my_pi.py": {"helper_scale.py": "SCALE = 1.0\n"}}
    assert order_of(with_file(pi), "supervised").helpers == {}
    (tmp_path / "helper_scale.py").write_text("SCALE = 1000.0\n")
    second = order_of(with_file(pi)).cell
    assert second.id != first.cell.id
    assert sys.modules["helper_scale"].SCALE == 1000.0
    (tmp_path / "helper_scale.py").write_text("SCALE = 1.0\n")
    assert order_of(with_file(pi)).cell.id == first.cell.id


@pytest.mark.parametrize("inserted", [False, True])
def test_a_worker_runs_what_was_planned(
    pi: Path, tmp_path: Path, command: Command, *, inserted: bool
) -> None:
    """The helper as it was read, though its folder is found by the plugin's own doing, and it is changed meanwhile."""
    own = "import os, sys\nsys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))\n"
    (tmp_path / "random.py").write_text("1 / 0\n")
    lazily = WITH_HELPER.replace("import helper_scale\n", "import random\n").replace(
        "helper_scale.SCALE", "__import__('helper_scale').SCALE"
    )
    pi.write_text((own if inserted else "") + lazily)
    before = list(sys.path)
    order = order_of(with_file(pi))
    assert sys.path == before
    folder = ResultStore(tmp_path / "runs").stage(order).path
    assert Order.from_json(json.loads((folder / "cell.json").read_text())) == order
    (tmp_path / "helper_scale.py").write_text("SCALE = 1000.0\n")
    registry = registry_for(folder)
    assert registry.files["my_pi.py"].version == order.cell.providers["method"].partition(" ")[2]
    assert __import__("helper_scale").SCALE == 1.0
    assert (folder / "plugins" / "helper_scale.py").read_text() == "SCALE = 1.0\n"
    options = (
        *("--tasks=night", "--methods=pi", "--no-control", "--set=night.iterations=2"),
        *("--devices=cpu", "--plugin", pi),
    )
    said = command("run", *options, "--out", tmp_path / "out")
    assert said.status == 0, said.err
    (trained,) = (tmp_path / "out" / "cells").iterdir()
    assert "1 to run" not in command("plan", *options, "--out", tmp_path / "out").out
    load_trained(trained, with_file(trained / "plugins" / "my_pi.py"))
    (tmp_path / "helper_scale.py").write_text("SCALE = 2.0\n")
    with pytest.raises(DataError, match=r"my_pi.py \(sha256:.*\) is not what .* was trained with \(sha256:"):
        load_trained(trained, with_file(pi))
    assert "1 to run" in command("plan", *options, "--out", tmp_path / "out").out


def test_what_cannot_be_known_is_refused(pi: Path, tmp_path: Path) -> None:
    pi.write_text(
        "import os, sys\nsys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))\n"
        "__import__('helper_' + 'scale')\n" + PI
    )
    with pytest.raises(PluginError, match=r"helper_scale.py by a name that its source does not state"):
        with_file(pi)
    pi.write_text(WITH_HELPER)
    twin = tmp_path / "other" / "their_pi.py"
    twin.parent.mkdir()
    twin.write_text(WITH_HELPER)
    (twin.parent / "helper_scale.py").write_text("SCALE = 3.0\n")
    with pytest.raises(UsageError, match=r"each import a helper_scale.py of their own folder; rename one"):
        read_plugin_files([pi, twin])
    (tmp_path / "helper_scale.py").write_bytes(b"SCALE = '\xff'\n")
    with pytest.raises(UsageError, match="is not in UTF-8"):
        read_plugin_files([pi])


@pytest.mark.parametrize("name", ["../x.py", "/x.py", "a/../../x.py", "x.txt", "a//x.py"])
def test_helpers_stay_in_their_folder(pi: Path, tmp_path: Path, name: str) -> None:
    folder = ResultStore(tmp_path / "runs").stage(order_of(with_file(pi))).path
    content = read_json(folder / "cell.json")
    assert content is not None
    (folder / "cell.json").write_text(json.dumps(content | {"helpers": {"my_pi.py": {name: ""}}}))
    with pytest.raises(PluginError, match="is no name of a plugin's helper"):
        registry_for(folder)
