"""Options that several commands share."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, get_origin

import click
from click.core import ParameterSource

from ssl_bench.cli.fields import FieldOption
from ssl_bench.cli.plugins import plugin_option
from ssl_bench.cli.suite import left_of_suite, load_suite
from ssl_bench.cli.values import Place
from ssl_bench.errors import UsageError
from ssl_bench.machine.files import place
from ssl_bench.plan.request import Request, Running, marks_of, option_fields, option_name
from ssl_bench.recipe import Settings

if TYPE_CHECKING:
    from ssl_bench.registry.registry import Registry

Function = TypeVar("Function", bound=Callable[..., Any])
Asked = TypeVar("Asked", bound=Request)
MOST_MEANT = 10
"""Seeds that a single number may have been meant as."""


def together(*options: Callable[[Function], Function]) -> Callable[[Function], Function]:
    """Arguments and options as one decorator, in the order in which help shows them."""

    def add(function: Function) -> Function:
        for option in reversed(options):
            function = option(function)
        return function

    return add


def request_options(model: type[Request], *running: str) -> Callable[[Function], Function]:
    """The argument SUITE, and the fields of a request and of `Running`, or some of the latter, as options."""
    return together(
        click.argument("suite", required=False, type=Place(), is_eager=True, callback=load_suite),
        field_options(Running, *running),
        field_options(model),
        plugin_option,
    )


def field_options(model: type[Settings], *names: str) -> Callable[[Function], Function]:
    """The fields of a model, or some of them, as options."""
    return together(
        *(
            click.option(name, cls=FieldOption, info=info, section=marks_of(info)["section"])
            for name, info in option_fields(model).items()
            if name in names or not names
        )
    )


def request_from(model: type[Asked], options: Mapping[str, Any], registry: "Registry") -> Asked:
    """The request that options of a command make. UsageError as `Request`, which names the suite that a value is of."""
    context, fields = click.get_current_context(), option_fields(model)
    source = context.get_parameter_source
    given = {name: options[name] for name in fields if source(name) is not ParameterSource.DEFAULT}
    mappings = {name for name, info in fields.items() if get_origin(info.annotation) is Mapping}
    of_command = {name for name in given if source(name) is not ParameterSource.DEFAULT_MAP}
    theirs = {name: value for name, value in given.items() if name not in of_command}
    theirs |= {name: value for name, value in (context.default_map or {}).items() if name in mappings}
    try:
        suite = model(**theirs)
    except UsageError as error:
        raise UsageError(f"suite {context.params['suite']}: {error}") from error
    own = model(**{name: given[name] for name in mappings & of_command})
    left = left_of_suite(registry, suite, own, mappings)
    given |= {name: {**entries, **getattr(own, name)} for name, entries in left.items()}
    request = model(**given, of_suite={name: frozenset(entries) for name, entries in left.items()})
    for name, info in fields.items():
        if info.annotation == tuple[int, ...] and isinstance(given.get(name), str | int):
            _say_which_seed(option_name(name, info), getattr(request, name))
    return request


def _say_which_seed(option: str, seeds: tuple[int, ...]) -> None:
    """A note where a seed may have been meant as their number."""
    first, *others = seeds
    if not others and 1 < first <= MOST_MEANT:
        click.echo(
            f"note: {option} {first} is seed {first} alone; 0-{first - 1} would be {first} seeds", err=True
        )


runs_option = click.option(
    "--runs", type=Place(), default=Path("runs"), show_default=True, help="Results folder."
)


def _task_folders(
    context: click.Context, parameter: click.Parameter, given: tuple[str, ...]
) -> dict[str, Path]:
    """Task to folder, of `TASK=PATH`."""
    parts = [text.partition("=") for text in given]
    for text, (task, _, path) in zip(given, parts, strict=True):
        if not task or not path:
            raise UsageError(f"--data '{text}': write TASK=PATH")
    return {task.strip(): place(path) for task, _, path in parts}


shown_data_option = click.option(
    "--data",
    multiple=True,
    metavar="TASK=PATH",
    callback=_task_folders,
    help="Where the data of a task's cells lies, for cells from elsewhere and data that has moved; repeatable.",
)
"""For commands that show test images of finished cells."""


def _folder_or_runs(context: click.Context, parameter: click.Parameter, runs: Any) -> Any:
    """The folders named as arguments, or else by --runs."""
    named = context.params.pop("named", None)
    if named and runs:
        raise UsageError(
            "results folders are named both as arguments and by --runs; leave out one of the two"
        )
    if not named and not runs and parameter.multiple:
        raise UsageError("no results folder is named; give one or more")
    return named or runs or Path("runs")


def results_folders(name: str, *, many: bool = False) -> Callable[[Function], Function]:
    """Results folders as arguments or by --runs, as parameter `name`: one, `runs` by default, or one or more."""
    word = "FOLDERS" if many else "FOLDER"
    return together(
        click.argument(
            "named",
            metavar=f"[{word}]{'...' if many else ''}",
            nargs=-1 if many else 1,
            required=False,
            type=Place(),
            is_eager=True,
        ),
        click.option(
            "--runs", name, multiple=many, type=Place(), callback=_folder_or_runs, help=f"As {word}."
        ),
    )
