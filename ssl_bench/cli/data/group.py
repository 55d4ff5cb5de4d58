"""`ssl-bench data`: everything about data sets that comes before training."""

from pathlib import Path

import click

from ssl_bench.cli.data.check import check
from ssl_bench.cli.data.fetch import fetch
from ssl_bench.cli.data.list import list_layouts
from ssl_bench.cli.data.mend import mend
from ssl_bench.cli.data.prepare import prepare
from ssl_bench.cli.data.split import split as split_lists
from ssl_bench.cli.data.task_data import of_task, open_task_data
from ssl_bench.cli.help import NamingGroup
from ssl_bench.cli.values import Place
from ssl_bench.errors import UsageError
from ssl_bench.words import number_of


@click.group(cls=NamingGroup, short_help="List, fetch, check, mend, prepare, split and show data sets.")
def data() -> None:
    """List, fetch, check, mend, prepare, split and show data sets."""


@data.command(short_help="Write a contact sheet of inputs and targets.")
@of_task
@click.option("--out", type=Place(), required=True, help="PNG file to write.")
@click.option("--count", type=click.IntRange(1, 200), default=10, show_default=True, help="Pairs to show.")
@click.option(
    "--split", type=click.Choice(["train", "test"]), default="train", show_default=True, help="Which pairs."
)
def show(task: str, data: Path | None, dataset: str | None, out: Path, count: int, split: str) -> None:
    """Write a contact sheet of TASK: each input beside its target."""
    from ssl_bench.specs import make_task
    from ssl_bench.use.sheet import contact_sheet

    spec, opened = open_task_data(task, data, dataset)
    names = opened.train if split == "train" else opened.test
    shown = names[:count]
    sheet = contact_sheet(make_task(spec, opened.classes, opened.channels), opened, shown)
    try:
        sheet.save(out, format="PNG")
    except OSError as error:
        raise UsageError(f"--out {out}: cannot be written ({error.strerror or error})") from error
    click.echo(f"wrote {out}: {len(shown)} of {number_of(len(names), f'{split} pair')}")


for command in (list_layouts, check, mend, split_lists, prepare, fetch):
    data.add_command(command)
