"""Types of values that options take, refused in one line where they are none."""

import re
from pathlib import Path
from typing import Any

import click

from ssl_bench.errors import UsageError
from ssl_bench.machine.files import place

LONGEST = 1e9
"""Seconds that an option takes, at most: some thirty years."""
MOST_SEEDS = 10_000
"""Of a range: a slip must not fill the memory."""


class Place(click.Path):
    """A file or folder. An empty name, as of a variable that is not set, is none, and not the current folder."""

    def __init__(self) -> None:
        super().__init__(path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Take a value of the command line for a path; an empty one is a usage error."""
        if value == "":
            self.fail("the path is empty.", param, ctx)
        path = super().convert(value, param, ctx)
        return place(str(path)) if isinstance(value, str) else path


class Seconds(click.FloatRange):
    """A range of seconds, in which neither `nan` lies nor more than a machine can wait for."""

    name = "number of seconds"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The number in the range."""
        found = super().convert(value, param, ctx)
        if not found <= LONGEST:
            self.fail(f"{value} is no number of seconds that can be waited for.", param, ctx)
        return found


def seeds_of(option: str, text: str) -> tuple[int, ...]:
    """Seeds and ranges of them, `0,2-4`, each once."""
    seeds: dict[int, None] = {}
    for part in text.split(","):
        found = re.fullmatch(r"(\d+)(?:-(\d+))?", part.strip(), flags=re.ASCII)
        first, last = (int(found[1]), int(found[2] or found[1])) if found else (1, 0)
        if not first <= last < first + MOST_SEEDS:
            raise UsageError(f"{option} '{text}': give integers of 0 or more, such as 0,1,2 or 0-4")
        seeds.update(dict.fromkeys(range(first, last + 1)))
    if len(seeds) == 1 and 1 < first <= 10:
        click.echo(
            f"note: {option} {first} is seed {first} alone; 0-{first - 1} would be {first} seeds", err=True
        )
    return tuple(seeds)
