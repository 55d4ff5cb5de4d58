"""`ssl-bench data list`: the layouts of folders, and what each holds."""

import click

from ssl_bench.cli.plugins import load_registry, plugin_option
from ssl_bench.errors import SslBenchError


@click.command(name="list", short_help="List the layouts that folders may have.")
@click.argument("task", required=False)
@plugin_option
def list_layouts(task: str | None) -> None:
    """List the data sets of TASK, or of every task, with the folders and names that each is known by."""
    registry = load_registry()
    tasks = [registry.task(task)] if task else [registry.task(spec.name) for spec in registry.sorted("tasks")]
    for one in tasks:
        click.secho(f"{one.name} ({one.title})", bold=True)
        specs = registry.datasets_of(one.name)
        width = max((len(spec.name) for spec in specs), default=0)
        for spec in sorted(specs, key=lambda spec: spec.needs_path):
            try:
                layout = registry.load_dataset(spec).layout if spec.needs_path else "made in memory"
            except SslBenchError as error:
                layout = str(error)
            provider = registry.providers["datasets", spec.key]
            click.echo(f"  {spec.name:<{width}}  {spec.title} ({provider})")
            click.echo(f"  {'':<{width}}  {layout}")
