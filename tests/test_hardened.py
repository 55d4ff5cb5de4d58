"""Results and data that change behind a command's back: copied with their times kept, restored, damaged, foreign."""

import contextlib
import errno
import hashlib
import io
import json
import multiprocessing
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from conftest import Said
from test_unlabeled import make_pairs, plan
from test_worker import Countdown
from trees import save
from written import check_one_table, render

from ssl_bench.cli.run import save_when_ended
from ssl_bench.errors import CellError, DataError, PluginError, UsageError, without_places
from ssl_bench.leaderboard.write import write_leaderboards
from ssl_bench.machine.files import read_json, sweep, write_json
from ssl_bench.machine.lock import Owner, locked, process_start
from ssl_bench.machine.streams import PlainText, drawing, visible
from ssl_bench.registry.files import unpack
from ssl_bench.registry.loading import load_registry
from ssl_bench.store.folder import CellFolder
from ssl_bench.store.heartbeat import Heartbeat, end_hung
from ssl_bench.store.results import ResultStore
from ssl_bench.worker.attempt import Interrupted, _own_log, stop_on_signals
from ssl_bench.worker.build import open_cell_data, require_same
from ssl_bench.worker.checkpoint import load_checkpoint, load_weights, save_checkpoint, save_weights
from ssl_bench.worker.provenance import method_code
from ssl_bench.worker.worker import order_in, run_cell
from ssl_bench_plugins.methods.mean_teacher import MeanTeacher
from ssl_bench_plugins.methods.supervised import Supervised

Command = Callable[..., Said]
REGISTRY = load_registry()
CPU = torch.device("cpu")
RECORDS = sorted((Path(__file__).parent / "golden" / "records").glob("*.json"))


def store_of(root: Path, count: int = 2) -> ResultStore:
    """A results folder with some finished cells of real runs."""
    for path in RECORDS[:count]:
        record = json.loads(path.read_text())
        folder = root / "cells" / record["cell"]["id"]
        folder.mkdir(parents=True)
        (folder / "cell.json").write_text("{}\n")
        (folder / "result.json").write_text(json.dumps(record, indent=1) + "\n")
    return ResultStore(root)


def test_tables_are_made_anew_where_content_changed_and_only_there(tmp_path: Path) -> None:
    store = store_of(tmp_path, 2)
    cells = [SimpleNamespace(id=folder.name) for folder in sorted(store.cells.iterdir())]
    made: Any = SimpleNamespace(cells=cells)
    assert write_leaderboards(REGISTRY, made, store)
    assert write_leaderboards(REGISTRY, made, store) == []

    # A record with another score in its place, with the time of the old one and the folder's.
    path = store.folder(cells[0]).path / "result.json"
    times = [(each, each.stat()) for each in (path, path.parent, store.cells)]
    record = json.loads(path.read_text())
    record["metrics"] = {
        name: value * 0.5 for name, value in record["metrics"].items() if isinstance(value, float)
    }
    path.write_text(json.dumps(record, indent=1) + "\n")
    for each, found in times:
        os.utime(each, ns=(found.st_atime_ns, found.st_mtime_ns))
    before = (store.leaderboards / "leaderboard.md").read_text()
    assert write_leaderboards(REGISTRY, made, store)
    assert (store.leaderboards / "leaderboard.md").read_text() != before

    # A table that somebody spoilt; the clock is ahead.
    (store.leaderboards / "leaderboard.md").write_text("nothing\n")
    os.utime(store.leaderboards / "leaderboard.md", (4e9, 4e9))
    assert write_leaderboards(REGISTRY, made, store)
    assert write_leaderboards(REGISTRY, made, store) == []

    # A cell that is gone.
    shutil.rmtree(store.folder(cells[1]).path)
    assert write_leaderboards(REGISTRY, made, store)


def nothing(path: Path) -> None:
    path.write_bytes(b"")


def zeros(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


def torn(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100] + b"}\n")


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def text_of(change: Callable[[str], str]) -> Callable[[Path], None]:
    return lambda path: path.write_text(change(path.read_text())) and None


def record_of(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], None]:
    def spoil(path: Path) -> None:
        record = json.loads(path.read_text())
        change(record)
        path.write_text(json.dumps(record) + "\n")

    return spoil


