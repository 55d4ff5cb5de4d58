"""The data of each task of a command: which layout, which folder, and what is added to it."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ssl_bench.data.folders import recognise
from ssl_bench.data.scan import require_utf8
from ssl_bench.data.unlabeled import open_data
from ssl_bench.dataset import Dataset
from ssl_bench.errors import UsageError, not_taking_part
from ssl_bench.machine.files import existing, place
from ssl_bench.registry.registry import Registry
from ssl_bench.specs import DatasetSpec, TaskSpec, resolve

if TYPE_CHECKING:
    from ssl_bench.plan.plan import Request


@dataclass(frozen=True)
class Source:
    """An opened data set of the plan and the targets that its cells read."""

    spec: DatasetSpec
    dataset: Dataset
    path: Path | None = None
    """The folder given; None for data made in memory."""
    unlabeled: tuple[Path, ...] = ()
    """Folders of further unlabelled images."""
    tested: int | None = None
    """How many labelled images were asked to be held out for testing."""
    targets: set[str] = field(default_factory=set)


def open_sources(registry: Registry, request: "Request", tasks: Sequence[TaskSpec]) -> dict[str, Source]:
    """Open the data of each task: `--data`, then a folder of the task's name in $SSL_BENCH_DATA, then its default."""
    paths = {name: place(value) for name, value in _pairs(registry, "--data", "PATH", request.data)}
    names = dict(_pairs(registry, "--dataset", "NAME", request.dataset))
    unlabeled = _folders(registry, request.unlabeled, tasks)
    tested = _tested(registry, request.test, tasks)
    wanted = {task.name for task in tasks}
    for option, given in (("--data", paths), ("--dataset", names)):
        for name in given:
            if name not in wanted:
                raise not_taking_part(f"{option} {name}=...", f"task '{name}'")
    root = os.environ.get("SSL_BENCH_DATA")
    if root and not place(root).is_dir():
        raise UsageError(
            f"SSL_BENCH_DATA={root}: no such folder; unset it, or name one with a folder per task"
        )
    sources = {}
    for task in tasks:
        path = paths.get(task.name)
        named = registry.dataset(task.name, names[task.name]) if task.name in names else None
        if (
            path is None
            and root
            and (place(root) / task.name).is_dir()
            and (named is None or named.needs_path)
        ):
            path = place(root) / task.name
        spec = _dataset_spec(registry, task, path, names.get(task.name))
        if path is None and spec.needs_path:
            raise UsageError(f"dataset '{spec.name}' needs a folder; add --data {task.name}=PATH")
        extra = tuple(unlabeled.get(task.name, ()))
        for folder in (*filter(None, [path]), *extra):
            require_utf8(folder)
        count = tested.get(task.name)
        opened = open_data(resolve(spec.dataset), path, extra, tested=count)
        sources[task.name] = Source(spec, opened, path, extra, count)
        sources[task.name].targets.update(sources[task.name].dataset.test)
    return sources


def _dataset_spec(registry: Registry, task: TaskSpec, path: Path | None, name: str | None) -> DatasetSpec:
    if name is not None:
        return registry.dataset(task.name, name)
    if path is None:
        return registry.dataset(task.name, task.dataset)
    candidates = [
        (spec.name, resolve(spec.dataset)) for spec in registry.datasets_of(task.name) if spec.needs_path
    ]
    return registry.dataset(task.name, recognise(path, candidates))


def _pairs(registry: Registry, option: str, what: str, values: Sequence[str]) -> Iterator[tuple[str, str]]:
    seen = set()
    for entry in values:
        name, equals, value = entry.partition("=")
        if not equals or not value:
            raise UsageError(f"{option} '{entry}': write TASK={what}")
        name = registry.task(name).name
        if name in seen:
            raise UsageError(f"{option} is given twice for task '{name}'")
        seen.add(name)
        yield name, value


def _tested(registry: Registry, entries: Sequence[str], tasks: Sequence[TaskSpec]) -> dict[str, int]:
    """Labelled images to hold out, by task."""
    each = [entry for entry in entries if "=" not in entry]
    if each and len(entries) > 1:
        raise UsageError(f"--test '{each[0]}': write TASK=COUNT where there are several")
    pairs = (
        [(task.name, each[0]) for task in tasks] if each else [*_pairs(registry, "--test", "COUNT", entries)]
    )
    found = {}
    for name, text in pairs:
        if name not in {task.name for task in tasks}:
            raise not_taking_part(f"--test {name}=...", f"task '{name}'")
        if not text.isascii() or not text.isdecimal() or not 0 <= int(text) < 10**9:
            raise UsageError(
                f"--test '{text}': give a whole number of images; 0 holds none out and scores nothing"
            )
        found[name] = int(text)
    return found


def _folders(registry: Registry, entries: Sequence[str], tasks: Sequence[TaskSpec]) -> dict[str, list[Path]]:
    """Folders of further unlabelled images, by task."""
    found: dict[str, list[Path]] = {}
    wanted = [task.name for task in tasks]
    for entry in entries:
        name, equals, value = entry.partition("=")
        if not equals or (name not in registry.entries["tasks"] and existing(entry)):
            if len(wanted) > 1:
                raise UsageError(f"--unlabeled '{entry}': write TASK=FOLDER, since there are several tasks")
            name, value = wanted[0], entry
        name = registry.task(name).name
        if not value:
            raise UsageError(f"--unlabeled {entry}: write TASK=FOLDER")
        if name not in wanted:
            raise not_taking_part(f"--unlabeled {entry}", f"task '{name}'")
        found.setdefault(name, []).append(place(value))
    return found
