"""Whether a recipe can be followed: by a method's settings, by networks, in parts. Torch-free."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import Field, TypeAdapter

from ssl_bench.errors import UsageError
from ssl_bench.plan.weights import Weights
from ssl_bench.recipe import Execution, Recipe
from ssl_bench.registry.checks import Guarded
from ssl_bench.registry.registry import Registry
from ssl_bench.specs import BackboneSpec, MethodConfig, MethodSpec, TaskSpec

NO_ENCODER = "has no part that is its encoder"
_REASON = TypeAdapter[Any](str | None)
ANSWERS: Mapping[str, TypeAdapter[Any]] = {
    "backbones": TypeAdapter(Sequence[str]),
    "unsuited": _REASON,
    "misplaced": _REASON,
    "without_features": _REASON,
    "without_pretrained_encoder": _REASON,
    "with_frozen_encoder": _REASON,
    "rows_together": TypeAdapter(Annotated[int, Field(ge=1)]),
}
"""What a plan asks of a method's settings, and what may be answered."""


def answer(registry: Registry, method: MethodSpec, config: MethodConfig, question: str, *about: Any) -> Any:
    """What a method's settings say to one of `ANSWERS`. PluginError where they fail, or say what is no answer."""
    plugin = registry.providers["methods", method.name].plugin
    what = f"plugin '{plugin}': {question} of method '{method.name}'"
    return Guarded(getattr(config, question), what, ANSWERS[question])(*about)


def check_answers(
    registry: Registry, task: TaskSpec, method: MethodSpec, recipe: Recipe, config: MethodConfig
) -> None:
    """PluginError unless a method's settings answer all that is asked of them, here and by its cells."""
    about: Mapping[str, tuple[Any, ...]] = {"unsuited": (recipe,), "misplaced": (task,)}
    for question in ANSWERS:
        answer(registry, method, config, question, *about.get(question, ()))


def check_parts(
    task: TaskSpec, method: MethodSpec, recipe: Recipe, config: MethodConfig, execution: Execution
) -> None:
    """UsageError unless the rows of a step can be cut in the parts that `execution` asks for."""
    together = config.rows_together()
    possible = recipe.possible_parts(method.uses_unlabeled, together)
    if not possible:
        raise UsageError(
            f"{task.name}.unlabeled_rows={recipe.unlabeled_rows}: {method.name} takes unlabelled rows {together} at a "
            f"time, and leaves none out; set {task.name}.unlabeled_rows to a multiple of {together}"
        )
    if execution.micro_batches * execution.processes not in possible:
        rows = f"{recipe.labeled_rows} labelled"
        rows += f" and {recipe.unlabeled_rows} unlabelled" if method.uses_unlabeled else ""
        kept = f", {together} unlabelled ones at a time," if together > 1 else ""
        raise UsageError(
            f"--micro-batches {execution.micro_batches} x --gpus-per-cell {execution.processes}: {task.name} has "
            f"{rows} rows per step for {method.name}, to be cut{kept} in {', '.join(map(str, possible))} equal parts; "
            f"or set {task.name}.labeled_rows or .unlabeled_rows"
        )


def check_settings(task: TaskSpec, method: MethodSpec, recipe: Recipe, config: MethodConfig) -> None:
    """UsageError where the method's settings cannot serve the recipe or the task."""
    if reason := config.unsuited(recipe) or config.misplaced(task):
        raise UsageError(f"{task.name}.{method.name}: {reason}")


def lacking_features(config: MethodConfig, networks: Mapping[str, BackboneSpec]) -> str | None:
    """Why a method cannot be had on networks, by name, that show no features, or None where it can."""
    reason = config.without_features()
    for name, spec in networks.items() if reason else ():
        if not spec.has_features:
            return f"network '{name}' shows no features: {reason}"
    return None


def lacking_encoder(config: MethodConfig, networks: Mapping[str, BackboneSpec], start: Weights) -> str | None:
    """Why a method cannot be had on networks, by name, of which one has no encoder, or none from pretrained weights; or
    None where it can."""
    reason = config.without_pretrained_encoder()
    for name, spec in networks.items() if reason else ():
        if not spec.has_encoder:
            return f"network '{name}' {NO_ENCODER}: {reason}"
        if _starts_at_random(spec, start):
            return f"the encoder of '{name}' starts from random weights: {reason}"
    return None


def out_of_place(task: TaskSpec, config: MethodConfig, recipe: Recipe) -> str | None:
    """Why a method has no place in a recipe that freezes every encoder, or None where it has."""
    reason = config.with_frozen_encoder() if recipe.encoder == "frozen" else None
    return (
        f"{task.name}.encoder=frozen keeps the encoder of every method as it is: {reason}" if reason else None
    )


def _starts_at_random(spec: BackboneSpec, start: Weights) -> bool:
    return not start.identity or spec.load_weights is None


def check_encoders(
    task: TaskSpec, recipe: Recipe, networks: Mapping[str, BackboneSpec], start: Weights
) -> None:
    """UsageError unless the networks, by name, have the encoder that a recipe treats apart, and, where it is frozen,
    pretrained weights for it."""
    frozen, multiplier = recipe.encoder == "frozen", recipe.optimizer.encoder_multiplier
    if not frozen and multiplier == 1:
        return
    field = "encoder=frozen" if frozen else f"optimizer.encoder_multiplier={multiplier:g}"
    plain = "encoder=train" if frozen else "optimizer.encoder_multiplier=1"
    for name, spec in networks.items():
        if not spec.has_encoder:
            raise UsageError(
                f"{task.name}.{field}: network '{name}' {NO_ENCODER}; name another by --backbones, "
                f"or set {task.name}.{plain}"
            )
        if frozen and _starts_at_random(spec, start):
            cure = (
                "give --pretrained or --weights FILE" if spec.load_weights else "name another by --backbones"
            )
            raise UsageError(
                f"{task.name}.{field}: the encoder of '{name}' would stay at random weights; {cure}, or set "
                f"{task.name}.{plain}"
            )
