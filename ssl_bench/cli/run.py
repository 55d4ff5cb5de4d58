"""`ssl-bench run`: the cross product, its records and its tables."""

import signal
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ssl_bench.cli.executors import ExecutorCommand, choose_executor
from ssl_bench.cli.options import request_from, request_options
from ssl_bench.cli.plugins import load_registry, warn_of_failures
from ssl_bench.errors import UsageError
from ssl_bench.plan.request import Request
from ssl_bench.words import number_of

if TYPE_CHECKING:
    from ssl_bench.plan.plan import Plan
    from ssl_bench.registry.registry import Registry
    from ssl_bench.store.outcomes import Outcome
    from ssl_bench.store.results import ResultStore


@click.command(cls=ExecutorCommand, short_help="Run tasks x methods and write leaderboards.")
@request_options(Request)
def run(suite: Path | None, **options: Any) -> None:
    """Run every task with every method and write leaderboards.

    \b
    ssl-bench run --tasks night --methods supervised,mt,full --tier lite --seeds 0-2
    ssl-bench run --tasks matting --data matting=FOLDER --labels all

    SUITE is a TOML file with the same options as keys. Finished cells are kept, interrupted ones go on where they
    stood, failed ones are tried again. Records, logs and tables lie under --out.
    """
    from ssl_bench.cli.shown import show_leaderboard
    from ssl_bench.leaderboard.write import write_leaderboards
    from ssl_bench.plan.plan import make_plan
    from ssl_bench.store.results import ResultStore

    registry = open_registry(options)
    plan = make_plan(registry, request_from(Request, options, registry))
    store = ResultStore(options["out"])
    outcomes: Sequence[Outcome] = ()
    notes: list[str] = []
    try:
        outcomes = execute(registry, plan, store, options, notes)
    finally:
        # An interrupted run shows what it has, too.
        tables = write_leaderboards(registry, plan, store)
        if tables is not None:
            records = [record for cell in plan.cells if (record := store.finished(cell))]
            show_leaderboard(records, tables, notes)
    complain([outcome for outcome in outcomes if outcome.status != "finished"], plan, store)


def open_registry(options: Mapping[str, Any]) -> "Registry":
    """The plugins, with a warning for each that is broken, and the executor that the command asks for checked."""
    registry = load_registry()
    warn_of_failures(registry)
    registry.executor(options["executor"])
    return registry


def execute(
    registry: "Registry",
    plan: "Plan",
    store: "ResultStore",
    options: Mapping[str, Any],
    notes: list[str] | None = None,
) -> "Sequence[Outcome]":
    """Run what is left of a plan as `execution_options` say; outcomes of the cells that were run.

    What is noted of plan and data before anything runs is added to `notes`, to be said again under the scores.
    Raises UsageError and DataError before any compute, and KeyboardInterrupt when the running cells have saved.
    """
    from ssl_bench.cli.estimate import show_error
    from ssl_bench.cli.shown import show_plan
    from ssl_bench.run.display import terminal_display
    from ssl_bench.run.loop import carry_out

    save_when_ended()
    start = choose_executor(click.get_current_context(), registry, options["executor"])
    show_plan(plan, store, brief=True)
    if not plan.cells:
        raise UsageError("no cell is left to run; what was skipped, and why, stands above")
    cells = [cell for cell in plan.cells if not (options["resume"] and store.is_finished(cell))]
    chosen = {name: options[name] for name in ("devices", "jobs", "resume", "retries")}
    display = None
    try:
        with terminal_display() as display:
            return carry_out(registry, plan, store, start, display, **chosen)
    finally:
        if display and display.began is not None:
            if notes is not None:
                notes += dict.fromkeys((*plan.notes, *display.notes))
            show_error(cells, store, time.monotonic() - display.began)


def save_when_ended() -> None:
    """Being told to end, and a terminal that closes, is as good as Ctrl-C: cells save where they stand."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # As `nohup` has it.
        signal.signal(signal.SIGHUP, signal.default_int_handler)


def complain(failed: "Sequence[Outcome]", plan: "Plan", store: "ResultStore") -> None:
    """A line for each cell that did not finish, and exit status 1 where there is any."""
    from ssl_bench.run.lines import log_at
    from ssl_bench.store.folder import CellFolder

    for outcome in failed:
        log = log_at(CellFolder(store.cells / outcome.cell).log)
        click.echo(f"{outcome.status}: {outcome.cell}: {outcome.message}{log}", err=True)
    if failed:
        click.echo(
            f"ssl-bench: {len(failed)} of {number_of(len(plan.cells), 'cell')} did not finish", err=True
        )
        raise click.exceptions.Exit(1)
