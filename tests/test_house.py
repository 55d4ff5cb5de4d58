"""The import arrows of the house, read off the syntax trees: plugins -> engine, tasks -> engine, nothing else."""

import ast
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest

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
MODULES = [(package, path) for package, folder in PACKAGES.items() for path in sorted(folder.rglob("*.py"))]


def imports(tree: ast.AST) -> set[str]:
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add((node.module or "").partition(".")[0])
    return names


@pytest.mark.parametrize(("package", "path"), MODULES, ids=lambda value: getattr(value, "name", value))
def test_arrows(package: str, path: Path) -> None:
    tree = ast.parse(path.read_text())
    assert not imports(tree) & FORBIDDEN[package]
    assert not any(isinstance(node, ast.ImportFrom) and node.level for node in ast.walk(tree)), (
        "relative import"
    )


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
