"""`ssl-bench list`: what there is, and who provides it."""

import click

KINDS = ("tasks", "datasets", "backbones", "methods", "executors", "trackers")


@click.command(name="list", short_help="List what there is and who provides it.")
@click.argument("kind", type=click.Choice(KINDS), required=False)
def list_(kind: str | None) -> None:
    """List tasks, datasets, backbones, methods, executors and trackers with who provides each."""
    from ssl_bench.registry import load_registry

    registry = load_registry()
    kinds = (kind,) if kind else KINDS
    specs = {name: registry.sorted(name) for name in kinds}
    everything = [spec for group in specs.values() for spec in group]
    first = max((len(spec.key) for spec in everything), default=0)
    second = max((len(spec.title) for spec in everything), default=0)
    for name, group in specs.items():
        click.secho(name, bold=True)
        for spec in group:
            click.echo(f"  {spec.key:<{first}}  {spec.title:<{second}}  {registry.providers[name, spec.key]}")
    for plugin, why in registry.failures.items():
        click.echo(f"warning: plugin '{plugin}' is left out: {why}", err=True)
