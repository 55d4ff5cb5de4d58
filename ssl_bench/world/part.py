"""A step's batch in equal parts, taken one after the other (micro-batches), by several processes, or both.

Every part holds the same number of labelled and of unlabelled rows. What is drawn at random is drawn for the whole
batch, and a part takes the numbers of its rows: so nothing that is drawn depends on how many parts there are.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from ssl_bench.errors import PluginError


@dataclass(frozen=True)
class Part:
    """One of `count` equal parts of a batch."""

    index: int = 0
    count: int = 1

    def rows(self, whole: int) -> slice:
        """Its rows of one kind, labelled or unlabelled, of which the batch holds `whole`."""
        size = whole // self.count
        return slice(self.index * size, (self.index + 1) * size)

    def split(self, count: int) -> list["Part"]:
        """It in `count` parts of its own."""
        return [Part(self.index * count + number, self.count * count) for number in range(count)]


WHOLE = Part()


class Draws:
    """The random numbers of one step, on the CPU, for the rows of a part.

    The first dimension of what is asked for is rows: all that the part holds, labelled ones first, or those of one
    kind; `once` alone draws for no row. Parts of one batch ask for the same things in the same order.
    """

    def __init__(
        self,
        generator: Generator,
        part: Part = WHOLE,
        kinds: tuple[int, ...] = (),
        shared: list[Tensor] | None = None,
    ) -> None:
        """`kinds`: labelled and unlabelled rows of the part. `shared`: what is drawn for the whole batch, where several
        parts of one process use one generator."""
        self._generator, self._part, self._kinds, self._shared = generator, part, kinds, shared
        self._asked = 0

    def rand(self, rows: int, *shape: int) -> Tensor:
        """Uniform in [0, 1), (rows, *shape) float32."""
        return self._take(rows, lambda n: torch.rand(n, *shape, generator=self._generator))

    def randn(self, rows: int, *shape: int) -> Tensor:
        """Standard normal, (rows, *shape) float32."""
        return self._take(rows, lambda n: torch.randn(n, *shape, generator=self._generator))

    def randint(self, low: int, high: int, rows: int, *shape: int) -> Tensor:
        """Integers from `low` to below `high`, (rows, *shape) int64."""
        return self._take(rows, lambda n: torch.randint(low, high, (n, *shape), generator=self._generator))

    def once(self, *shape: int) -> Tensor:
        """Uniform in [0, 1), `shape` float32: one draw for the whole step, the same for all of its parts."""
        return self._whole(1, lambda n: torch.rand(n, *shape, generator=self._generator))[0]

    def _take(self, rows: int, draw: Callable[[int], Tensor]) -> Tensor:
        index, count = self._part.index, self._part.count
        if count == 1:
            return draw(rows)
        whole = self._whole(rows * count, draw)
        kinds = self._kinds if rows == sum(self._kinds) else (rows,)
        starts = [count * sum(kinds[:number]) + index * size for number, size in enumerate(kinds)]
        return torch.cat([whole[start : start + size] for start, size in zip(starts, kinds, strict=True)])

    def _whole(self, rows: int, draw: Callable[[int], Tensor]) -> Tensor:
        if self._shared is None:
            return draw(rows)
        if self._asked == len(self._shared):
            self._shared.append(draw(rows))
        whole = self._shared[self._asked]
        self._asked += 1
        if len(whole) != rows:
            raise PluginError("what a method draws must depend on the number of its rows alone")
        return whole