DAMAGE: dict[str, Callable[[Path], None]] = {
    "empty": nothing,
    "zeros": zeros,
    "torn": torn,
    "pipe": pipe,
    "folder": folder,
    "no text": lambda path: path.write_bytes(b"\xff" + path.read_bytes()) and None,
    "deep": lambda path: path.write_text("[" * 100_000 + "]" * 100_000) and None,
    "long integer": record_of(lambda record: record["cell"].update(seed=10**400)),
    "infinite": text_of(lambda text: text.replace('"schema": 1', '"schema": 1, "x": 1e999', 1)),
    "nan": record_of(lambda record: record["metrics"].update(score=float("nan"))),
    "key twice": text_of(lambda text: text.replace('"schema": 1', '"schema": 1, "schema": 1', 1)),
    "later form": record_of(lambda record: record.update(schema=2)),
    "no cell": record_of(lambda record: record.pop("cell")),
    "no metrics": record_of(lambda record: record.pop("metrics")),
    "a list": lambda path: path.write_text("[1]\n") and None,
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE.keys())
def test_a_damaged_record_is_named_and_never_counted(
    command: Command, tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    store = store_of(tmp_path / "runs", 2)
    path = sorted(store.cells.glob("*/result.json"))[0]
    damage(path)
    assert CellFolder(path.parent).finished() is None
    assert not store.is_finished(SimpleNamespace(id=path.parent.name))  # type: ignore[arg-type]
    for arguments in (
        ("leaderboard", store.root),
        ("report", store.root, "--images", "0"),
        ("collect", store.root, "--out", tmp_path / "collected"),
        ("merge", store.root, "--out", tmp_path / "merged"),
        ("compare", "--runs", store.root),
    ):
        said = command(*arguments)
        lines = [line for line in said.err.splitlines() if str(path) in line]
        assert len(lines) == 1, (arguments, said.err)
        assert said.status == (2 if arguments[0] == "compare" else 0)  # There are no weights to compare.
    assert len(list((tmp_path / "collected").glob("*.json"))) == 1
    assert not (tmp_path / "merged" / "cells" / path.parent.name / "result.json").exists()
    said = command("status", store.root)
    assert said.status == 0
    assert "2 cells: 1 finished, 1 with a record that is not whole" in said.out
    assert str(path) in said.out


@pytest.mark.parametrize(
    "content", ["", "[1]", '{"split": 3}', '{"task": "night", "plugins": ["x"]}', "[" * 9999]
)
def test_a_damaged_cell_ends_in_one_line(command: Command, tmp_path: Path, content: str) -> None:
    store = store_of(tmp_path, 1)
    (place,) = store.cells.iterdir()
    (place / "cell.json").write_text(content)
    (place / "weights.pt").write_bytes(b"x")
    with pytest.raises(CellError, match=re.escape(str(place / "cell.json"))):
        order_in(place)
    for arguments in (("show", place.name, "--runs", tmp_path), ("export", place.name, "--runs", tmp_path)):
        said = command(*arguments)
        assert (said.status, len(said.err.strip().splitlines())) == (2, 1), said.err


def test_merge_takes_whole_weights_and_checks_them(command: Command, tmp_path: Path) -> None:
    stores = [store_of(tmp_path / name, 1) for name in "ABC"]
    places = [next(store.cells.iterdir()) for store in stores]
    for place in places:
        record = json.loads((place / "result.json").read_text())
        record["provenance"]["weights_sha256"] = hashlib.sha256(b"whole").hexdigest()
        (place / "result.json").write_text(json.dumps(record, indent=1) + "\n")
    (places[1] / "weights.pt").write_bytes(b"wholf")
    (places[2] / "weights.pt").write_bytes(b"whole")
    to = tmp_path / "D"
    # The first has none, and the second's are damaged; then the same where what is there is not whole.
    for _ in range(2):
        said = command("merge", *(store.root for store in stores), "--out", to)
        assert (said.status, said.err) == (0, "")
        weights = to / "cells" / places[0].name / "weights.pt"
        assert weights.read_bytes() == b"whole"
        weights.write_bytes(b"who")
    said = command("merge", tmp_path / "B", "--out", tmp_path / "E")
    assert said.status == 0
    assert said.err.count("another checksum") == len(said.err.splitlines()) == 1


def test_data_that_changed_after_the_plan_trains_nothing(tmp_path: Path) -> None:
    root = make_pairs(tmp_path / "set")
    made = plan(root)
    (order,) = made.orders
    cell = order.cell
    store = ResultStore(tmp_path / "runs")
    folder = store.stage(order).path
    scored = made.sources["night"].dataset.test

    def number(name: str) -> str:
        return name.rpartition("/")[2]

    def swapped(path: Path, back: bytes) -> None:
        """Refused with other pixels in a file, whose time is kept."""
        times = path.stat()
        save(path, np.random.default_rng(7).integers(0, 256, (16, 20, 3), np.uint8))
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
        with pytest.raises(CellError, match="has changed since the run was planned") as caught:
            run_cell(folder, CPU, REGISTRY)
        assert "\n" not in str(caught.value)
        path.write_bytes(back)

    for name, where in (
        (cell.split.labeled[0], "input"),
        (cell.split.labeled[0], "target"),
        (cell.split.unlabeled[0], "input"),
        (scored[0], "input"),
        (scored[0], "target"),
    ):
        path = root / where / f"{number(name)}.png"
        swapped(path, path.read_bytes())
    assert not (folder / "checkpoint.pt").exists()

    # Written back they have other times and the same content: nothing is wrong. Nor is the target of an unlabelled
    # image opened.
    closed = root / "target" / f"{number(cell.split.unlabeled[0])}.png"
    opened: list[Path] = []
    reading = Path.read_bytes

    def noted(path: Path) -> bytes:
        opened.append(path)
        return reading(path)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "read_bytes", noted)
        run_cell(folder, CPU, REGISTRY)
    assert CellFolder(folder).finished() is not None
    assert root / "input" / f"{number(cell.split.unlabeled[0])}.png" in opened
    assert not {closed} & {*opened}


