"""Locks and checkpoints: who owns a cell, and what is believed of files."""

import errno
import json
import multiprocessing
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from ssl_bench.machine.files import write_bytes
from ssl_bench.machine.lock import Lock, Owner, holder, last_sign, owner_at_work, process_start, read_owner
from ssl_bench.worker import checkpoint as checkpoints
from ssl_bench.worker.checkpoint import load_checkpoint, load_weights, save_checkpoint, save_weights


def lock_of(folder: Path, **changes: object) -> None:
    """A lock of another process, as it would have written it."""
    owner = vars(Owner.here(60.0)) | {"token": "other"} | changes
    (folder / "lock").write_text(json.dumps(owner))


def age(folder: Path, seconds: float) -> None:
    then = time.time() - seconds
    for path in folder.iterdir():
        os.utime(path, (then, then))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_one_owner_at_a_time(tmp_path: Path) -> None:
    first, second = Lock(tmp_path), Lock(tmp_path)
    assert first.take() is None
    assert first.held()
    assert second.take() == first.owner == holder(tmp_path)
    assert not second.held()
    second.release()
    assert first.held()
    first.release()
    assert names(tmp_path) == []
    assert second.take() is None


def test_a_dead_process_of_this_machine_loses_its_lock_at_once(tmp_path: Path) -> None:
    take = "print(Lock(Path('.')).take(), flush=True)"
    script = f"from pathlib import Path; from ssl_bench.machine.lock import Lock; {take}"
    child = subprocess.Popen([sys.executable, "-c", f"{script}; input()"], cwd=tmp_path, stdin=-1, stdout=-1)
    assert child.stdout is not None
    assert child.stdout.readline() == b"None\n"
    lock = Lock(tmp_path)
    owner = lock.take()
    assert owner is not None
    assert owner.pid == child.pid
    age(tmp_path, 10_000)  # It lives, however silent it is and whatever the clock says.
    assert lock.take() == owner
    child.kill()
    assert child.wait() == -9
    assert holder(tmp_path) is None
    assert lock.take() is None
    assert names(tmp_path) == ["lock"]


def test_a_process_number_given_anew_is_another_process(tmp_path: Path) -> None:
    lock_of(tmp_path)
    assert holder(tmp_path) is not None
    lock_of(tmp_path, start="1")
    assert process_start(os.getpid()) != "1"
    assert Lock(tmp_path).take() is None


def test_another_machine_keeps_its_lock_while_it_shows_signs_of_life(tmp_path: Path) -> None:
    lock_of(tmp_path, machine="another", host="node7")
    lock = Lock(tmp_path)
    assert str(lock.take()) == f"node7:{os.getpid()}"
    age(tmp_path, 3600)
    (tmp_path / "progress.json").write_text("{}")
    assert lock.take() is not None
    age(tmp_path, 3600)
    assert lock.take() is None
    # The one that was thought dead sees that it lost its folder, and does not take the lock along.
    assert read_owner(tmp_path / "lock") == lock.owner


def test_a_sign_of_life_from_the_future_is_taken_for_one_of_now(tmp_path: Path) -> None:
    """Of a host with another clock, which may be gone: all agree that it lives, until its patience is over."""
    lock_of(tmp_path, machine="another", host="node7", patience=30.0)
    age(tmp_path, -1e8)
    for look in (holder, owner_at_work, lambda folder: Lock(folder).take()):
        assert look(tmp_path) is not None
    assert abs(last_sign(tmp_path) - time.time()) < 20
    age(tmp_path, 40)
    assert holder(tmp_path) is None
    assert owner_at_work(tmp_path) is None
    assert Lock(tmp_path).take() is None


def test_where_clocks_differ_the_file_server_s_decides(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock_of(tmp_path, machine="another", host="node7", patience=60.0)
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 3600)  # Ours is an hour ahead of the disk's.
    assert holder(tmp_path) is None
    assert owner_at_work(tmp_path) == Lock(tmp_path).take()
    assert owner_at_work(tmp_path) is not None


def test_a_lock_without_a_name_is_waited_for(tmp_path: Path) -> None:
    (tmp_path / "lock").write_bytes(b"")
    owner = Lock(tmp_path).take()
    assert owner is not None
    assert owner.host == "an unknown host"
    age(tmp_path, 3600)
    assert Lock(tmp_path).take() is None


def test_without_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path, target: Path) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    first, second = Lock(tmp_path), Lock(tmp_path)
    assert first.take() is None
    assert second.take() == first.owner
    first.release()
    assert names(tmp_path) == []


