"""`ssl-bench run`: the cross product, its records and its tables."""

import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ssl_bench.cli.executors import ExecutorCommand, choose_executor
from ssl_bench.cli.options import plan_options, request_from
from ssl_bench.cli.plugins import load_registry
from ssl_bench.errors import UsageError

if TYPE_CHECKING:
    from ssl_bench.specs import TrackerSpec


@click.command(cls=ExecutorCommand, short_help="Run tasks x methods and write leaderboards.")
@plan_options
@click.option(
    "--jobs", type=click.IntRange(1), help="Cells at a time.  [default: as many as the devices carry]"
)
@click.option("--executor", default="local", show_default=True, help="Who runs the cells.")
@click.option(
    "--resume/--no-resume",
    default=True,
    show_default=True,
    help="Keep finished cells, go on from checkpoints.",
)
@click.option(
    "--retries",
    type=click.IntRange(0),
    default=2,
    show_default=True,
    help="Further attempts at a cell that was killed, lost or hung; its own errors are final.",
)
def run(
    suite: Path | None,
    jobs: int | None,
    executor: str,
    resume: bool,
    retries: int,
    **options: Any,
) -> None:
    """Run every task with every method and write leaderboards.

    SUITE is a TOML file with the same options as keys. Finished cells are kept, interrupted ones go on where they
    stood, failed ones are tried again. Records, logs and tables lie under --out.
    """
    from ssl_bench.cli.display import show_leaderboard, show_plan, terminal_display, warn_of_failures
    from ssl_bench.executor import Outcome, Wanted
    from ssl_bench.leaderboard import render
    from ssl_bench.plan import make_plan
    from ssl_bench.results import ResultStore
    from ssl_bench.run import check_data, forget, run_cells, unfinished, write_tables
    from ssl_bench.weights import check_weights

    # Being told to end is as good as Ctrl-C: cells save where they stand.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    registry = load_registry()
    warn_of_failures(registry)
    for name in options["trackers"].split(",") if options["trackers"] else ():
        _require(registry.tracker(name.strip()))
    start = choose_executor(click.get_current_context(), registry, executor)
    plan = make_plan(registry, request_from(options))
    store = ResultStore(options["out"])
    store.prepare()
    show_plan(plan, store, brief=True)
    cells = unfinished(plan, store) if resume else list(plan.cells)
    wanted = Wanted(
        devices=options["devices"], jobs=jobs, threads=options["threads"], preload=plan.preload(registry)
    )
    runner = start(wanted) if cells else None
    if runner:
        runner.open()
    outcomes: list[Outcome] = []
    check_weights(registry, cells, lambda name: click.echo(f"checking the pretrained weights of {name}"))
    with terminal_display() as display:
        check_data(plan, cells, display)
    if not resume:
        forget(cells, store)
    try:
        if runner:
            with terminal_display() as display:
                outcomes = run_cells(plan, cells, store, runner, display, retries)
    finally:
        if runner:
            runner.close()
        # An interrupted run shows what it has, too.
        if any(store.is_finished(cell) for cell in plan.cells):
            current = store.tables_are_current()
            files = {} if current else render(store.records(), claims=registry.claims)
            tables = write_tables(files, store.leaderboards)
            show_leaderboard([record for cell in plan.cells if (record := store.finished(cell))], tables)
    failed = [outcome for outcome in outcomes if outcome.status != "finished"]
    for outcome in failed:
        log = store.cells / outcome.cell / "log.txt"
        click.echo(f"{outcome.status}: {outcome.cell}: {outcome.message} (log: {log})", err=True)
    if failed:
        click.echo(f"ssl-bench: {len(failed)} of {len(plan.cells)} cells did not finish", err=True)
        raise click.exceptions.Exit(1)


def _require(tracker: "TrackerSpec") -> None:
    """Import a tracker now: what it needs may not be installed."""
    from ssl_bench.specs import resolve

    try:
        resolve(tracker.tracker)
    except ImportError as error:
        raise UsageError(
            f"tracker '{tracker.name}' needs a package that is not installed ({error})"
        ) from error
