"""`--plugin FILE.py`: a plugin without packaging, known by its content; and who provides what."""

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from conftest import Said
from PIL import Image

from ssl_bench.errors import DataError
from ssl_bench.machine.files import read_json
from ssl_bench.plan.order import Order
from ssl_bench.plan.plan import Request, make_plan
from ssl_bench.registry.files import read_plugin_files
from ssl_bench.registry.loading import load_registry
from ssl_bench.registry.registry import Registry
from ssl_bench.store.folder import CellFolder
from ssl_bench.store.results import ResultStore
from ssl_bench.use.trained import load_trained
from ssl_bench.worker.worker import registry_for, run_cell

Command = Callable[..., Said]
PI = (Path(__file__).parents[2] / "examples" / "pi-model" / "pi_model.py").read_text()
SMALL = ("night.iterations=3", "night.crop=32")


@pytest.fixture
def pi(tmp_path: Path) -> Path:
    path = tmp_path / "my_pi.py"
    path.write_text(PI)
    return path


@pytest.fixture(autouse=True)
def their_module() -> Iterator[None]:
    """No test leaves the module of a distribution that it installed to the next."""
    yield
    sys.modules.pop("their_pi", None)


def with_file(path: Path) -> Registry:
    return load_registry(files=read_plugin_files([path]))


def order_of(registry: Registry, method: str = "pi") -> Order:
    return make_plan(registry, Request(tasks="night", methods=method, control=False, settings=SMALL)).orders[
        0
    ]


def test_a_cell_takes_its_plugin_along(pi: Path, tmp_path: Path) -> None:
    registry = with_file(pi)
    order = order_of(registry)
    assert order.cell.providers["method"] == f"my_pi.py {registry.files['my_pi.py'].version}"
    assert order.plugins == {"my_pi.py": PI}
    assert order_of(registry, "supervised").plugins == {}
    folder = ResultStore(tmp_path / "runs").stage(order).path
    assert Order.from_json(json.loads((folder / "cell.json").read_text())) == order
    # What was planned runs, whatever the author does to the file meanwhile.
    pi.write_text("1 / 0")
    run_cell(folder, torch.device("cpu"), registry_for(folder))
    record = CellFolder(folder).finished()
    assert record is not None
    assert record.providers["method"].startswith("my_pi.py sha256:")
    assert (folder / "plugins" / "my_pi.py").read_text() == PI

    with pytest.raises(
        DataError, match=r"was trained with the plugin file my_pi.py; add --plugin .*plugins/my_pi"
    ):
        load_trained(folder)
    pi.write_text(PI + "\n# another\n")
    with pytest.raises(DataError, match=r"my_pi.py \(sha256:.*\) is not what .* was trained with \(sha256:"):
        load_trained(folder, with_file(pi))
    trained = load_trained(folder, with_file(folder / "plugins" / "my_pi.py"))
    assert trained.method.config.lambda_pi == 1


def test_a_file_that_changed_is_another_cell(pi: Path) -> None:
    first, supervised = order_of(with_file(pi)).cell, order_of(with_file(pi), "supervised").cell
    pi.write_text(PI.replace("5, ge=0", "7, ge=0"))
    assert order_of(with_file(pi)).cell.id != first.id
    assert order_of(with_file(pi), "supervised").cell.id == supervised.id
    (pi.parent / "elsewhere").mkdir()
    pi.write_text(PI)
    assert order_of(with_file(pi.rename(pi.parent / "elsewhere" / pi.name))).cell.id == first.id


def test_a_worker_is_told_what_became_of_its_plugin(pi: Path, tmp_path: Path) -> None:
    folder = ResultStore(tmp_path).stage(order_of(with_file(pi))).path
    content = read_json(folder / "cell.json")
    assert content is not None
    (folder / "cell.json").write_text(json.dumps(content | {"plugins": {"../x.py": ""}}))
    with pytest.raises(Exception, match="is no name of a plugin file"):
        registry_for(folder)
    assert not (tmp_path / "x.py").exists()


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("import torch\nx = (\n", ["mine.py, line 2: SyntaxError"]),
        ("\n\nimport no_such_module\n", ["mine.py, line 3: ModuleNotFoundError"]),
        ("import sys\nsys.exit('no licence')\n", ["mine.py, line 2: SystemExit: no licence"]),
        ("x = 1\n", ["mine.py: holds no hook", "provide_methods", "@hookimpl"]),
        (
            "def provide_methods():\n    return []\n",
            ["mine.py: provide_methods is not marked with @hookimpl"],
        ),
        (
            "from ssl_bench.hookspecs import hookimpl\n@hookimpl\ndef provide_method():\n    return []\n",
            ["plugin 'mine.py': unknown hook 'provide_method'", "did you mean 'provide_methods'?"],
        ),
        (
            "from ssl_bench.hookspecs import hookimpl\n@hookimpl\ndef provide_methods():\n    return [1 / 0]\n",
            ["mine.py, line 4: ZeroDivisionError"],
        ),
        (
            "from ssl_bench.hookspecs import hookimpl\n@hookimpl\ndef provide_tasks(task):\n    return []\n",
            ["mine.py: Plugin 'mine.py' for hook 'provide_tasks'", "Argument(s) {'task'}"],
        ),
        (PI.replace('name="pi"', 'name="mt"'), ["method 'mt' is provided twice", "'mine.py'", "ssl-bench"]),
    ],
    ids=["syntax", "import", "exit", "no hook", "no mark", "misspelt", "raises", "arguments", "name taken"],
)
def test_faults_are_one_line(command: Command, tmp_path: Path, source: str, words: list[str]) -> None:
    path = tmp_path / "mine.py"
    path.write_text(source)
    said = command("plan", "--tasks", "night", "--plugin", path)
    assert said.status == 2
    assert len(said.err.splitlines()) == 1, said.err
    for word in words:
        assert word in said.err


