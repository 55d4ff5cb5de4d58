"""From names on the command line to a plan: the cells of one command, validated whole before any compute."""

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError

from ssl_bench.cell import Cell, describe, resolve_config
from ssl_bench.dataset import digest, listing
from ssl_bench.errors import UsageError, suggestion, unknown
from ssl_bench.execution import PLAIN, Execution
from ssl_bench.lock import PATIENCE
from ssl_bench.recipe import Recipe, Tier
from ssl_bench.registry import Registry, pick
from ssl_bench.sources import Source, open_sources
from ssl_bench.specs import DatasetSpec, MethodConfig, MethodSpec, TaskSpec, module_of
from ssl_bench.splits import LabelSplit, check_labels, make_split
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
    """`METHOD.FIELD=VALUE` or `TASK.FIELD=VALUE`."""
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
    tasks = [registry.task(name) for name in pick(registry, "tasks", request.tasks, registry.task)]
    methods = [registry.method(name) for name in pick(registry, "methods", request.methods, registry.method)]
    trackers = tuple(
        pick(registry, "trackers", request.trackers, registry.tracker) if request.trackers else ()
    )
    overrides = parse_settings(registry, request.settings, tasks, methods)
    labels = by_task(registry, "--labels", request.labels, tasks)
    for values in labels.values():
        for value in values:
            check_labels(value)
    backbones = [name.strip() for name in request.backbones.split(",") if name.strip()]
    for name in backbones:
        registry.check_backbone(name)
    recipes = {task.name: recipe_for(task, request.tier, overrides.get(task.name, {})) for task in tasks}
    configs = {
        (task.name, method.name): config_for(task, method, overrides.get(method.name, {}))
        for task in tasks
        for method in methods
    }
    for config in configs.values():
        for name in config.backbones():
            registry.check_backbone(name)
    weights = wanted_weights(request.pretrained, request.weights, request.tier)
    sources = open_sources(registry, request, tasks)

    cells: dict[str, Cell] = {}
    skipped: list[Skipped] = []
    for task in tasks:
        source = sources[task.name]
        splits: dict[str, LabelSplit] = {}
        for label in labels[task.name]:
            splits[label] = make_split(source.dataset, label, request.split_seed, task=task.name)
        everything = make_split(source.dataset, "all", 0, task=task.name)
        data = source.dataset.fingerprint()
        listed = listing(source.dataset)
        for split in splits.values():
            for backbone in backbones or [task.backbones[request.tier]]:
                for method in methods:
                    described = describe(task, method)
                    reason = method.unsupported(task)
                    if reason:
                        skipped.append(Skipped(f"{task.name} · {method.name}", reason))
                        continue
                    used = everything if method.labels == "all" else split
                    source.targets.update(used.labeled)
                    names = [backbone, *configs[task.name, method.name].backbones()]
                    keys = parts_of(registry, task, source.spec, names, method)
                    start = weights_for(weights, registry, names)
                    for seed in request.seeds:
                        cell = Cell(
                            task=task.name,
                            dataset=source.spec.name,
                            data=data,
                            split=used,
                            backbone=backbone,
                            method=method.name,
                            seed=seed,
                            tier=request.tier,
                            recipe=recipes[task.name].model_dump(mode="json"),
                            config=configs[task.name, method.name].model_dump(mode="json"),
                            threads=request.threads,
                            providers={part: str(registry.providers[key]) for part, key in keys.items()},
                            describe=described,
                            pretrained=start.identity,
                            weights=start.path,
                            execution=request.execution.chosen(),
                            listing=listed,
                            path=str(source.path) if source.path else None,
                            unlabeled=tuple(map(str, source.unlabeled)),
                            classes=source.dataset.classes,
                            trackers=trackers,
                            plugins=plugin_sources(registry, keys, trackers),
                            checkpoint_seconds=request.checkpoint_seconds,
                            checkpoint_steps=request.checkpoint_steps,
                            hang_seconds=request.hang_seconds,
                        )
                        # By content: 1/8 and the count that it comes to are one cell.
                        cells.setdefault(digest(cell.identity), cell)
    check_asked(bool(request.pretrained or request.weights), cells.values())
    return Plan(tuple(cells.values()), tuple(dict.fromkeys(skipped)), sources)


