"""Losses and gradients of one optimiser step, gathered from all parts of a batch."""

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ssl_bench.errors import PluginError
from ssl_bench.world.world import World

Gradients = Mapping[str, Sequence[Tensor | None]]
"""Player to the gradients of its parameters, in their order; None for a parameter that no term reaches."""


class Gathered(NamedTuple):
    """What one part gives, or the sum of several."""

    terms: Mapping[str, Tensor]
    """`player/term` to its loss, a scalar on the device."""
    gradients: Gradients
    logged: Mapping[str, Tensor] = MappingProxyType({})
    """Name to a value that is no loss."""

    def plus(self, other: "Gathered") -> "Gathered":
        """The sum; tensors are not changed, since gradients may share their memory."""
        if list(self.terms) != list(other.terms):
            raise PluginError("a method yields other terms for some rows than for others")
        if list(self.logged) != list(other.logged):
            raise PluginError("a method logs other values for some rows than for others")
        terms = {name: value + other.terms[name] for name, value in self.terms.items()}
        logged = {name: value + other.logged[name] for name, value in self.logged.items()}
        gradients = {name: added(own, other.gradients[name]) for name, own in self.gradients.items()}
        return Gathered(terms, gradients, logged)

    def mean(self, parts: int, world: World) -> "Gathered":
        """Of a sum over `parts` parts, the mean over them and over all processes."""
        if parts == world.size == 1:
            return self
        scalars = {**self.terms, **self.logged}
        values = [*scalars.values(), *(one for own in self.gradients.values() for one in own)]
        values = [value if value is None or parts == 1 else value / parts for value in values]
        rest = iter(world.average(values))
        averaged = zip(scalars, rest, strict=False)
        # Copies: what is averaged is cut out of one buffer, which a loss that is kept would hold on to.
        means = {name: value.clone() for name, value in averaged if value is not None}
        terms, logged = ({name: means[name] for name in own} for own in (self.terms, self.logged))
        gradients = {name: [next(rest) for _ in own] for name, own in self.gradients.items()}
        return Gathered(terms, gradients, logged)


def added(first: Sequence[Tensor | None], second: Sequence[Tensor | None]) -> list[Tensor | None]:
    """Pairwise sums; None counts as zero."""
    both = [
        (one, other)
        for one, other in zip(first, second, strict=True)
        if one is not None and other is not None
    ]
    sums = iter(torch._foreach_add([one for one, _ in both], [other for _, other in both]) if both else ())
    return [
        next(sums) if one is not None and other is not None else one if other is None else other
        for one, other in zip(first, second, strict=True)
    ]


def gradients_of(
    totals: Mapping[str, Tensor], parameters: Mapping[str, Iterable[Tensor]], *, several: bool
) -> Gradients:
    """The gradient of each player's loss at its own parameters, all from one state.

    `several`: of several parts of a batch, whose graphs are to be in memory one at a time. Critics then come before
    the networks whose outputs they judge, and a graph is kept for no longer than a player still to come needs it; it
    costs a little time, and changes no gradient.
    """
    order = list(totals)[::-1] if several else list(totals)
    left = {player: _reached(totals[player]) for player in order} if several and len(order) > 1 else {}
    found = {}
    for place, player in enumerate(order, 1):
        own = left.pop(player, set())
        needed = any(not own.isdisjoint(other) for other in left.values()) if several else place < len(order)
        found[player] = torch.autograd.grad(
            totals[player], tuple(parameters[player]), retain_graph=needed, allow_unused=True
        )
    return {player: found[player] for player in totals}


def _reached(total: Tensor) -> set[Any]:
    """The nodes of a graph that hold something for gradients: all but its leaves."""
    found: set[Any] = set()
    waiting: list[Any] = [total.grad_fn]
    while waiting:
        node = waiting.pop()
        if node is not None and node not in found:
            found.add(node)
            waiting += [following for following, _ in node.next_functions]
    return {node for node in found if node.name() != "torch::autograd::AccumulateGrad"}
