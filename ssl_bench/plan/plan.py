"""From names on the command line to a plan: the cells of one command, validated whole before any compute."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product
from typing import Any

from ssl_bench.data.splits import LabelSplit, hold_out, is_number, make_split, observable, read_share, without
from ssl_bench.dataset import FEW_TESTED, Dataset, listing
from ssl_bench.errors import UsageError
from ssl_bench.plan.cell import Cell, describe
from ssl_bench.plan.labels import asked_labels, fill_in
from ssl_bench.plan.order import Order, seen_by
from ssl_bench.plan.recipe_checks import (
    answer,
    check_answers,
    check_encoders,
    check_parts,
    check_settings,
    lacking_encoder,
    lacking_features,
    out_of_place,
)
from ssl_bench.plan.request import Request
from ssl_bench.plan.settings import configs_for, parse_settings, recipe_for, trials_behind, trials_of
from ssl_bench.plan.single_rows import check_single_rows
from ssl_bench.plan.sources import Source, open_sources
from ssl_bench.plan.variants import Variant, methods_of, pick_variants, plain
from ssl_bench.plan.weights import check_asked, wanted_weights, weights_for
from ssl_bench.registry.files import PluginFile
from ssl_bench.registry.registry import Registry, pick
from ssl_bench.seeds import digest
from ssl_bench.specs import DatasetSpec, MethodConfig, MethodSpec, TaskSpec, module_of
from ssl_bench.words import number_of

Splits = Callable[[str, Dataset], Sequence[LabelSplit]]
"""By task and data, in place of a request's labels: which images are labelled, which not, and which are held out."""


@dataclass(frozen=True)
class Skipped:
    """A coordinate that is not run, and why."""

    title: str
    reason: str


@dataclass(frozen=True)
class Plan:
    """The cells of one command, in the order of the tables, each as it is to be run."""

    orders: tuple[Order, ...]
    skipped: tuple[Skipped, ...]
    sources: Mapping[str, Source]
    """Task name to its data."""
    notes: tuple[str, ...] = ()
    """What was decided where the command left it open, and what is allowed and yet likely not meant, a line each."""

    @cached_property
    def cells(self) -> tuple[Cell, ...]:
        """The cells that are ordered, in the plan's order."""
        return tuple(order.cell for order in self.orders)

    def preload(self, registry: Registry) -> tuple[str, ...]:
        """Modules that the cells import."""
        references: list[Any] = []
        # Those of single files are run by each worker, from the source that its cell holds.
        files = {module for file in registry.files.values() for module in file.modules}
        for cell in self.cells:
            references += [
                registry.task(cell.task).task,
                registry.method(cell.method).method,
                registry.backbone(cell.backbone).backbone,
                registry.dataset(cell.task, cell.dataset).dataset,
            ]
        return tuple(sorted({module_of(reference) for reference in references} - files))


def make_plan(registry: Registry, request: Request, splits: Splits | None = None) -> Plan:
    """Resolve and check everything a command asks for. UsageError or DataError at the first thing wrong."""
    planning = _Planning(registry, request, splits)
    orders: dict[str, Order] = {}
    skipped: dict[Skipped, None] = {}
    same: dict[str, None] = {}
    for found in (found for task in planning.tasks for found in planning.of_task(task)):
        if isinstance(found, Skipped):
            skipped[found] = None
        else:
            # By content: 1/8 and the count that it comes to are one cell.
            first = orders.setdefault(digest(found.cell.identity), found).cell
            if first.row != found.cell.row:
                same[f"{first.task}: {found.cell.row} is what {first.row} is here"] = None
    plan = Plan(tuple(orders.values()), tuple(skipped), planning.sources)
    check_asked(bool(request.pretrained or request.weights), plan.cells)
    check_single_rows(registry, plan.cells)
    passed_over = (note for source in plan.sources.values() for note in source.notes)
    notes = (*passed_over, *planning.notes, *same, *_few_tested(plan.sources), *_notes(registry, plan.cells))
    return replace(plan, notes=notes)


def _few_tested(sources: Mapping[str, Source]) -> Iterator[str]:
    """A line for each data set with too few test images to tell methods apart."""
    for name, source in sources.items():
        if (count := len(source.dataset.test)) == 0:
            yield f"{name}: no image is held out for testing, so that nothing is scored"
        elif count < FEW_TESTED:
            images = number_of(count, "test image")
            more = "hold more out (--test), label more, or give a folder of test images"
            yield f"{name}: with {images} little can be told apart; {more}"


