"""What a search tries: equally many settings of every method, checked before any compute. Torch-free."""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from types import MappingProxyType
from typing import Any

from ssl_bench.errors import UsageError, not_taking_part, unknown
from ssl_bench.plan.settings import Point, field_names, in_names
from ssl_bench.plan.variants import Variant, methods_of
from ssl_bench.registry.registry import Registry, called
from ssl_bench.specs import RATE, MethodSpec

Grid = Mapping[str, Sequence[Any]]
"""Field of a method's config to the values that are tried."""

WIDEST = math.sqrt(10)
"""Ratio of two neighbouring learning rates, at most."""
SPAN = 10.0
"""How far the learning rates of a long row go from the recipe's, down and up."""


@dataclass(frozen=True)
class Search:
    """The grid of every method on one task, all with the same number of points."""

    grids: Mapping[str, Grid]
    """By method; its fields and values are in the order of the tables."""
    trials: int
    """How many points the grid of each method has."""

    @property
    def points(self) -> dict[str, list[Point]]:
        """Method to its points, the last field's values changing first."""
        return {
            method: [dict(zip(grid, values, strict=True)) for values in product(*grid.values())]
            for method, grid in self.grids.items()
        }


def make_searches(
    registry: Registry,
    tasks: Sequence[str],
    variants: Sequence[Variant],
    entries: Grid,
    preset: str = "",
    *,
    settings: Mapping[str, Any] = MappingProxyType({}),
    pass_over: Collection[str] = (),
) -> dict[str, Search]:
    """Task to the search that the entries of `--grid` and a preset of the methods' own ask for.

    An entry is named `METHOD.FIELD`, or `TASK.METHOD.FIELD`, which replaces that field's values for one task.
    `settings`: what `--set` gives. `pass_over`: entries that are left out where they are not part of the command, and
    are no error then. A method with fewer points than the least common multiple of all grids of the task also tries
    learning rates, until it has as many. Raises UsageError where there is nothing to search, a name is unknown, or a
    variant or a setting leaves nothing to choose.
    """
    _check_variants(variants)
    methods = methods_of(variants)
    if preset:
        _check_preset(registry, methods, preset)
    given: dict[str, dict[str, dict[str, Sequence[Any]]]] = {}
    for entry, values in entries.items():
        task, name, field = _read(registry, entry)
        if len({repr(value) for value in values}) < len(values):
            raise UsageError(f"--grid {entry}: a value is given twice")
        own = next((variant for variant in variants if variant.method.name == name), None)
        if own is None or (task and task not in tasks):
            if entry in pass_over:
                continue
            raise not_taking_part(f"--grid {entry}", f"method '{name}'" if own is None else f"task '{task}'")
        place = given.setdefault(task, {}).setdefault(name, {})
        if field in place:
            path = f"{task}.{name}.{field}".lstrip(".")
            raise UsageError(f"--grid is given twice for {path}; give all values in one")
        place[field] = values
    searches = {
        task: _search(
            task,
            {
                spec.name: {
                    **spec.grids.get(preset, {}),
                    **given.get("", {}).get(spec.name, {}),
                    **given.get(task, {}).get(spec.name, {}),
                }
                for spec in methods
            },
        )
        for task in tasks
    }
    named = {in_names(registry, path) for path in settings}
    for task, search in searches.items():
        for variant in variants:
            _check_free(task, search, variant, named)
    return searches


def _check_free(task: str, search: Search, variant: Variant, settings: Collection[str]) -> None:
    """UsageError where a method's row fixes what a search would try: of its trials none would be that row."""
    name = variant.method.name
    for field in search.grids[name]:
        fixed = [variant.text] if field in variant.settings else []
        fixed += [f"--set {key}" for key in (f"{name}.{field}", f"{task}.{name}.{field}") if key in settings]
        if fixed:
            why = (
                f"{name} gets learning rates to fill up {search.trials} points"
                if field == RATE
                else "it is searched"
            )
            raise UsageError(
                f"{fixed[0]} gives {name}.{field} a value of its own, and {why}; leave out one of the two"
            )


def _check_variants(variants: Sequence[Variant]) -> None:
    for place, variant in enumerate(variants):
        others = [other.text for other in variants[:place] if other.method.name == variant.method.name]
        if others:
            raise UsageError(
                f"settings are chosen for one of {others[0]} and {variant.text}; search once for each"
            )
        if variant.tier is not None:
            raise UsageError(
                f"--methods {variant.text}: all of its settings are those of tier {variant.tier}; a search has none "
                "to choose"
            )


def _check_preset(registry: Registry, methods: Sequence[MethodSpec], preset: str) -> None:
    known = {name for each in registry.entries["methods"] for name in registry.method(each).grids}
    if preset not in known:
        raise unknown("preset", preset, known)
    if not any(preset in method.grids for method in methods):
        having = (name for name in registry.entries["methods"] if preset in registry.method(name).grids)
        raise UsageError(
            f"--preset {preset} is for other methods than those of this command: {', '.join(sorted(having))}"
        )


def _search(task: str, grids: dict[str, dict[str, Sequence[Any]]]) -> Search:
    trials = math.lcm(*(_size(grid) for grid in grids.values()))
    if trials < 2:
        raise UsageError(
            f"there is nothing to search for task '{task}'; give values with --grid METHOD.FIELD=A,B, or a --preset"
        )
    for name, grid in grids.items():
        count = trials // _size(grid)
        if count > 1 and RATE in grid:
            raise UsageError(
                f"--grid {name}.{RATE}: {name} has {_size(grid)} points where every method gets {trials}, and "
                f"learning rates would fill them up; give {name} {trials} points"
            )
        if count > 1:
            grid[RATE] = learning_rates(count)
    return Search(grids, trials)


def learning_rates(count: int) -> list[float]:
    """Factors in geometric steps around 1, which is one of them; an even count has one more below than above.

    The step is at most the square root of 10, and a long row spans a decade on either side.
    """
    ratio = min(WIDEST, SPAN ** (1 / max(1, count // 2)))
    return [float(f"{ratio**step:.3g}") for step in range(-(count // 2), (count + 1) // 2)]


def _read(registry: Registry, path: str) -> tuple[str, str, str]:
    """Task (empty for all), method and field of an entry."""
    task, (name, _, field) = "", path.partition(".")
    tasks, methods = registry.sorted("tasks"), registry.sorted("methods")
    within, _, rest = field.partition(".")
    if (found := called(name, tasks)) and rest and called(within, methods):
        task, name, field = found.name, within, rest
    elif found:
        raise UsageError(
            f"--grid {path}: a recipe is the same for every method; METHOD.{RATE} is what may be searched"
        )
    spec = registry.method(name)
    if field not in field_names(spec.config):
        raise unknown("field", path, [f"{name}.{known}" for known in field_names(spec.config)])
    if "." in field:
        raise UsageError(f"--grid {path}: a field within a field cannot be searched")
    return task, spec.name, field


def _size(grid: Mapping[str, Sequence[Any]]) -> int:
    return math.prod(len(values) for values in grid.values())
