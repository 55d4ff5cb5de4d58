"""`ssl-bench run`: the cross product, its records and its tables."""

import signal
from pathlib import Path
from typing import Any

import click

from ssl_bench.cli.executors import ExecutorCommand, choose_executor
from ssl_bench.cli.options import plan_options, request_from
from ssl_bench.cli.plugins import load_registry


@click.command(cls=ExecutorCommand, short_help="Run tasks x methods and write leaderboards.")
@plan_options
@click.option("--devices", default="auto", show_default=True, help="auto, cpu, cuda or cuda:0,1")
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
    devices: str,
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
    from ssl_bench.plan import make_plan
    from ssl_bench.results import ResultStore
    from ssl_bench.run import prepare_run, run_cells, write_leaderboards

    # Being told to end is as good as Ctrl-C: cells save where they stand.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    registry = load_registry()
    warn_of_failures(registry)
    start = choose_executor(click.get_current_context(), registry, executor)
    plan = make_plan(registry, request_from(options))
    store = ResultStore(options["out"])
    show_plan(plan, store, brief=True)
    with terminal_display() as display:
        cells, runner = prepare_run(
            registry, plan, store, start, display, devices=devices, jobs=jobs, resume=resume
        )
    outcomes = []
    try:
        if runner:
            with terminal_display() as display:
                outcomes = run_cells(plan, cells, store, runner, display, retries)
    finally:
        if runner:
            runner.close()
        # An interrupted run shows what it has, too.
        tables = write_leaderboards(registry, plan, store)
        if tables is not None:
            show_leaderboard([record for cell in plan.cells if (record := store.finished(cell))], tables)
    failed = [outcome for outcome in outcomes if outcome.status != "finished"]
    for outcome in failed:
        log = store.cells / outcome.cell / "log.txt"
        click.echo(f"{outcome.status}: {outcome.cell}: {outcome.message} (log: {log})", err=True)
    if failed:
        click.echo(f"ssl-bench: {len(failed)} of {len(plan.cells)} cells did not finish", err=True)
        raise click.exceptions.Exit(1)
