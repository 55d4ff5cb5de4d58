"""Types of values that options take, refused in one line where they are none."""

from pathlib import Path
from typing import Any

import click

from ssl_bench.machine.files import place
from ssl_bench.plan.request import LONGEST


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
