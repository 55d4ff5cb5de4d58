"""`ssl-bench data`: look at the data of a task, and prepare them."""

from pathlib import Path

import click

from ssl_bench.cli.data_check import check
from ssl_bench.cli.data_fetch import fetch
from ssl_bench.cli.data_list import list_layouts
from ssl_bench.cli.data_prepare import prepare
from ssl_bench.cli.data_split import split as split_lists
from ssl_bench.cli.plugins import load_registry, plugin_option
from ssl_bench.errors import UsageError


@click.group(short_help="Look at the data of a task.")
def data() -> None:
    """Look at the data of a task."""


@data.command(short_help="Write a contact sheet of inputs and targets.")
@click.argument("task")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="PNG file to write.")
@click.option(
    "--data", "path", type=click.Path(path_type=Path), help="A folder; the default is the embedded set."
)
@click.option("--dataset", help="The layout of that folder, or another data set of the task.")
@click.option("--count", type=click.IntRange(1, 200), default=10, show_default=True, help="Pairs to show.")
@click.option("--split", type=click.Choice(["train", "test"]), default="train", show_default=True)
@plugin_option
def show(task: str, out: Path, path: Path | None, dataset: str | None, count: int, split: str) -> None:
    """Write a contact sheet of TASK: each input beside its target."""
    from ssl_bench.contact_sheet import contact_sheet
    from ssl_bench.plan import Request
    from ssl_bench.sources import open_sources
    from ssl_bench.specs import resolve

    registry = load_registry()
    spec = registry.task(task)
    request = Request(
        data=[f"{task}={path}"] if path else [], dataset=[f"{task}={dataset}"] if dataset else []
    )
    opened = open_sources(registry, request, [spec])[task].dataset
    names = list(opened.train if split == "train" else opened.test)[:count]
    sheet = contact_sheet(resolve(spec.task)(opened.classes), opened, names)
    try:
        sheet.save(out, format="PNG")
    except OSError as error:
        raise UsageError(f"--out {out}: cannot be written ({error.strerror or error})") from error
    click.echo(
        f"{out}: {len(names)} of {len(opened.train if split == 'train' else opened.test)} {split} pairs"
    )


for command in (list_layouts, check, split_lists, prepare, fetch):
    data.add_command(command)