def test_a_checkpoint_of_another_cell_is_never_resumed(tmp_path: Path) -> None:
    made = plan(make_pairs(tmp_path / "set"), methods="supervised", seeds=(0, 1))
    (first, second), orders = made.cells, made.orders
    store = ResultStore(tmp_path / "runs")
    stop = Countdown(lambda look: look == 2)
    with pytest.raises(Interrupted):
        run_cell(store.stage(orders[0]).path, CPU, REGISTRY, stop)
    assert (store.folder(first).path / "checkpoint.pt").exists()
    shutil.copy(store.folder(first).path / "checkpoint.pt", store.stage(orders[1]).path / "checkpoint.pt")
    run_cell(store.folder(second).path, CPU, REGISTRY)
    run_cell(store.folder(first).path, CPU, REGISTRY)
    resumed = [record.provenance.resumed_at for cell in (first, second) if (record := store.finished(cell))]
    assert resumed == [[1], []]


def test_pictures_are_shown_of_the_data_of_the_cell_alone(tmp_path: Path) -> None:
    made = plan(make_pairs(tmp_path / "set"))
    (order,) = made.orders
    dataset = made.sources["night"].dataset
    require_same(order, dataset)
    # Whoever wrote `cell.json` can name any folder, but must know what it holds.
    other = make_pairs(tmp_path / "private")
    save(other / "input" / "3.png", 200)
    foreign = open_cell_data(replace(order, path=str(other)), REGISTRY)
    for stated in (order, replace(order, content="", stamp=""), replace(order, content="", listing="")):
        with pytest.raises(DataError, match="the data set has changed since cell"):
            require_same(stated, foreign)


def test_links_in_a_cell_are_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_text("mine\n")
    log = tmp_path / "log.txt"
    log.symlink_to(outside / "file")
    for prepare in (lambda: None, lambda: (log.unlink(), os.mkfifo(log)), lambda: None):
        prepare()
        with _own_log(log) as file:
            file.write(b"said\n")
    assert (outside / "file").read_text() == "mine\n"
    assert log.read_text() == "said\nsaid\n"
    (tmp_path / "plugins").symlink_to(outside)
    unpack({"plug.py": "x = 1\n"}, {}, tmp_path / "plugins")
    assert [path.name for path in outside.iterdir()] == ["file"]
    (tmp_path / "plugins" / "deep").symlink_to(outside)
    with pytest.raises(PluginError, match="leads out of the cell's folder"):
        unpack({"plug.py": "x = 1\n"}, {"plug.py": {"deep/er.py": "x = 1\n"}}, tmp_path / "plugins")


def test_nothing_that_is_said_orders_the_terminal_about(command: Command, tmp_path: Path) -> None:
    assert (
        visible("\x1b[1mbold\x1b[0m\tand\nplain, as ü and 画")
        == "\x1b[1mbold\x1b[0m\tand\nplain, as ü and 画"
    )
    for evil in (
        "\x1b]52;c;eA==\x07",
        "\x1b[2J",
        "\x1bP",
        "\x9b2J",
        "\x08",
        "\r",
        "\u2028",
        "\u202e",
        "\x7f",
    ):
        spelt = visible(f"a{evil}b")
        assert spelt.isprintable()
        assert spelt[0] + spelt[-1] == "ab"
    written = io.BytesIO()
    stream = PlainText(written, "utf-8", write_through=True)
    print("a\x1b]0;title\x07b", file=stream)
    drawing(stream).write("\x1b[2K")
    assert written.getvalue() == b"a\\x1b]0;title\\x07b\n\x1b[2K"

    failed = tmp_path / "cells" / "evil"
    failed.mkdir(parents=True)
    (failed / "failure.json").write_text(json.dumps({"message": "\x1b]0;title\x07"}))
    process = [sys.executable, "-m", "ssl_bench", "status", str(tmp_path)]
    said = subprocess.run(process, capture_output=True, check=True, timeout=120).stdout
    assert b"\\x1b]0;title" in said
    assert b"\x1b" not in said


