"""`ssl-bench show`: a finished cell in pictures."""

from pathlib import Path

import click

from ssl_bench.cli.options import runs_option, shown_data_option
from ssl_bench.cli.plugins import load_registry, plugin_option
from ssl_bench.cli.values import Place
from ssl_bench.errors import UsageError


@click.command(short_help="Draw what a finished cell has learnt.")
@click.argument("cell")
@runs_option
@click.option("--out", type=Place(), help="PNG file to write.  [default: show.png beside the record]")
@click.option(
    "--count", type=click.IntRange(1, 50), default=4, show_default=True, help="Test images to show."
)
@shown_data_option
@plugin_option
def show(cell: str, runs: Path, out: Path | None, count: int, data: dict[str, Path]) -> None:
    """Draw input, label and prediction of a few fixed test images, and the maps that the method learns by.

    CELL is the id of a finished cell, the beginning of one, or its folder.
    """
    from ssl_bench.store.results import ResultStore

    folder = ResultStore(runs).find(cell)

    from ssl_bench.use.show import show_cell

    path = out or folder / "show.png"
    sheet = show_cell(folder, load_registry(), count, data)
    try:
        sheet.save(path, format="PNG")
    except OSError as error:
        raise UsageError(f"--out {path}: cannot be written ({error.strerror or error})") from error
    click.echo(f"wrote {path}")
