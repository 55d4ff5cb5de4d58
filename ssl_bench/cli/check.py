"""`ssl-bench check`: the contract checks over what is registered."""

import click

from ssl_bench.cli.plugins import load_registry, plugin_option


@click.command(short_help="Run the contract checks over registered plugins.")
@click.argument("names", nargs=-1)
@plugin_option
def check(names: tuple[str, ...]) -> None:
    """Check the tasks and methods named, or all that are registered; exit 1 where one breaks its contract."""
    from ssl_bench.errors import unknown

    registry = load_registry()
    tasks, methods = registry.entries["tasks"], registry.entries["methods"]
    for name in names:
        if name not in tasks and name not in methods:
            raise unknown("task or method", name, [*tasks, *methods])

    import torch

    from ssl_bench.testing import TOYS, check_method, check_task

    torch.set_num_threads(1)
    broken = 0
    for spec in registry.sorted("tasks"):
        if not names or spec.name in names:
            broken += _report(f"task {spec.name}", check_task(registry.task(spec.name)))
    for spec in registry.sorted("methods"):
        for kind in TOYS:
            if not names or spec.name in names:
                broken += _report(
                    f"method {spec.name} on {kind}", check_method(registry.method(spec.name), kind)
                )
    for plugin, why in registry.failures.items():
        broken += _report(f"plugin {plugin}", [f"cannot be loaded: {why}"])
    if broken:
        click.echo(f"ssl-bench: {broken} of the checked break their contract", err=True)
        raise click.exceptions.Exit(1)


def _report(title: str, findings: list[str]) -> bool:
    click.echo(f"{'FAIL' if findings else 'ok':<5} {title}")
    for finding in findings:
        click.echo(f"      {finding}")
    return bool(findings)
