"""What plugins hand over, checked where it is taken in, so that no command meets it as it should not be. Torch-free."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Annotated, Any, Literal, get_args

from pydantic import Field, InstanceOf, TypeAdapter, ValidationError

from ssl_bench.errors import PluginError, SslBenchError, in_a_line
from ssl_bench.recipe import TIERS, Kind, Recipe, Tier
from ssl_bench.registry.registry import KINDS
from ssl_bench.specs import (
    DatasetSpec,
    ExecutorConfig,
    ExecutorSpec,
    Found,
    MethodConfig,
    MethodSpec,
    Metric,
    Role,
    Spec,
    TaskSpec,
    resolve,
)

FIELDS: Mapping[type[Spec], Mapping[str, Any]] = {
    Spec: {"name": str, "title": str, "position": int},
    TaskSpec: {
        "kind": Kind,
        "metrics": Annotated[Sequence[InstanceOf[Metric]], Field(min_length=1)],
        "recipes": Annotated[Mapping[Tier, InstanceOf[Recipe]], Field(min_length=1)],
        "backbones": Mapping[Tier, str],
        "labels": Mapping[Tier, str],
    },
    DatasetSpec: {"task": str},
    MethodSpec: {"config": type[MethodConfig], "role": Role, "labels": Literal["split", "all"]},
    ExecutorSpec: {"config": type[ExecutorConfig]},
}
"""Of each kind of description, what commands rely on though they do not use it."""
FUNCTIONS = ("unsupported", "matches", "validate", "suggest")
"""Fields that hold functions which are called while a command is planned."""

ANYTHING = TypeAdapter[Any](Any)


@dataclass(frozen=True)
class Guarded:
    """A plugin's function. PluginError, naming the plugin, for whatever it raises that is no error of ours, and for
    what it gives that is not of its `form`."""

    function: Callable[..., Any] | str
    what: str
    form: TypeAdapter[Any] = ANYTHING

    def __call__(self, *arguments: Any) -> Any:
        """As the function."""
        try:
            given = resolve(self.function)(*arguments)
        except SslBenchError:
            raise
        except (Exception, SystemExit) as error:
            raise PluginError(
                f"{self.what} fails ({in_a_line(error)}); mend or uninstall the plugin"
            ) from error
        try:
            self.form.validate_python(given, strict=True)
        except ValidationError as error:
            raise PluginError(
                f"{self.what} gives {given!r:.60}: {_fault(error)}; mend or uninstall the plugin"
            ) from error
        return given


def checked(kind: str, spec: Spec, plugin: str) -> Spec:
    """A description with its functions guarded. PluginError for a field that holds what it cannot."""
    for name, reader in _readers(kind).items():
        value = getattr(spec, name)
        try:
            reader.validate_python(value, strict=True)
        except ValidationError as error:
            raise PluginError(
                f"{kind.removesuffix('s')} '{spec.name}' has {name}={value!r:.60}: {_fault(error)}"
            ) from error
    if isinstance(spec, MethodSpec) and (fault := fault_of_defaults(spec.config)):
        raise PluginError(f"method '{spec.name}': {fault}")
    whose = f"of {kind.removesuffix('s')} '{spec.name}'"
    functions: dict[str, Any] = {
        name: Guarded(found, f"plugin '{plugin}': {name} {whose}")
        for name in FUNCTIONS
        if (found := getattr(spec, name, None)) is not None
    }
    return replace(spec, **functions)


def fault_of_defaults(config: type[MethodConfig]) -> str | None:
    """What is wrong with the settings that a method has by kind of task and by tier, or None.

    Kinds and tiers are known; a task may not be installed here, so that its name is not looked at.
    """
    for name in config.kind_defaults:
        if name not in get_args(Kind):
            return f"kind_defaults name '{name}'; kinds are {', '.join(get_args(Kind))}"
    for tier, of_tier in config.tier_defaults.items():
        if tier not in TIERS:
            return f"tier_defaults name tier '{tier}'; there are {', '.join(TIERS)}"
        for name, found in of_tier.items():
            if not isinstance(found, Found):
                return f"tier_defaults of {name} in tier {tier} are no Found: write Found({{...}}) around the settings"
    return None


def _fault(error: ValidationError) -> str:
    message = error.errors()[0]["msg"]
    return f"{message[0].lower()}{message[1:]}"


@cache
def _readers(kind: str) -> dict[str, TypeAdapter[Any]]:
    """Field of a kind of description to what checks it."""
    tables = [forms for base, forms in FIELDS.items() if issubclass(KINDS[kind], base)]
    return {name: TypeAdapter(form) for forms in tables for name, form in forms.items()}
