"""Entry points to a frozen Registry. A factory, not a global: tests register a class and have nothing to undo."""

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import Distribution, EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar, cast

import pluggy

from ssl_bench import hookspecs
from ssl_bench.errors import PluginError, UsageError, unknown
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
        if name not in known:
            raise unknown(f"dataset for task '{task}'", name, known)
        return known[name]

    def datasets_of(self, task: str) -> list[DatasetSpec]:
        """The data sets of a task."""
        return [spec for spec in self._all("datasets", DatasetSpec) if spec.task == task]

    def backbone(self, name: str) -> BackboneSpec:
        """The backbone that answers to a name, plain or `DECODER/ENCODER`."""
        specs = self._all("backbones", BackboneSpec)
        for spec in specs:
            if spec.answers_to(name):
                return spec
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
        if name not in known:
            error = unknown(kind.removesuffix("s"), name, known)
            if self.failures:
                broken = "; ".join(f"plugin '{plugin}': {why}" for plugin, why in self.failures.items())
                error = UsageError(f"{error} (not loaded: {broken})")
            raise error
        return known[name]


def load_registry(plugins: Iterable[ModuleType | Any] = (), *, installed: bool = True) -> Registry:
    """Registry of the installed plugins and of `plugins`, objects with hook implementations.

    A plugin that fails to import is left out and named in `failures`. PluginError where two plugins claim one
    name, a hook is misspelt, or a hook returns something else than its specs.
    """
    manager = pluggy.PluginManager(hookspecs.GROUP)
    manager.add_hookspecs(hookspecs)
    failures: dict[str, str] = {}
    providers: dict[str, Provider] = {}
    if installed:
        for point in _entry_points():
            try:
                plugin = point.load()
            except Exception as error:
                failures[point.name] = f"{type(error).__name__}: {_first_line(error)}"
                continue
            _register(manager, plugin, _provider(point, plugin), providers, failures)
    for plugin in plugins:
        name = getattr(plugin, "__name__", type(plugin).__name__)
        _register(manager, plugin, Provider(plugin=name, location=_location(plugin)), providers, failures)
    try:
        manager.check_pending()
    except pluggy.PluginValidationError as error:
        raise PluginError(f"misspelt hook: {_first_line(error)}") from error

    entries: dict[str, dict[str, Spec]] = {kind: {} for kind in KINDS}
    owners: dict[tuple[str, str], Provider] = {}
    for kind, wanted in KINDS.items():
        for implementation in getattr(manager.hook, f"provide_{kind}").get_hookimpls():
            provider = providers[implementation.plugin_name]
            try:
                specs = list(implementation.function())
            except Exception as error:
                failures[provider.plugin] = f"{type(error).__name__}: {_first_line(error)}"
                continue
            for spec in specs:
                _add(entries[kind], owners, kind, spec, wanted, provider)
    return Registry(entries, owners, failures)


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


def _register(
    manager: pluggy.PluginManager,
    plugin: Any,
    provider: Provider,
    providers: dict[str, Provider],
    failures: dict[str, str],
) -> None:
    name = provider.plugin
    if name in providers:
        name = f"{name}-{len(providers)}"
        provider = Provider(name, provider.distribution, provider.version, provider.location)
    try:
        manager.register(plugin, name=name)
    except (pluggy.PluginValidationError, ValueError) as error:
        failures[name] = _first_line(error)
        return
    providers[name] = provider


def _entry_points() -> list[EntryPoint]:
    disabled = {name.strip() for name in os.environ.get("SSL_BENCH_DISABLE_PLUGINS", "").split(",")}
    found = {(point.name, point.value): point for point in entry_points(group=hookspecs.GROUP)}
    return [point for key, point in sorted(found.items()) if point.name not in disabled]


def _provider(point: EntryPoint, plugin: Any) -> Provider:
    distribution: Distribution | None = point.dist
    return Provider(
        plugin=point.name,
        distribution=distribution.name if distribution else "",
        version=distribution.version if distribution else "",
        location=_location(plugin),
    )


def _location(plugin: Any) -> Path | None:
    file = getattr(plugin, "__file__", None)
    return Path(file) if file else None


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0]


def pick(registry: Registry, kind: str, text: str, get: Callable[[str], Spec]) -> list[str]:
    """Names from `all` or a comma-separated list, checked, without repeats, in the order of the tables."""
    if text.strip() == "all":
        return [spec.name for spec in registry.sorted(kind)]
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names:
        raise UsageError(f"no {kind} named; say 'all' or a list such as 'a,b'")
    for name in names:
        get(name)
    order = [spec.name for spec in registry.sorted(kind)]
    return sorted(set(names), key=order.index)
