"""Losses and gradients of one optimiser step, gathered from all parts of a batch."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

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
