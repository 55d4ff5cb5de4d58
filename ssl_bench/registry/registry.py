"""Everything that plugins provide, by kind and name."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeVar, cast

from ssl_bench.errors import PluginError, SslBenchError, UsageError, suggestion, unknown
from ssl_bench.published import ClaimSpec, DownloadSpec
from ssl_bench.registry.files import PluginFile
from ssl_bench.specs import (
    LAST_POSITION,
    BackboneSpec,
    DatasetSpec,
    ExecutorSpec,
    MethodSpec,
    Provider,
    Spec,
    TaskSpec,
    TrackerSpec,
    resolve,
    resolve_extra,
)

if TYPE_CHECKING:
    from ssl_bench.dataset import Dataset

T = TypeVar("T")
S = TypeVar("S", bound=Spec)

KINDS: Mapping[str, type[Spec]] = {
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
            self.refuse_stray(name)
            raise unknown(f"dataset for task '{task}'", name, known)
        return found

    def refuse_stray(self, name: str) -> None:
        """Raise UsageError where a data set of that name is of no task that there is."""
        tasks = self.entries["tasks"]
        for spec in self._all("datasets", DatasetSpec):
            if spec.name == name and spec.task not in tasks:
                raise UsageError(
                    f"unknown task '{spec.task}' of data set '{name}'; {suggestion(spec.task, tasks)}"
                )

    def datasets_of(self, task: str) -> list[DatasetSpec]:
        """The data sets of a task."""
        return [spec for spec in self._all("datasets", DatasetSpec) if spec.task == task]

    def backbone(self, name: str) -> BackboneSpec:
        """The backbone that answers to a name, plain or `DECODER/ENCODER`.

        PluginError where those of two distributions do. One whose position is after all others' takes what they leave.
        """
        specs = self._all("backbones", BackboneSpec)
        if found := [spec for spec in specs if spec.answers_to(name)]:
            rivals = [spec for spec in found[1:] if spec.position <= LAST_POSITION]
            self._refuse_two_owners(name, [found[0], *rivals])
            return found[0]
        meant = [resolve(spec.suggest)(name) for spec in specs if spec.suggest is not None]
        if any(meant):
            raise UsageError(f"unknown backbone '{name}'; did you mean '{next(filter(None, meant))}'?")
        plain = [spec.name for spec in specs if spec.answers_to(spec.name)]
        error = unknown("backbone", name, plain)
        if str(error).endswith("?"):
            raise error
        families = [spec.title for spec in specs if spec.matches is not None]
        raise UsageError("; ".join([str(error), *families]))

    def require_tracker(self, name: str) -> None:
        """Raise UsageError unless what a tracker needs is installed, PluginError where it cannot be loaded."""
        spec = self.tracker(name)
        resolve_extra(self._whose("trackers", spec), spec.tracker, spec.install)

    def layouts(
        self, specs: Iterable[DatasetSpec]
    ) -> tuple[list[tuple[DatasetSpec, "type[Dataset]"]], list[str]]:
        """Data sets with their classes, and a line for each that cannot be loaded, which is passed over."""
        found, broken = list[tuple[DatasetSpec, "type[Dataset]"]](), list[str]()
        for spec in specs:
            try:
                found.append((spec, self.load_dataset(spec)))
            except SslBenchError as error:
                broken.append(f"passed over: {error}")
        return found, broken

    def load_dataset(self, spec: DatasetSpec) -> "type[Dataset]":
        """The class of a data set. PluginError, with the plugin's name, where it cannot be loaded."""
        dataset: type[Dataset] = resolve_extra(self._whose("datasets", spec), spec.dataset, "")
        return dataset

    def _whose(self, kind: str, spec: Spec) -> str:
        return f"{kind.removesuffix('s')} '{spec.key}' of plugin '{self.providers[kind, spec.key].plugin}'"

    @property
    def warnings(self) -> list[str]:
        """A line for each plugin that could not be loaded."""
        return [f"plugin '{plugin}' is left out: {why}" for plugin, why in self.failures.items()]

    @property
    def executors(self) -> list[ExecutorSpec]:
        """All executors, in the order of lists."""
        return self._all("executors", ExecutorSpec)

    @property
    def claims(self) -> list[ClaimSpec]:
        """Published numbers, in the order of tables, each with the recipe of its task's tier."""
        recipes = {spec.name: spec.recipes for spec in self._all("tasks", TaskSpec)}
        return [
            replace(claim, recipe=claim.recipe or recipes.get(claim.task, {}).get(claim.tier))
            for claim in self._all("claims", ClaimSpec)
        ]

    def check_backbone(self, name: str) -> None:
        """Raise UsageError unless a backbone of that name can be built."""
        spec = self.backbone(name)
        if spec.validate is not None:
            resolve(spec.validate)(name)

    def sorted(self, kind: str) -> list[Spec]:
        """All of a kind, in the order that tables use."""
        return sorted(self.entries[kind].values(), key=lambda spec: (spec.position, spec.key))

    def _refuse_two_owners(self, name: str, backbones: Sequence[BackboneSpec]) -> None:
        owners: dict[str, str] = {}
        for spec in backbones if len(backbones) > 1 else ():
            owner = self.providers["backbones", spec.key]
            words = f"'{spec.name}' of plugin '{owner.plugin}' ({owner})"
            owners.setdefault(owner.distribution or owner.plugin, words)
        if len(owners) > 1:
            raise PluginError(
                f"backbone '{name}' is provided twice: by {' and by '.join(owners.values())}; uninstall or mend one"
            )

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


def pick(registry: Registry, kind: str, asked: Sequence[str], get: Callable[[str], Spec]) -> list[str]:
    """Names of what is called so, `all` standing for all there is, each once, in the order of the tables."""
    order = [spec.name for spec in registry.sorted(kind)]
    if not asked:
        raise UsageError(f"no {kind} named; say 'all' or a list such as 'a,b'")
    names = {one for name in asked for one in (order if name == "all" else [get(name).name])}
    return sorted(names, key=order.index)
