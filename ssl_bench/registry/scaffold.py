"""A plugin's first package: what `ssl-bench new` writes."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Literal, get_args

from jinja2 import Environment, PackageLoader, StrictUndefined

from ssl_bench.errors import UsageError
from ssl_bench.machine.files import write_text
from ssl_bench.registry.registry import Registry
from ssl_bench.specs import NAME, resolve

PluginKind = Literal["method", "task", "dataset", "backbone", "executor", "tracker"]
PLUGIN_KINDS: tuple[PluginKind, ...] = get_args(PluginKind)
LONGEST = 40
"""Characters of a name: it becomes part of folders' names."""

USES: Mapping[PluginKind, str] = {
    "method": "ssl-bench run --methods {baselines}{name}",
    "task": "ssl-bench run --tasks {name}",
    "dataset": "ssl-bench run --tasks {task} --data {task}=FOLDER",
    "backbone": "ssl-bench run --backbones {name}",
    "executor": "ssl-bench run --executor {name}",
    "tracker": "ssl-bench run --trackers {name}",
}
"""The command of its own that each kind is for."""


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
    """Make the files of a package: name to content."""
    environment = Environment(  # Python and TOML, from a name that was checked: there is nothing to escape.
        loader=PackageLoader("ssl_bench"),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        autoescape=False,
    )
    baselines = [spec.name for spec in registry.sorted("methods") if getattr(spec, "role", "") == "baseline"]
    use = USES[package.kind].format(
        name=package.name, task=package.task, baselines="".join(f"{name}," for name in baselines[:1])
    )
    values = {
        "kind": package.kind,
        "name": package.name,
        "title": " ".join(package.words),
        "class": "".join(package.words),
        "module": package.module,
        "distribution": package.distribution,
        "task": package.task,
        "targets_are": _targets_of(registry, package.task) if package.task else "",
        "backbone": _default_backbone(registry),
        "use": use,
    }
    templates = {
        "pyproject.toml": "pyproject.toml",
        "README.md": "README.md",
        f"{package.module}.py": f"{package.kind}.py",
        f"test_{package.module}.py": "test.py",
    }
    return {
        name: environment.get_template(f"{template}.jinja").render(values)
        for name, template in templates.items()
    }


def _targets_of(registry: Registry, task: str) -> str:
    """How folders hold a task's targets, as its other layouts say."""
    for spec in registry.datasets_of(task):
        if spec.needs_path and (said := getattr(resolve(spec.dataset), "targets_are", "")):
            return str(said)
    return "indices" if registry.task(task).kind == "classification" else "picture"


def _default_backbone(registry: Registry) -> str:
    """The network that most tasks take in tier `smoke`."""
    names = [registry.task(spec.name).backbones.get("smoke", "") for spec in registry.sorted("tasks")]
    return max(names, key=names.count, default="")
