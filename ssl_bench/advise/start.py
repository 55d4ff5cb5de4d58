"""From a folder to a study: the recipe that fits it, the folds of its labels, and every cell planned."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ssl_bench.advise.fit import fitting_crop, shorter_side
from ssl_bench.advise.folds import folds_of
from ssl_bench.advise.study import Study
from ssl_bench.data.copies import NO_PRINTS, Print
from ssl_bench.dataset import Dataset
from ssl_bench.errors import UsageError
from ssl_bench.plan.request import Request
from ssl_bench.plan.settings import resolve_config
from ssl_bench.plan.sources import open_sources
from ssl_bench.plan.text_forms import split_outside
from ssl_bench.plan.variants import methods_of, pick_variants
from ssl_bench.plan.weights import wanted_weights, weights_for
from ssl_bench.recipe import Tier
from ssl_bench.registry.registry import Registry
from ssl_bench.specs import MethodSpec, TaskSpec
from ssl_bench.store.results import ResultStore
from ssl_bench.words import number_of

REPEATS = 5
"""Of the folds, at most: what further ones would add is small beside what the labels leave open."""
TIER: Tier = "lite"


@dataclass(frozen=True)
class Ask:
    """What somebody wants to know."""

    task: TaskSpec
    folder: Path
    dataset: str = ""
    unlabeled: Sequence[Path] = ()
    methods: str = ""
    """Empty: all that learn from unlabelled images."""
    fewer: Sequence[int] = ()
    """Counts of labels, on which the baseline is trained as well; empty: half of those that a fold leaves."""
    devices: str = "auto"


@dataclass(frozen=True)
class Opened:
    """The folder, not yet read, and what is to be planned on it."""

    dataset: Dataset
    request: Request


@dataclass(frozen=True)
class Started:
    """A study of a folder, and what was found and chosen, in words."""

    study: Study
    found: str
    setting: str


def open_folder(registry: Registry, ask: Ask) -> Opened:
    """Find the images of the folder, and the methods. UsageError or DataError at the first thing wrong."""
    task = ask.task
    request = Request(
        tasks=(task.name,),
        methods=with_baselines(registry, ask.methods),
        tier=TIER,
        data={task.name: ask.folder},
        dataset={task.name: ask.dataset} if ask.dataset else {},
        unlabeled={task.name: tuple(ask.unlabeled)} if ask.unlabeled else {},
        devices=ask.devices,
    )
    if bound := next((spec.name for spec in _methods(registry, request) if spec.labels == "all"), None):
        raise UsageError(
            f"--methods {bound}: it learns from every label, and so from those that a fold tests; leave it out"
        )
    dataset = open_sources(registry, request, [task])[task.name].dataset
    if dataset.tests_on_its_own:
        # Every label is wanted in the folds.
        request = request.model_copy(update={"test": {task.name: 0}})
        dataset = open_sources(registry, request, [task])[task.name].dataset
    return Opened(dataset, request)


def start_study(
    registry: Registry,
    ask: Ask,
    opened: Opened,
    store: ResultStore,
    prints: Mapping[str, Print] = NO_PRINTS,
    device: str = "",
) -> Started:
    """Fit the recipe to the folder and plan. UsageError or DataError at the first thing wrong.

    `prints`: of the images that were looked at already. `device`: name of the one that cells run on.
    """
    task, request, dataset = ask.task, opened.request, opened.dataset
    recipe, network = task.recipes[TIER], task.backbones[TIER]
    crop = recipe.crop
    if weights_for(wanted_weights(None, None), registry, [network]).identity:
        # What was pretrained on objects wants to see them whole.
        crop = fitting_crop(recipe, shorter_side(dataset, dataset.train))
    settings = settings_of(task, _methods(registry, request), crop)
    request = request.model_copy(update={"settings": settings})
    folds = folds_of(dataset, REPEATS, prints)
    most = min(len(fold.learnt) for fold in folds)
    if wrong := next((count for count in ask.fewer if count >= most), None):
        raise UsageError(f"--labels {wrong}: a fold has {most} labels to learn from; give fewer than that")
    study = Study.of(registry, request, folds, ask.fewer or [most // 2], store, device)
    evidence, parts = study.evidence(), len({fold.number for fold in folds})
    found = (
        f"{ask.folder}: {number_of(evidence.labels, 'image')} with labels, {evidence.unlabeled} without; "
        f"{number_of(parts, 'fold')}, {evidence.learnt} labels to learn from in each"
    )
    if dataset.test:
        found += f"; its {number_of(len(dataset.test), 'test image')} scored once, at the end"
    return Started(study, found, f"{network}, {recipe.iterations} steps, crops of {crop} px")


def _methods(registry: Registry, request: Request) -> list[MethodSpec]:
    return methods_of(pick_variants(registry, request.methods))


def settings_of(task: TaskSpec, methods: Sequence[MethodSpec], crop: int) -> dict[str, Any]:
    """`NAME.FIELD` to values: what differs from the tier."""
    found: dict[str, Any] = {} if crop == task.recipes[TIER].crop else {f"{task.name}.crop": crop}
    for method in methods:
        found |= {f"{method.name}.{name}": value for name, value in unsearched(task, method).items()}
    return found


def unsearched(task: TaskSpec, method: MethodSpec) -> dict[str, Any]:
    """What a search found for the tier, as published: it was made on other images, and may have switched a method off.

    What the tier's short runs ask for on every set stays.
    """
    of_tier = method.config.tier_defaults.get(TIER, {})
    found, always = of_tier.get(task.name), of_tier.get(task.kind)
    if found is None or found.trials is None:
        return {}
    published = resolve_config(task, method, {}).model_dump(mode="json")
    return {name: published[name] for name in found.settings if not (always and name in always.settings)}


def with_baselines(registry: Registry, methods: str) -> tuple[str, ...]:
    """The methods named, or all that learn from unlabelled images, and before them what learns from labels alone."""
    specs = [registry.method(spec.name) for spec in registry.sorted("methods")]
    named = split_outside(methods) or [spec.name for spec in specs if spec.role == "ssl"]
    taken = {name.partition(":")[0].strip() for name in named}
    return (*(spec.name for spec in specs if spec.role == "baseline" and spec.name not in taken), *named)
