"""What a search asks for beside what a run does. Light: the command line makes its options from it."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator

from ssl_bench.plan.request import DOTTED, SEARCH, Request, asked
from ssl_bench.plan.text_forms import named, read_values

GRID = "write METHOD.FIELD=A,B or TASK.METHOD.FIELD=A,B"


class SearchRequest(Request):
    """A request whose methods' settings are searched for. No control joins, and trials are counted, not stated."""

    control: bool = False
    """No option here: what learns nothing from unlabelled images has nothing to search."""
    trials: Mapping[str, int] = {}
    """No option here: a search counts them itself."""
    grid: Annotated[
        Mapping[str, list[Any]],
        BeforeValidator(
            named(
                GRID,
                lambda given: [*given] if isinstance(given, list | tuple) else [given],
                names=DOTTED,
                text=read_values,
            )
        ),
    ] = asked(
        SEARCH,
        {},
        "Values to try of a method's field, on one task or all; repeatable, and several fields make a grid.",
        metavar="[TASK.]METHOD.FIELD=A,B",
    )
    preset: str = asked(SEARCH, "", "The grids that the methods bring along, by name.", metavar="NAME")
    held_out: str = asked(
        SEARCH,
        "1/4",
        "Of the labelled images: trials are scored on these, and do not learn from them.",
        metavar="SHARE",
    )
