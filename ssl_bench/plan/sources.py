"""The data of each task of a command: which layout, which folder, and what is added to it."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ssl_bench.data.folders import recognise
from ssl_bench.data.scan import require_utf8
from ssl_bench.data.unlabeled import open_data
from ssl_bench.dataset import Dataset
from ssl_bench.errors import UsageError
from ssl_bench.machine.files import place
from ssl_bench.plan.request import Request
from ssl_bench.registry.registry import Registry
from ssl_bench.specs import DatasetSpec, TaskSpec


@dataclass(frozen=True)
class Source:
    """An opened data set of the plan and the targets that its cells read."""

    spec: DatasetSpec
    dataset: Dataset
    path: Path | None = None
    """The folder given; None for data made in memory."""
    unlabeled: tuple[Path, ...] = ()
    """Folders of further unlabelled images."""
    shift: str = ""
    """`WAY:SHARE` of unlabelled images from elsewhere; empty for none."""
    tested: int | None = None
    """How many labelled images were asked to be held out for testing."""
    targets: set[str] = field(default_factory=set)
    notes: tuple[str, ...] = ()
    """What was passed over when its layout was looked for, a line each."""

    @property
    def title(self) -> str:
        """What tables call the data, beside others of its task; empty for the name of its data set."""
        name = self.path.resolve().name if self.path else ""
        return f"{name or self.spec.name}, unlabelled {self.shift}" if self.shift else name


def open_sources(registry: Registry, request: Request, tasks: Sequence[TaskSpec]) -> dict[str, Source]:
    """Open the data of each task: `--data`, then a folder of the task's name in $SSL_BENCH_DATA, then its default."""
    paths, names, tested, shifts = (
        request.by_task(each, registry, tasks) for each in ("data", "dataset", "test", "shift")
    )
    unlabeled = _folders(registry, request, tasks)
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
        spec, notes = _dataset_spec(registry, task, path, names.get(task.name))
        if path is None and spec.needs_path:
            raise UsageError(f"dataset '{spec.name}' needs a folder; add --data {task.name}=PATH")
        extra = tuple(unlabeled[task.name])
        for folder in (*filter(None, [path]), *extra):
            require_utf8(folder)
        count, shift = tested.get(task.name), shifts.get(task.name, "")
        opened = open_data(registry.load_dataset(spec), path, extra, tested=count, shift=shift)
        sources[task.name] = Source(spec, opened, path, extra, shift, count, set(opened.test), tuple(notes))
    return sources


def _dataset_spec(
    registry: Registry, task: TaskSpec, path: Path | None, name: str | None
) -> tuple[DatasetSpec, list[str]]:
    """The data set that is asked for, or whose layout lies in a folder, and what was passed over, a line each."""
    if name is not None or path is None:
        return registry.dataset(task.name, name or task.dataset), []
    found, broken = registry.layouts(spec for spec in registry.datasets_of(task.name) if spec.needs_path)
    candidates = [(spec.name, dataset) for spec, dataset in found]
    return registry.dataset(task.name, recognise(path, candidates)), broken


def _folders(registry: Registry, request: Request, tasks: Sequence[TaskSpec]) -> dict[str, list[Path]]:
    """Folders of further unlabelled images, by task."""
    alone = request.unlabeled.get("", ())
    if alone and len(tasks) > 1:
        raise UsageError(f"--unlabeled '{alone[0]}': write TASK=FOLDER, since there are several tasks")
    named = {name: folders for name, folders in request.unlabeled.items() if name}
    found = request.model_copy(update={"unlabeled": named}).by_task("unlabeled", registry, tasks)
    return {task.name: [*alone, *found.get(task.name, ())] for task in tasks}
