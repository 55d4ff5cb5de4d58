"""The parent of a run: check, stage the cells, let an executor run them, keep the records."""

import contextlib
import threading
import time
from collections.abc import Callable, Generator, Sequence

from ssl_bench.data.survey import files_of, survey
from ssl_bench.errors import DataError, UsageError
from ssl_bench.executor import Executor, Job, Outcome, Wanted
from ssl_bench.forecast.expected import Costs, shape_of
from ssl_bench.forecast.prices import kept_prices
from ssl_bench.machine.files import read_json
from ssl_bench.machine.lock import Lock
from ssl_bench.plan.cell import Cell
from ssl_bench.plan.plan import Plan
from ssl_bench.plan.weights import check_channels, check_weights
from ssl_bench.recipe import Kind
from ssl_bench.registry.registry import Registry
from ssl_bench.run.attempts import RETRIES, Attempts
from ssl_bench.run.display import Display
from ssl_bench.specs import resolve_extra
from ssl_bench.store.results import CHECKPOINTS, MEMORY, ResultStore

NOTES = 8
"""On one data set, before the rest is counted."""
WAIT = 1.0
"""Seconds between two looks at cells that other commands run, and before cells are tried again."""


def prepare_run(
    registry: Registry,
    plan: Plan,
    store: ResultStore,
    start: Callable[[Wanted], Executor],
    display: Display,
    *,
    devices: str = "auto",
    jobs: int | None = None,
    resume: bool = True,
) -> tuple[list[Cell], Executor | None]:
    """The cells to run, and the executor that will; None where there is nothing to run.

    Whatever they need is found and read once: UsageError or DataError before any compute. Without `resume`, what
    the cells had is forgotten.
    """
    for name in dict.fromkeys(name for cell in plan.cells for name in cell.trackers):
        tracker = registry.tracker(name)
        resolve_extra(f"tracker '{name}'", tracker.tracker, tracker.install)
    cells = unfinished(plan, store) if resume else list(plan.cells)
    if not cells:
        return [], None
    store.prepare()
    wanted = Wanted(
        devices=devices,
        jobs=jobs,
        threads=max(cell.threads for cell in cells),
        processes=max(int(cell.execution.get("processes", 1)) for cell in cells),
        preload=plan.preload(registry),
    )
    executor = start(wanted)
    try:
        executor.open()
        check_channels(registry, cells)
        check_weights(registry, cells, lambda name: display.fetching(f"the pretrained weights of {name}"))
        check_data(plan, cells, display)
        if not resume:
            forget(cells, store)
    except BaseException:
        executor.close()
        raise
    return cells, executor


def unfinished(plan: Plan, store: ResultStore) -> list[Cell]:
    """The plan's cells without a record. What a kill after the record left in a finished one's folder is removed."""
    cells = [cell for cell in plan.cells if not store.is_finished(cell)]
    waiting = {cell.id for cell in cells}
    for cell in plan.cells:
        if cell.id not in waiting:
            store.tidy(cell)
    return cells


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
        display.checking(f"{task}: {dataset.path}", files_of(dataset, source.targets))
        found = survey(dataset, kinds[task], source.targets, _serial(display))
        look = f"`ssl-bench data check {dataset.path} --task {task}`"
        for note in found.notes[:NOTES]:
            display.noted(f"{task}: {note}")
        if len(found.notes) > NOTES:
            display.noted(f"{task}: {len(found.notes) - NOTES} more notes; {look} shows them")
        if found.errors:
            more = f" (and {len(found.errors) - 1} more; {look} lists them)" if len(found.errors) > 1 else ""
            raise DataError(found.errors[0] + more)


def run_cells(
    plan: Plan,
    cells: Sequence[Cell],
    store: ResultStore,
    executor: Executor,
    display: Display,
    retries: int = RETRIES,
) -> list[Outcome]:
    """Run the cells in rounds: what the machine failed is tried again in the next one, up to `retries` times.

    Cells that other commands run are left to them, waited for at the end, and taken up. On KeyboardInterrupt the cells
    at work are stopped, each with a checkpoint, before it goes on up.
    """
    display.start(len(plan.cells), len(plan.cells) - len(cells))
    attempts = Attempts(store, retries)
    prices = kept_prices(store)
    costs = Costs(store.records(), [(cell, prices[cell.id]) for cell in cells if cell.id in prices])
    outcomes: list[Outcome] = []

    def ended(cell: Cell, outcome: Outcome) -> None:
        outcomes.append(outcome)
        display.ended(cell, outcome, store.finished(cell), store.folder(cell) / "log.txt")

    left = list(cells)
    while left:
        mine, others = [], []
        for cell in left:
            found = attempts.by_others(cell)
            if isinstance(found, Outcome):
                ended(cell, found)
            elif found is None:
                mine.append(cell)
            else:
                others.append((cell, found))
        left = [cell for cell, _ in others]
        progressed = len(outcomes)
        with contextlib.closing(_round(mine, store, executor, display, attempts, costs)) as stream:
            for cell, outcome in stream:
                outcome, again = attempts.judge(cell, outcome)
                if not again:
                    ended(cell, outcome)
                    continue
                left.append(cell)
                if outcome.status == "failed":
                    display.again(cell, outcome)
        if left and len(outcomes) == progressed:
            if others and not mine:
                display.waiting(others)
            time.sleep(WAIT)
    return outcomes


def _round(
    cells: Sequence[Cell],
    store: ResultStore,
    executor: Executor,
    display: Display,
    attempts: Attempts,
    costs: Costs,
) -> Generator[tuple[Cell, Outcome], None, None]:
    """One attempt at each cell; its end stops what still runs."""
    if not cells:
        return
    by_id = {cell.id: cell for cell in cells}
    stream = executor.run(
        [
            Job(cell.id, store.stage(cell), costs.seconds(cell), shape_of(cell), costs.memory(cell))
            for cell in cells
        ]
    )
    try:
        for outcome in stream:
            if outcome is not None:
                yield by_id[outcome.cell], outcome
                continue
            jobs = list(executor.running())
            attempts.look(jobs, by_id)
            said = ((by_id[job.cell], read_json(job.folder / "progress.json")) for job in jobs)
            display.progress([(cell, state) for cell, state in said if state is not None])
    finally:
        # A generator's `finally` stops what still runs.
        stream.close()  # type: ignore[attr-defined]


def forget(cells: Sequence[Cell], store: ResultStore) -> None:
    """Make the cells run from their first step: checkpoints are dropped, records set aside, not deleted.

    Raises UsageError, before anything is touched in its folder, for a cell that another command is running.
    """
    for cell in cells:
        folder = store.folder(cell)
        if not folder.is_dir():
            continue
        lock = Lock(folder)
        if (owner := lock.take()) is not None:
            raise UsageError(
                f"--no-resume: another command ({owner}) is running {cell.id}; wait for it to end"
            )
        for name in (*CHECKPOINTS, MEMORY):
            (folder / name).unlink(missing_ok=True)
        if (folder / "result.json").exists():
            (folder / "result.json").replace(folder / "result.json.previous")
        lock.release()


def _serial(display: Display) -> Callable[[], None]:
    """`display.checked`, one thread at a time: data sets read their files in several."""
    lock = threading.Lock()

    def checked() -> None:
        with lock:
            display.checked()

    return checked
