"""`ssl-bench new`: a package to start a plugin from."""

from pathlib import Path

import click

from ssl_bench.cli.plugins import load_registry, plugin_option
from ssl_bench.cli.values import Place
from ssl_bench.errors import unknown

KINDS = ("method", "task", "dataset", "backbone", "executor", "tracker")


@click.command(short_help="Write a small package to start a plugin from.")
@click.argument("kind", metavar=f"{{{'|'.join(KINDS)}}}")
@click.argument("name")
@click.option("--task", help="Whose pictures a data set holds.  [default: the first task]")
@click.option(
    "--out",
    type=Place(),
    default=Path(),
    help="Folder that gets the package's own.  [default: here]",
)
@plugin_option
def new(kind: str, name: str, task: str | None, out: Path) -> None:
    """Write a package ssl-bench-NAME: one module that works, its entry point, a test and a README.

    It can be installed, passes `ssl-bench check NAME`, and stands in `ssl-bench list` from then on; what the module
    does is yours to replace. Nothing that exists is overwritten.
    """
    from ssl_bench.errors import UsageError
    from ssl_bench.registry.scaffold import PLUGIN_KINDS, Package, write_package

    chosen = next((known for known in PLUGIN_KINDS if known == kind), None)
    if chosen is None:
        raise unknown("kind of plugin", kind, PLUGIN_KINDS)
    if task and chosen != "dataset":
        raise UsageError("--task goes with `new dataset`")
    registry = load_registry()
    tasks = [spec.name for spec in registry.sorted("tasks")]
    package = Package(chosen, name, (task or tasks[0]) if chosen == "dataset" else "")
    folder = write_package(package, registry, out)
    click.echo(f"wrote {folder}: {', '.join(sorted(path.name for path in folder.iterdir()))}")
    click.echo(f"next: pip install -e {folder} && ssl-bench check {name}")
    click.echo(f"or, as it is: ssl-bench check {folder / package.module}.py")
