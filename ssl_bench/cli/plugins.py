"""`--plugin FILE.py`, and the registry that the commands which take it share."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ssl_bench.cli.help import SectionedOption
from ssl_bench.cli.values import Place
from ssl_bench.machine.files import place
from ssl_bench.plan.request import COMPARED

if TYPE_CHECKING:
    from ssl_bench.registry.registry import Registry

Function = TypeVar("Function", bound=Callable[..., Any])
FILES = "ssl_bench.registry.files"


def _remember(context: click.Context, parameter: click.Parameter, paths: tuple[Path, ...]) -> None:
    context.meta[FILES] = paths


plugin_option = click.option(
    "--plugin",
    cls=SectionedOption,
    section=COMPARED,
    multiple=True,
    metavar="FILE.py",
    type=Place(),
    expose_value=False,
    callback=_remember,
    help="A plugin that is one file, besides those installed; repeatable.",
)
"""For every command that loads the registry."""


def foresee_files(context: click.Context, arguments: Sequence[str]) -> None:
    """Know the files on the command line before it is parsed, which may take what they hold."""
    named = [after for option, after in pairwise(arguments) if option == "--plugin"]
    named += [word.partition("=")[2] for word in arguments if word.startswith("--plugin=")]
    context.meta[FILES] = tuple(map(place, named))


def load_registry() -> "Registry":
    """The registry of what is installed and of the files that the command names."""
    from ssl_bench.registry.files import read_plugin_files
    from ssl_bench.registry.loading import load_registry

    files = click.get_current_context().meta.get(FILES, ())
    return load_registry(files=read_plugin_files(files))


def warn_of_failures(registry: "Registry") -> None:
    """A line for each plugin that could not be loaded."""
    for warning in registry.warnings:
        click.echo(f"warning: {warning}", err=True)
