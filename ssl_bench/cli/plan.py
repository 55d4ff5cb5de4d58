"""`ssl-bench plan`: what `run` would do, without doing it."""

from pathlib import Path
from typing import Any

import click

from ssl_bench.cli.executors import ExecutorCommand, choose_executor
from ssl_bench.cli.help import SectionedOption
from ssl_bench.cli.options import request_from, request_options
from ssl_bench.cli.run import open_registry
from ssl_bench.plan.request import SURVIVED, Request


@click.command(cls=ExecutorCommand, short_help="Show the cells of a run without running them.")
@request_options(Request, "out", "jobs", "executor")
@click.option(
    "--estimate",
    cls=SectionedOption,
    section=SURVIVED,
    is_flag=True,
    help="Time a few steps of each kind of cell on --executor and show what all will take.",
)
def plan(suite: Path | None, estimate: bool, **options: Any) -> None:
    """Show the cells that `run` with the same options would run, has finished, or skips, and why.

    The data are read and checked as `run` checks them.

    SUITE is a TOML file with the same options as keys.
    """
    from ssl_bench.cli.shown import show_plan
    from ssl_bench.plan.plan import make_plan
    from ssl_bench.run.display import terminal_display
    from ssl_bench.run.loop import check_data
    from ssl_bench.store.results import ResultStore

    registry = open_registry(options)
    start = choose_executor(click.get_current_context(), registry, options["executor"]) if estimate else None
    made, store = make_plan(registry, request_from(Request, options, registry)), ResultStore(options["out"])
    show_plan(made, store)
    with terminal_display() as display:
        check_data(made, made.cells, display)
    if start is not None:
        from ssl_bench.cli.estimate import estimate as price

        price(registry, made, store, start, devices=options["devices"], jobs=options["jobs"])
