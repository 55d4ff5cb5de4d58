"""Ranks of methods that may not be told apart, and ranks across tasks."""

from collections.abc import Mapping, Sequence

ALPHA = 0.05


def holm(p_values: Mapping[tuple[int, int], float], alpha: float = ALPHA) -> set[tuple[int, int]]:
    """The pairs whose differences stand, with at most `alpha` chance of any false one.

    Holm, A simple sequentially rejective multiple test procedure, Scandinavian Journal of Statistics 6 (1979).
    """
    rejected = set()
    ordered = sorted(p_values.items(), key=lambda item: (item[1], item[0]))
    for position, (pair, p_value) in enumerate(ordered):
        if p_value > alpha / (len(ordered) - position):
            break
        rejected.add(pair)
    return rejected


def rank_ranges(better: Sequence[set[int]]) -> list[tuple[int, int]]:
    """First and last rank that each of some methods may have, from 1.

    `better[i]`: the methods that are certainly worse than method i. What is not certain may be either way.
    """
    count = len(better)
    worse = [sum(index in others for others in better) for index in range(count)]
    return [(1 + worse[index], count - len(better[index])) for index in range(count)]


def places(points: Sequence[float]) -> list[int]:
    """Ranks from 1; equal points share the better one."""
    return [1 + sum(other > own for other in points) for own in points]
