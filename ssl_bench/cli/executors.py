"""The executor of a command: options made from the settings of every executor there is, and the one that is chosen."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from ssl_bench.cli.fields import FieldOption
from ssl_bench.cli.help import SectionedCommand
from ssl_bench.cli.plugins import foresee_files, load_registry
from ssl_bench.errors import PluginError, UsageError

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

    from ssl_bench.executor import Executor, Wanted
    from ssl_bench.registry.registry import Registry
    from ssl_bench.specs import ExecutorSpec

GIVEN = f"{__name__}.given"
OPTIONS = f"{__name__}.options"


class ExecutorOption(FieldOption):
    """One setting of one executor, which reads the text of whatever is no switch."""

    def __init__(self, spec: "ExecutorSpec", field: str, info: "FieldInfo") -> None:
        kind = click.BOOL if info.annotation is bool else click.STRING
        super().__init__(
            [field],
            info=info,
            section=f"Options of --executor {spec.name}",
            prefix=f"{spec.name}-",
            type=kind,
            metavar=None if kind is click.BOOL else "VALUE",
            expose_value=False,
            callback=_keep,
        )
        self.executor = spec.name


class ExecutorCommand(SectionedCommand):
    """A command with `--executor`, and for each executor there is the options that its settings make."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As of every command, once the plugin files are known, whose executors have options, too."""
        foresee_files(ctx, args)
        return super().parse_args(ctx, args)

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Its own parameters and the generated ones."""
        own = super().get_params(ctx)
        if OPTIONS not in ctx.meta:
            taken = {opt for parameter in own for opt in parameter.opts}
            ctx.meta[OPTIONS] = list(_generate(taken, ctx.info_name or ""))
        return [*own, *ctx.meta[OPTIONS]]


def choose_executor(
    context: click.Context, registry: "Registry", name: str
) -> "Callable[[Wanted], Executor]":
    """The executor of that name with the settings that the command gives it, yet to be started.

    Raises UsageError for an unknown name, a setting that is wrong or is another executor's, and a package that it
    lacks.
    """
    spec = registry.executor(name)
    values: dict[str, Any] = {}
    by_hand = context.get_parameter_source("executor") is ParameterSource.COMMANDLINE
    for option, value in context.meta.get(GIVEN, {}).items():
        if option.executor == name:
            values[option.field] = value
        # A suite serves several executors when the command line says which.
        elif not (by_hand and context.get_parameter_source(option.name) is ParameterSource.DEFAULT_MAP):
            raise UsageError(
                f"{option.opts[0]} is a setting of executor '{option.executor}', and this command's is '{name}'; "
                f"add --executor {option.executor}, or leave it out"
            )
    from ssl_bench.run.start import start_of

    return start_of(spec, values)


def _generate(taken: set[str], command: str) -> Iterator[ExecutorOption]:
    for spec in load_registry().executors:
        for field, info in spec.config.model_fields.items():
            option = ExecutorOption(spec, field, info)
            if taken.intersection(option.opts):
                raise PluginError(
                    f"executor '{spec.name}': its setting '{field}' would be {option.opts[0]}, which "
                    f"`{command}` has already; the setting needs another name"
                )
            taken.update(option.opts)
            yield option


def _keep(context: click.Context, option: click.Parameter, value: Any) -> None:
    if context.get_parameter_source(option.name or "") not in (None, ParameterSource.DEFAULT):
        context.meta.setdefault(GIVEN, {})[option] = value