def test_what_is_published_names_no_places() -> None:
    text = "OSError: [Errno 2] '/home/me/x y/lib.so' and ~/a/b.py:3, 1/2 of https://host/a/b"
    assert without_places("no /home/me/cc1plus: not found") == "no cc1plus: not found"
    assert "/home" not in without_places(text)
    assert "1/2 of" in without_places(text)


def watched(folder: Path, seconds: float) -> None:
    """A cell at work, which counts as hung after a second."""
    stop_on_signals()
    heartbeat = Heartbeat(folder, None, 1.0)
    (folder / "ready").touch()
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        heartbeat(dict)
        time.sleep(0.05)
    Heartbeat.rest()
    (folder / "done").touch()


def test_a_stopped_cell_is_not_hung_and_a_closed_terminal_ends_none(tmp_path: Path) -> None:
    process = multiprocessing.get_context("fork").Process(target=watched, args=(tmp_path, 1.0))
    process.start()
    assert process.pid is not None
    while not (tmp_path / "ready").exists():
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGHUP)
    os.kill(process.pid, signal.SIGTSTP)
    time.sleep(3.0)
    assert not (tmp_path / "done").exists()
    os.kill(process.pid, signal.SIGCONT)
    process.join(60)
    assert process.exitcode == 0
    assert (tmp_path / "done").exists()


def test_a_closed_terminal_is_as_ctrl_c_unless_the_user_has_said_else() -> None:
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGHUP)
    try:
        for asked, found in ((signal.SIG_IGN, signal.SIG_IGN), (signal.SIG_DFL, signal.default_int_handler)):
            signal.signal(signal.SIGHUP, asked)
            save_when_ended()
            assert signal.getsignal(signal.SIGHUP) is found
            assert signal.getsignal(signal.SIGTERM) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGTERM, before[0])
        signal.signal(signal.SIGHUP, before[1])


def test_a_lock_kills_no_process_of_somebody_else_s(tmp_path: Path) -> None:
    own = subprocess.Popen(["sleep", "60"])
    # Its parent ends at once, so that it comes from nobody here.
    other = int(subprocess.check_output(["sh", "-c", "sleep 60 >/dev/null 2>&1 & echo $!"], timeout=30))
    try:
        for pid in (other, own.pid):
            lock = vars(Owner.here(60.0)) | {"pid": pid, "start": process_start(pid)}
            (tmp_path / "lock").write_text(json.dumps(lock))
            end_hung(tmp_path)
        assert own.wait(30) == -signal.SIGKILL
        assert process_start(other) is not None
    finally:
        own.kill()
        os.kill(other, signal.SIGKILL)


