"""The parent of a run: stage the cells, let an executor run them, keep the records, write the tables."""

import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from ssl_bench.cell import Cell
from ssl_bench.errors import UsageError
from ssl_bench.executor import Executor, Job, Outcome
from ssl_bench.files import read_json, try_lock, write_text
from ssl_bench.leaderboard import DOCUMENTS, FORMATS, Format
from ssl_bench.plan import Plan
from ssl_bench.results import Record, ResultStore
from ssl_bench.sources import Source


class Display(Protocol):
    """Where progress is shown."""

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
    plan: Plan, cells: Sequence[Cell], store: ResultStore, executor: Executor, display: Display
) -> list[Outcome]:
    """Run the cells; on KeyboardInterrupt they are stopped, each with a checkpoint, before it goes on up."""
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


def formats_to_write(asked: Sequence[Format], folder: Path) -> list[Format]:
    """The formats asked for and those in which the folder holds every document already: none of them grows stale."""
    there = [form for form in FORMATS if all((folder / f"{name}.{form}").is_file() for name in DOCUMENTS)]
    there += ["csv"] if any((folder / DOCUMENTS[0]).glob("*.csv")) else []
    return [form for form in FORMATS if form in asked or form in there]


def write_tables(files: Mapping[str, str], folder: Path) -> list[Path]:
    """Write what `render` gave into a folder, and remove CSV files of tables that there are no longer.

    UsageError where it cannot be written.
    """
    written = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (folder / name).parent.mkdir(exist_ok=True)
            write_text(folder / name, text)
            written.append(folder / name)
        if any(path.suffix == ".csv" for path in written):
            tables = (path for name in DOCUMENTS for path in (folder / name).glob("*.csv"))
            for path in set(tables) - set(written):
                path.unlink()
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
