"""Which contracts a plugin has to keep: one subject per thing that it provides, and per kind of task for methods."""

import inspect
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, cast

from ssl_bench.errors import UsageError, suggestion
from ssl_bench.recipe import Kind
from ssl_bench.registry.files import read_plugin_files
from ssl_bench.registry.loading import load_registry, normal_name
from ssl_bench.registry.registry import Registry
from ssl_bench.specs import (
    BackboneSpec,
    DatasetSpec,
    ExecutorSpec,
    MethodSpec,
    Spec,
    TaskSpec,
    TrackerSpec,
    resolve,
)
from ssl_bench.testing.findings import Subject
from ssl_bench.testing.methods import method_checks
from ssl_bench.testing.parts import backbone_checks, dataset_checks, executor_checks, tracker_checks
from ssl_bench.testing.tasks import task_checks
from ssl_bench.testing.toys import TOYS, toy_spec

CHECKED = ("tasks", "datasets", "backbones", "methods", "executors", "trackers")


def check_method(spec: MethodSpec, kind: Kind) -> list[str]:
    """What is wrong with a method on tasks of a kind: one sentence per fault, none where all is well. Warns of what
    cannot be checked of it."""
    subject = _method(load_registry(), spec, kind)
    outcome = subject.outcome()
    for sentence in outcome.unchecked:
        warnings.warn(f"{subject.title}: {sentence}", stacklevel=2)
    return outcome.findings


def check_task(spec: TaskSpec) -> list[str]:
    """What is wrong with a task: one sentence per fault, none where all is well."""
    return Subject(f"task {spec.name}", lambda: task_checks(spec)).findings()


def contract_tests(plugin: ModuleType | Path | str) -> Callable[[Subject], None]:
    """A pytest test of all that a plugin provides: `test_contract = contract_tests(my_plugin)`.

    `plugin`: a module with hooks, a FILE.py, or what `ssl-bench check` takes. UsageError where it is not there.
    """
    import pytest

    subjects = list(find_subjects(plugin))

    @pytest.mark.parametrize(
        "subject", subjects, ids=[subject.title.replace(" ", "-") for subject in subjects]
    )
    def test_contract(subject: Subject) -> None:
        if subject.skipped:
            pytest.skip(subject.skipped)
        outcome = subject.outcome()
        assert not outcome.findings, "\n".join([subject.title, *outcome.findings])
        if outcome.unchecked:
            pytest.skip("\n".join(outcome.unchecked))

    return test_contract


def find_subjects(plugin: ModuleType | Path | str) -> Iterator[Subject]:
    """What there is to check of a plugin, as `contract_tests` takes it."""
    if isinstance(plugin, ModuleType):
        registry = load_registry()
        if not _plugins_at(registry, Path(str(plugin.__file__))):
            registry = load_registry([plugin])
        yield from subjects_of(registry, _plugins_at(registry, Path(str(plugin.__file__))))
    else:
        yield from named_subjects(load_registry(), str(plugin))


def named_subjects(registry: Registry, name: str) -> Iterator[Subject]:
    """What a name means: a plugin, its distribution, something that one provides, or a FILE.py."""
    path = Path(name)
    if path.suffix == ".py":
        if not (plugins := _plugins_at(registry, path)):
            registry = load_registry(files=[*registry.files.values(), *read_plugin_files([path])])
            plugins = _plugins_at(registry, path)
        yield from subjects_of(registry, plugins)
        return
    same = normal_name(name)
    plugins = {
        plugin
        for plugin, provider in registry.plugins.items()
        if same in (normal_name(plugin), normal_name(provider.distribution))
        or (provider.location is not None and same == normal_name(_module_name(provider.location)))
    }
    if plugins:
        yield from subjects_of(registry, plugins)
        return
    found = [spec for kind in CHECKED for spec in registry.sorted(kind) if name in (spec.name, spec.key)]
    for spec in found:
        yield from _subjects(registry, spec)
    if found:
        return
    if "/" in name and not path.exists():
        yield _backbone(registry.backbone(name), name)
        return
    if path.is_dir():
        raise UsageError(
            f"'{name}' is a folder, and nothing installed is called so; `pip install -e {name}` first, or check a file"
        )
    known = {spec.name for kind in CHECKED for spec in registry.sorted(kind)}
    known |= {
        text for plugin in registry.plugins.values() for text in (plugin.plugin, plugin.distribution) if text
    }
    raise UsageError(f"nothing is called '{name}'; {suggestion(name, known)}")


def subjects_of(registry: Registry, plugins: set[str] | None = None) -> Iterator[Subject]:
    """What the plugins named provide, or all."""
    for plugin, why in registry.failures.items():
        if plugins is None or plugin in plugins:
            yield Subject(f"plugin {plugin}", lambda why=why: [("it can be loaded", lambda: why)])  # type: ignore[misc]
    for kind in CHECKED:
        for spec in registry.sorted(kind):
            if plugins is None or registry.providers[kind, spec.key].plugin in plugins:
                yield from _subjects(registry, spec)


def _subjects(registry: Registry, spec: Spec) -> Iterator[Subject]:
    match spec:
        case MethodSpec():
            for kind in TOYS:
                yield _method(registry, spec, kind)
        case TaskSpec():
            yield Subject(f"task {spec.name}", lambda: task_checks(spec), files=_files(spec.task))
        case DatasetSpec():
            yield Subject(
                f"dataset {spec.key}", lambda: dataset_checks(spec, registry), files=_files(spec.dataset)
            )
        case BackboneSpec():
            yield _backbone(spec, spec.name)
        case ExecutorSpec():
            yield _optional(f"executor {spec.name}", spec.executor, lambda: executor_checks(spec))
        case TrackerSpec():
            yield _optional(f"tracker {spec.name}", spec.tracker, lambda: tracker_checks(spec))


def _method(registry: Registry, spec: MethodSpec, kind: Kind) -> Subject:
    return Subject(
        f"method {spec.name} on {kind}",
        lambda: method_checks(spec, kind, registry.entries["tasks"]),
        skipped=spec.unsupported(toy_spec(kind)) or "",
        files=_files(spec.method),
    )


def _backbone(spec: BackboneSpec, name: str) -> Subject:
    skipped = "" if spec.answers_to(name) else f"a family; name one of its networks ({spec.title})"
    return Subject(
        f"backbone {name}", lambda: backbone_checks(spec, name), skipped=skipped, files=_files(spec.backbone)
    )


def _optional(title: str, reference: Any, checks: Callable[[], Any]) -> Subject:
    """What may need a package that is not installed."""
    try:
        resolve(reference)
    except ImportError as error:
        return Subject(title, checks, skipped=f"needs a package that is not installed ({error})")
    except Exception:  # Is raised again, and reported, by the checks.
        pass
    return Subject(title, checks, files=_files(reference))


def _files(reference: Any) -> tuple[Path, ...]:
    try:
        return (Path(inspect.getfile(cast(Any, resolve(reference)))),)
    except Exception:  # Is raised again, and reported, by the checks.
        return ()


def _plugins_at(registry: Registry, path: Path) -> set[str]:
    place = path.resolve()
    return {name for name, p in registry.plugins.items() if p.location and p.location.resolve() == place}


def _module_name(location: Path) -> str:
    return location.parent.name if location.name == "__init__.py" else location.stem
