"""`ssl-bench data fetch`: public data sets from their own servers."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ssl_bench.cli.plugins import load_registry, plugin_option
from ssl_bench.cli.values import Place
from ssl_bench.errors import UsageError

if TYPE_CHECKING:
    from ssl_bench.published import DownloadSpec
    from ssl_bench.registry.registry import Registry


@click.command(short_help="Fetch a public data set, or say how.")
@click.argument("name", required=False)
@click.option("--list", "listing", is_flag=True, help="List the sets, with licence and size.")
@click.option(
    "--out",
    type=Place(),
    default=Path("data"),
    show_default=True,
    help="Folder in which the set gets one of its own.",
)
@plugin_option
def fetch(name: str | None, listing: bool, out: Path) -> None:
    """Download the public data set NAME, verify and unpack it, for `run --data TASK=OUT/NAME`.

    An interrupted download goes on where it stopped. Where a set is given out by hand only, the steps are said, and
    the exit status is 1. Every set keeps its own licence, which is shown first.
    """
    registry = load_registry()
    if listing or name is None:
        if name is not None or not listing:
            raise UsageError("give the name of a set, or --list to see the names")
        _list(registry)
        return
    spec = registry.download(name)
    dest = out / spec.name
    _describe(spec)
    if not spec.files:
        click.echo(f"to be fetched by hand:\n  {spec.steps.format(folder=dest)}")
        click.echo(f"then use --data {spec.task}={dest}")
        click.echo(f"ssl-bench: {spec.name} is given out by hand only; follow the steps above", err=True)
        raise click.exceptions.Exit(1)
    if dest.exists():
        click.echo(f"{dest} is there already; nothing is fetched")
        return
    _download(spec, dest)
    click.echo(f"{dest}: use --data {spec.task}={dest}")


def _download(spec: "DownloadSpec", dest: Path) -> None:
    from ssl_bench.cli.progress import counter
    from ssl_bench.data.public.fetch import fetch as bring

    try:
        dest.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"--out {dest.parent}: cannot be written ({error.strerror}); name another"
        ) from error
    with counter() as count:
        bring(
            spec,
            dest,
            lambda file: (
                lambda done, total: count(f"{file}: downloading", done, total, "bytes"),
                lambda done: count(f"{file}: unpacking", done, None, "files"),
            ),
        )


def _list(registry: "Registry") -> None:
    specs = [registry.download(each.name) for each in registry.sorted("downloads")]
    width = max((len(spec.name) for spec in specs), default=0)
    for spec in specs:
        how = f"download, {_size(spec)}" if spec.files else "by hand"
        click.echo(f"  {spec.name:<{width}}  {spec.task}: {spec.title} ({how})")
        click.echo(f"  {'':<{width}}  licence: {spec.licence}")


def _describe(spec: "DownloadSpec") -> None:
    click.echo(f"{spec.title}, for task {spec.task}")
    rows = [("page", spec.page), ("licence", spec.licence), ("cite", spec.citation)]
    for file in spec.files:
        sure = f"verified by {file.checksum.partition(':')[0]}" if file.checksum else "no checksum is known"
        rows.append(("file", f"{file.url} ({_bytes(file.size)}, {sure})"))
    for title, text in rows:
        click.echo(f"  {title:<8} {text}")


def _size(spec: "DownloadSpec") -> str:
    sizes = [file.size for file in spec.files]
    return _bytes(None if None in sizes else sum(size or 0 for size in sizes))


def _bytes(count: int | None) -> str:
    return (
        "size not known"
        if count is None
        else f"{count / 1e9:.1f} GB"
        if count >= 1e9
        else f"{count / 1e6:.0f} MB"
    )
