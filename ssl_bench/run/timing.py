"""What cells would take, by a few steps of each, through the executor that would run them."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from ssl_bench.errors import UsageError
from ssl_bench.executor import Executor, Wanted
from ssl_bench.plan.plan import Plan
from ssl_bench.registry.registry import Registry
from ssl_bench.run.display import Display
from ssl_bench.run.loop import carry_out
from ssl_bench.store.folder import CellFolder
from ssl_bench.store.record import Estimate
from ssl_bench.store.results import ResultStore


@dataclass
class Timed:
    """The cells of a plan by their ids: what each would take, or why that is not known."""

    estimates: dict[str, Estimate] = field(default_factory=dict)
    faults: dict[str, str] = field(default_factory=dict)
    at_once: int = 1
    """Cells that the executor takes at a time."""


def time_cells(
    registry: Registry,
    plan: Plan,
    store: ResultStore,
    start: Callable[[Wanted], Executor],
    display: Display,
    *,
    devices: str = "auto",
    jobs: int | None = None,
) -> Timed:
    """Time a few steps of every cell of a plan, as many at a time as cells will run, since they slow each other down.

    Nothing of it is kept in the results folder `store`, though it happens there: other machines see that folder, too.
    Raises as `carry_out` does, and UsageError for cells in several processes.
    """
    processes = max((cell.execution.processes for cell in plan.cells), default=1)
    if processes > 1:
        raise UsageError(
            f"--gpus-per-cell {processes}: cells in several processes cannot be timed; leave it or --estimate out"
        )
    timed = Timed()
    started: list[Executor] = []

    def noted(wanted: Wanted) -> Executor:
        started.append(start(wanted))
        return started[-1]

    def take_note() -> bool:
        timed.at_once = max(timed.at_once, started[-1].room())
        return False

    store.prepare()
    with tempfile.TemporaryDirectory(
        prefix="estimate-", dir=store.root, ignore_cleanup_errors=True
    ) as folder:
        there = ResultStore(Path(folder))
        orders = tuple(replace(order, timed=True, trackers=()) for order in plan.orders)
        outcomes = carry_out(
            registry,
            replace(plan, orders=orders, sources={}),  # The data was read before.
            there,
            noted,
            display,
            devices=devices,
            jobs=jobs,
            retries=0,
            enough=take_note,
        )
        for outcome in outcomes:
            estimate = CellFolder(there.cells / outcome.cell).read_estimate()
            if estimate is not None:
                timed.estimates[outcome.cell] = estimate
            else:
                timed.faults[outcome.cell] = outcome.message
    timed.at_once = min(timed.at_once, jobs or timed.at_once)
    return timed
