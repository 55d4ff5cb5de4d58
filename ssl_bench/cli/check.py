"""`ssl-bench check`: the contract checks over plugins."""

import click

from ssl_bench.cli.plugins import load_registry, plugin_option


@click.command(short_help="Run the contract checks over plugins.")
@click.argument("names", nargs=-1, metavar="[PACKAGE|FILE.py|NAME]...")
@plugin_option
def check(names: tuple[str, ...]) -> None:
    """Check what the plugins, files or names given provide, or all there is; exit 1 where a contract is broken.

    Methods are tried on toy tasks of both kinds. A fault is a sentence with its likely cause. `part` is what keeps all
    of its contract that could be checked.
    """
    registry = load_registry()

    import torch

    from ssl_bench.testing.contract import named_subjects, subjects_of

    torch.set_num_threads(1)
    subjects = [s for name in names for s in named_subjects(registry, name)] or list(subjects_of(registry))
    broken = 0
    for subject in subjects:
        outcome = subject.outcome()
        broken += bool(outcome.findings)
        found = "FAIL" if outcome.findings else "part" if outcome.unchecked else "ok"
        click.echo(f"{'skip' if subject.skipped else found:<5} {subject.title}")
        for line in [subject.skipped] if subject.skipped else [*outcome.findings, *outcome.unchecked]:
            click.echo(f"      {line}")
    if broken:
        click.echo(f"ssl-bench: {broken} of {len(subjects)} checked break their contract", err=True)
        raise click.exceptions.Exit(1)
