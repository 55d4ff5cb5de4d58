"""Entry points to a frozen Registry. A factory, not a global: tests register a class and have nothing to undo."""

import importlib.util
import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from importlib.metadata import Distribution, EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar, cast

import pluggy

from ssl_bench import hookspecs
from ssl_bench.errors import PluginError, UsageError, suggestion, unknown
from ssl_bench.plugin_files import PluginFile, fault_line
from ssl_bench.specs import (
    NAME,
    BackboneSpec,
    ClaimSpec,
    DatasetSpec,
    DownloadSpec,
    ExecutorSpec,
    MethodSpec,
    Provider,
    Spec,
    TaskSpec,
    TrackerSpec,
    resolve,
)

T = TypeVar("T")
S = TypeVar("S", bound=Spec)

OWN_DISTRIBUTION = "ssl-bench"
KINDS: Mapping[str, type] = {
    "tasks": TaskSpec,
    "datasets": DatasetSpec,
    "downloads": DownloadSpec,
    "backbones": BackboneSpec,
    "methods": MethodSpec,
    "executors": ExecutorSpec,
    "trackers": TrackerSpec,
    "claims": ClaimSpec,
}


@dataclass(frozen=True)
class Registry:
    """Everything that plugins provide, by kind and name, and what went wrong on the way."""

    entries: Mapping[str, Mapping[str, Spec]]
    providers: Mapping[tuple[str, str], Provider]
    """(kind, key) to who provides it."""
    failures: Mapping[str, str] = field(default_factory=dict)
    """Plugin name to why it could not be loaded; the rest works without it."""
    plugins: Mapping[str, Provider] = field(default_factory=dict)
    """Every plugin that was found, by name, those that failed or are disabled among them."""
    disabled: frozenset[str] = frozenset()
    """Names of those that $SSL_BENCH_DISABLE_PLUGINS leaves out."""
    files: Mapping[str, PluginFile] = field(default_factory=dict)
    """Plugin name to its file, of plugins that are a single one."""

    def task(self, name: str) -> TaskSpec:
        """The task of that name; UsageError with a suggestion where there is none."""
        return cast(TaskSpec, self._get("tasks", name))

    def method(self, name: str) -> MethodSpec:
        """The method of that name."""
        return cast(MethodSpec, self._get("methods", name))

    def executor(self, name: str) -> ExecutorSpec:
        """The executor of that name."""
        return cast(ExecutorSpec, self._get("executors", name))

    def tracker(self, name: str) -> TrackerSpec:
        """The tracker of that name."""
        return cast(TrackerSpec, self._get("trackers", name))

    def download(self, name: str) -> DownloadSpec:
        """The public data set of that name."""
        return cast(DownloadSpec, self._get("downloads", name))

    def dataset(self, task: str, name: str) -> DatasetSpec:
        """The data set of that name for a task."""
        known = {spec.name: spec for spec in self.datasets_of(task)}
        found = called(name, known.values())
        if found is None:
            raise unknown(f"dataset for task '{task}'", name, known)
        return found

    def datasets_of(self, task: str) -> list[DatasetSpec]:
        """The data sets of a task."""
        return [spec for spec in self._all("datasets", DatasetSpec) if spec.task == task]

    def backbone(self, name: str) -> BackboneSpec:
        """The backbone that answers to a name, plain or `DECODER/ENCODER`."""
        specs = self._all("backbones", BackboneSpec)
        for spec in specs:
            if spec.answers_to(name):
                return spec
        meant = [resolve(spec.suggest)(name) for spec in specs if spec.suggest is not None]
        if any(meant):
            raise UsageError(f"unknown backbone '{name}'; did you mean '{next(filter(None, meant))}'?")
        families = [spec.title for spec in specs if spec.matches is not None]
        plain = [spec.name for spec in specs if spec.answers_to(spec.name)]
        raise UsageError("; ".join([str(unknown("backbone", name, plain)), *families]))

    @property
    def executors(self) -> list[ExecutorSpec]:
        """All executors, in the order of lists."""
        return self._all("executors", ExecutorSpec)

    @property
    def claims(self) -> list[ClaimSpec]:
        """Published numbers, in the order of tables."""
        return self._all("claims", ClaimSpec)

    def check_backbone(self, name: str) -> None:
        """Raise UsageError unless a backbone of that name can be built."""
        spec = self.backbone(name)
        if spec.validate is not None:
            resolve(spec.validate)(name)

    def sorted(self, kind: str) -> list[Spec]:
        """All of a kind, in the order that tables use."""
        return sorted(self.entries[kind].values(), key=lambda spec: (spec.position, spec.key))

    def _all(self, kind: str, wanted: type[T]) -> list[T]:
        return [cast(T, spec) for spec in self.sorted(kind)]

    def _get(self, kind: str, name: str) -> Spec:
        known = self.entries[kind]
        found = called(name, known.values())
        if found is None:
            classes = {_plain(_class_of(spec)): spec.name for spec in known.values()}
            meant = classes.get(_plain(name), name)
            error = unknown(kind.removesuffix("s"), name, known, meant)
            if self.failures:
                broken = "; ".join(f"plugin '{plugin}': {why}" for plugin, why in self.failures.items())
                error = UsageError(f"{error} (not loaded: {broken})")
            raise error
        return found


