"""From names on the command line to a plan: the cells of one command, validated whole before any compute."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

from ssl_bench.cell import Cell, describe
from ssl_bench.dataset import digest, listing
from ssl_bench.errors import UsageError, not_taking_part
from ssl_bench.execution import PLAIN, Execution
from ssl_bench.files import existing
from ssl_bench.lock import PATIENCE
from ssl_bench.recipe import Recipe, Tier
from ssl_bench.registry import Registry, pick
from ssl_bench.settings import Point, configs_for, parse_settings, read_trials, recipe_for
from ssl_bench.sources import Source, open_sources
from ssl_bench.specs import DatasetSpec, MethodSpec, TaskSpec, module_of
from ssl_bench.splits import LabelSplit, check_labels, hold_out, make_split, read_share, without
from ssl_bench.weights import check_asked, wanted_weights, weights_for


@dataclass(frozen=True, kw_only=True)
class Request:
    """What a command asks for, as given."""

    tasks: str = "all"
    methods: str = "all"
    backbones: str = ""
    """Empty: each task's default for the tier."""
    labels: Sequence[str] = ("1/8",)
    """`VALUE` for every task or `TASK=VALUE`."""
    split_seed: int = 0
    seeds: Sequence[int] = (0,)
    tier: Tier = "smoke"
    data: Sequence[str] = ()
    """`TASK=PATH`."""
    dataset: Sequence[str] = ()
    """`TASK=NAME`."""
    unlabeled: Sequence[str] = ()
    """`TASK=FOLDER`, or `FOLDER` where there is one task; several for one task add up."""
    settings: Sequence[str] = ()
    """`METHOD.FIELD=VALUE`, `TASK.FIELD=VALUE`, or `TASK.METHOD.FIELD=VALUE` for one task alone."""
    of_suite: bool = False
    """Whether `settings` come from a suite, of which the command may be a part."""
    threads: int = 1
    pretrained: bool | None = None
    """Start networks that take them from pretrained weights; None: as the tier has it."""
    weights: str = ""
    """A local file of such weights; empty: the published ones."""
    execution: Execution = PLAIN
    trackers: str = ""
    checkpoint_seconds: float = 15.0
    checkpoint_steps: int | None = None
    hang_seconds: float = PATIENCE
    trials: Sequence[str] = ()
    """`[TASK.]METHOD=COUNT`: how many settings were tried in the search that the method's come from."""
    held_out: str = ""
    """Share of the labelled images to score on, in the test set's place; empty: none."""
    points: Mapping[str, Sequence[Point]] = field(default_factory=dict)
    """Method to the settings that a search tries, each over `settings`."""


@dataclass(frozen=True)
class Skipped:
    """A coordinate that is not run, and why."""

    title: str
    reason: str


@dataclass(frozen=True)
class Plan:
    """The cells of one command, in the order of the tables."""

    cells: tuple[Cell, ...]
    skipped: tuple[Skipped, ...]
    sources: Mapping[str, Source]
    """Task name to its data."""
    notes: tuple[str, ...] = ()
    """What is allowed and yet likely not meant, a line each."""

    def preload(self, registry: Registry) -> tuple[str, ...]:
        """Modules that the cells import."""
        references: list[Any] = []
        # Those of single files are run by each worker, from the source that its cell holds.
        files = {file.module for file in registry.files.values()}
        for cell in self.cells:
            references += [
                registry.task(cell.task).task,
                registry.method(cell.method).method,
                registry.backbone(cell.backbone).backbone,
                registry.dataset(cell.task, cell.dataset).dataset,
            ]
        return tuple(sorted({module_of(reference) for reference in references} - files))


def make_plan(registry: Registry, request: Request) -> Plan:
    """Resolve and check everything a command asks for. UsageError or DataError at the first thing wrong."""
    planning = _Planning(registry, request)
    cells: dict[str, Cell] = {}
    skipped: dict[Skipped, None] = {}
    for found in (found for task in planning.tasks for found in planning.of_task(task)):
        if isinstance(found, Skipped):
            skipped[found] = None
        else:
            # By content: 1/8 and the count that it comes to are one cell.
            cells.setdefault(digest(found.identity), found)
    check_asked(bool(request.pretrained or request.weights), cells.values())
    return Plan(
        tuple(cells.values()), tuple(skipped), planning.sources, _notes(registry, tuple(cells.values()))
    )


