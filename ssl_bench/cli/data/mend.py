"""`ssl-bench data mend`: a copy of masks or mattes with the numbers that they should hold."""

from pathlib import Path

import click

from ssl_bench.cli.values import Place
from ssl_bench.errors import UsageError
from ssl_bench.words import number_of

SHOWN = 20
"""Numbers listed, the commonest first."""


@click.command(short_help="Copy masks or mattes with other numbers in them.")
@click.argument("folder", type=Place())
@click.option("--out", type=Place(), help="Folder to make.")
@click.option("--map", "table", metavar="OLD=NEW,...", help="Numbers found and what is written for them.")
def mend(folder: Path, out: Path | None, table: str | None) -> None:
    """Copy the masks or mattes in FOLDER to PNG files of the same names in OUT, with other numbers in them.

    Masks of 0 and 255 become ids by --map 0=0,255=1; mattes of 0 and 1 become black and white by --map 0=0,1=255. In
    JPEG files, whose numbers are blurred, the nearest of the numbers named is taken, and how far off it was is said.
    Without --map the numbers found are listed, and nothing is written.
    """
    from ssl_bench.cli.progress import progress_bar
    from ssl_bench.data.mend import find_labels, numbers, read_map
    from ssl_bench.data.mend import mend as copy

    labels = find_labels(folder)
    if table is None:
        found = numbers([path for path, _ in labels])
        total = sum(found.values())
        click.echo(f"{folder}: {number_of(len(labels), 'file')}, {number_of(len(found), 'different number')}")
        for number, count in found.most_common(SHOWN):
            click.echo(f"  {number:>5}  {100 * count / total:6.2f} %")
        raise UsageError("say what they become with --map OLD=NEW,...")
    wanted = read_map(table)
    if out is None:
        raise UsageError("--map goes with --out, the folder to make")
    if out.exists() or out.resolve().is_relative_to(folder.resolve()):
        raise UsageError(f"--out {out} is there, or lies in {folder}; name a new folder outside it")
    with progress_bar("mending", len(labels), "files") as advance:
        done = copy(labels, out, wanted, lambda: advance(1))
    click.echo(f"{out}: {number_of(done.files, 'file')}")
    if done.rounded:
        share = 100 * done.rounded / done.pixels
        click.echo(
            f"{share:.2g} % of the pixels held none of these numbers and got the nearest, {done.furthest} away at "
            "most: look at edges before you trust them"
        )
