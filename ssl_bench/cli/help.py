"""How help is laid out: options and commands below the question that they answer; and commands that there are not."""

from collections.abc import Mapping, Sequence
from typing import Any

import click

from ssl_bench.errors import unknown
from ssl_bench.plan.request import SECTIONS

COMMANDS: Mapping[str, tuple[str, ...]] = {
    "Ask": ("advise",),
    "Compare methods": ("run", "plan", "tune", "status"),
    "Read the results": ("leaderboard", "report", "compare", "collect", "merge"),
    "Use what was trained": ("show", "predict", "export"),
    "Data": ("data",),
    "Plugins": ("list", "new", "check"),
}
REST = "Other"
SINGLE = ("backbone", "device", "label", "method", "metric", "seed", "split-seed", "task", "tracker")
"""What options name in the plural, and people in the singular, too."""


def spelled(name: str) -> str:
    """The one spelling of an option or key: `--task` is `--tasks`, `--split_seeds` is `--split-seeds`."""
    name = name.replace("_", "-")
    return f"{name}s" if name in SINGLE else name


class SectionedOption(click.Option):
    """An option that stands below a title of help."""

    def __init__(self, names: Sequence[str], *, section: str, **settings: Any) -> None:
        super().__init__(names, **settings)
        self.section = section


class SectionedCommand(click.Command):
    """A command whose options stand below titles."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """A section for each title that has options here; what belongs nowhere, such as --help, comes last."""
        rows: dict[str, list[tuple[str, str]]] = {title: [] for title in SECTIONS}
        rest: list[tuple[str, str]] = []
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None and not isinstance(parameter, click.Argument):
                section = getattr(parameter, "section", None)
                (rest if section is None else rows.setdefault(section, [])).append(record)
        for title, records in [*rows.items(), (REST, rest)]:
            if records:
                with formatter.section(title):
                    formatter.write_dl(records)


class NamingGroup(click.Group):
    """A group that names the command which is likely meant by one that there is not."""

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        """As click's, but UsageError for a name that no command has."""
        name = args[0]
        if not (ctx.resilient_parsing or name.startswith("-") or self.get_command(ctx, name)):
            raise unknown("command", name, self.list_commands(ctx))
        return super().resolve_command(ctx, args)


class SectionedGroup(NamingGroup):
    """A group whose commands stand below titles."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """A section for each title."""
        known = [name for names in COMMANDS.values() for name in names]
        rest = [name for name in self.list_commands(ctx) if name not in known]
        for title, names in {**COMMANDS, REST: tuple(rest)}.items():
            rows = [
                (name, command.get_short_help_str(formatter.width - 20))
                for name in names
                if (command := self.get_command(ctx, name)) is not None
            ]
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)
