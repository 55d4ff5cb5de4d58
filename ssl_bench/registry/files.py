"""A plugin that is one file, without packaging: `--plugin FILE.py`. Its version is the hash of its content, and of the
modules beside it that it imports."""

import hashlib
import importlib.util
import re
import sys
import traceback
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

from ssl_bench.errors import DataError, PluginError, UsageError, first_line, in_a_line
from ssl_bench.machine.files import write_text
from ssl_bench.registry.helpers import RELATIVE, Loader, find_helpers, module_names, offer
from ssl_bench.seeds import digest
from ssl_bench.specs import Provider


@dataclass(frozen=True)
class PluginFile:
    """The file and its source as it was read, which is what runs, whatever becomes of the file."""

    path: Path
    source: str
    helpers: Mapping[str, str] = field(default_factory=dict)
    """Files of modules beside it that it imports, named from its folder on, to their sources."""

    @property
    def module(self) -> str:
        """The name under which lazy `"module:Class"` references find it."""
        return re.sub(r"\W", "_", self.path.stem)

    @property
    def version(self) -> str:
        """`sha256:` and 12 hexadecimal digits of the content's hash, that of the helpers included."""
        if self.helpers:
            return f"sha256:{digest([self.source, dict(self.helpers)], 12)}"
        return f"sha256:{hashlib.sha256(self.source.encode()).hexdigest()[:12]}"

    @property
    def modules(self) -> list[str]:
        """The names of all modules that it brings."""
        return [self.module, *module_names(self.helpers)]

    @property
    def provider(self) -> Provider:
        """As which it stands in records."""
        return Provider(self.path.name, self.path.name, self.version, self.path)

    def load(self) -> ModuleType:
        """The module, freshly run. PluginError with the line where that fails."""
        loader = Loader(self.path, self.source)
        spec = importlib.util.spec_from_file_location(self.module, self.path, loader=loader)
        assert spec is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[self.module] = module
        offer(self.module, self.helpers, self.path.parent)
        path, known = list(sys.path), set(sys.modules)
        try:
            with self.faults():
                loader.exec_module(module)
                self._refuse_unknown_helpers(known)
        except PluginError:
            del sys.modules[self.module]
            raise
        finally:
            # What it finds from now on it finds in every process: by `offer`, and not where it once lay.
            folder = self.path.parent.resolve()
            sys.path[:] = [entry for entry in sys.path if entry in path or Path(entry).resolve() != folder]
        return module

    def _refuse_unknown_helpers(self, known: set[str]) -> None:
        """PluginError for a module of its folder that it has imported past our knowledge."""
        folder = self.path.parent.resolve()
        for name in set(sys.modules) - known - set(self.modules):
            file = getattr(sys.modules[name], "__file__", None)
            if file and Path(file).resolve() in (folder / f"{name}.py", folder / name / "__init__.py"):
                del sys.modules[name]
                raise PluginError(
                    f"it imports {file} by a name that its source does not state, or in place of an installed "
                    "module; import it by `import NAME`, under a name of its own"
                )

    @contextmanager
    def faults(self) -> Iterator[None]:
        """Whatever is raised inside becomes a PluginError of one line, with the file's line number."""
        try:
            yield
        except (Exception, SystemExit) as error:
            raise PluginError(f"{self.path}{_line(error, self.path)}: {fault_line(error)}") from error


def read_plugin_files(paths: Iterable[Path]) -> list[PluginFile]:
    """The files that a user names, each once. UsageError for what is no such file or hides another module."""
    found: dict[str, PluginFile] = {}
    for path in paths:
        file = _read(path)
        first = found.setdefault(file.module, file)
        if first.path.resolve() != path.resolve():
            raise UsageError(f"--plugin {path} and {first.path} have one name; rename one of them")
    _refuse_two_helpers(list(found.values()))
    return list(found.values())


