"""Worker processes that end badly, and what the command makes of it: folders, processes, statuses, no training."""

import errno
import multiprocessing
import os
import re
import shutil
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from ssl_bench.errors import CellError
from ssl_bench.executor import ELSEWHERE, INTERRUPTED, IO_ERROR, NO_SPACE, REMOVED, Executor, Job
from ssl_bench.machine.files import read_json, write_json
from ssl_bench.machine.lock import Lock, holder
from ssl_bench.plan.cell import Cell
from ssl_bench.plan.plan import Plan, Request, make_plan
from ssl_bench.registry.loading import load_registry
from ssl_bench.run.attempts import Attempts
from ssl_bench.run.loop import run_cells
from ssl_bench.store.heartbeat import Heartbeat, Watch
from ssl_bench.store.outcomes import Outcome, outcome_of
from ssl_bench.store.results import ResultStore
from ssl_bench.worker.attempt import Interrupted, attempt

FORK = multiprocessing.get_context("fork")
Body = Callable[[Path, Sequence[int], Heartbeat], None]


def whole(folder: Path) -> dict[str, Any]:
    """The least that a record is made of."""
    return {"schema": 1, "cell": {"id": folder.name}, "metrics": {}}


def launch(folder: Path, body: Body) -> Any:
    """A worker process whose cell is `body`."""
    process = FORK.Process(
        target=lambda: os._exit(attempt(folder, "cpu", lambda stop, beat: body(folder, stop, beat)))
    )
    process.start()
    return process


def status_of(folder: Path, body: Body) -> int:
    process = launch(folder, body)
    process.join(60)
    return int(process.exitcode)


def well(folder: Path, stop: Sequence[int], beat: Heartbeat) -> None:
    write_json(folder / "result.json", whole(folder))


def nan(folder: Path, stop: Sequence[int], beat: Heartbeat) -> None:
    raise CellError("loss 'model/task' is nan at step 3")


def bug(folder: Path, stop: Sequence[int], beat: Heartbeat) -> None:
    raise ValueError("no such thing\nand more")


def gpu(folder: Path, stop: Sequence[int], beat: Heartbeat) -> None:
    raise RuntimeError("CUDA error: out of memory\nCompile with TORCH_USE_CUDA_DSA")


def full(folder: Path, stop: Sequence[int], beat: Heartbeat) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder / "checkpoint.pt"))


def broken_disk(folder: Path, stop: Sequence[int], beat: Heartbeat) -> None:
    raise OSError(errno.EIO, os.strerror(errno.EIO))


def until_told(folder: Path, stop: Sequence[int], beat: Heartbeat) -> None:
    while not stop:
        beat(lambda: {"step": 1, "iterations": 2})
        time.sleep(0.01)
    raise Interrupted


def removed(folder: Path, stop: Sequence[int], beat: Heartbeat) -> None:
    shutil.rmtree(folder)
    write_json(folder / "progress.json", {})


def hung(folder: Path, stop: Sequence[int], beat: Heartbeat) -> None:
    beat(lambda: {"step": 7, "iterations": 9})
    a_call_that_never_returns()


def a_call_that_never_returns() -> None:
    time.sleep(300)


def robbed(folder: Path, stop: Sequence[int], beat: Heartbeat) -> None:
    (folder / "lock").write_text("{}")
    beat(lambda: {"step": 1, "iterations": 2})


@pytest.mark.parametrize(
    ("body", "status", "said", "worth"),
    [
        (well, 0, None, None),
        (nan, 1, "loss 'model/task' is nan at step 3", False),
        (bug, 1, "ValueError: no such thing", False),
        (gpu, 1, "RuntimeError: CUDA error: out of memory", True),
        (full, NO_SPACE, "No space left on device: ", True),
        (broken_disk, IO_ERROR, "Input/output error", True),
        (robbed, ELSEWHERE, None, None),
    ],
)
def test_endings(tmp_path: Path, body: Body, status: int, said: str | None, worth: bool | None) -> None:
    (tmp_path / ".checkpoint.pt.123-ab").write_text("left over")
    (tmp_path / "log.txt").write_text("== an earlier attempt\n")
    assert status_of(tmp_path, body) == status
    failure = read_json(tmp_path / "failure.json")
    if said is None:
        assert failure is None
    else:
        assert failure is not None
        assert failure["message"].startswith(said)
        assert failure["worth_retrying"] is worth
    assert (tmp_path / "lock").exists() == (body is robbed)
    assert not list(tmp_path.glob(".*"))
    log = (tmp_path / "log.txt").read_text()
    assert log.startswith("== an earlier attempt\n== ")
    assert ("Traceback" in log) == (body in (bug, gpu, full, broken_disk))