def called(name: str, known: Iterable[S]) -> S | None:
    """The one that is called so, by its name or else by its title, in small or capital letters, spaces or not; None
    where none is. UsageError where several are."""
    specs = list(known)
    exact = [spec for spec in specs if spec.name == name]
    found = exact or [spec for spec in specs if _plain(name) in (_plain(spec.name), _plain(spec.title))]
    if len(found) > 1:
        raise UsageError(f"'{name}' may be {' or '.join(spec.name for spec in found)}; write one of these")
    return found[0] if found else None


def _plain(text: str) -> str:
    return re.sub(r"[\W_]+", "", text).casefold()


def _class_of(spec: Spec) -> str:
    """The name of what a method's description describes, which may be the long form of its own name."""
    reference = spec.method if isinstance(spec, MethodSpec) else spec.name
    return reference.rpartition(":")[2] if isinstance(reference, str) else reference.__name__


def load_registry(
    plugins: Iterable[ModuleType | Any] = (), *, installed: bool = True, files: Iterable[PluginFile] = ()
) -> Registry:
    """Registry of the installed plugins, of `plugins`, objects with hook implementations, and of single `files`.

    An installed plugin that fails to import is left out and named in `failures`. PluginError where a file fails, two
    plugins claim one name, a hook is misspelt, or a hook returns something else than its specs.
    """
    loading = _Loading()
    for point in _entry_points() if installed else ():
        loading.add_installed(point)
    for plugin in plugins:
        name = getattr(plugin, "__name__", type(plugin).__name__)
        loading.add(plugin, Provider(plugin=name, location=_location(plugin)))
    for file in files:
        loading.add_file(file)
    return loading.finish()


class _Loading:
    """A registry in the making."""

    def __init__(self) -> None:
        self.manager = pluggy.PluginManager(hookspecs.GROUP)
        self.manager.add_hookspecs(hookspecs)
        self.found: dict[str, Provider] = {}
        self.failures: dict[str, str] = {}
        self.disabled: set[str] = set()
        self.files: dict[str, PluginFile] = {}

    def add_installed(self, point: EntryPoint) -> None:
        provider = self._named(_provider(point))
        if _is_disabled(point):
            self.disabled.add(provider.plugin)
            return
        try:
            plugin = point.load()
        except (Exception, SystemExit) as error:
            self.failures[provider.plugin] = fault_line(error)
            return
        self._register(plugin, replace(provider, location=_location(plugin) or provider.location))

    def add(self, plugin: Any, provider: Provider) -> None:
        self._register(plugin, self._named(provider))

    def add_file(self, file: PluginFile) -> None:
        module, provider = file.load(), self._named(file.provider)
        self.files[provider.plugin] = file
        self._register(module, provider)
        if provider.plugin in self.failures:
            raise PluginError(f"{file.path}: {self.failures[provider.plugin]}")
        if not self.manager.get_hookcallers(module):
            hooks = ", ".join(f"provide_{kind}" for kind in KINDS)
            raise PluginError(f"{file.path}: holds no hook; write one of {hooks} and mark it with @hookimpl")

    def finish(self) -> Registry:
        self._refuse_misspelt_hooks()
        entries: dict[str, dict[str, Spec]] = {kind: {} for kind in KINDS}
        owners: dict[tuple[str, str], Provider] = {}
        for kind, wanted in KINDS.items():
            for implementation in getattr(self.manager.hook, f"provide_{kind}").get_hookimpls():
                provider = self.found[implementation.plugin_name]
                try:
                    specs = list(implementation.function())
                except Exception as error:
                    if provider.plugin in self.files:
                        with self.files[provider.plugin].faults():
                            raise
                    self.failures[provider.plugin] = fault_line(error)
                    continue
                for spec in specs:
                    _add(entries[kind], owners, kind, spec, wanted, provider)
        return Registry(entries, owners, self.failures, self.found, frozenset(self.disabled), self.files)

    def _named(self, provider: Provider) -> Provider:
        """The provider under a name of its own."""
        if provider.plugin in self.found:
            provider = replace(provider, plugin=f"{provider.plugin}-{len(self.found)}")
        self.found[provider.plugin] = provider
        return provider

    def _register(self, plugin: Any, provider: Provider) -> None:
        self.found[provider.plugin] = provider
        for kind in KINDS:
            hook = getattr(plugin, f"provide_{kind}", None)
            if callable(hook) and not hasattr(hook, f"{hookspecs.GROUP}_impl"):
                self.failures[provider.plugin] = f"provide_{kind} is not marked with @hookimpl"
                return
        try:
            self.manager.register(plugin, name=provider.plugin)
        except (pluggy.PluginValidationError, ValueError) as error:
            self.failures[provider.plugin] = " ".join(str(error).split())

    def _refuse_misspelt_hooks(self) -> None:
        hooks = vars(self.manager.hook)
        known = [name for name in hooks if name.startswith("provide_") and hooks[name].has_spec()]
        for name, hook in hooks.items():
            if not name.startswith("_") and not hook.has_spec():
                plugin = hook.get_hookimpls()[0].plugin_name
                raise PluginError(f"plugin '{plugin}': unknown hook '{name}'; {suggestion(name, known)}")


