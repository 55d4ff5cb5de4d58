"""Suite files, which give options of `run`, `plan` and `tune` from TOML."""

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from ssl_bench.cli.plugins import REGISTRY
from ssl_bench.errors import UsageError, suggestion
from ssl_bench.machine.files import MOST_JSON, existing, read_regular
from ssl_bench.words import names_in

if TYPE_CHECKING:
    from ssl_bench.registry.registry import Registry

REPEATABLE = ("labels", "data", "dataset", "unlabeled", "test", "set", "trials", "grid", "plugin")
LISTS = ("tasks", "methods", "backbones", "seeds", "split_seeds", "trackers")


def load_suite(context: click.Context, parameter: click.Parameter, path: Path | None) -> Path | None:
    """Take a suite file's values as the defaults of the options; what the command line says wins."""
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
    known = [*run.get_params(context), *tune.params]
    options = {o.lstrip("-"): p.name or "" for p in known for o in p.opts if o.startswith("--")}
    options.pop("help", None)
    defaults: dict[str, Any] = {}
    for key, value in content.items():
        name = options.get(key.replace("_", "-"))
        if name is None:
            raise UsageError(f"suite {path}: unknown key '{key}'; {suggestion(key, options)}")
        key = key.replace("-", "_")
        if isinstance(value, dict) and key not in REPEATABLE:
            raise UsageError(f"suite {path}: '{key}' takes a value, and not a table")
        if isinstance(value, list) and key not in (*REPEATABLE, *LISTS):
            raise UsageError(f"suite {path}: '{key}' takes one value, and not a list")
        defaults[name] = _option_value(key, value)
    context.default_map = defaults
    return path


def of_these_tasks(options: dict[str, Any]) -> dict[str, list[str]]:
    """What a suite gives for single tasks, without those that the command line leaves out."""
    source = click.get_current_context().get_parameter_source
    if source("tasks") is not ParameterSource.COMMANDLINE or options["tasks"].strip() == "all":
        return {}
    registry = click.get_current_context().meta[REGISTRY]
    named = {registry.task(name).name for name in names_in(options["tasks"])}
    return {
        name: [
            entry
            for entry in options[name]
            # A path may hold the sign, too.
            if "=" not in entry or existing(entry) or _task_of(entry, registry) in named
        ]
        for name in ("labels", "data", "dataset", "unlabeled", "test")
        if source(name) is ParameterSource.DEFAULT_MAP
    }


def _task_of(entry: str, registry: "Registry") -> str:
    """The task of a `TASK=VALUE`, by its name."""
    from ssl_bench.registry.registry import called

    name = entry.partition("=")[0]
    spec = called(name, registry.sorted("tasks"))
    return spec.name if spec else name


def _option_value(key: str, value: Any) -> Any:
    if key in REPEATABLE:
        if isinstance(value, dict):
            from ssl_bench.plan.settings import setting_text
            from ssl_bench.recipe import flat

            return [f"{name}={setting_text(item)}" for name, item in flat(value).items()]
        return [str(item) for item in value] if isinstance(value, list) else [str(value)]
    if key in LISTS and isinstance(value, list):
        return ",".join(str(item) for item in value)
    # As text, as the command line has it; a flag is no text.
    return value if isinstance(value, bool) else str(value)
