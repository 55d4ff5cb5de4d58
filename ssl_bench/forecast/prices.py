"""What a plan will take before anyone spends it, and how far off that was. Torch-free.

OUT/forecast.json holds a price for each cell that was estimated and, once it has run, what it took.
"""

import heapq
import statistics
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ssl_bench.machine.files import read_json, write_json
from ssl_bench.plan.cell import Cell
from ssl_bench.seeds import digest
from ssl_bench.store.record import Cost
from ssl_bench.store.results import ResultStore

FILE = "forecast.json"
WITHOUT_PRICE = ("seed", "split", "trials")
"""Parts of a cell's identity that its price does not depend on."""


@dataclass(frozen=True)
class Price:
    """What one cell takes. None: not measured."""

    seconds: float | None = None
    gpu_bytes: float | None = None
    """Peak of its tensors on a GPU."""
    resident_bytes: float | None = None
    """Peak of its process in the machine's own memory, libraries included."""
    joules: float | None = None
    """Of a whole GPU."""


IN_RECORDS = {
    "seconds": "seconds",
    "gpu_bytes": "peak_memory_bytes",
    "resident_bytes": "peak_resident_bytes",
    "joules": "gpu_energy_joules",
}
"""Part of a price to its name in the cost of a record."""


@dataclass(frozen=True)
class Error:
    """How far off the prices of some cells were, as shares of the prices: 0.1 is a tenth more than predicted."""

    cells: int
    predicted: float
    """Seconds of all cells."""
    measured: float
    median: float
    """Of the absolute errors of single cells."""
    worst: float
    """The error of the cell that was furthest off."""

    @property
    def total(self) -> float:
        """Error of the time of all cells together."""
        return self.measured / self.predicted - 1


def kind_of(cell: Cell) -> str:
    """Equal for cells that differ in seeds and labels alone, and so have one price on one device."""
    same = {name: value for name, value in cell.identity.items() if name not in WITHOUT_PRICE}
    return digest([same, len(cell.split.held_out), cell.split.source == "all"])


def makespan(seconds: Iterable[float], slots: int) -> float:
    """Seconds until the last cell ends where the longest start first and `slots` run at a time."""
    ends = [0.0] * slots
    for each in sorted(seconds, reverse=True):
        heapq.heappush(ends, heapq.heappop(ends) + each)
    return max(ends)


def price_of(cost: Cost) -> Price:
    """What a cell took, or would take, as far as that is said."""
    return Price(**{part: _number(getattr(cost, name)) for part, name in IN_RECORDS.items()})


def keep_prices(
    store: ResultStore,
    prices: Mapping[str, Price],
    device: str,
    slots: int,
    without: Collection[str] = (),
) -> None:
    """Write prices by cell id into the results folder; those of other cells stay. `slots`: cells at a time.

    `without`: cells that could not be timed now: what was found of them elsewhere is dropped.
    """
    kept = {cell: entry for cell, entry in _read(store).items() if cell not in without}
    for cell, price in prices.items():
        kept[cell] = {"predicted": asdict(price), "device": device, "at_a_time": slots}
    write_json(store.root / FILE, {"cells": kept})


def kept_makespan(store: ResultStore, cells: Sequence[Cell]) -> tuple[float, int] | None:
    """Seconds from start to end of these cells by their prices, and how many ran at a time for that; None unless all
    have a price of one estimate."""
    kept = _read(store)
    prices = _prices(kept)
    seconds = [
        price.seconds for cell in cells if (price := prices.get(cell.id)) and price.seconds is not None
    ]
    slots = {kept[cell.id].get("at_a_time") for cell in cells if cell.id in prices}
    count = slots.pop() if len(slots) == 1 else None
    if len(seconds) < len(cells) or not isinstance(count, int) or count < 1:
        return None
    return makespan(seconds, count), count


def kept_prices(store: ResultStore, device: str = "", slots: int = 0) -> dict[str, Price]:
    """Cell id to its price, of all cells that were ever estimated in this folder.

    `device`, `slots`: only of those estimated on a device of this name, with so many cells at a time.
    """
    kept = _read(store)
    if device:
        kept = {
            cell: entry
            for cell, entry in kept.items()
            if isinstance(entry, dict) and (entry.get("device"), entry.get("at_a_time")) == (device, slots)
        }
    return _prices(kept)


def _prices(kept: Mapping[str, Any]) -> dict[str, Price]:
    found = {name: entry.get("predicted") for name, entry in kept.items() if isinstance(entry, dict)}
    return {
        name: Price(**{part: _number(price.get(part)) for part in IN_RECORDS})
        for name, price in found.items()
        if isinstance(price, dict)
    }


def keep_errors(store: ResultStore, cells: Sequence[Cell]) -> Error | None:
    """Write down what estimated cells took beside their prices; the error of those given, None where none has both."""
    before = _read(store)
    kept, prices = dict(before), _prices(before)
    pairs = []
    for cell in cells:
        record, price = store.finished(cell), prices.get(cell.id)
        if record is None or price is None:
            continue
        took = price_of(record.cost)
        kept[cell.id] = {**kept[cell.id], "measured": asdict(took)}
        if price.seconds and took.seconds is not None:
            pairs.append((price.seconds, took.seconds))
    if not pairs:
        return None
    if kept != before:  # else somebody else's results can be shown all the same
        write_json(store.root / FILE, {"cells": kept})
    errors = [took / price - 1 for price, took in pairs]
    return Error(
        cells=len(pairs),
        predicted=sum(price for price, _ in pairs),
        measured=sum(took for _, took in pairs),
        median=statistics.median(map(abs, errors)),
        worst=max(errors, key=abs),
    )


def _read(store: ResultStore) -> dict[str, dict[str, Any]]:
    cells = (read_json(store.root / FILE) or {}).get("cells")
    return dict(cells) if isinstance(cells, dict) else {}


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) else None