def recipe_for(task: TaskSpec, tier: Tier, overrides: Mapping[str, Any]) -> Recipe:
    """The task's recipe for a tier with `--set TASK.FIELD` applied."""
    if tier not in task.recipes:
        raise UsageError(f"task '{task.name}' has no tier '{tier}'; {suggestion(tier, task.recipes)}")
    base = task.recipes[tier]
    try:
        return type(base).model_validate(_merged(base.model_dump(), overrides))
    except ValidationError as error:
        raise UsageError(f"--set {task.name}.{_first(error)}") from error


def config_for(task: TaskSpec, method: MethodSpec, overrides: Mapping[str, Any]) -> MethodConfig:
    """The method's settings for a task with `--set METHOD.FIELD` applied."""
    try:
        return resolve_config(task, method, overrides)
    except ValidationError as error:
        raise UsageError(f"--set {method.name}.{_first(error)}") from error


def parse_settings(
    registry: Registry, settings: Sequence[str], tasks: Sequence[TaskSpec], methods: Sequence[MethodSpec]
) -> dict[str, dict[str, Any]]:
    """`NAME.FIELD=VALUE` strings to {name: {field: value}}, names and fields checked, values as TOML or text."""
    fields: dict[str, list[str]] = {}
    for task in tasks:
        recipe = next(iter(task.recipes.values()))
        fields[task.name] = list(_field_names(type(recipe)))
    for method in methods:
        fields[method.name] = list(_field_names(method.config))
    parsed: dict[str, dict[str, Any]] = {}
    for setting in settings:
        path, equals, text = setting.partition("=")
        name, dot, name_of_field = path.strip().partition(".")
        if not equals or not dot:
            raise UsageError(f"--set '{setting}': write METHOD.FIELD=VALUE or TASK.FIELD=VALUE")
        if name not in fields:
            if name in registry.entries["tasks"] or name in registry.entries["methods"]:
                raise UsageError(f"--set {setting}: '{name}' is not part of this command")
            raise unknown("task or method", name, [*registry.entries["tasks"], *registry.entries["methods"]])
        if name_of_field not in fields[name]:
            raise unknown("field", path.strip(), [f"{name}.{known}" for known in fields[name]])
        place = parsed.setdefault(name, {})
        *parents, last = name_of_field.split(".")
        for parent in parents:
            place = place.setdefault(parent, {})
        place[last] = _value(text.strip())
    return parsed


def by_task(
    registry: Registry, option: str, values: Sequence[str], tasks: Sequence[TaskSpec]
) -> dict[str, list[str]]:
    """`VALUE` and `TASK=VALUE` entries to the values of each task; its own replace the general ones."""
    general: list[str] = []
    own: dict[str, list[str]] = {}
    for entry in values:
        name, equals, value = entry.partition("=")
        if not equals:
            general += [part.strip() for part in entry.split(",") if part.strip()]
            continue
        registry.task(name)
        if name not in {task.name for task in tasks}:
            raise UsageError(f"{option} {entry}: task '{name}' is not part of this command")
        own.setdefault(name, []).extend(part.strip() for part in value.split(",") if part.strip())
    found = {task.name: own.get(task.name, general) for task in tasks}
    for name, chosen in found.items():
        if not chosen:
            raise UsageError(f"{option}: nothing is given for task '{name}'")
    return found


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


def _field_names(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    for name, info in model.model_fields.items():
        if isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel):
            yield from _field_names(info.annotation, f"{prefix}{name}.")
        else:
            yield prefix + name


def _value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _merged(base: dict[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for name, value in overrides.items():
        merged[name] = _merged(base[name], value) if isinstance(value, dict) else value
    return merged


def _first(error: ValidationError) -> str:
    """`FIELD=VALUE: what is wrong` for the first fault."""
    fault = error.errors()[0]
    where = ".".join(str(part) for part in fault["loc"] if isinstance(part, str))
    message = fault["msg"].removeprefix("Value error, ")
    return f"{where}={fault['input']}: {message[0].lower()}{message[1:]}" if where else message