def _notes(registry: Registry, cells: Sequence[Cell]) -> tuple[str, ...]:
    """A line for each split that leaves methods without the unlabelled images that they learn from."""
    lacking: dict[str, dict[str, None]] = {}
    for cell in cells:
        if registry.method(cell.method).uses_unlabeled and not cell.split.unlabeled:
            where = f"{cell.task}, {cell.split.source} labels"
            lacking.setdefault(where, {})[cell.method] = None
    return tuple(
        f"{where}: no image is unlabelled, so that {', '.join(methods)} learn{'s' * (len(methods) == 1)} from the "
        "labelled ones alone; label fewer (--labels), or add pictures (--unlabeled)"
        for where, methods in lacking.items()
    )


class _Planning:
    """A plan in the making: what all of its cells have in common, resolved and checked."""

    def __init__(self, registry: Registry, request: Request) -> None:
        self.registry, self.request = registry, request
        self.tasks = [registry.task(name) for name in pick(registry, "tasks", request.tasks, registry.task)]
        self.methods = [
            registry.method(name) for name in pick(registry, "methods", request.methods, registry.method)
        ]
        self.trackers = tuple(
            pick(registry, "trackers", request.trackers, registry.tracker) if request.trackers else ()
        )
        tasks, methods = self.tasks, self.methods
        overrides = parse_settings(registry, request.settings, tasks, methods, pass_over=request.of_suite)
        self.labels = by_task(registry, "--labels", request.labels, tasks)
        for values in self.labels.values():
            for value in values:
                check_labels(value)
        self.backbones = [name.strip() for name in request.backbones.split(",") if name.strip()]
        for name in self.backbones:
            registry.check_backbone(name)
        self.recipes = {
            task.name: recipe_for(task, request.tier, overrides.get(task.name, {})) for task in tasks
        }
        self.configs = {
            (task.name, method.name): configs_for(
                task, method, overrides, request.points.get(method.name, ())
            )
            for task in tasks
            for method in methods
        }
        for config in (config for pairs in self.configs.values() for _, config in pairs):
            for name in config.backbones():
                registry.check_backbone(name)
        self.trials = read_trials(request.trials, registry)
        self.share = read_share(request.held_out) if request.held_out else None
        self.weights = wanted_weights(request.pretrained, request.weights, request.tier)
        self.sources = open_sources(registry, request, tasks)

    def of_task(self, task: TaskSpec) -> Iterator[Cell | Skipped]:
        """The cells of a task, split by split, and what is not run of them."""
        request, source = self.request, self.sources[task.name]
        splits = [
            make_split(source.dataset, label, request.split_seed, task=task.name)
            for label in dict.fromkeys(self.labels[task.name])
        ]
        everything = make_split(source.dataset, "all", 0, task=task.name)
        data = {
            "dataset": source.spec.name,
            "data": source.dataset.fingerprint(),
            "listing": listing(source.dataset),
            "path": str(source.path) if source.path else None,
            "unlabeled": tuple(map(str, source.unlabeled)),
            "classes": source.dataset.classes,
        }
        backbones = self.backbones or [task.backbones[request.tier]]
        for split, backbone, method in product(splits, backbones, self.methods):
            reason = method.unsupported(task)
            if reason:
                yield Skipped(f"{task.name} · {method.name}", reason)
                continue
            used = everything if method.labels == "all" else split
            if self.share is not None:
                held_out = hold_out(source.dataset, split, self.share, task=task.name)
                used = without(source.dataset, used, held_out)
            source.targets.update(used.labeled, used.held_out)
            check_parts(task, method, self.recipes[task.name], request.execution)
            yield from self._cells(task, data, used, backbone, method)

    def _cells(
        self, task: TaskSpec, data: Mapping[str, Any], split: LabelSplit, backbone: str, method: MethodSpec
    ) -> Iterator[Cell]:
        """A cell for each point of a search, or for the settings as they are, at each seed."""
        registry, request = self.registry, self.request
        for trial, config in self.configs[task.name, method.name]:
            names = [backbone, *config.backbones()]
            start = weights_for(self.weights, registry, names)
            keys = parts_of(registry, task, self.sources[task.name].spec, names, method)
            for seed in request.seeds:
                yield Cell(
                    **data,
                    task=task.name,
                    split=split,
                    backbone=backbone,
                    method=method.name,
                    seed=seed,
                    tier=request.tier,
                    recipe=self.recipes[task.name].model_dump(mode="json"),
                    config=config.stored(),
                    threads=request.threads,
                    providers={part: str(registry.providers[key]) for part, key in keys.items()},
                    describe=describe(task, method),
                    pretrained=start.identity,
                    weights=start.path,
                    execution=request.execution.chosen(),
                    trackers=self.trackers,
                    plugins=plugin_sources(registry, keys, self.trackers),
                    checkpoint_seconds=request.checkpoint_seconds,
                    checkpoint_steps=request.checkpoint_steps,
                    hang_seconds=request.hang_seconds,
                    trials=self.trials.get((task.name, method.name)) or self.trials.get(("", method.name)),
                    trial=trial,
                )


