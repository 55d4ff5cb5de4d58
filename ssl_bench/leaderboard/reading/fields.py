"""Reading fields of a record that may be missing, or hold anything: a dash, or None."""

import json
from collections.abc import Mapping
from typing import Any

MISSING = "-"
LARGEST = 1e100
"""Beyond all that is measured; sums and ratios of what lies below are finite."""


def canonical(value: Any) -> str:
    """One text per content, to compare and to sort by."""
    return json.dumps(value, sort_keys=True, default=str)


def mapping(value: Any) -> Mapping[str, Any]:
    """The mapping, or an empty one."""
    return value if isinstance(value, Mapping) else {}


def text(value: Any) -> str:
    """The value as text, or a dash."""
    return str(value) if isinstance(value, str | int | float) and value != "" else MISSING


def finite(value: Any) -> float | None:
    """The number, or None for anything but a finite one that could have been measured; a vanishing one is 0."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not abs(value) < LARGEST:
        return None
    return float(value) if abs(value) > 1 / LARGEST else 0.0


def pairs(value: Any) -> tuple[tuple[str, str], ...]:
    """A list of pairs keeps its order in a record; a mapping is as it comes."""
    items = value.items() if isinstance(value, Mapping) else value
    if not isinstance(value, Mapping | list | tuple):
        return ()
    return tuple((str(p[0]), str(p[1])) for p in items if isinstance(p, list | tuple) and len(p) == 2)
