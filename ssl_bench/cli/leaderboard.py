"""`ssl-bench leaderboard`: the tables again, from records."""

from pathlib import Path

import click

from ssl_bench.cli.options import results_folders
from ssl_bench.cli.plugins import load_registry, plugin_option
from ssl_bench.cli.progress import say_broken
from ssl_bench.cli.values import Place
from ssl_bench.errors import UsageError, unknown
from ssl_bench.words import names_in


@click.command(short_help="Make the tables again from records.")
@results_folders("folder")
@click.option("--out", type=Place(), help="Folder for the tables.  [default: FOLDER/leaderboards]")
@click.option(
    "--format",
    "formats",
    default="md",
    show_default=True,
    help="md, csv, tex (a file a table), html (fragments), or several: md,tex.",
)
@click.option(
    "--one-table", is_flag=True, help="Stop, naming what differs, where records do not fit into one table."
)
@click.option(
    "--oracle", is_flag=True, help="Also show, greyed, the best evaluation on test data, which never ranks."
)
@click.option("--tasks", default="", help="Tables of these alone.  [default: all]")
@click.option(
    "--methods", default="", help="Rows of these alone; what stands is judged with all.  [default: all]"
)
@click.option(
    "--metrics", default="", help="These metrics alone; the first of a task's ranks.  [default: all]"
)
@plugin_option
def leaderboard(
    folder: Path,
    out: Path | None,
    formats: str,
    one_table: bool,
    oracle: bool,
    tasks: str,
    methods: str,
    metrics: str,
) -> None:
    """Read every record below FOLDER (default: runs) and write the tables anew."""
    from ssl_bench.cli.shown import show_leaderboard
    from ssl_bench.leaderboard import FORMATS, Choice, check_one_table, render
    from ssl_bench.leaderboard.write import formats_to_write, write_tables
    from ssl_bench.store.results import read_records

    asked = names_in(formats)
    if wrong := [name for name in asked if name not in FORMATS]:
        raise unknown("--format", wrong[0], FORMATS)
    broken: list[str] = []
    records = read_records(folder, broken)
    say_broken(broken)
    if not records:
        raise UsageError(f"no records below {folder}; run `ssl-bench run` first, or name its folder")
    choice = Choice(*map(names_in, (tasks, methods, metrics)))
    if one_table:
        check_one_table(records, choice)
    target = out or folder / "leaderboards"
    wanted = formats_to_write([form for form in FORMATS if form in asked], target)
    files = render(records, wanted, choice=choice, oracle=oracle, claims=load_registry().claims)
    show_leaderboard(records, write_tables(files, target), choice=choice)
    click.echo("the tables hold: scores, settings, hardware, and what data, list and plugin files are called")