def test_what_killed_writers_left_is_swept(tmp_path: Path) -> None:
    dead = subprocess.Popen(["true"])
    dead.wait()
    names = (
        f".x.json.{dead.pid}-0123abcd",
        f".y.json.{os.getpid()}-0123abcd",
        f".z.json.{dead.pid}-new",
        ".hidden.7",
    )
    for name in names:
        (tmp_path / name).touch()
    sweep(tmp_path)
    assert len([*tmp_path.iterdir()]) == 4  # They may be at work on another machine.
    for path in tmp_path.iterdir():
        os.utime(path, (1, 1))
    sweep(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {*names[1:]}


def test_every_call_that_writes_may_fail_in_turn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkpoint, weights and a record are the old ones or the new ones, whole, whichever call fails, and how."""
    count = fails_at = 0
    happened: list[str] = []

    class Failing(io.FileIO):
        def write(self, content: Any, /) -> int:
            due("write")
            return super().write(content)

    def due(name: str) -> None:
        nonlocal count
        count += 1
        if count == fails_at:
            happened.append(name)
            number = (errno.EIO, errno.ENOSPC, errno.ESTALE, errno.EROFS)[fails_at % 4]
            raise OSError(number, os.strerror(number))

    def failing(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **more: Any) -> Any:
            due(name)
            return real(*arguments, **more)

        return call

    def opened(path: Path, mode: str = "r", *rest: Any, **more: Any) -> Any:
        due("open")
        return io.BufferedWriter(Failing(path, "w")) if mode == "wb" else real_open(path, mode, *rest, **more)

    real_open = Path.open
    states = [{"step": step, "w": torch.full((4,), float(step))} for step in range(3)]
    folder = CellFolder(tmp_path)
    for fails_at in range(1, 40):  # noqa: B007
        shutil.rmtree(tmp_path)
        tmp_path.mkdir()
        for state in states[:2]:
            save_checkpoint(tmp_path, state)
        write_json(folder.record, {"number": 1})
        happened.clear()
        count = 0
        with monkeypatch.context() as patch:
            patch.setattr(Path, "open", opened)
            patch.setattr(Path, "replace", failing("replace", Path.replace))
            patch.setattr(os, "fsync", failing("fsync", os.fsync))
            with contextlib.suppress(OSError):
                save_checkpoint(tmp_path, states[2])
                save_weights(folder.weights, states[2])
                write_json(folder.record, {"number": 2})
                done = True
        found = load_checkpoint(tmp_path)
        assert found is not None
        assert found["step"] in (1, 2)
        assert found["w"].tolist() == states[found["step"]]["w"].tolist()
        assert read_json(folder.record) in ({"number": 1}, {"number": 2})
        assert not folder.weights.exists() or load_weights(folder.weights) is not None
        assert [path for path in tmp_path.iterdir() if path.name.startswith(".")] == []
        if not happened:
            break
    assert done
    assert 12 <= fails_at < 39


def test_names_are_on_the_disk_before_a_command_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    real = os.fsync
    monkeypatch.setattr(
        os,
        "fsync",
        lambda number: (synced.append(str(Path(f"/proc/self/fd/{number}").readlink())), real(number)),
    )
    write_json(tmp_path / "result.json", {})
    assert [Path(name).name[:12] for name in synced] == [".result.json", tmp_path.name[:12]]


def test_a_suite_that_names_plugins_is_said_to_run_them(command: Command, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("raise SystemExit('ran')\n")
    (tmp_path / "suite.toml").write_text(f'tasks = "night"\nplugin = ["{tmp_path}/mine.py"]\n')
    said = command("plan", tmp_path / "suite.toml")
    first, second = said.err.strip().splitlines()
    assert first == f"note: suite {tmp_path}/suite.toml names plugin files, which are run: {tmp_path}/mine.py"
    assert (said.status, "ran" in second) == (2, True)


def test_runs_of_two_codes_of_a_method_are_told(tmp_path: Path) -> None:
    assert method_code(MeanTeacher) == method_code(MeanTeacher) != method_code(Supervised)
    records = [json.loads(path.read_text()) for path in RECORDS]
    method = records[0]["cell"]["method"]
    same = [record for record in records if record["cell"]["method"] == method]
    for codes, told in ((("a",) * len(same), False), (("a", *("b",) * (len(same) - 1)), True)):
        for record, code in zip(same, codes, strict=True):
            record["provenance"]["method_code"] = code
        assert (
            "the code changed between runs of one row" in render(records, ["md"])["leaderboard.md"]
        ) == told
        with pytest.raises(UsageError) as caught:
            check_one_table(same)
        assert ("the code of" in str(caught.value)) == told


def test_two_commands_never_prepare_one_folder_at_a_time(command: Command, tmp_path: Path) -> None:
    arguments = ("data", "prepare", make_pairs(tmp_path / "set"), "--out", tmp_path / "cut", "--resize", "16")
    with locked(tmp_path / "cut.partial"):
        said = command(*arguments, "--task", "night")
        assert (said.status, len(said.err.strip().splitlines())) == (2, 1)
        assert "is at work there; wait for it to end" in said.err
        assert [path.name for path in (tmp_path / "cut.partial").iterdir()] == ["lock"]
    said = command(*arguments, "--task", "night")
    assert said.status == 0, said.err
    assert not (tmp_path / "cut" / "lock").exists()
    assert not (tmp_path / "cut.partial").exists()


def test_every_promise_names_a_test_that_there_is() -> None:
    folder = Path(__file__).parent
    text = (folder.parent / "docs" / "reliability.md").read_text(encoding="utf-8")
    named = re.findall(r"`(test_\w+\.py)::(test_\w+)`", text)
    rows = [line for line in text.splitlines() if line.startswith("| ") and not line.startswith("| what |")]
    assert [row for row in rows if not re.search(r"`test_\w+\.py::test_\w+`", row)] == []
    assert len(named) > 30
    texts = {path.name: path.read_text() for path in folder.rglob("test_*.py")}
    lost = [f"{file}::{name}" for file, name in named if f"def {name}(" not in texts[file]]
    assert lost == []