def _notes(registry: Registry, cells: Sequence[Cell]) -> tuple[str, ...]:
    """A line for each split that leaves methods without the unlabelled images that they learn from."""
    lacking: dict[str, dict[str, None]] = {}
    for cell in cells:
        if _learns_from_unlabeled(registry.method(cell.method)) and not cell.split.unlabeled:
            where = f"{cell.task}, {cell.split.source} labels"
            lacking.setdefault(where, {})[cell.method] = None
    return tuple(
        f"{where}: no image is unlabelled, so that {', '.join(methods)} learn{'s' * (len(methods) == 1)} from the "
        "labelled ones alone; label fewer (--labels), or add pictures (--unlabeled)"
        for where, methods in lacking.items()
    )


class _Planning:
    """A plan in the making: what all of its cells have in common, resolved and checked."""

    def __init__(self, registry: Registry, request: Request, splits: Splits | None = None) -> None:
        self.registry, self.request, self.splits = registry, request, splits
        self.tasks = [registry.task(name) for name in pick(registry, "tasks", request.tasks, registry.task)]
        self.variants = pick_variants(registry, request.methods)
        self.controls = self._controls() if request.control else []
        self.trackers = tuple(
            pick(registry, "trackers", request.trackers, registry.tracker) if request.trackers else ()
        )
        tasks, variants = self.tasks, [*self.variants, *self.controls]
        self.overrides = overrides = parse_settings(
            registry,
            request.settings,
            tasks,
            methods_of(variants),
            pass_over=request.of_suite.get("settings", ()),
        )
        asked = asked_labels(registry, request, tasks)
        for name in request.backbones:
            registry.check_backbone(name)
        self.recipes = {
            task.name: recipe_for(task, request.tier, overrides.get(task.name, {})) for task in tasks
        }
        self.configs = {
            (task.name, one.text): configs_for(
                task, one, request.tier, overrides, request.points.get((task.name, one.method.name), ())
            )
            for task in tasks
            for one in variants
        }
        for one in variants:
            for _, config in (pair for task in tasks for pair in self.configs[task.name, one.text]):
                for name in answer(registry, one.method, config, "backbones"):
                    registry.check_backbone(name)
        self.trials = trials_of(request.trials, registry)
        self.share = read_share(request.held_out) if request.held_out else None
        self.weights = wanted_weights(request.pretrained, request.weights)
        self.sources = open_sources(registry, request, tasks)
        self.labels, self.notes = fill_in(asked, tasks if splits is None else (), self.sources, request.tier)
        self.notes += self._drawn_once() if splits is None else ()

    def _controls(self) -> list[Variant]:
        """The controls that nobody named, where a method learns from unlabelled images."""
        named = {variant.method.name for variant in self.variants}
        every = [self.registry.method(spec.name) for spec in self.registry.sorted("methods")]
        controls = [plain(spec) for spec in every if spec.role == "control" and spec.name not in named]
        return controls if any(_learns_from_unlabeled(variant.method) for variant in self.variants) else []

    def variants_for(self, task: TaskSpec) -> list[Variant]:
        """What is asked for, and the controls wherever a method learns from unlabelled images of the task."""
        learning = any(
            _learns_from_unlabeled(one.method) and not one.method.unsupported(task) for one in self.variants
        )
        found = [*self.variants, *(self.controls if learning else [])]
        return sorted(found, key=lambda one: (one.method.position, one.method.name))

    def of_task(self, task: TaskSpec) -> Iterator[Order | Skipped]:
        """The cells of a task, split by split, and what is not run of them."""
        request, source = self.request, self.sources[task.name]
        splits = self._splits(task.name, source.dataset)
        everything = make_split(source.dataset, "all", 0, task=task.name)
        place: dict[str, Any] = {
            "path": str(source.path) if source.path else None,
            "unlabeled": tuple(map(str, source.unlabeled)),
            "shift": source.shift,
            "tested": source.tested,
            "listing": listing(source.dataset),
        }
        states: dict[LabelSplit, dict[str, str]] = {}
        if not request.backbones and request.tier not in task.backbones:
            raise UsageError(
                f"task '{task.name}' names no backbone for tier '{request.tier}'; name one by --backbones"
            )
        backbones = request.backbones or [task.backbones[request.tier]]
        for split, backbone, variant in product(splits, backbones, self.variants_for(task)):
            method = variant.method
            reason = method.unsupported(task)
            if reason:
                yield Skipped(f"{task.name} · {variant.text}", reason)
                continue
            used = everything if method.labels == "all" else split
            if self.share is not None:
                held_out = hold_out(source.dataset, split, self.share, task=task.name)
                used = without(source.dataset, used, held_out)
            source.targets.update(used.labeled, used.held_out)
            if request.observe:
                source.targets.update(observable(source.dataset, used))
            if used not in states:
                seen = seen_by(used, source.dataset)
                states[used] = {
                    "content": source.dataset.content(*seen),
                    "stamp": source.dataset.stamp(*seen),
                }
            yield from self._orders(task, {**place, **states[used]}, used, backbone, variant)

    def _splits(self, task: str, dataset: Dataset) -> Sequence[LabelSplit]:
        if self.splits is not None:
            return self.splits(task, dataset)
        return [
            make_split(dataset, label, seed, task=task)
            for label in self.labels[task]
            for seed in (self.request.split_seeds if self._is_drawn(label) else (0,))
        ]

    def _is_drawn(self, label: str) -> bool:
        """`all` and a list are one split, of which a search still draws what it holds out."""
        return is_number(label) or self.share is not None

    def _drawn_once(self) -> Iterator[str]:
        """A line for each value of labels that several seeds are given for, and that is one split."""
        for task, labels in self.labels.items() if len(self.request.split_seeds) > 1 else ():
            for label in (label for label in labels if not self._is_drawn(label)):
                yield f"{task}: '{label}' labels are one split, of which --split-seeds draws nothing"

    def _orders(
        self, task: TaskSpec, place: Mapping[str, Any], split: LabelSplit, backbone: str, variant: Variant
    ) -> Iterator[Order | Skipped]:
        """A cell for each point of a search, or for the settings as they are, at each seed; or why there is none."""
        registry, request, method = self.registry, self.request, variant.method
        source = self.sources[task.name]
        recipe = self.recipes[task.name]
        for trial, config in self.configs[task.name, variant.text]:
            check_answers(registry, task, method, recipe, config)
            names = [backbone, *config.backbones()]
            networks = {name: registry.backbone(name) for name in names}
            start = weights_for(self.weights, registry, names)
            reason = (
                out_of_place(task, config, recipe)
                or lacking_features(config, networks)
                or lacking_encoder(config, networks, start)
            )
            if reason:
                yield Skipped(f"{task.name} · {variant.text}", reason)
                continue
            check_encoders(task, recipe, networks, start)
            check_settings(task, method, recipe, config)
            check_parts(task, method, recipe, config, request.execution)
            keys = parts_of(registry, task, source.spec, names, method)
            files = plugin_files(registry, keys, self.trackers)
            for seed in request.seeds:
                cell = Cell(
                    task=task.name,
                    dataset=source.spec.name,
                    data=source.dataset.fingerprint(),
                    split=split,
                    backbone=backbone,
                    pretrained=start.identity,
                    method=method.name,
                    seed=seed,
                    tier=request.tier,
                    recipe=recipe.stored(),
                    config=config.stored(),
                    trials=None if trial else self._trials(task, variant, config),
                    execution=request.execution,
                    threads=request.threads,
                    providers={part: str(registry.providers[key]) for part, key in keys.items()},
                    classes=source.dataset.classes,
                    channels=source.dataset.channels,
                    describe=describe(task, method, variant.names, source.title),
                    variant=variant.text if variant.names else "",
                    trial=trial,
                )
                yield Order(
                    cell=cell,
                    **place,
                    weights=start.path,
                    plugins={file.path.name: file.source for file in files},
                    helpers={file.path.name: dict(file.helpers) for file in files if file.helpers},
                    trackers=self.trackers,
                    checkpoint_seconds=request.checkpoint_seconds,
                    checkpoint_steps=request.checkpoint_steps,
                    hang_seconds=request.hang_seconds,
                    observe=request.observe,
                )

    def _trials(self, task: TaskSpec, variant: Variant, config: MethodConfig) -> int | None:
        """As the command states them, which says nothing of another tier's settings, nor of a row that sets what was
        searched or stands beside the one that was; else as the tier does."""
        name, tier = variant.method.name, variant.tier or self.request.tier
        stated = self.trials.get((task.name, name)) or self.trials.get(("", name))
        chosen = {**self.overrides.get(name, {}), **self.overrides.get(f"{task.name}.{name}", {})}
        beside = sum(other.method.name == name for other in self.variants) > 1
        if variant.tier is not None or (
            variant.settings and (beside or variant.settings.keys() & chosen.keys())
        ):
            stated = None
        return stated or trials_behind(task, variant.method, config, tier)


def _learns_from_unlabeled(method: MethodSpec) -> bool:
    return method.role == "ssl" and method.uses_unlabeled


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


def plugin_files(
    registry: Registry, parts: Mapping[str, tuple[str, str]], trackers: Sequence[str]
) -> list[PluginFile]:
    """The single files among the plugins that provide these parts and trackers."""
    keys = [*parts.values(), *(("trackers", name) for name in trackers)]
    plugins = {registry.providers[key].plugin for key in keys}
    return [file for name, file in registry.files.items() if name in plugins]