def check_parts(task: TaskSpec, method: MethodSpec, recipe: Recipe, execution: Execution) -> None:
    """UsageError unless the rows of a step can be cut in the parts that `execution` asks for."""
    possible = recipe.possible_parts(method.uses_unlabeled)
    if execution.micro_batches * execution.processes not in possible:
        rows = f"{recipe.labeled_rows} labelled"
        rows += f" and {recipe.unlabeled_rows} unlabelled" if method.uses_unlabeled else ""
        raise UsageError(
            f"--micro-batches {execution.micro_batches} x --gpus-per-cell {execution.processes}: {task.name} has "
            f"{rows} rows per step for {method.name}, to be cut in {', '.join(map(str, possible))} equal parts; "
            f"or set {task.name}.labeled_rows or .unlabeled_rows"
        )


def by_task(
    registry: Registry, option: str, values: Sequence[str], tasks: Sequence[TaskSpec]
) -> dict[str, list[str]]:
    """`VALUE` and `TASK=VALUE` entries to the values of each task; its own replace the general ones."""
    general: list[str] = []
    own: dict[str, list[str]] = {}
    for entry in values:
        name, equals, value = ("", "", entry) if _is_file(entry) else entry.partition("=")
        if not equals:
            general += _several(entry)
            continue
        registry.task(name)
        if name not in {task.name for task in tasks}:
            raise not_taking_part(f"{option} {entry}", f"task '{name}'")
        own.setdefault(name, []).extend(_several(value))
    found = {task.name: own.get(task.name, general) for task in tasks}
    for name, chosen in found.items():
        if not chosen:
            raise UsageError(
                f"{option}: nothing is given for task '{name}'; add {name}=VALUE, or a VALUE for all tasks"
            )
    return found


def _several(text: str) -> list[str]:
    """The values between commas; the whole where it is a file's path."""
    return [text] if _is_file(text) else [part.strip() for part in text.split(",") if part.strip()]


def _is_file(text: str) -> bool:
    path = existing(text)
    return path is not None and path.is_file()


def parts_of(
    registry: Registry, task: TaskSpec, dataset: DatasetSpec, backbones: Sequence[str], method: MethodSpec
) -> dict[str, tuple[str, str]]:
    """Part of a cell to the registry's key of what provides it; `backbones`: the cell's own, then its method's."""
    own, *others = (registry.backbone(name).name for name in backbones)
    return {
        "task": ("tasks", task.name),
        "dataset": ("datasets", dataset.key),
        "backbone": ("backbones", own),
        "method": ("methods", method.name),
        **{f"backbone {name}": ("backbones", name) for name in others if name != own},
    }


def plugin_sources(
    registry: Registry, parts: Mapping[str, tuple[str, str]], trackers: Sequence[str]
) -> dict[str, str]:
    """Name to source of the single files among the plugins that provide these parts and trackers."""
    keys = [*parts.values(), *(("trackers", name) for name in trackers)]
    plugins = {registry.providers[key].plugin for key in keys}
    return {file.path.name: file.source for name, file in registry.files.items() if name in plugins}
