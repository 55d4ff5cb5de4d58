"""Amounts and durations in words."""


def duration(seconds: float) -> str:
    """In the unit that fits: seconds up to two minutes, minutes up to two hours, hours."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"


def number_of(count: int, unit: str) -> str:
    """Write an amount with its unit: `1 cell`, `2 cells`."""
    return f"{count} {unit}" if count == 1 else f"{count} {unit}s"
