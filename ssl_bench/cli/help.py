"""How help is laid out: options and commands below the question that they answer; and commands that there are not."""

from collections.abc import Mapping
from typing import Any

import click

from ssl_bench.errors import unknown

OPTIONS: Mapping[str, tuple[str, ...]] = {
    "What is compared": ("tasks", "methods", "control", "backbones", "tier", "seeds", "trials", "plugin"),
    "On which data": ("data", "dataset", "labels", "split_seeds", "unlabeled", "test"),
    "The search": ("grid", "preset", "held_out", "to"),
    "How networks are trained": ("settings", "pretrained", "weights"),
    "How it is computed": (
        *("devices", "threads", "precision", "channels_last", "compile", "micro_batches", "gpus_per_cell"),
    ),
    "Cells, and what they survive": (
        *("out", "jobs", "executor", "resume", "retries", "checkpoint_seconds", "checkpoint_steps"),
        *("hang_seconds", "trackers", "estimate"),
    ),
}
"""Section to the options of `run`, `plan` and `tune`, in the order of help."""
COMMANDS: Mapping[str, tuple[str, ...]] = {
    "Ask": ("advise",),
    "Compare methods": ("run", "plan", "tune", "status"),
    "Read the results": ("leaderboard", "report", "compare", "collect", "merge"),
    "Use what was trained": ("show", "predict", "export"),
    "Data": ("data",),
    "Plugins": ("list", "new", "check"),
}
REST = "Other"


class SectionedCommand(click.Command):
    """A command whose options stand below titles."""

    def section_of(self, parameter: click.Parameter) -> str:
        """The title that an option stands below."""
        return next((title for title, names in OPTIONS.items() if parameter.name in names), REST)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """A section for each title that has options here."""
        rows: dict[str, list[tuple[int, tuple[str, str]]]] = {title: [] for title in OPTIONS}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None and not isinstance(parameter, click.Argument):
                title = self.section_of(parameter)
                names = OPTIONS.get(title, ())
                place = names.index(parameter.name) if parameter.name in names else len(names)
                rows.setdefault(title, []).append((place, record))
        # What belongs nowhere, such as --help, comes last.
        for title in sorted(rows, key=lambda title: title == REST):
            if rows[title]:
                with formatter.section(title):
                    formatter.write_dl([record for _, record in sorted(rows[title], key=lambda row: row[0])])


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
