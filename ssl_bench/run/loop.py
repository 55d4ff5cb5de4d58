"""The parent of a run: check, stage the cells, have an executor start them, follow them to their ends."""

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Generator, Sequence
from dataclasses import dataclass
from typing import Any

from ssl_bench.data.oddities import Survey
from ssl_bench.data.survey import files_of, survey
from ssl_bench.dataset import Dataset
from ssl_bench.errors import DataError, UsageError
from ssl_bench.executor import Executor, Job, Wanted
from ssl_bench.forecast.expected import Costs, shape_of
from ssl_bench.forecast.prices import kept_prices
from ssl_bench.machine.lock import Lock
from ssl_bench.plan.cell import Cell
from ssl_bench.plan.order import Order
from ssl_bench.plan.plan import Plan
from ssl_bench.plan.weights import check_channels, check_weights
from ssl_bench.recipe import Kind
from ssl_bench.registry.registry import Registry
from ssl_bench.run.attempts import RETRIES, Attempts
from ssl_bench.run.display import Display
from ssl_bench.store.folder import CellFolder
from ssl_bench.store.outcomes import Outcome, outcome_of
from ssl_bench.store.results import ResultStore
from ssl_bench.words import number_of

NOTES = 8
"""On one data set, before the rest is counted."""
TICK = 0.2
"""Seconds between two looks at the cells at work, at most."""
WAIT = 1.0
"""Seconds between two looks at cells that other commands run, and before cells are tried again."""


def carry_out(
    registry: Registry,
    plan: Plan,
    store: ResultStore,
    start: Callable[[Wanted], Executor],
    display: Display,
    *,
    devices: str = "auto",
    jobs: int | None = None,
    resume: bool = True,
    retries: int = RETRIES,
    enough: Callable[[], bool] = lambda: False,
) -> list[Outcome]:
    """Run what is left of a plan; what became of each cell that was run, in the order of their ends.

    Whatever the cells need is found and read once: UsageError or DataError before any compute. Without `resume`, what
    they had is forgotten. `enough`: asked before each cell starts; once it says so none does any more, and those at
    work are waited for. On KeyboardInterrupt these are stopped, each with a checkpoint, before it goes on up.
    """
    for name in dict.fromkeys(name for order in plan.orders for name in order.trackers):
        registry.require_tracker(name)
    orders = unfinished(plan, store) if resume else list(plan.orders)
    cells = [order.cell for order in orders]
    if lacking := unobserved(plan, cells, store):
        was, them = ("was", "it") if lacking == 1 else ("were", "them")
        display.noted(
            f"{number_of(lacking, 'finished cell')} {was} not observed; --no-resume runs {them} again"
        )
    if not cells:
        return []
    store.prepare()
    wanted = Wanted(
        devices=devices,
        jobs=jobs,
        threads=max(cell.threads for cell in cells),
        processes=max(cell.execution.processes for cell in cells),
        preload=plan.preload(registry),
    )
    executor = start(wanted)
    try:
        executor.open()
        check_channels(registry, cells)
        check_weights(registry, orders, lambda name: display.fetching(f"the pretrained weights of {name}"))
        check_data(plan, cells, display)
        if not resume:
            forget(cells, store)
        return run_cells(plan, orders, store, executor, display, retries, enough)
    finally:
        executor.close()


def unfinished(plan: Plan, store: ResultStore) -> list[Order]:
    """What has no record of a plan. What a kill after the record left in a finished cell's folder is removed."""
    orders = []
    for order in plan.orders:
        if store.is_finished(order.cell):
            store.tidy(order.cell)
        else:
            orders.append(order)
    return orders


def unobserved(plan: Plan, left: Sequence[Cell], store: ResultStore) -> int:
    """How many cells that are to be observed finished without."""
    waiting = {cell.id for cell in left}
    asked = (order.cell for order in plan.orders if order.observe)
    done = (store.finished(cell) for cell in asked if cell.id not in waiting)
    return sum(record is not None and not record.observed for record in done)


def check_data(plan: Plan, cells: Sequence[Cell], display: Display) -> None:
    """Read every file that the cells need once, as `ssl-bench data check` does, and show its notes.

    Raises DataError, before any compute, for the first of the errors that it would list. Targets that no cell may read
    are not read.
    """
    kinds: dict[str, Kind] = {cell.task: cell.describe["task"]["kind"] for cell in cells}
    for task, source in plan.sources.items():
        dataset = source.dataset
        if task not in kinds or dataset.path is None:
            continue
        read_all(dataset, task, kinds[task], display, source.targets)


def read_all(
    dataset: Dataset, task: str, kind: Kind, display: Display, targets: Collection[str] | None = None
) -> Survey:
    """Read every image, and the `targets` named or all, and show the notes; what was found.

    Raises DataError for the first of the errors that `ssl-bench data check` would list.
    """
    display.checking(f"{task}: {dataset.path}", files_of(dataset, targets))
    found = survey(dataset, kind, targets, _serial(display))
    look = f"`ssl-bench data check {dataset.path} --task {task}`"
    for note in found.notes[:NOTES]:
        display.noted(f"{task}: {note}")
    if len(found.notes) > NOTES:
        display.noted(f"{task}: {len(found.notes) - NOTES} more notes; {look} shows them")
    if found.errors:
        more = f" (and {len(found.errors) - 1} more; {look} lists them)" if len(found.errors) > 1 else ""
        raise DataError(found.errors[0] + more)
    return found