def contend(folder: Path, rounds: int) -> None:
    """Take the lock, look whether anybody else is inside, give it back."""
    for _ in range(rounds):
        lock = Lock(folder)
        while lock.take() is not None:
            time.sleep(0.0005)
        (folder / "inside").touch(exist_ok=False)
        (folder / "inside").unlink()
        with (folder / "count").open("a") as file:
            file.write("x")
        if os.getpid() % 2:
            lock.release()
        else:
            lock_of(folder, start="dead")  # As if it had been killed.


def test_no_two_are_inside_even_where_owners_die(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=contend, args=(tmp_path, 25)) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
    assert [process.exitcode for process in processes] == [0] * 4
    assert (tmp_path / "count").read_text() == "x" * 100
    assert set(names(tmp_path)) <= {"count", "lock"}


STATE = {"step": 3, "weights": {"w": torch.arange(6.0)}}


def spoil(path: Path, how: str) -> None:
    content = bytearray(path.read_bytes())
    if how == "truncated":
        del content[len(content) // 2 :]
    elif how == "empty":
        content.clear()
    else:
        content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))


@pytest.mark.parametrize("how", ["truncated", "empty", "flipped"])
def test_a_broken_checkpoint_falls_back(tmp_path: Path, capsys: pytest.CaptureFixture[str], how: str) -> None:
    assert load_checkpoint(tmp_path) is None
    for step in (1, 2, 3):
        save_checkpoint(tmp_path, STATE | {"step": step})
    assert names(tmp_path) == ["checkpoint.previous.pt", "checkpoint.pt"]
    assert (load_checkpoint(tmp_path) or {})["step"] == 3
    assert capsys.readouterr().out == ""
    spoil(tmp_path / "checkpoint.pt", how)
    assert (load_checkpoint(tmp_path) or {})["step"] == 2
    assert "checkpoint.pt is broken (its checksum differs): going back" in capsys.readouterr().out
    # The whole one is not pushed out by the broken one.
    save_checkpoint(tmp_path, STATE | {"step": 4})
    spoil(tmp_path / "checkpoint.pt", how)
    assert (load_checkpoint(tmp_path) or {})["step"] == 2
    capsys.readouterr()
    spoil(tmp_path / "checkpoint.previous.pt", how)
    assert load_checkpoint(tmp_path) is None
    assert "starting over" in capsys.readouterr().out


def test_another_process_takes_a_broken_checkpoint_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for step in (1, 2):
        save_checkpoint(tmp_path, STATE | {"step": step})
    read = checkpoints.read_regular

    def late(path: Path) -> bytes:
        (tmp_path / "checkpoint.pt").unlink(missing_ok=True)
        return read(path)

    monkeypatch.setattr(checkpoints, "read_regular", late)
    assert (load_checkpoint(tmp_path) or {})["step"] == 1


def test_weights_are_checked(tmp_path: Path) -> None:
    path = tmp_path / "weights.pt"
    sha256 = save_weights(path, STATE["weights"])  # type: ignore[arg-type]
    assert torch.equal(torch.load(path, weights_only=True)["w"], torch.arange(6.0))
    assert load_weights(path, sha256) is not None
    assert load_weights(path) is not None
    spoil(path, "flipped")
    assert load_weights(path, sha256) is None
    assert load_weights(tmp_path / "none.pt") is None


def test_a_write_outlives_a_cleaner_of_temporary_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace, cleaned = Path.replace, []

    def clean(self: Path, target: Path) -> Path:
        if not cleaned:
            cleaned.append(self)
            self.unlink()
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", clean)
    write_bytes(tmp_path / "x", b"whole")
    assert (tmp_path / "x").read_bytes() == b"whole"
    assert names(tmp_path) == ["x"]
    assert cleaned


@pytest.mark.parametrize(
    "make",
    [
        os.mkfifo,
        Path.mkdir,
        lambda path: path.symlink_to(path.name),
        lambda path: path.symlink_to("/dev/zero"),
    ],
    ids=["pipe", "folder", "circle", "device"],
)
def test_what_is_no_lock_is_nobody_s(tmp_path: Path, make: Callable[[Path], object]) -> None:
    make(tmp_path / "lock")
    assert holder(tmp_path) is None
    lock = Lock(tmp_path)
    assert lock.take() is None
    assert lock.held()
    lock.release()
    assert [*tmp_path.iterdir()] == []
