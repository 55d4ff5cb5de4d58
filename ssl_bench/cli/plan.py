"""`ssl-bench plan`: what `run` would do, without doing it."""

from pathlib import Path
from typing import Any

import click

from ssl_bench.cli.options import plan_options, request_from
from ssl_bench.cli.plugins import load_registry


@click.command(short_help="Show the cells of a run without running them.")
@plan_options
def plan(suite: Path | None, **options: Any) -> None:
    """Show the cells that `run` with the same options would run, has finished, or skips, and why."""
    from ssl_bench.cli.display import show_plan, warn_of_failures
    from ssl_bench.plan import make_plan
    from ssl_bench.results import ResultStore

    registry = load_registry()
    warn_of_failures(registry)
    show_plan(make_plan(registry, request_from(options)), ResultStore(options["out"]))
