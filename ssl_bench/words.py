"""Amounts and durations in words, and words that stand between commas."""

from collections.abc import Sequence


def duration(seconds: float) -> str:
    """In the unit that fits: seconds up to two minutes, minutes up to two hours, hours."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"


def number_of(count: int, unit: str) -> str:
    """Write an amount with its unit: `1 cell`, `2 cells`."""
    return f"{count} {unit}" if count == 1 else f"{count} {unit}s"


def names_in(text: str) -> list[str]:
    """Take a list such as `a, b` apart, without spaces around its names and without empty ones."""
    return [name.strip() for name in text.split(",") if name.strip()]


def first_of(texts: Sequence[object], most: int) -> str:
    """Write the first ones with commas between them, and three dots where there are more."""
    return ", ".join(map(str, texts[:most])) + (", ..." if len(texts) > most else "")
