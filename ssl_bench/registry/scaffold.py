"""A plugin's first package: what `ssl-bench new` writes."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Literal, get_args

from ssl_bench.errors import UsageError
from ssl_bench.machine.files import write_text
from ssl_bench.registry.registry import Registry
from ssl_bench.specs import NAME, resolve

PluginKind = Literal["method", "task", "dataset", "backbone", "executor", "tracker"]
PLUGIN_KINDS: tuple[PluginKind, ...] = get_args(PluginKind)
LONGEST = 40
"""Characters of a name: it becomes part of folders' names."""

EXAMPLES: Mapping[PluginKind, str] = {
    "method": "two-views",
    "task": "monocular-depth",
    "dataset": "raindrops",
    "backbone": "dilated-stack",
    "executor": "one-by-one",
    "tracker": "loss-table",
}
"""The package of `examples/` that each kind starts from: its own names give way to the new ones."""


@dataclass(frozen=True)
class Package:
    """The package to write: a plugin of a kind, under a name of its own; for a data set, of a task."""

    kind: PluginKind
    name: str
    task: str = ""

    @property
    def distribution(self) -> str:
        """Name of the package, and of its folder."""
        return f"ssl-bench-{self.name.replace('_', '-')}"

    @property
    def module(self) -> str:
        """Name of the package's one module."""
        return f"ssl_bench_{self.name.replace('-', '_')}"

    @property
    def words(self) -> list[str]:
        """The words of the package's name, capitalised."""
        return [word.capitalize() for word in self.name.replace("_", "-").split("-") if word]


def check_name(package: Package, registry: Registry) -> None:
    """UsageError unless the name is safe and nobody has it."""
    kind, name = package.kind, package.name
    if not NAME.fullmatch(name) or len(name) > LONGEST:
        plain = "-".join("".join(c if c.isascii() and c.isalnum() else " " for c in name.lower()).split())
        plain = plain.lstrip("0123456789-")[:LONGEST]
        cure = f"; did you mean '{plain}'?" if plain else ""
        raise UsageError(
            f"'{name}' cannot be a name: at most {LONGEST} lower-case letters, digits, '-' or '_', a letter first{cure}"
        )
    # Settings are given by the name of a task or of a method: one name for both would be two things.
    kinds = ("tasks", "methods") if kind in ("task", "method") else (f"{kind}s",)
    key = f"{package.task}/{name}" if kind == "dataset" else name
    for taken in kinds:
        if key in registry.entries[taken]:
            owner = registry.providers[taken, key]
            raise UsageError(
                f"{taken.removesuffix('s')} '{key}' is there already, from {owner}; choose another name"
            )
    try:
        found = distribution(package.distribution)
    except PackageNotFoundError:
        return
    raise UsageError(f"a package {found.name} {found.version} is installed already; choose another name")


def write_package(package: Package, registry: Registry, into: Path) -> Path:
    """Write the package to a new folder in `into`. UsageError for a bad name, or where anything is in the way."""
    if package.kind == "dataset":
        registry.task(package.task)
    check_name(package, registry)
    files = render(package, registry)
    folder = into / package.distribution
    try:
        folder.mkdir()
        for name, text in files.items():
            write_text(folder / name, text)
    except FileExistsError as error:
        raise UsageError(
            f"{folder} is there already, and is left as it is; choose another name or --out"
        ) from error
    except OSError as error:
        raise UsageError(f"{folder}: cannot be written ({error.strerror or error})") from error
    return folder


def render(package: Package, registry: Registry) -> dict[str, str]:
    """Make the files of a package from those of the example of its kind: name to content."""
    example = Package(package.kind, EXAMPLES[package.kind])
    folder = examples() / example.name
    module = f"{example.module}.py"
    files = {
        name: (folder / name).read_text(encoding="utf-8")
        for name in ("pyproject.toml", "README.md", module, f"test_{module}")
    }
    if package.task:
        theirs = re.search(r'task="([\w-]+)"', files[module])
        assert theirs is not None
        files = {name: _put(text, {rf"\b{theirs[1]}\b": package.task}) for name, text in files.items()}
        targets = f'targets_are = "{_targets_of(registry, package.task)}"'
        files[module] = re.sub(r'targets_are = "\w+"', targets, files[module])
    words = {
        example.distribution: package.distribution,
        example.module: package.module,
        # A title of one word is also what names of classes begin with: they go on with a capital.
        f"{''.join(example.words)}(?=[A-Z])": "".join(package.words),
        " ".join(example.words): " ".join(package.words),
        example.name: package.name,
    }
    return {_put(name, words): _put(text, words) for name, text in files.items()}


def examples() -> Path:
    """The folder of the example packages: within the installed package, or beside it in a clone."""
    engine = Path(__file__).parents[1]
    installed = engine / "examples"
    return installed if installed.is_dir() else engine.parent / "examples"


def _put(text: str, words: Mapping[str, str]) -> str:
    """Replace words, given as patterns, all at once, so that no new one is taken for an old one."""
    new = [*words.values()]
    return re.sub(
        "|".join(f"({word})" for word in words), lambda found: new[(found.lastindex or 1) - 1], text
    )


def _targets_of(registry: Registry, task: str) -> str:
    """How folders hold a task's targets, as its other layouts say."""
    for spec in registry.datasets_of(task):
        if spec.needs_path and (said := getattr(resolve(spec.dataset), "targets_are", "")):
            return str(said)
    return "indices" if registry.task(task).kind == "classification" else "picture"