def run_cells(
    plan: Plan,
    orders: Sequence[Order],
    store: ResultStore,
    executor: Executor,
    display: Display,
    retries: int = RETRIES,
    enough: Callable[[], bool] = lambda: False,
) -> list[Outcome]:
    """Run cells of a plan in rounds: what the machine failed is tried again in the next one, up to `retries` times.

    Cells that other commands run are left to them, waited for at the end, and taken up. `enough`: as of `carry_out`.
    """
    display.start(len(plan.orders), len(plan.orders) - len(orders))
    cells = [order.cell for order in orders]
    begun = [cell for cell in cells if any(path.exists() for path in store.folder(cell).checkpoints)]
    if begun:
        display.going_on(begun)
    from_checkpoint = {cell.id for cell in begun}
    attempts = Attempts(store, retries)
    prices = kept_prices(store)
    costs = Costs(store.records(), [(cell, prices[cell.id]) for cell in cells if cell.id in prices])
    outcomes: list[Outcome] = []

    def ended(cell: Cell, outcome: Outcome) -> None:
        outcomes.append(outcome)
        record, log = store.finished(cell), store.folder(cell).log
        display.ended(cell, outcome, record, log)
        if cell.id in from_checkpoint and record is not None and not record.provenance.resumed_at:
            display.noted(
                f"{cell.title}: it could not go on from its checkpoint and started over; {log} says why"
            )

    left = list(orders)
    while left and not enough():
        mine, others = [], []
        for order in left:
            found = attempts.by_others(order.cell)
            if isinstance(found, Outcome):
                ended(order.cell, found)
            elif found is None:
                mine.append(order)
            else:
                others.append((order, found))
        left = [order for order, _ in others]
        progressed = len(outcomes)
        with contextlib.closing(_round(mine, store, executor, display, attempts, costs, enough)) as stream:
            for order, outcome in stream:
                outcome, again = attempts.judge(order, outcome)
                if not again or enough():
                    ended(order.cell, outcome)
                    continue
                left.append(order)
                if outcome.status == "failed":
                    display.again(order.cell, outcome)
        if left and len(outcomes) == progressed:
            if others and not mine:
                display.waiting([(order.cell, owner) for order, owner in others])
            time.sleep(WAIT)
    return outcomes


@dataclass(frozen=True)
class Flight:
    """A job that was started."""

    job: Job
    handle: Any
    """What its executor knows it by."""
    started: float


def _round(
    orders: Sequence[Order],
    store: ResultStore,
    executor: Executor,
    display: Display,
    attempts: Attempts,
    costs: Costs,
    enough: Callable[[], bool],
) -> Generator[tuple[Order, Outcome], None, None]:
    """One attempt at each cell, the longest first; its end stops what still runs."""
    if not orders:
        return
    by_id = {order.cell.id: order for order in orders}
    waiting = deque(
        Job(order.cell.id, store.stage(order).path, shape_of(order.cell), costs.memory(order.cell))
        for order in sorted(orders, key=lambda order: costs.seconds(order.cell), reverse=True)
    )
    flights: list[Flight] = []
    try:
        executor.expect(list(waiting))
        while waiting or flights:
            room = executor.room()
            while waiting and len(flights) < room:
                if enough():
                    waiting.clear()
                    break
                handle = executor.start(waiting[0])
                if handle is None:
                    break
                flights.append(Flight(waiting.popleft(), handle, time.monotonic()))
            before = len(flights)
            for flight in list(flights):
                code = executor.poll(flight.handle)
                if code is not None:
                    flights.remove(flight)
                    yield (
                        by_id[flight.job.cell],
                        outcome_of(flight.job, code, time.monotonic() - flight.started),
                    )
            jobs = [flight.job for flight in flights if executor.at_work(flight.handle)]
            attempts.look(jobs, by_id)
            said = ((by_id[job.cell].cell, CellFolder(job.folder).read_progress()) for job in jobs)
            display.progress([(cell, state) for cell, state in said if state is not None])
            if len(flights) == before:
                executor.wait(TICK)
    finally:
        _stop(executor, [flight.handle for flight in flights])


def _stop(executor: Executor, handles: list[Any]) -> None:
    """Have jobs save and end; those that take too long are ended."""
    if not handles:
        return
    executor.stop(handles)
    deadline = time.monotonic() + executor.grace
    while (handles := [one for one in handles if executor.poll(one) is None]) and time.monotonic() < deadline:
        executor.wait(TICK)
    if handles:
        executor.stop(handles, at_once=True)


def forget(cells: Sequence[Cell], store: ResultStore) -> None:
    """Make the cells run from their first step: checkpoints are dropped, records set aside, not deleted.

    Raises UsageError, before anything is touched, for a cell that another command is running.
    """
    folders = [folder for cell in cells if (folder := store.folder(cell)).path.is_dir()]
    with contextlib.ExitStack() as locks:
        for folder in folders:
            lock = Lock(folder.path)
            if (owner := lock.take()) is not None:
                raise UsageError(
                    f"--no-resume: another command ({owner}) is running {folder.path.name}; wait for it to end"
                )
            locks.callback(lock.release)
        for folder in folders:
            for path in (*folder.checkpoints, folder.memory):
                path.unlink(missing_ok=True)
            if folder.record.exists():
                folder.record.replace(folder.earlier_record)


def _serial(display: Display) -> Callable[[], None]:
    """`display.checked`, one thread at a time: data sets read their files in several."""
    lock = threading.Lock()

    def checked() -> None:
        with lock:
            display.checked()

    return checked