def _add(
    known: dict[str, Spec],
    owners: dict[tuple[str, str], Provider],
    kind: str,
    spec: Any,
    wanted: type,
    provider: Provider,
) -> None:
    if not isinstance(spec, wanted):
        raise PluginError(
            f"plugin '{provider.plugin}': provide_{kind} must return {wanted.__name__} objects, "
            f"not {type(spec).__name__}"
        )
    assert isinstance(spec, Spec)
    name, key = spec.name, spec.key
    if not NAME.fullmatch(name):
        raise PluginError(
            f"plugin '{provider.plugin}': {kind.removesuffix('s')} name '{name}' must be lower-case letters, "
            "digits, '-' or '_', and start with a letter"
        )
    if key in known:
        raise PluginError(
            f"{kind.removesuffix('s')} '{key}' is provided twice: by plugin '{owners[kind, key].plugin}' "
            f"({owners[kind, key]}) and by plugin '{provider.plugin}' ({provider}); uninstall or rename one"
        )
    known[key] = spec
    owners[kind, key] = provider


def _entry_points() -> list[EntryPoint]:
    found = {(point.name, point.value): point for point in entry_points(group=hookspecs.GROUP)}
    return [point for _, point in sorted(found.items())]


def _is_disabled(point: EntryPoint) -> bool:
    """Whether $SSL_BENCH_DISABLE_PLUGINS names the plugin or its distribution, or says `all`, which spares our own."""
    asked = {normal_name(name) for name in os.environ.get("SSL_BENCH_DISABLE_PLUGINS", "").split(",")}
    owner = normal_name(point.dist.name) if point.dist else ""
    return bool({normal_name(point.name), owner} & asked - {""}) or (
        "all" in asked and owner != OWN_DISTRIBUTION
    )


def normal_name(name: str) -> str:
    """As package indices compare names of distributions."""
    return re.sub(r"[-_.]+", "-", name.strip()).lower()


def _provider(point: EntryPoint) -> Provider:
    distribution: Distribution | None = point.dist
    top = point.module.partition(".")[0]
    spec = importlib.util.find_spec(top) if top else None
    return Provider(
        plugin=point.name,
        distribution=distribution.name if distribution else "",
        version=distribution.version if distribution else "",
        location=Path(spec.origin) if spec and spec.origin else None,
    )


def _location(plugin: Any) -> Path | None:
    file = getattr(plugin, "__file__", None)
    return Path(file) if file else None


def pick(registry: Registry, kind: str, text: str, get: Callable[[str], Spec]) -> list[str]:
    """Names from `all` or a comma-separated list, checked, without repeats, in the order of the tables."""
    if text.strip() == "all":
        return [spec.name for spec in registry.sorted(kind)]
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names:
        raise UsageError(f"no {kind} named; say 'all' or a list such as 'a,b'")
    names = [get(name).name for name in names]
    order = [spec.name for spec in registry.sorted(kind)]
    return sorted(set(names), key=order.index)