def test_a_removed_folder(tmp_path: Path) -> None:
    folder = tmp_path / "cell"
    assert status_of(folder, well) == REMOVED
    folder.mkdir()
    assert status_of(folder, removed) == REMOVED
    assert not folder.exists()
    assert "was removed" in outcome_of(Job("c", folder), REMOVED, 1.0).message


def test_a_disk_so_full_that_nothing_can_be_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: Any, **more: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("ssl_bench.store.folder.write_json", refuse)
    assert status_of(tmp_path, full) == NO_SPACE
    assert not (tmp_path / "failure.json").exists()
    assert outcome_of(Job("c", tmp_path), NO_SPACE, 1.0).message == f"no space left for {tmp_path}"


def test_told_to_stop(tmp_path: Path) -> None:
    process = launch(tmp_path, until_told)
    while not (tmp_path / "progress.json").exists():
        time.sleep(0.01)
    assert status_of(tmp_path, well) == ELSEWHERE
    assert not (tmp_path / "result.json").exists()
    os.kill(process.pid, signal.SIGTERM)
    process.join(30)
    assert process.exitcode == INTERRUPTED
    assert holder(tmp_path) is None


def test_a_hung_cell_ends_itself_and_says_where(tmp_path: Path) -> None:
    write_json(tmp_path / "cell.json", {"hang_seconds": 1.0})
    assert status_of(tmp_path, hung) == 1
    assert "a_call_that_never_returns" in (tmp_path / "log.txt").read_text()
    assert not (tmp_path / "failure.json").exists()
    assert (tmp_path / "lock").exists()
    write_json(tmp_path / "cell.json", {"hang_seconds": 60.0})
    assert status_of(tmp_path, well) == 0
    assert not (tmp_path / "lock").exists()


def plan_of(out: Path) -> tuple[Plan, ResultStore]:
    store = ResultStore(out)
    store.prepare()
    return make_plan(
        load_registry(), Request(tasks="night", methods="supervised,mt", control=False, hang_seconds=1)
    ), store


class Scripted(Executor):
    """Does to each cell what is written for its next attempt."""

    def __init__(self, script: dict[str, list[Callable[[Job], int | str]]]) -> None:
        self.script = script
        self.ran: list[str] = []

    def room(self) -> int:
        return 1

    def start(self, job: Job) -> int | str:
        self.ran.append(job.cell)
        return self.script[job.cell].pop(0)(job)

    def poll(self, handle: int | str) -> int | str:
        return handle

    def stop(self, handles: Sequence[int | str], *, at_once: bool = False) -> None: ...


def finish(job: Job) -> int:
    write_json(job.folder / "result.json", whole(job.folder))
    return 0


def fail(message: str, **failure: object) -> Callable[[Job], int | str]:
    def ended(job: Job) -> int | str:
        if failure:
            write_json(job.folder / "failure.json", {"message": message, **failure})
        return 1 if failure else message

    return ended


