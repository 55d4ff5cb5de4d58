"""Where a record comes from: versions and hardware."""

import ast
import contextlib
import hashlib
import platform
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import nn

import ssl_bench
from ssl_bench.machine.devices import device_name
from ssl_bench.seeds import digest

PACKAGES = ("torch", "torchvision", "timm", "segmentation-models-pytorch", "torchmetrics", "numpy")

TOOLBOX = "ssl_bench.toolbox."
"""What methods of every package are made of: averages, gates, mixing."""


def provenance(device: torch.device, resumed_at: Sequence[int]) -> dict[str, Any]:
    """Versions, hardware, and the steps at which the cell was resumed."""
    cuda = device.type == "cuda"
    return {
        "ssl_bench": ssl_bench.__version__,
        "commit": commit(),
        "packages": {name: version(name) for name in PACKAGES},
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "device": device_name(str(device)),
        **({"tf32": tf32()} if cuda else {}),
        "resumed_at": list(resumed_at),
    }


def tf32() -> dict[str, bool]:
    """Which float32 operations a GPU may compute with 10 bits of mantissa."""
    return {
        "convolutions": torch.backends.cudnn.allow_tf32,
        "matrix_products": torch.backends.cuda.matmul.allow_tf32,
    }


@cache
def commit() -> str | None:
    """The commit of the checkout this package lies in, with `+` where files have changed; None outside of one."""
    git = ["git", "-C", str(Path(ssl_bench.__file__).parent)]
    try:
        head = subprocess.run(
            [*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True, timeout=10
        )
        changed = subprocess.run(
            [*git, "status", "--porcelain", "--untracked-files=no", ".."],
            capture_output=True,
            text=True,
            timeout=10,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return head.stdout.strip() + ("+" if changed.stdout.strip() else "")


@cache
def code_version(packages: frozenset[str]) -> str:
    """Hash of torch's version and of the sources of some imported packages: a checkpoint serves that code alone."""
    parts = [f"torch {torch.__version__}"]
    for name in sorted(packages):
        module = sys.modules[name]
        folders = [Path(folder) for folder in getattr(module, "__path__", ())]
        files = [file for folder in folders for file in sorted(folder.rglob("*.py"))]
        parts += [
            hashlib.sha256(file.read_bytes()).hexdigest() for file in files or [Path(str(module.__file__))]
        ]
    return digest(parts)


def state_hash(network: nn.Module) -> str:
    """Hash of all that a network holds: two that start alike have one."""
    found = hashlib.sha256()
    for name, value in network.state_dict().items():
        found.update(name.encode())
        found.update(value.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy())
    return found.hexdigest()[:12]


@cache
def method_code(method: type) -> str:
    """Hash of the code of a class and of all in its own package and the toolbox that it uses, whatever is said of it in
    comments and docstrings: two versions of a method may go by one number."""
    package = method.__module__.partition(".")[0]
    waiting = [base.__module__ for base in method.__mro__]
    found: set[str] = set()
    while waiting:
        name = waiting.pop()
        ours = name.partition(".")[0] == package or f"{name}.".startswith(TOOLBOX)
        if name in found or not ours or name not in sys.modules:
            continue
        found.add(name)
        values = list(vars(sys.modules[name]).values())
        waiting += [str(getattr(value, "__module__", "")) for value in values]
        waiting += [value.__name__ for value in values if isinstance(value, ModuleType)]
    sources = []
    for name in sorted(found):
        with contextlib.suppress(OSError, TypeError):
            sources.append([name, _bare(Path(str(sys.modules[name].__file__)).read_bytes())])
    return digest(sources)


def _bare(source: bytes) -> str:
    """A module's code without comments, docstrings and layout."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            node.body = [one for one in node.body if not _is_said(one)] or [ast.Pass()]
    return ast.unparse(tree)


def _is_said(statement: ast.stmt) -> bool:
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )
