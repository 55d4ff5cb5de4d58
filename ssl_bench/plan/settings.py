"""Settings from the command line: names and fields checked, values against their ranges. Torch-free."""

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ValidationError

from ssl_bench.errors import UsageError, not_taking_part, suggestion, unknown
from ssl_bench.recipe import Recipe, Tier
from ssl_bench.registry.registry import Registry, called
from ssl_bench.specs import MethodConfig, MethodSpec, TaskSpec

if TYPE_CHECKING:
    from ssl_bench.plan.variants import Variant

Point = Mapping[str, Any]
"""Fields of a method's config to the values that one trial of a search gives them."""


def parse_settings(
    registry: Registry,
    settings: Mapping[str, Any],
    tasks: Sequence[TaskSpec],
    methods: Sequence[MethodSpec],
    *,
    pass_over: Collection[str] = (),
) -> dict[str, dict[str, Any]]:
    """`NAME.FIELD` to values, as {name: {field: value}}, names and fields checked.

    A name is a task's, a method's, or `TASK.METHOD`. `pass_over`: entries that are left out where they are not part of
    the command, and are no error then.
    """
    fields: dict[str, list[str]] = {}
    for task in tasks:
        fields[task.name] = field_names(task.recipe)
    for method in methods:
        fields[method.name] = field_names(method.config)
    by_name = {task.name for task in tasks}
    parsed: dict[str, dict[str, Any]] = {}
    for path, value in settings.items():
        name, _, name_of_field = in_names(registry, path).partition(".")
        if name not in fields:
            if name in registry.entries["tasks"] or name in registry.entries["methods"]:
                if path in pass_over:
                    continue
                raise not_taking_part(f"--set {path}={value}", f"'{name}'")
            raise unknown("task or method", name, [*registry.entries["tasks"], *registry.entries["methods"]])
        known, within = fields[name], name_of_field.partition(".")
        if name_of_field not in known and name in by_name and within[0] in registry.entries["methods"]:
            if within[0] not in fields and path in pass_over:
                continue
            if within[0] not in fields:
                raise not_taking_part(f"--set {path}={value}", f"'{within[0]}'")
            name, name_of_field, known = f"{name}.{within[0]}", within[2], fields[within[0]]
        if name_of_field not in known:
            raise unknown("field", path, [f"{name}.{each}" for each in known])
        put(parsed.setdefault(name, {}), name_of_field, value)
    return parsed


def put(settings: dict[str, Any], path: str, value: Any) -> None:
    """Set what a dotted name leads to, in mappings within one another."""
    *parents, last = path.split(".")
    for parent in parents:
        settings = settings.setdefault(parent, {})
    settings[last] = value


def in_names(registry: Registry, path: str) -> str:
    """`night.mt.lambda_mt` for `Night.MT.lambda_mt`: a dotted name, with task and method by theirs.

    What nothing is called stays as it is, as fields do.
    """
    first, dot, rest = path.partition(".")
    first = _name(registry, ("tasks", "methods"), first)
    if first in registry.entries["tasks"] and rest not in field_names(registry.task(first).recipe):
        second, *fields = rest.split(".")
        rest = ".".join([_name(registry, ("methods",), second), *fields])
    return f"{first}{dot}{rest}"


def _name(registry: Registry, kinds: Sequence[str], text: str) -> str:
    """The name of what is called so; the text itself where nothing is."""
    found = (called(text, registry.sorted(kind)) for kind in kinds)
    return next((spec.name for spec in found if spec), text)


def recipe_for(task: TaskSpec, tier: Tier, overrides: Mapping[str, Any]) -> Recipe:
    """The task's recipe for a tier with `--set TASK.FIELD` applied."""
    if tier not in task.recipes:
        raise UsageError(f"task '{task.name}' has no tier '{tier}'; {suggestion(tier, task.recipes)}")
    base = task.recipes[tier]
    try:
        return type(base).model_validate(_merged(base.model_dump(), overrides))
    except ValidationError as error:
        raise UsageError(f"--set {task.name}.{_first(error)}") from error


def configs_for(
    task: TaskSpec,
    variant: "Variant",
    tier: Tier,
    overrides: Mapping[str, Mapping[str, Any]],
    points: Sequence[Point] = (),
) -> list[tuple[str, MethodConfig]]:
    """A variant's settings for a task, `--set` below them, in words and checked: one for each point of a search."""
    method = variant.method
    given: dict[str, Any] = {}
    if variant.tier is None:
        for name in (method.name, f"{task.name}.{method.name}"):
            given = _merged(given, overrides.get(name, {}))
    given = _merged(given, variant.settings)
    tried = [(in_words(point), _config(task, variant, tier, {**given, **point}, point)) for point in points]
    return tried or [("", _config(task, variant, tier, given, {}))]


def _config(
    task: TaskSpec, variant: "Variant", tier: Tier, overrides: Mapping[str, Any], point: Point
) -> MethodConfig:
    """The settings for a task. UsageError, saying where it was given, for a value out of range."""
    method = variant.method
    try:
        return resolve_config(task, method, overrides, variant.tier or tier)
    except ValidationError as error:
        name = str(next(iter(error.errors()[0]["loc"]), ""))
        if name in variant.settings:
            raise UsageError(f"method '{variant.text}': {_first(error)}") from error
        if name not in overrides:
            raise UsageError(
                f"method '{method.name}' by its own defaults on task '{task.name}': {_first(error)}; mend the field, "
                "or the defaults of the method or of the task that set it"
            ) from error
        raise UsageError(f"{'--grid' if name in point else '--set'} {method.name}.{_first(error)}") from error


def resolve_config(
    task: TaskSpec, method: MethodSpec, overrides: Mapping[str, Any], tier: Tier = "paper"
) -> MethodConfig:
    """The method's settings for a task in a tier; in tier `paper` as published, unless it says otherwise.

    Raises pydantic's ValidationError for a value out of range.
    """
    config = method.config
    of_tier = config.tier_defaults.get(tier, {})
    return config(
        **{
            **config.kind_defaults.get(task.kind, {}),
            **config.task_defaults.get(task.name, {}),
            **(of_tier[task.kind].settings if task.kind in of_tier else {}),
            **(of_tier[task.name].settings if task.name in of_tier else {}),
            **task.method_defaults.get(method.name, {}),
            **overrides,
        }
    )


def in_words(point: Point) -> str:
    """Write the settings of a point as `lambda_fc=0.1, xi=0.4`."""
    return ", ".join(f"{name}={value}" for name, value in point.items())


def trials_of(trials: Mapping[str, int], registry: Registry) -> dict[tuple[str, str], int]:
    """`[TASK.]METHOD` to counts, as (task, method) to count; an empty task stands for those without their own."""
    found = {}
    for name, count in trials.items():
        task, dot, method = name.rpartition(".")
        if dot:
            task = registry.task(task).name
        method = registry.method(method).name
        found[task, method] = count
    return found


def trials_behind(task: TaskSpec, method: MethodSpec, config: MethodConfig, tier: Tier) -> int | None:
    """How many settings were tried in the search that a tier's own come from; None where these are others."""
    of_tier = method.config.tier_defaults.get(tier, {})
    found = of_tier.get(task.name) or of_tier.get(task.kind)
    untouched = method.name not in task.method_defaults and config == resolve_config(task, method, {}, tier)
    return found.trials if found and untouched else None


def field_names(model: type[BaseModel], prefix: str = "") -> list[str]:
    """Dotted names of all fields, those of models inside included."""
    names = []
    for name, info in model.model_fields.items():
        if isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel):
            names += field_names(info.annotation, f"{prefix}{name}.")
        else:
            names.append(prefix + name)
    return names


def _merged(base: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for name, value in overrides.items():
        within = base.get(name, {})
        nested = isinstance(value, dict) and isinstance(within, dict)
        merged[name] = _merged(within, value) if nested else value
    return merged


def _first(error: ValidationError) -> str:
    """`FIELD=VALUE: what is wrong` for the first fault."""
    fault = error.errors()[0]
    where = ".".join(str(part) for part in fault["loc"] if isinstance(part, str))
    message, given = fault["msg"].removeprefix("Value error, "), fault["input"]
    if isinstance(given, str) and "," in given and fault["type"] in ("tuple_type", "list_type"):
        message += (
            f"; write [{', '.join(part.strip() for part in given.split(','))}], in quotes for the shell"
        )
    return f"{where}={given}: {message[0].lower()}{message[1:]}" if where else message
