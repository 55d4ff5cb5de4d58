"""An executor from its description and settings."""

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import ValidationError

from ssl_bench.errors import UsageError
from ssl_bench.executor import Executor, Wanted
from ssl_bench.specs import ExecutorSpec, resolve_extra


def start_of(spec: ExecutorSpec, values: Mapping[str, Any]) -> Callable[[Wanted], Executor]:
    """An executor with these settings, yet to be started. UsageError for a wrong one, and for a package it lacks."""
    name = spec.name
    try:
        config = spec.config(**values)
    except ValidationError as error:
        fault = error.errors()[0]
        field = "-".join(str(part) for part in fault["loc"][:1]).replace("_", "-")
        message = fault["msg"].removeprefix("Value error, ")
        given = f" '{fault['input']}'" if fault["type"] != "missing" else ""
        where = f"--{name}-{field}{given}: " if field else f"executor '{name}': "
        raise UsageError(f"{where}{message[0].lower()}{message[1:]}") from error
    executor = resolve_extra(f"executor '{name}'", spec.executor, spec.install)

    def start(wanted: Wanted) -> Executor:
        if wanted.processes > 1 and not executor.several_processes:
            raise UsageError(
                f"--gpus-per-cell {wanted.processes}: executor '{name}' runs a cell in one process; "
                "take another executor, or leave it out"
            )
        started: Executor = executor(wanted, config)
        return started

    return start
