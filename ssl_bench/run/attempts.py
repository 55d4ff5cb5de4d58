"""What becomes of cells that did not finish: which are tried again, and which another command runs."""

import time
from collections import Counter
from dataclasses import replace

from ssl_bench.executor import Job
from ssl_bench.machine.lock import Owner, owner_at_work
from ssl_bench.plan.cell import Cell
from ssl_bench.plan.order import Order
from ssl_bench.store.folder import CellFolder
from ssl_bench.store.heartbeat import GRACE, Watch, end_hung
from ssl_bench.store.outcomes import Outcome
from ssl_bench.store.results import ResultStore

RETRIES = 2
"""Further attempts at a cell that the machine failed."""

LOOK_SECONDS = 1.0
"""Between two looks at the signs of life of cells."""


class Attempts:
    """The book of one command: attempts at each cell, silences, and cells of other commands."""

    def __init__(self, store: ResultStore, retries: int) -> None:
        self.store, self.retries = store, retries
        self.failed: Counter[str] = Counter()
        self.elsewhere: set[str] = set()
        self.watch = Watch()
        self.looked = 0.0

    def look(self, jobs: list[Job], orders: dict[str, Order]) -> None:
        """Now and then, look at the cells at work and end those that hang; most have ended themselves by then."""
        if time.monotonic() - self.looked < LOOK_SECONDS:
            return
        self.looked = time.monotonic()
        self.watch.look(job.folder for job in jobs)
        for job in jobs:
            if self.watch.silent(job.folder) > orders[job.cell].hang_seconds + GRACE:
                end_hung(job.folder)

    def judge(self, order: Order, outcome: Outcome) -> tuple[Outcome, bool]:
        """The outcome in the words of the command, and whether the cell is to be tried again."""
        cell, patience = order.cell, order.hang_seconds
        folder = self.store.folder(cell)
        silent = self.watch.silent(folder.path)
        self.watch.forget(folder.path)
        if outcome.status == "elsewhere":
            self.elsewhere.add(cell.id)
            return outcome, True
        if outcome.status != "failed":
            return outcome, False
        failure = folder.read_failure()
        # Looks lie a moment apart, so that a silence may seem a little shorter than it was.
        its_own = failure is not None and not failure.worth_retrying
        if not its_own and silent >= max(patience - 2 * LOOK_SECONDS, patience / 2):
            silent = max(silent, patience)
            message = f"no sign of life for {silent:.0f} s, at {_where(folder)}; its log may say where"
            if failure is not None:  # as whoever waited for its process put it
                message = f"{message} ({outcome.message})"
            outcome = replace(outcome, message=message)
        if not folder.path.is_dir() or its_own:
            return outcome, False
        self.failed[cell.id] += 1
        if self.failed[cell.id] <= self.retries:
            return outcome, True
        if self.failed[cell.id] > 1:
            outcome = replace(outcome, message=f"{outcome.message} ({self.failed[cell.id]} attempts)")
        if failure is None or failure.message != outcome.message:
            folder.fail(outcome.message, worth_retrying=True)  # for those who look later
        return outcome, False

    def by_others(self, cell: Cell) -> Owner | Outcome | None:
        """Who else runs a cell, or what became of it there; None where it is for this command to run."""
        folder = self.store.folder(cell)
        owner = owner_at_work(folder.path)
        if owner is not None:
            self.elsewhere.add(cell.id)
            return owner
        if cell.id not in self.elsewhere:
            return None
        if self.store.finished(cell) is not None:
            return Outcome(cell.id, "finished", "by another command")
        failure = folder.read_failure()
        if failure is not None and not failure.worth_retrying:
            return Outcome(cell.id, "failed", f"{failure.message} (run by another command)")
        return None


def _where(folder: CellFolder) -> str:
    state = folder.read_progress()
    return f"step {state.step}" if state else "its start"
