"""`ssl-bench list`: what there is, and who provides it."""

from typing import TYPE_CHECKING

import click

from ssl_bench.cli.plugins import load_registry, plugin_option, warn_of_failures

if TYPE_CHECKING:
    from ssl_bench.registry.registry import Registry

KINDS = ("tasks", "datasets", "backbones", "methods", "executors", "trackers")
PLUGINS = "plugins"


@click.command(name="list", short_help="List what there is and who provides it.")
@click.argument("kind", type=click.Choice([*KINDS, PLUGINS]), required=False)
@plugin_option
def list_(kind: str | None) -> None:
    """List tasks, datasets, backbones, methods with their papers, executors and trackers, and who provides each.

    `plugins`: every plugin that was found, with its version, where it lies, and what it provides or why it does not.
    """
    registry = load_registry()
    if kind == PLUGINS:
        _list_plugins(registry)
        return
    kinds = (kind,) if kind else KINDS
    specs = {name: registry.sorted(name) for name in kinds}
    everything = [spec for group in specs.values() for spec in group]
    first = max((len(spec.key) for spec in everything), default=0)
    second = max((len(spec.title) for spec in everything), default=0)
    for name, group in specs.items():
        click.secho(name, bold=True)
        for spec in group:
            click.echo(f"  {spec.key:<{first}}  {spec.title:<{second}}  {registry.providers[name, spec.key]}")
            if reference := getattr(spec, "reference", ""):
                click.echo(f"  {'':<{first}}  {reference}")
    warn_of_failures(registry)


def _list_plugins(registry: "Registry") -> None:
    first = max((len(name) for name in registry.plugins), default=0)
    second = max((len(str(provider)) for provider in registry.plugins.values()), default=0)
    for name, provider in registry.plugins.items():
        click.echo(f"{name:<{first}}  {provider!s:<{second}}  {provider.location or 'in no file'}")
        for line in _said_of(registry, name):
            click.echo(f"{'':<{first}}  {line}")


def _said_of(registry: "Registry", plugin: str) -> list[str]:
    if plugin in registry.disabled:
        return ["disabled by SSL_BENCH_DISABLE_PLUGINS"]
    if plugin in registry.failures:
        return [f"left out: {registry.failures[plugin]}"]
    provided: dict[str, list[str]] = {}
    for (kind, key), provider in registry.providers.items():
        if provider.plugin == plugin:
            provided.setdefault(kind, []).append(key)
    return [f"{kind}: {', '.join(keys)}" for kind, keys in provided.items()] or ["provides nothing"]