def test_what_is_no_plugin_file(command: Command, tmp_path: Path, pi: Path) -> None:
    hides = tmp_path / "random.py"
    hides.write_text("")
    (tmp_path / "other").mkdir()
    twin = tmp_path / "other" / "my_pi.py"
    twin.write_text(PI)
    for files, words in [
        ([tmp_path / "no.py"], "no.py: No such file"),
        ([tmp_path], "give a Python file"),
        ([hides], "there is a module 'random'"),
        ([pi, twin], "have one name"),
    ]:
        said = command("list", *(part for file in files for part in ("--plugin", file)))
        assert (said.status, len(said.err.splitlines())) == (2, 1)
        assert words in said.err
    assert command("list", "methods", "--plugin", pi, "--plugin", pi).status == 0


def test_commands_and_suites_take_files(command: Command, tmp_path: Path, pi: Path) -> None:
    said = command("list", "plugins", "--plugin", pi)
    assert "my_pi.py sha256:" in said.out
    assert "methods: pi\n" in said.out
    suite = tmp_path / "suite.toml"
    suite.write_text(f"tasks = 'night'\nmethods = ['pi', 'supervised']\nplugin = '{pi}'\n")
    # With the control of what learns from unlabelled images.
    assert "3 cells: 3 to run" in command("plan", suite, "--out", tmp_path).out
    assert "unknown method 'pi'" in command("plan", "--methods", "pi").err
    Image.new("RGB", (8, 8)).save(tmp_path / "x.png")
    for arguments in (
        ("data", "list"),
        ("data", "fetch", "--list"),
        ("data", "split", "inspect", "night", "x"),
    ):
        assert "No such option" not in command(*arguments, "--plugin", pi).err


def install(folder: Path, version: str, source: str = PI) -> None:
    """A distribution as pip would leave it: a module and its entry point."""
    info = folder / f"their_pi-{version}.dist-info"
    info.mkdir(parents=True)
    (folder / "their_pi.py").write_text(source)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: Their.Pi\nVersion: {version}\n")
    (info / "entry_points.txt").write_text("[ssl_bench]\ntheirs = their_pi\n")


def test_another_version_is_another_cell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cells = []
    for version in ("1.0", "1.1"):
        install(tmp_path / version, version)
        with monkeypatch.context() as patch:
            patch.syspath_prepend(tmp_path / version)
            sys.modules.pop("their_pi", None)
            cells.append(order_of(load_registry()).cell)
    first, second = cells
    assert (first.providers["method"], second.providers["method"]) == ("Their.Pi 1.0", "Their.Pi 1.1")
    assert first.id != second.id


@pytest.mark.parametrize("asked", ["theirs", "x, their_pi", "all"])
def test_plugins_can_be_disabled(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: str
) -> None:
    install(tmp_path, "1.0")
    monkeypatch.syspath_prepend(tmp_path)
    assert "pi" in load_registry().entries["methods"]
    monkeypatch.setenv("SSL_BENCH_DISABLE_PLUGINS", asked)
    assert "pi" not in load_registry().entries["methods"]
    said = command("list", "plugins")
    assert "disabled by SSL_BENCH_DISABLE_PLUGINS" in said.out
    assert "methods: supervised, control, mt" in said.out


def test_list_says_what_failed_and_why(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, "1.0", "import no_such_module\n")
    monkeypatch.syspath_prepend(tmp_path)
    said = command("list", "plugins")
    assert f"Their.Pi 1.0     {tmp_path / 'their_pi.py'}" in said.out
    assert "left out: ModuleNotFoundError: No module named 'no_such_module'" in said.out
