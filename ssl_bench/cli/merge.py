"""`ssl-bench merge` and `ssl-bench collect`: results of several machines in one place."""

import shlex
from pathlib import Path

import click

from ssl_bench.cli.options import results_folders
from ssl_bench.cli.progress import say_broken
from ssl_bench.cli.values import Place
from ssl_bench.words import number_of

SOURCES = results_folders("folders", many=True)


@click.command(short_help="Join results folders of several machines.")
@SOURCES
@click.option("--out", type=Place(), required=True, help="The folder to join them in.")
def merge(folders: tuple[Path, ...], out: Path) -> None:
    """Join results FOLDERS into one: every cell with weights and log.

    Equal records are kept once. A finished cell goes before a failed or interrupted one; what is unfinished, the
    command that made it goes on with. Records of one cell that differ in more than cost and provenance are refused,
    and then nothing is written. `collect` does the same with records alone.
    """
    from ssl_bench.store.merge import merge

    done = merge(folders, out)
    say_broken(done.broken)
    for folder in done.running:
        click.echo(f"left out: {folder} (a process works there)", err=True)
    parts = [f"{len(done.added)} added", f"{len(done.kept)} there already"]
    parts += [f"{len(done.unfinished)} not finished"] if done.unfinished else []
    tables = shlex.join(["ssl-bench", "leaderboard", str(out)])
    hint = f"; `{tables}` makes the tables" if done.added or done.kept else ""
    click.echo(f"{out}: {', '.join(parts)}{hint}")


@click.command(short_help="Gather the records below folders, without weights and logs.")
@SOURCES
@click.option("--out", type=Place(), required=True, help="Folder for the files CELL.json.")
@click.option(
    "--without-names",
    is_flag=True,
    help="Number the test images, and leave out what the data's folder is called: names may be private.",
)
def collect(folders: tuple[Path, ...], out: Path, without_names: bool) -> None:
    """Gather every record below FOLDERS into one folder of small files, one per finished cell, to keep or send.

    As `merge`, with records alone: equal ones are kept once, and records of one cell that differ in more than cost and
    provenance are refused, and then nothing is written. Records hold no path and no name of host or user; the last
    line says what they do hold.
    """
    from ssl_bench.store.merge import collect

    done = collect(folders, out, nameless=without_names)
    say_broken(done.broken)
    click.echo(f"{out}: {number_of(len(done.added), 'record')} added, {len(done.kept)} there already")
    names = (
        "names of plugin and list files"
        if without_names
        else "names of test images, of the data's folder, and of plugin and list files (--without-names leaves out the "
        "first two)"
    )
    click.echo(f"they hold: scores, settings, hardware and versions, {names}")
