"""`ssl-bench data mend`: a copy of masks or mattes with the numbers that they should hold."""

from pathlib import Path

import click

from ssl_bench.cli.values import Place
from ssl_bench.errors import UsageError
from ssl_bench.words import number_of

SHOWN = 20
"""Numbers or colours listed, the commonest first."""


@click.command(short_help="Copy masks or mattes with other numbers in them.")
@click.argument("folder", type=Place())
@click.option("--out", type=Place(), help="Folder to make.")
@click.option("--map", "table", metavar="OLD=NEW,...", help="Numbers found and what is written for them.")
@click.option(
    "--classes", type=Place(), help="A classes.txt: each of its numbers or colours is kept, nothing else."
)
@click.option("--nearest", is_flag=True, help="Take the nearest in files of lossless formats as well.")
def mend(folder: Path, out: Path | None, table: str | None, classes: Path | None, nearest: bool) -> None:
    """Copy the masks or mattes in FOLDER to PNG files of the same names in OUT, with other numbers in them.

    Masks of 0 and 255 become ids by --map 0=0,255=1; mattes of 0 and 1 become black and white by --map 0=0,1=255.
    Masks whose classes.txt names colours, or numbers with gaps, are cleaned by --classes, and read by that same file.
    In JPEG files, whose numbers are blurred, the nearest of those named is taken, and how far off it was is said.
    Without --map and --classes what is found is listed, and nothing is written.
    """
    from ssl_bench.cli.progress import progress_bar
    from ssl_bench.data.mend import contents, find_labels, read_map, table_of
    from ssl_bench.data.mend import mend as copy
    from ssl_bench.data.samples import Unread, say_unread

    unread: list[Unread] = []
    labels = find_labels(folder, unread)
    for line in say_unread(unread):
        click.echo(f"note: {line}", err=True)
    if table is None and classes is None:
        found = contents([path for path, _ in labels])
        total = sum(found.values())
        what = "different colour" if any(len(one) == 3 for one in found) else "different number"
        click.echo(f"{folder}: {number_of(len(labels), 'file')}, {number_of(len(found), what)}")
        for held, count in found.most_common(SHOWN):
            click.echo(f"  {' '.join(map(str, held)):>11}  {100 * count / total:6.2f} %")
        how = "--map OLD=NEW,... says what they become, --classes gives the classes.txt that names them"
        if out is not None or nearest:
            raise UsageError(f"nothing says what is written: {how}")
        click.echo(f"to mend a copy, --out is the folder to make; {how}")
        return
    if (table is None) == (classes is None):
        raise UsageError("--map and --classes do not go together; give one of them")
    wanted = read_map(table) if classes is None else table_of(classes)  # type: ignore[arg-type]
    if out is None:
        raise UsageError("--map and --classes go with --out, the folder to make")
    if out.exists() or out.resolve().is_relative_to(folder.resolve()):
        raise UsageError(f"--out {out} is there, or lies in {folder}; name a new folder outside it")
    with progress_bar("mending", len(labels), "files") as advance:
        done = copy(labels, out, wanted, nearest=nearest, report=lambda: advance(1))
    click.echo(f"{out}: {number_of(done.files, 'file')}")
    if done.rounded:
        share = 100 * done.rounded / done.pixels
        click.echo(
            f"{share:.2g} % of the pixels held none of these and got the nearest, {done.furthest} away at most: look "
            "at edges before you trust them"
        )
