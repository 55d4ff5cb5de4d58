"""Names beside the points of a chart, where they cover neither each other nor another point."""

from collections.abc import Sequence

Box = tuple[float, float, float, float]
_LETTER, _LINE, _MARK = 6.4, 12.0, 6.0
"""Pixels: a letter's width, a line's height, half a mark."""


def place_labels(
    points: Sequence[tuple[float, float]], names: Sequence[str], left: float, right: float
) -> list[tuple[float, float, str]]:
    """Baseline (x, y) and `text-anchor` of each name; `points` in pixels, as are the bounds."""
    taken = [(x - _MARK, y - _MARK, x + _MARK, y + _MARK) for x, y in points]
    places = []
    for (x, y), name in zip(points, names, strict=True):
        candidates = [
            (x + dx, y + dy, "start" if dx > 0 else "end") for dy in (15, -6, 28, -19) for dx in (6, -8)
        ]
        best = min(candidates, key=lambda place: _badness(box_of(place, name), taken, left, right))
        taken.append(box_of(best, name))
        places.append(best)
    return places


def box_of(place: tuple[float, float, str], name: str) -> Box:
    """What a name at a place covers, about: left, top, right, bottom."""
    x, y, anchor = place
    left = x if anchor == "start" else x - _LETTER * len(name)
    return left, y - _LINE + 2, left + _LETTER * len(name), y + 2


def _badness(box: Box, taken: Sequence[Box], left: float, right: float) -> float:
    """Pixels that are covered twice or lie outside."""
    outside = max(0.0, left - box[0]) + max(0.0, box[2] - right)
    return 100 * outside + sum(
        max(0.0, min(box[2], other[2]) - max(box[0], other[0]))
        * max(0.0, min(box[3], other[3]) - max(box[1], other[1]))
        for other in taken
    )