def unpack(
    sources: Mapping[str, str], helpers: Mapping[str, Mapping[str, str]], folder: Path
) -> list[PluginFile]:
    """Plugin files by name and source, as a staged cell holds them, laid down in `folder` for whoever debugs.

    `helpers`: name of a plugin file to those of its helpers. PluginError for a name that leaves the folder.
    """
    files = []
    if folder.is_symlink():  # What somebody put there is not followed.
        folder.unlink()
    for name, source in sources.items():
        if Path(name).name != name or Path(name).suffix != ".py":
            raise PluginError(f"'{name}' is no name of a plugin file")
        own = helpers.get(name, {})
        for place, text in {name: source, **own}.items():
            if place != name and not RELATIVE.fullmatch(place):
                raise PluginError(f"'{place}' is no name of a plugin's helper")
            (folder / place).parent.mkdir(parents=True, exist_ok=True)
            if not (folder / place).parent.resolve().is_relative_to(folder.resolve()):
                raise PluginError(f"{(folder / place).parent} leads out of the cell's folder; delete it")
            write_text(folder / place, text)
        files.append(PluginFile(folder / name, source, own))
    return files


def require_files(
    sources: Mapping[str, str],
    helpers: Mapping[str, Mapping[str, str]],
    given: Iterable[PluginFile],
    folder: Path,
) -> None:
    """DataError unless the plugin files that the cell in `folder` was trained with are given, as they were then.

    The copies that the cell itself holds are not run: who looks at a cell need not trust its author.
    """
    files = {file.path.name: file for file in given}
    for name, source in sources.items():
        wanted, copy = PluginFile(Path(name), source, helpers.get(name, {})), folder / "plugins" / name
        found = files.get(name) or next(
            (file for file in files.values() if file.version == wanted.version), None
        )
        if found is None:
            raise DataError(
                f"{folder} was trained with the plugin file {name}; add --plugin {copy}, if you trust it"
            )
        if found.version != wanted.version:
            raise DataError(
                f"{found.path} ({found.version}) is not what {folder} was trained with ({wanted.version}): "
                f"run the cell again, or give --plugin {copy}"
            )


def fault_line(error: BaseException) -> str:
    """`Type: message` in one line; the message alone of our own errors."""
    if isinstance(error, SyntaxError):
        return f"{type(error).__name__}: {error.msg}"
    return first_line(error) if isinstance(error, PluginError) else in_a_line(error)


def _read(path: Path) -> PluginFile:
    if path.suffix != ".py":
        raise UsageError(
            f"--plugin {path}: give a Python file, FILE.py; installed packages are found by themselves"
        )
    try:
        source = path.read_bytes().decode()
    except OSError as error:
        raise UsageError(f"--plugin {path}: {error.strerror or error}; check the path") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"--plugin {path}: not a text in UTF-8") from error
    _refuse_to_hide(PluginFile(path, source))
    try:
        return PluginFile(path, source, find_helpers(path, source))
    except OSError as error:
        raise UsageError(f"--plugin {path} imports {error.filename}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"--plugin {path}: a module beside it that it imports is not in UTF-8") from error


def _refuse_two_helpers(files: Iterable[PluginFile]) -> None:
    """UsageError where two plugin files of different folders import modules of one name from there."""
    owners: dict[str, PluginFile] = {}
    for file in files:
        for name, source in file.helpers.items():
            other = owners.setdefault(name, file)
            if other.helpers[name] != source:
                raise UsageError(
                    f"--plugin {file.path} and {other.path} each import a {name} of their own folder; rename one"
                )


def _refuse_to_hide(file: PluginFile) -> None:
    """A file called `random.py` would take the place of a module that others import."""
    known = sys.modules.get(file.module)
    spec = known.__spec__ if known is not None else importlib.util.find_spec(file.module)
    if known is None and spec is None:
        return
    origin = spec.origin if spec else None
    itself = origin is not None and Path(origin).is_file() and file.path.samefile(origin)
    if not itself and not isinstance(spec.loader if spec else None, Loader):
        where = f" ({origin})" if origin else ""
        raise UsageError(
            f"--plugin {file.path}: there is a module '{file.module}'{where}; rename the file, or uninstall that"
        )


def _line(error: BaseException, path: Path) -> str:
    """`, line N`: the deepest place in the file that the error came through."""
    lines = [
        frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)
    ]
    if isinstance(error, SyntaxError) and error.filename == str(path):
        lines.append(error.lineno)
    return f", line {lines[-1]}" if lines else ""
