"""The parent of a run: check, stage the cells, let an executor run them, keep the records, write the tables."""

import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from ssl_bench.cell import Cell
from ssl_bench.devices import count_slots, find_devices
from ssl_bench.errors import UsageError
from ssl_bench.executor import Executor, Job, Outcome
from ssl_bench.files import read_json, try_lock, write_text
from ssl_bench.leaderboard import render
from ssl_bench.plan import Plan
from ssl_bench.registry import Registry
from ssl_bench.results import Record, ResultStore
from ssl_bench.sources import Source
from ssl_bench.specs import TrackerSpec, resolve
from ssl_bench.weights import check_weights


class Display(Protocol):
    """Where progress is shown."""

    def fetching(self, title: str) -> None:
        """Something is about to be looked for, and downloaded where need be."""

    def checking(self, title: str, files: int) -> None:
        """A data set's files are about to be read."""

    def checked(self) -> None:
        """One of them was read."""

    def start(self, cells: int, finished: int) -> None:
        """Cells are about to run; some had finished before."""

    def progress(self, running: Sequence[tuple[Cell, dict[str, float]]]) -> None:
        """What the cells in flight last said of themselves: step, iterations, loss, seconds."""

    def ended(self, cell: Cell, outcome: Outcome, record: Record | None, log: Path) -> None:
        """One cell ended."""


def prepare_run(
    registry: Registry,
    plan: Plan,
    store: ResultStore,
    display: Display,
    *,
    devices: str = "auto",
    jobs: int | None = None,
    executor: str = "local",
    resume: bool = True,
) -> tuple[list[Cell], Executor | None]:
    """The cells to run, and who runs them; None where there is nothing to run.

    Whatever they need is found and read once: UsageError or DataError before any compute. Without `resume`, what
    the cells had is forgotten.
    """
    for name in dict.fromkeys(name for cell in plan.cells for name in cell.trackers):
        _require(registry.tracker(name))
    executor_class = resolve(registry.executor(executor).executor)
    chosen = find_devices(devices)
    slots = count_slots(chosen, max((cell.threads for cell in plan.cells), default=1), jobs)
    store.prepare()
    cells = unfinished(plan, store) if resume else list(plan.cells)
    check_weights(registry, cells, lambda name: display.fetching(f"the pretrained weights of {name}"))
    check_data(plan, cells, display)
    if not resume:
        forget(cells, store)
    if not cells:
        return [], None
    return cells, executor_class(chosen, min(slots, len(cells)), plan.preload(registry))


def unfinished(plan: Plan, store: ResultStore) -> list[Cell]:
    """The plan's cells without a record."""
    return [cell for cell in plan.cells if store.finished(cell) is None]


def check_data(plan: Plan, cells: Sequence[Cell], display: Display) -> None:
    """Read every file that the cells need once. DataError, naming the file, before any compute."""
    needed = {cell.task for cell in cells}
    for task, source in plan.sources.items():
        if task in needed and source.dataset.path is not None:
            display.checking(f"{task}: {source.dataset.path}", _files(source))
            source.dataset.check(source.targets, _serial(display))


def run_cells(
    plan: Plan, cells: Sequence[Cell], store: ResultStore, executor: Executor | None, display: Display
) -> list[Outcome]:
    """Run what `prepare_run` gave; on KeyboardInterrupt cells are stopped, each with a checkpoint, before it
    goes on up.
    """
    if executor is None:
        return []
    by_id = {cell.id: cell for cell in cells}
    jobs = [Job(cell.id, store.stage(cell), weight=_work(cell)) for cell in cells]
    display.start(len(plan.cells), len(plan.cells) - len(cells))
    outcomes: list[Outcome] = []
    stream = executor.run(jobs)
    try:
        for outcome in stream:
            if outcome is None:
                said = (
                    (by_id[job.cell], read_json(job.folder / "progress.json")) for job in executor.running()
                )
                display.progress([(cell, state) for cell, state in said if state is not None])
                continue
            outcomes.append(outcome)
            cell = by_id[outcome.cell]
            display.ended(cell, outcome, store.finished(cell), store.folder(cell) / "log.txt")
    finally:
        # A generator's `finally` stops what still runs.
        stream.close()  # type: ignore[attr-defined]
    return outcomes


def write_leaderboards(registry: Registry, plan: Plan, store: ResultStore) -> list[Path]:
    """The tables of every record in the store, where the plan has a finished cell."""
    if not any(store.finished(cell) for cell in plan.cells):
        return []
    return write_tables(render(store.records(), claims=registry.claims), store.leaderboards)


def write_tables(files: Mapping[str, str], folder: Path) -> list[Path]:
    """Write what `render` gave into a folder. UsageError where it cannot be written."""
    written = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (folder / name).parent.mkdir(exist_ok=True)
            write_text(folder / name, text)
            written.append(folder / name)
    except OSError as error:
        raise UsageError(f"{folder}: tables cannot be written ({error.strerror})") from error
    return written


def forget(cells: Sequence[Cell], store: ResultStore) -> None:
    """Make the cells run from their first step: checkpoints are dropped, records set aside, not deleted.

    Raises UsageError, before anything is touched in its folder, for a cell that another command is running.
    """
    for cell in cells:
        folder = store.folder(cell)
        if not folder.is_dir():
            continue
        with (folder / "lock").open("w") as lock:
            if not try_lock(lock):
                raise UsageError(f"--no-resume: another command is running {cell.id}; wait for it to end")
            (folder / "checkpoint.pt").unlink(missing_ok=True)
            if (folder / "result.json").exists():
                (folder / "result.json").replace(folder / "result.json.previous")


def _require(tracker: TrackerSpec) -> None:
    """Import a tracker now: what it needs may not be installed."""
    try:
        resolve(tracker.tracker)
    except ImportError as error:
        raise UsageError(
            f"tracker '{tracker.name}' needs a package that is not installed ({error})"
        ) from error


def _work(cell: Cell) -> float:
    """Pixels that pass through networks in training: what orders cells until they have been timed."""
    recipe = cell.recipe
    rows = recipe["labeled_rows"] + recipe["unlabeled_rows"] * (cell.describe["method"]["role"] == "ssl")
    return float(recipe["iterations"] * rows * recipe["crop"] ** 2)


def _files(source: Source) -> int:
    dataset = source.dataset
    return len(dataset.train) + len(dataset.unlabeled) + len(dataset.test) + len(source.targets)


def _serial(display: Display) -> Callable[[], None]:
    """`display.checked`, one thread at a time: data sets read their files in several."""
    lock = threading.Lock()

    def checked() -> None:
        with lock:
            display.checked()

    return checked