class Quiet:
    """A display that keeps what it is told."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.waits: list[Any] = []

    def start(self, cells: int, finished: int) -> None: ...
    def going_on(self, cells: Any) -> None: ...
    def progress(self, running: Any) -> None: ...
    def checking(self, title: str, files: int) -> None: ...
    def checked(self) -> None: ...

    def noted(self, note: str) -> None:
        self.said.append(note)

    def again(self, cell: Cell, outcome: Outcome) -> None:
        self.said.append(f"again: {outcome.message}")

    def waiting(self, others: Any) -> None:
        self.waits.append(others)

    def ended(self, cell: Cell, outcome: Outcome, record: Any, log: Path) -> None:
        self.said.append(f"{outcome.status}: {outcome.message}")


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ssl_bench.run.loop.WAIT", 0.05)


def test_the_machines_failures_are_tried_again_and_a_cells_own_are_not(tmp_path: Path) -> None:
    plan, store = plan_of(tmp_path)
    first, second = plan.cells
    killed = fail("killed by SIGKILL")
    executor = Scripted(
        {
            first.id: [killed, fail("No space left on device", worth_retrying=True), finish],
            second.id: [fail("loss is nan", worth_retrying=False)],
        }
    )
    display = Quiet()
    outcomes = run_cells(plan, plan.orders, store, executor, display)
    assert {outcome.cell: outcome.status for outcome in outcomes} == {
        first.id: "finished",
        second.id: "failed",
    }
    # The longest first; what is tried again comes when all have had their turn.
    assert executor.ran == [second.id, first.id, first.id, first.id]
    assert display.said == [
        "failed: loss is nan",
        "again: killed by SIGKILL",
        "again: No space left on device",
        "finished: ",
    ]


def test_retries_have_a_limit_and_leave_word(tmp_path: Path) -> None:
    plan, store = plan_of(tmp_path)
    cell = plan.cells[0]
    executor = Scripted({cell.id: [fail("killed by SIGKILL")] * 9})
    outcomes = run_cells(plan, plan.orders[:1], store, executor, Quiet(), retries=1)
    assert [outcome.message for outcome in outcomes] == ["killed by SIGKILL (2 attempts)"]
    assert len(executor.ran) == 2
    failure = read_json(store.folder(cell).path / "failure.json")
    assert failure == {"message": "killed by SIGKILL (2 attempts)", "worth_retrying": True}
    assert not store.is_finished(cell)
    # The next command forgets it and tries again.
    run_cells(plan, plan.orders[:1], store, Scripted({cell.id: [finish]}), Quiet(), retries=0)
    assert store.is_finished(cell)
    assert not (store.folder(cell).path / "failure.json").exists()


@pytest.mark.parametrize("resumed_at", [[], [7]])
def test_a_cell_that_starts_over_is_told(tmp_path: Path, resumed_at: list[int]) -> None:
    plan, store = plan_of(tmp_path)
    cell, order = plan.cells[0], plan.orders[0]
    store.stage(order).checkpoint.write_text("of other code")

    def end(job: Job) -> int:
        content = {**whole(job.folder), "provenance": {"resumed_at": resumed_at}}
        write_json(job.folder / "result.json", content)
        return 0

    display = Quiet()
    run_cells(plan, [order], store, Scripted({cell.id: [end]}), display)
    words = f"{cell.title}: it could not go on from its checkpoint and started over; {store.folder(cell).log} says why"
    assert display.said == ["finished: ", *([] if resumed_at else [words])]


def test_nothing_starts_once_there_is_enough(tmp_path: Path) -> None:
    plan, store = plan_of(tmp_path)
    first, second = plan.cells
    executor = Scripted({second.id: [fail("killed by SIGKILL")], first.id: [finish]})
    outcomes = run_cells(plan, plan.orders, store, executor, Quiet(), enough=lambda: len(executor.ran) == 1)
    assert executor.ran == [second.id]
    assert [(outcome.cell, outcome.status) for outcome in outcomes] == [(second.id, "failed")]
    assert not store.is_finished(first)


class Sleepers(Executor):
    """Jobs that end when they are told to, but for one that does not hear."""

    grace = 0.5

    def __init__(self) -> None:
        self.ends: dict[str, int] = {}
        self.killed: list[str] = []

    def room(self) -> int:
        return 2

    def start(self, job: Job) -> str:
        return job.cell

    def poll(self, handle: str) -> int | None:
        return self.ends.get(handle)

    def stop(self, handles: Sequence[str], *, at_once: bool = False) -> None:
        if at_once:
            self.killed += handles
        else:
            self.ends[handles[0]] = INTERRUPTED


def test_ctrl_c_gives_grace_and_then_ends_what_is_left(tmp_path: Path) -> None:
    plan, store = plan_of(tmp_path)
    executor, display = Sleepers(), Quiet()

    def press(running: Any) -> None:
        raise KeyboardInterrupt

    display.progress = press  # type: ignore[method-assign]
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        run_cells(plan, plan.orders, store, executor, display)
    assert list(executor.ends.values()) == [INTERRUPTED]
    assert executor.killed == [cell.id for cell in plan.cells if cell.id not in executor.ends]
    assert time.monotonic() - began >= Sleepers.grace


def test_a_removed_folder_is_not_made_again(tmp_path: Path) -> None:
    plan, store = plan_of(tmp_path)
    cell = plan.cells[0]

    def remove(job: Job) -> int:
        shutil.rmtree(job.folder)
        return REMOVED

    outcomes = run_cells(plan, plan.orders[:1], store, Scripted({cell.id: [remove]}), Quiet())
    assert [outcome.status for outcome in outcomes] == ["failed"]
    assert not store.folder(cell).path.exists()


def test_cells_of_another_command_are_waited_for_and_taken_up(tmp_path: Path) -> None:
    plan, store = plan_of(tmp_path)
    theirs, mine = plan.cells
    lock = Lock(store.stage(plan.orders[0]).path)
    assert lock.take() is None
    display = Quiet()

    def waited(others: Any) -> None:
        assert [(cell.id, owner) for cell, owner in others] == [(theirs.id, lock.owner)]
        display.waits.append(others)
        if len(display.waits) == 2:
            write_json(store.folder(theirs).path / "result.json", whole(store.folder(theirs).path))
            lock.release()

    display.waiting = waited  # type: ignore[method-assign]
    executor = Scripted({mine.id: [finish]})
    outcomes = run_cells(plan, plan.orders, store, executor, display)
    assert executor.ran == [mine.id]
    assert outcomes[-1] == Outcome(theirs.id, "finished", "by another command")
    assert len(display.waits) == 2


def test_cells_that_another_command_gave_up_are_run_here(tmp_path: Path) -> None:
    plan, store = plan_of(tmp_path)
    theirs = plan.cells[0]
    lock = Lock(store.stage(plan.orders[0]).path)
    assert lock.take() is None
    display = Quiet()
    display.waiting = lambda others: lock.release()  # type: ignore[method-assign]
    executor = Scripted({theirs.id: [lambda job: ELSEWHERE, finish]})
    assert [outcome.status for outcome in run_cells(plan, plan.orders[:1], store, executor, display)] == [
        "finished"
    ]
    assert executor.ran == [theirs.id] * 2


def test_a_stopped_process_is_ended_from_outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ssl_bench.run.attempts.GRACE", 0.5)
    monkeypatch.setattr("ssl_bench.run.attempts.LOOK_SECONDS", 0.1)
    plan, store = plan_of(tmp_path)
    order, cell = plan.orders[0], plan.cells[0]
    folder = store.stage(order).path
    process = launch(folder, until_told)
    while not (folder / "progress.json").exists():
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGSTOP)
    attempts, job = Attempts(store, 0), Job(cell.id, folder)
    deadline = time.monotonic() + 60
    while process.exitcode is None and time.monotonic() < deadline:
        attempts.look([job], {cell.id: order})
        time.sleep(0.05)
    assert process.exitcode == -signal.SIGKILL
    outcome, again = attempts.judge(order, outcome_of(job, process.exitcode, 1.0))
    assert not again
    # Never less than the limit, though the looks began later than the silence.
    assert re.fullmatch(r"no sign of life for \d+ s, at step 1; .*", outcome.message)
    assert int(outcome.message.split()[5]) >= order.hang_seconds


def test_a_cell_that_begins_anew_is_not_as_silent_as_the_run_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr("ssl_bench.store.heartbeat.time.monotonic", lambda: now)
    (tmp_path / "progress.json").write_text("{}")
    os.utime(tmp_path / "progress.json", (1, 1))
    watch = Watch()
    watch.look([tmp_path])
    for _ in range(180):  # Its node was lost, and it waited for another.
        now += 5
        watch.look([tmp_path])
    assert watch.silent(tmp_path) == 900
    now += 5000  # The command itself was stopped, and its cells with it.
    watch.look([tmp_path])
    assert watch.silent(tmp_path) == 900
    lock = Lock(tmp_path)
    assert lock.take() is None
    watch.look([tmp_path])
    assert watch.silent(tmp_path) == 0


def test_a_hung_cell_is_called_so_whoever_put_its_end_down(tmp_path: Path) -> None:
    plan, store = plan_of(tmp_path)
    order, cell = plan.orders[0], plan.cells[0]
    folder = store.stage(order).path
    for worth, said in ((True, "no sign of life for "), (False, "status 1")):
        attempts = Attempts(store, 0)
        attempts.watch.look([folder])
        attempts.watch._seen[folder] = (0.0, time.monotonic() - 60)
        write_json(folder / "failure.json", {"message": "status 1", "worth_retrying": worth})
        outcome, again = attempts.judge(order, Outcome(cell.id, "failed", "status 1"))
        assert (again, outcome.message.startswith(said)) == (False, True)
        failure = read_json(folder / "failure.json")
        assert failure is not None
        assert failure["message"] == outcome.message


def test_a_finished_folder_is_tidied(tmp_path: Path) -> None:
    plan, store = plan_of(tmp_path)
    order, cell = plan.orders[0], plan.cells[0]
    folder = store.stage(order).path
    process = launch(folder, well)
    process.join(60)
    for name in ("lock", "progress.json", "checkpoint.pt"):
        (folder / name).write_text("{}")
    os.utime(folder / "lock", (1, 1))
    os.utime(folder / "progress.json", (1, 1))
    store.tidy(cell)
    assert sorted(path.name for path in folder.iterdir()) == ["cell.json", "log.txt", "result.json"]
