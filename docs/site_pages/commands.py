"""Every command of the command line, as click knows it."""

import inspect
from collections.abc import Iterator

import click

from site_pages.markdown import code, table


def walk(command: click.Command, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """A command and all below it, in the order of `--help`."""
    yield path, command
    if isinstance(command, click.Group):
        for name in command.list_commands(click.Context(command)):
            child = command.get_command(click.Context(command), name)
            assert child is not None
            yield from walk(child, (*path, name))


def commands() -> str:
    """A section for each command: usage, what it does, arguments and options."""
    from ssl_bench.cli.commands import cli

    return "\n".join(_section(path, command) for path, command in walk(cli, ("ssl-bench",)))


def _section(path: tuple[str, ...], command: click.Command) -> str:
    with click.Context(command, info_name=" ".join(path), max_content_width=110) as context:
        usage = " ".join([*path, *command.collect_usage_pieces(context)])
        parts = [f"## `{' '.join(path)}`\n", f"```text\n{usage}\n```\n", _text(command)]
        for title, options in _options(command, context).items():
            parts += [f"{title}:\n", table(["option", ""], [[code(name), text] for name, text in options])]
        if isinstance(command, click.Group):
            rows = []
            for name in command.list_commands(context):
                child = command.get_command(context, name)
                assert child is not None
                anchor = "-".join([*path, name])
                rows.append([f"[`{' '.join([*path, name])}`](#{anchor})", child.get_short_help_str(100)])
            parts.append(table(["command", ""], rows))
    return "\n".join(parts)


def _options(command: click.Command, context: click.Context) -> dict[str, list[tuple[str, str]]]:
    """Sections of arguments and options: the command's own, and those that the settings of executors make."""
    found: dict[str, list[tuple[str, str]]] = {}
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if record is not None and "--help" not in parameter.opts:
            executor = getattr(parameter, "executor", None)
            found.setdefault(f"With `--executor {executor}`" if executor else "Options", []).append(record)
    return found


def _text(command: click.Command) -> str:
    """The help text; what click is told not to wrap is code."""
    paragraphs = inspect.cleandoc(command.help or "").split("\n\n")
    verbatim = (part.removeprefix("\b\n") for part in paragraphs)
    shown = [
        f"```text\n{text}\n```" if part.startswith("\b") else text
        for part, text in zip(paragraphs, verbatim, strict=True)
    ]
    return "\n\n".join(shown) + "\n"
