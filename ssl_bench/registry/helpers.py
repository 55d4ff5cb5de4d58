"""Modules of a user's own that lie beside a plugin file and that it imports: read with it, part of its version, and
taken along to workers.

Whatever is installed goes before them, so that a stray `random.py` hides nothing. A module is known by the imports that
the source states, in functions too, by lazy `"module:Class"` references and by `import_module("module")`; of a package,
all of its files are. One whose name is made while the plugin runs is not found, in no process.
"""

import ast
import importlib.util
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib.abc import ExecutionLoader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.metadata import entry_points
from pathlib import Path, PurePosixPath
from types import ModuleType

from ssl_bench.hookspecs import GROUP

RELATIVE = re.compile(r"(?:\w+/)*\w+\.py")
"""Name of a helper's file, from its plugin's folder on."""


class Loader(ExecutionLoader):
    """Runs a source that was read and leaves no compiled file beside it; tracebacks show that source, too."""

    def __init__(self, path: Path, source: str) -> None:
        self.path, self.source = path, source

    def get_source(self, fullname: str) -> str:
        """The source as it was read."""
        return self.source

    def get_filename(self, fullname: str) -> str:
        """Where the source of a module was read."""
        return str(self.path)


class _Finder(MetaPathFinder):
    """Finds the helpers of the plugin files that were loaded last, by their sources as they were read."""

    def __init__(self) -> None:
        self.specs: dict[str, tuple[Path, str | None]] = {}
        """Module to its file and source; a folder, and no source, for a package without `__init__.py`."""
        self.offered: dict[str, list[str]] = {}
        """Plugin to those that are for it."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The helper of that name."""
        if fullname not in self.specs:
            return None
        file, source = self.specs[fullname]
        if source is None:
            spec = ModuleSpec(fullname, None, is_package=True)
            spec.submodule_search_locations = [str(file)]
            return spec
        inside = [str(file.parent)] if file.name == "__init__.py" else None
        return importlib.util.spec_from_file_location(
            fullname, file, loader=Loader(file, source), submodule_search_locations=inside
        )


_FINDER = _Finder()


def find_helpers(path: Path, source: str) -> dict[str, str]:
    """Name of a file, from the plugin's folder on, to its source: what the plugin in `path` imports of its folder.

    OSError and UnicodeDecodeError where one cannot be read.
    """
    folder, found = path.parent, dict[str, str]()
    others = {GROUP, *(point.module.partition(".")[0] for point in entry_points(group=GROUP))}
    seen, waiting = {path.stem, *others, *sys.stdlib_module_names}, [source]
    while waiting:
        for name in sorted(_imported(waiting.pop())):
            if name in seen:
                continue
            seen.add(name)
            for file in _files_of(name, folder):
                found[file.relative_to(folder).as_posix()] = text = file.read_bytes().decode()
                waiting.append(text)
    return dict(sorted(found.items()))


def module_names(helpers: Mapping[str, str]) -> list[str]:
    """The modules that these files are, and the packages that hold them."""
    names = set[str]()
    for file in helpers:
        parts = PurePosixPath(file).with_suffix("").parts
        parts = parts[:-1] if parts[-1] == "__init__" else parts
        names.update(".".join(parts[: length + 1]) for length in range(len(parts)))
    return sorted(names)


def offer(plugin: str, helpers: Mapping[str, str], folder: Path) -> None:
    """Let the next import of each of these modules run its source; `folder`: from where on they are named.

    What was offered for the module `plugin` before is withdrawn.
    """
    if _FINDER not in sys.meta_path:
        sys.meta_path.insert(0, _FINDER)
    for name in _FINDER.offered.get(plugin, ()):
        _FINDER.specs.pop(name, None)
        sys.modules.pop(name, None)
    _FINDER.offered[plugin] = module_names(helpers)
    for name in module_names(helpers):
        place = name.replace(".", "/")
        file = next((file for file in (f"{place}.py", f"{place}/__init__.py") if file in helpers), None)
        _FINDER.specs[name] = (folder / file, helpers[file]) if file else (folder / place, None)
        sys.modules.pop(name, None)


def _imported(source: str) -> Iterator[str]:
    """First parts of the names of modules that a source imports or refers to; none where it is no Python."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return
    for node in ast.walk(tree):
        match node:
            case ast.Import(names):
                yield from (alias.name.partition(".")[0] for alias in names)
            case ast.ImportFrom(module=str(module), level=0):
                yield module.partition(".")[0]
            case ast.Constant(value=str(text)) if re.fullmatch(r"[\w.]+:\w+", text):
                yield re.split(r"[.:]", text)[0]
            case ast.Call(
                func=ast.Attribute(attr="import_module") | ast.Name(id="import_module" | "__import__"),
                args=[ast.Constant(value=str(text)), *_],
            ):
                yield text.partition(".")[0]


def _files_of(name: str, folder: Path) -> list[Path]:
    """The files of a module beside the plugin, all of a package; none where another module of that name is there."""
    single, package = folder / f"{name}.py", folder / name
    if not name.isidentifier() or not (single.is_file() or package.is_dir()):
        return []
    files = sorted(package.rglob("*.py")) if package.is_dir() else []
    files = [file for file in files if RELATIVE.fullmatch(file.relative_to(folder).as_posix())]
    # As Python has it: a package, a module, a folder.
    if single.is_file() and package / "__init__.py" not in files:
        files = [single]
    return files if not _is_elsewhere(name, folder) else []


def _is_elsewhere(name: str, folder: Path) -> bool:
    """Whether an import of that name finds a module that lies not beside the plugin."""
    known = sys.modules.get(name)
    try:
        spec = known.__spec__ if known is not None else importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return True
    if spec is None or isinstance(spec.loader, Loader):
        return False
    places = [spec.origin] if spec.has_location else list(spec.submodule_search_locations or ())
    beside = {
        folder.resolve() / f"{name}.py",
        folder.resolve() / name,
        folder.resolve() / name / "__init__.py",
    }
    return not places or any(place is None or Path(place).resolve() not in beside for place in places)
