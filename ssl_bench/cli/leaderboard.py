"""`ssl-bench leaderboard`: the tables again, from records."""

from pathlib import Path

import click

from ssl_bench.errors import UsageError


@click.command(short_help="Make the tables again from records.")
@click.argument("folder", type=click.Path(path_type=Path), default=Path("runs"))
@click.option(
    "--to", type=click.Path(path_type=Path), help="Where tables go.  [default: FOLDER/leaderboards]"
)
def leaderboard(folder: Path, to: Path | None) -> None:
    """Read every record below FOLDER (default: runs) and write the tables anew."""
    from ssl_bench.cli.display import show_leaderboard
    from ssl_bench.results import read_records
    from ssl_bench.run import write_tables

    records = list(read_records(folder))
    if not records:
        raise UsageError(f"no records below {folder}; run `ssl-bench run` first, or name its --out folder")
    show_leaderboard(records, write_tables(records, to or folder / "leaderboards"))
