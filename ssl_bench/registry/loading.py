"""Entry points to a frozen Registry. A factory, not a global: tests register a class and have nothing to undo."""

import importlib.util
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from importlib.metadata import Distribution, EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

import pluggy

from ssl_bench import hookspecs
from ssl_bench.errors import PluginError, suggestion
from ssl_bench.registry.checks import checked
from ssl_bench.registry.files import PluginFile, fault_line
from ssl_bench.registry.registry import KINDS, Registry
from ssl_bench.specs import NAME, Provider, Spec

OWN_DISTRIBUTION = "ssl-bench"


def load_registry(
    plugins: Iterable[ModuleType | Any] = (), *, installed: bool = True, files: Iterable[PluginFile] = ()
) -> Registry:
    """Registry of the installed plugins, of `plugins`, objects with hook implementations, and of single `files`.

    An installed plugin that fails to import, or of which a hook or a description fails, is left out and named in
    `failures`. PluginError where a file fails, two plugins claim one name, a hook is misspelt, or a hook returns
    something else than its specs.
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
        given = [
            (kind, spec, self.found[implementation.plugin_name])
            for kind in KINDS
            for implementation in getattr(self.manager.hook, f"provide_{kind}").get_hookimpls()
            for spec in self._given(kind, implementation)
        ]
        entries: dict[str, dict[str, Spec]] = {kind: {} for kind in KINDS}
        owners: dict[tuple[str, str], Provider] = {}
        for kind, spec, provider in given:
            # Where one hook of a plugin fails, what its others gave is left out as well.
            if provider.plugin not in self.failures:
                _add(entries[kind], owners, kind, spec, provider)
        _refuse_one_name_for_two(owners)
        return Registry(entries, owners, self.failures, self.found, frozenset(self.disabled), self.files)

    def _given(self, kind: str, implementation: Any) -> list[Any]:
        """What a hook returns; nothing where it fails, or one of its descriptions cannot be."""
        plugin = self.found[implementation.plugin_name].plugin
        try:
            return [
                checked(kind, spec, plugin) if isinstance(spec, KINDS[kind]) else spec
                for spec in implementation.function()
            ]
        except (Exception, SystemExit) as error:
            if plugin in self.files:
                with self.files[plugin].faults():
                    raise
            self.failures[plugin] = fault_line(error)
            return []

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
    provider: Provider,
) -> None:
    if not isinstance(spec, KINDS[kind]):
        raise PluginError(
            f"plugin '{provider.plugin}': provide_{kind} must return {KINDS[kind].__name__} objects, "
            f"not {type(spec).__name__}"
        )
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


def _refuse_one_name_for_two(owners: Mapping[tuple[str, str], Provider]) -> None:
    """PluginError for a method that is called as a task: `--set NAME.FIELD` would be either's."""
    for (kind, name), provider in owners.items():
        if kind == "methods" and ("tasks", name) in owners:
            task = owners["tasks", name]
            raise PluginError(
                f"'{name}' is a task, by plugin '{task.plugin}' ({task}), and a method, by plugin "
                f"'{provider.plugin}' ({provider}); uninstall or rename one"
            )


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
