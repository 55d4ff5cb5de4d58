"""Suite files, which give options of `run`, `plan` and `tune` from TOML."""

import tomllib
from collections.abc import Collection
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ssl_bench.cli.fields import FieldOption
from ssl_bench.cli.help import spelled
from ssl_bench.errors import UsageError, suggestion
from ssl_bench.machine.files import MOST_JSON, read_regular
from ssl_bench.plan.request import Request

if TYPE_CHECKING:
    from ssl_bench.registry.registry import Registry


def load_suite(context: click.Context, parameter: click.Parameter, path: Path | None) -> Path | None:
    """Take a suite file's values as the defaults of the options; what the command line says wins (`left_of_suite`)."""
    if path is None:
        return None
    try:
        content = tomllib.loads(read_regular(path, MOST_JSON).decode("utf-8"))
    except OSError as error:
        raise UsageError(f"suite {path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"suite {path}: not valid TOML: {error}") from error
    from ssl_bench.cli.run import run
    from ssl_bench.cli.tune import tune

    # One suite serves `run`, `plan` and `tune`, which pass over what they have no use for.
    known = [*run.get_params(context), *tune.params, *context.command.params]
    options = {
        name.removeprefix("--"): each
        for each in known
        for name in each.opts
        if isinstance(each, click.Option) and name.startswith("--") and name != "--help"
    }
    defaults: dict[str, Any] = {}
    for key, value in content.items():
        option = options.get(spelled(key))
        if option is None:
            raise UsageError(f"suite {path}: unknown key '{key}'; {suggestion(key, options)}")
        try:
            defaults[option.name or ""] = _default(key, value, option)
        except ValueError as error:
            raise UsageError(f"suite {path}: {error}") from None
    if files := defaults.get("plugin"):
        click.echo(f"note: suite {path} names plugin files, which are run: {', '.join(files)}", err=True)
    context.default_map = defaults
    return path


def left_of_suite(
    registry: "Registry", suite: Request, own: Request, mappings: Collection[str]
) -> dict[str, dict[str, Any]]:
    """Of each of some mappings that a suite gives, the entries that the command line leaves as they are.

    A value that the command line gives for everything goes before all of a suite's, and one of its own settings of a
    method takes with it how many settings the suite's were chosen among.
    """
    from ssl_bench.plan.settings import in_names

    named = partial(in_names, registry)
    left: dict[str, dict[str, Any]] = {}
    for name in suite.model_fields_set & {*mappings}:
        theirs, ours = getattr(suite, name), {*map(named, getattr(own, name))}
        left[name] = (
            {} if "" in ours else {key: theirs[key] for key in theirs if not _given(named(key), ours)}
        )
    changed = {part for setting in own.settings for part in named(setting).split(".")[:-1]}
    if "trials" in left:
        left["trials"] = {
            key: count
            for key, count in left["trials"].items()
            if named(key).rpartition(".")[2] not in changed
        }
    return left


def _given(key: str, ours: Collection[str]) -> bool:
    """Whether the command line says it, be it for all tasks: `mt.lambda_mt` of `night.mt.lambda_mt`."""
    return any(key == other or key.endswith(f".{other}") for other in ours)


def _default(key: str, value: Any, option: click.Option) -> Any:
    """A value as the option takes it. ValueError for a table or a list where it takes neither."""
    read_later = isinstance(option, FieldOption) and option.as_given
    if isinstance(value, dict) and not (read_later and option.multiple):
        raise ValueError(f"'{key}' takes a value, and not a table")
    if isinstance(value, list) and not (read_later or option.multiple):
        raise ValueError(f"'{key}' takes one value, and not a list")
    # Click reads text, as of the command line: it would make 1 of 1.5. A switch is no text.
    if read_later or isinstance(value, bool):
        return value
    texts = [str(each) for each in (value if isinstance(value, list) else [value])]
    return texts if option.multiple else texts[0]
