"""`ssl-bench data list`: the layouts of folders, and what each holds."""

import click

from ssl_bench.cli.plugins import load_registry, plugin_option


@click.command(name="list", short_help="List the layouts that folders may have.")
@click.argument("task", required=False)
@plugin_option
def list_layouts(task: str | None) -> None:
    """List the data sets of TASK, or of every task, with the folders and names that each is known by."""
    from ssl_bench.specs import resolve

    registry = load_registry()
    tasks = [registry.task(task)] if task else [registry.task(spec.name) for spec in registry.sorted("tasks")]
    for one in tasks:
        click.secho(f"{one.name} ({one.title})", bold=True)
        specs = registry.datasets_of(one.name)
        width = max((len(spec.name) for spec in specs), default=0)
        for spec in sorted(specs, key=lambda spec: spec.needs_path):
            layout = resolve(spec.dataset).layout if spec.needs_path else "made in memory"
            provider = registry.providers["datasets", spec.key]
            click.echo(f"  {spec.name:<{width}}  {spec.title} ({provider})")
            click.echo(f"  {'':<{width}}  {layout}")
