"""What cells will take, judged by records and prices of cells like them: seconds, so that long ones start first, and
memory."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from statistics import median
from typing import Any

from ssl_bench.forecast.prices import Price
from ssl_bench.plan.cell import Cell
from ssl_bench.seeds import digest
from ssl_bench.store.record import Coordinates, Record

Kind = tuple[str, ...]

WITHOUT_WEIGHT = ("iterations", "epochs", "evaluations", "optimizer")
"""Fields of a recipe that a step's memory does not depend on, or hardly."""


class Costs:
    """Of finished and of estimated cells, by what they have in common with those to come."""

    def __init__(self, records: Iterable[Record], prices: Iterable[tuple[Cell, Price]] = ()) -> None:
        rates = defaultdict(list)
        for cell, price in prices:
            if price.seconds is not None:
                for kind in _kinds(cell.task, cell.backbone, cell.method):
                    rates[kind].append(price.seconds / _work(cell.recipe, cell.describe["method"]["role"]))
        self._memory: dict[str, int] = {}
        for record in records:
            done, recipe, cost = record.cell, record.config.recipe, record.cost
            if cost.seconds is not None:
                rate = cost.seconds / _work(recipe, record.describe.method.role)
                for kind in _kinds(done.task, done.backbone, done.method):
                    rates[kind].append(rate)
            if cost.peak_memory_bytes:
                shape = _shape(done, recipe, record.config.method, done.execution)
                self._memory[shape] = max(self._memory.get(shape, 0), int(cost.peak_memory_bytes))
        self._rates = {kind: median(values) for kind, values in rates.items()}

    def seconds(self, cell: Cell) -> float:
        """Expected seconds, from the cells that are nearest; where there is none at all, in an arbitrary unit."""
        kinds = _kinds(cell.task, cell.backbone, cell.method)
        rate = next((self._rates[kind] for kind in kinds if kind in self._rates), 1.0)
        return rate * _work(cell.recipe, cell.describe["method"]["role"])

    def memory(self, cell: Cell) -> int | None:
        """Highest peak of a finished cell of this shape on its GPU, bytes; None where there is none."""
        return self._memory.get(shape_of(cell))


def shape_of(cell: Cell) -> str:
    """Equal for cells that need as much memory as one another: all but seed, split, and how long they train."""
    return _shape(cell, cell.recipe, cell.config, cell.execution.chosen())


def _shape(
    cell: Cell | Coordinates,
    recipe: Mapping[str, Any],
    config: Mapping[str, Any],
    execution: Mapping[str, Any],
) -> str:
    batch = {name: value for name, value in recipe.items() if name not in WITHOUT_WEIGHT}
    same = {name: getattr(cell, name) for name in ("task", "data", "backbone", "method")}
    return digest([same, batch, dict(config), dict(execution)])


def _kinds(task: str, backbone: str, method: str) -> Iterator[Kind]:
    yield from ((task, backbone, method), (backbone, method), (method,), ())


def _work(recipe: Mapping[str, Any], role: str) -> float:
    """Pixels that pass through networks in training."""
    rows = recipe["labeled_rows"] + recipe["unlabeled_rows"] * (role in ("ssl", "control"))
    return float(recipe["iterations"] * rows * recipe["crop"] ** 2)
