"""The house, read off the syntax trees: plugins and tasks import the engine's doors, and a room those below it."""

import ast
import importlib
import re
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest

import ssl_bench
from ssl_bench.registry.loading import load_registry
from ssl_bench.specs import Role

ROOT = Path(__file__).parent.parent
PACKAGES = {
    "ssl_bench": ROOT / "ssl_bench",
    "ssl_bench_plugins": ROOT / "plugins" / "ssl_bench_plugins",
    "ssl_bench_tasks": ROOT / "tasks" / "ssl_bench_tasks",
}
FORBIDDEN = {
    "ssl_bench": {"ssl_bench_plugins", "ssl_bench_tasks"},
    "ssl_bench_plugins": {"ssl_bench_tasks"},
    "ssl_bench_tasks": {"ssl_bench_plugins"},
}
DOORS = {"ssl_bench", "ssl_bench.toolbox", "ssl_bench.testing"}
ROOMS = [
    *("errors", "seeds", "words", "recipe"),
    *("machine", "pixels", "world", "toolbox"),
    *("dataset", "task", "backbone", "method", "tracker", "executor", "specs", "published", "hookspecs"),
    *("registry", "data", "plan", "store", "train", "observe", "worker", "forecast", "run", "use"),
    *("significance", "leaderboard", "bench", "testing", "figures", "search", "advise", "report", "compare"),
    *("cli", "__main__"),
]
"""Modules at the top and packages, ground first: each imports those before it, for a type as well, and itself."""
MODULES = [(package, path) for package, folder in PACKAGES.items() for path in sorted(folder.rglob("*.py"))]


def modules_of(node: ast.AST) -> list[str]:
    """What a statement imports, each with its module: `ssl_bench.plan.cell.Cell`."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        return [f"{node.module or ''}.{alias.name}" for alias in node.names]
    return []


def imports(tree: ast.AST) -> set[str]:
    return {name.partition(".")[0] for node in ast.walk(tree) for name in modules_of(node)}


@pytest.mark.parametrize(("package", "path"), MODULES, ids=lambda value: getattr(value, "name", value))
def test_arrows(package: str, path: Path) -> None:
    tree = ast.parse(path.read_text())
    assert not imports(tree) & FORBIDDEN[package]
    assert not any(isinstance(node, ast.ImportFrom) and node.level for node in ast.walk(tree)), (
        "relative import"
    )


def test_the_top_is_what_people_write_against() -> None:
    engine = PACKAGES["ssl_bench"]
    top = {path.stem for path in engine.glob("*.py")}
    assert len(top) <= 16
    packages = {path.parent.name for path in engine.glob("*/__init__.py")}
    assert {*ROOMS} == top - {"__init__"} | packages
    assert len(ROOMS) == len({*ROOMS})


def test_no_room_imports_one_above_it() -> None:
    engine = PACKAGES["ssl_bench"]
    for path in engine.rglob("*.py"):
        room, *_ = path.relative_to(engine).with_suffix("").parts
        if room == "__init__":  # The face, which is lazy.
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            for name in modules_of(node):
                first, _, rest = name.partition(".")
                other = rest.partition(".")[0]
                if first == "ssl_bench" and rest not in ("", "__version__"):
                    assert other in ROOMS, f"{path}: {name}; modules of the engine do not go through its face"
                    assert ROOMS.index(other) <= ROOMS.index(room), f"{path}: {name} lies above it"


def test_the_rooms_of_the_leaderboard_are_no_circle() -> None:
    engine = PACKAGES["ssl_bench"] / "leaderboard"
    above = {"reading": {"formats", "documents"}, "formats": {"documents"}}
    for room, forbidden in above.items():
        for path in (engine / room).glob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                rooms = {name.split(".")[2] for name in modules_of(node) if name.count(".") > 2}
                assert not rooms & forbidden, path


OUTSIDE = [*MODULES, *((folder, path) for folder in ("examples",) for path in (ROOT / folder).rglob("*.py"))]


@pytest.mark.parametrize(
    "path",
    [path for package, path in OUTSIDE if package != "ssl_bench"],
    ids=lambda path: path.relative_to(ROOT).as_posix(),
)
def test_plugins_tasks_and_examples_take_the_doors(path: Path) -> None:
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and str(node.module).partition(".")[0] == "ssl_bench":
            assert node.module in DOORS
            door = importlib.import_module(str(node.module))
            assert {alias.name for alias in node.names} <= {*door.__all__}
        elif isinstance(node, ast.Import):
            assert not any(alias.name.startswith("ssl_bench.") for alias in node.names)


@pytest.mark.parametrize(
    "path",
    [
        ROOT / "README.md",
        *sorted((ROOT / "docs").rglob("*.md")),
    ],
    ids=lambda path: path.relative_to(ROOT).as_posix(),
)
def test_documents_take_the_doors(path: Path) -> None:
    taken = re.findall(r"(?:from|import) (ssl_bench[\w.]*)", path.read_text())
    assert {*taken} <= DOORS


def test_the_face_shows_type_checkers_what_it_gives() -> None:
    given = {(module, name) for module, names in ssl_bench.FACE.items() for name in names.split()}
    tree = ast.parse((PACKAGES["ssl_bench"] / "__init__.py").read_text())
    (typed,) = (node for node in tree.body if isinstance(node, ast.If))
    shown = {
        (node.module, alias.name)
        for node in typed.body
        if isinstance(node, ast.ImportFrom) and node.module != "typing"
        for alias in node.names
    }
    assert shown == given
    assert {*ssl_bench.__all__} == {name for _, name in given} | {"__version__"}
    for module, name in given:
        found = getattr(ssl_bench, name)
        assert found is getattr(importlib.import_module(module), name)
    with pytest.raises(AttributeError, match="has no attribute 'Nothing'"):
        ssl_bench.Nothing  # noqa: B018


def test_the_engine_names_no_task_and_no_method() -> None:
    registry = load_registry()
    # `control` is a role, and a method is called as it is.
    names = {*registry.entries["tasks"], *registry.entries["methods"]} - {"full", *get_args(Role)}
    for path in PACKAGES["ssl_bench"].rglob("*.py"):
        constants = {
            node.value
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
        }
        assert not constants & names, path


def test_no_module_grows_beyond_reason() -> None:
    lengths = sorted(len(path.read_text().splitlines()) for _, path in MODULES if path.name != "__init__.py")
    assert lengths[len(lengths) // 2] <= 130
    assert lengths[-1] <= 360


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["list"],
        ["run", "--help"],
        ["plan", "--tasks", "night"],
        ["plan", "--tasks", "night,matting", "--tier", "paper"],
        ["plan", "--tasks", "night", "--set", "night.optimizer.encoder_multiplier=0.5"],
        ["data", "list"],
    ],
)
def test_torch_is_not_imported(arguments: list[str]) -> None:
    script = (
        "import sys; from ssl_bench.cli.commands import cli\n"
        f"try: cli.main({arguments!r}, standalone_mode=False)\n"
        "finally: print('torch' in sys.modules or 'timm' in sys.modules, file=sys.stderr)"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert result.stderr.strip().endswith("False")
