"""The faults, by kind."""

import json
import os
import resource
import shutil
import signal
import socket
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

from benchmarks.survival.campaign import Campaign, Fault
from ssl_bench.machine.files import TEMPORARY
from ssl_bench.machine.lock import Owner
from ssl_bench.store.folder import CellFolder

Damage = Callable[[Campaign, CellFolder], object]
"""Of the folder of a cell that no process works on."""


def signal_a_cell(number: int, then: int | None = None) -> Fault:
    """A signal to a running cell; where there is a second one, that a little later."""

    def fault(campaign: Campaign) -> bool:
        at_work = campaign.at_work()
        return bool(at_work) and _signal(campaign, campaign.random.choice(at_work)[1], number, then)

    return fault


def signal_the_command(number: int, then: int | None = None) -> Fault:
    """The same to the command, once a cell of it runs; its end is waited for where the signal is to end it."""

    def fault(campaign: Campaign) -> bool:
        if not campaign.wait(campaign.at_work):
            return False
        time.sleep(campaign.random.uniform(0, 1.0))  # Not always while it starts its first.
        assert campaign.command is not None
        assert campaign.command.pid is not None
        if not campaign.runs:
            return False
        if not _signal(campaign, campaign.command.pid, number, then):
            return False
        if then is None:
            campaign.join(campaign.command)
        return True

    return fault


def _signal(campaign: Campaign, process: int, number: int, then: int | None) -> bool:
    try:
        os.kill(process, number)
        if then is not None:
            time.sleep(campaign.random.uniform(0, 2))
            os.kill(process, then)
    except ProcessLookupError:
        return then is not None  # It had come to its end meanwhile.
    return True


def order(name: str) -> Fault:
    """Have a file function of any process fail, and wait until one has (`benchmarks/survival/shims.py`)."""

    def fault(campaign: Campaign) -> bool:
        happened = campaign.orders / "happened"
        happened.unlink(missing_ok=True)
        (campaign.orders / name).touch()
        campaign.wait(happened.exists)
        if name.endswith("for a while"):
            time.sleep(campaign.random.uniform(0, 3))
        (campaign.orders / name).unlink(missing_ok=True)
        return happened.exists()

    return fault


def unreadable_checkpoint(campaign: Campaign) -> bool:
    """End a cell that has a checkpoint, which then cannot be read where it is to go on from it."""

    def ready() -> list[int]:
        return [process for folder, process in campaign.at_work() if CellFolder(folder).checkpoint.exists()]

    if not campaign.wait(ready):
        return False
    asked = campaign.orders / "EIO read"
    asked.touch()
    for process in ready():
        _signal(campaign, process, signal.SIGKILL, None)
    campaign.wait(lambda: not asked.exists())
    happened = not asked.exists()
    asked.unlink(missing_ok=True)
    return happened


def hang(campaign: Campaign) -> bool:
    """Have a write never return."""
    asked = campaign.orders / "hang"
    asked.touch()
    campaign.wait(lambda: not asked.exists())
    hung = not asked.exists()
    asked.unlink(missing_ok=True)
    return hung


def limit_a_cell(what: int, most: int) -> Fault:
    """Let a running cell have no more of something than that, such as open files."""

    def fault(campaign: Campaign) -> bool:
        at_work = campaign.at_work()
        if not at_work:
            return False
        process = campaign.random.choice(at_work)[1]
        try:
            _, hard = resource.prlimit(process, what)
            resource.prlimit(process, what, (most, hard))
        except (ProcessLookupError, PermissionError):
            return False
        return True

    return fault


def at_rest(damage: Damage, *, checkpoints: int = 0) -> Fault:
    """Wait for a cell on its way, kill the command, and damage the cell's folder."""

    def fault(campaign: Campaign) -> bool:
        def ready() -> list[CellFolder]:
            return [
                each
                for each in campaign.unfinished()
                if each.progress.exists() and sum(path.exists() for path in each.checkpoints) >= checkpoints
            ]

        if not campaign.wait(ready) or not signal_the_command(signal.SIGKILL)(campaign):
            return False
        left = ready()
        if not left:
            return False  # It finished before the kill.
        damage(campaign, campaign.random.choice(left))
        return True

    return fault


def spoil_checkpoints(which: int, *, flip: bool = False) -> Damage:
    """Cut the newest ones short, or flip a bit of them."""

    def damage(campaign: Campaign, cell: CellFolder) -> None:
        for path in cell.checkpoints[:which]:
            spoil(campaign, path, flip=flip)

    return damage


def spoil(campaign: Campaign, path: Path, *, flip: bool = False) -> None:
    """Cut a file short, or flip a bit of it."""
    if not path.is_file():
        return
    content = bytearray(path.read_bytes() or b"\0")
    place = campaign.random.randrange(len(content))
    if flip:
        content[place] ^= 1 << campaign.random.randrange(8)
    else:
        del content[place:]
    path.write_bytes(bytes(content))


def clear(path: Path) -> Path:
    """The path with nothing there, not even what an earlier fault put there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    return path


def put(name: str, make: Callable[[Path], object]) -> Damage:
    """Something else in the place of a file of the cell."""

    def damage(campaign: Campaign, cell: CellFolder) -> None:
        make(clear(cell.path / name))

    return damage


def folder_for(name: str) -> Damage:
    """A folder in the place of a file: the command says so, and whoever types it again removes it."""

    def damage(campaign: Campaign, cell: CellFolder) -> None:
        path = clear(cell.path / name)
        path.mkdir()
        campaign.mends.append(lambda: path.is_dir() and path.rmdir())

    return damage


def lock_of_another_host(seconds: float) -> Damage:
    """A lock of a machine that is gone, whose last sign of life came so many seconds from now."""

    def damage(campaign: Campaign, cell: CellFolder) -> None:
        owner = replace(Owner.here(1.0), host="gone", machine="another", token="x")
        clear(cell.lock).write_text(json.dumps(asdict(owner)))
        clear(cell.progress)
        times = (time.time() + seconds,) * 2
        os.utime(cell.lock, times)

    return damage


def old_nonsense(path: Path) -> None:
    """What is no lock, and was written an hour ago."""
    path.write_bytes(b"\0")
    clear(path.with_name("progress.json"))
    os.utime(path, (time.time() - 3600,) * 2)


def put_socket(path: Path) -> None:
    """A socket that nobody listens at any more."""
    with socket.socket(socket.AF_UNIX) as made:
        here = os.open(path.parent, os.O_PATH)
        try:  # A socket's name has 108 bytes at most.
            made.bind(f"/proc/self/fd/{here}/{path.name}")
        finally:
            os.close(here)


def power_cut(campaign: Campaign, cell: CellFolder) -> None:
    """What was not synced is lost."""
    for each in (cell, *campaign.unfinished()):
        for path in (each.progress, each.log):
            if path.is_file():
                path.write_bytes(b"")


def a_file_for_the_folder(campaign: Campaign, cell: CellFolder) -> None:
    """A file where the cell's folder was."""
    shutil.rmtree(cell.path)
    cell.path.write_bytes(b"")
    campaign.mends.append(lambda: cell.path.is_file() and cell.path.unlink())


def spoil_a_record(campaign: Campaign) -> bool:
    """Cut the record of a finished cell short, while no command runs."""
    whole = [path for path in (campaign.out / "cells").glob("*/result.json") if path.is_file()]
    if not whole or not signal_the_command(signal.SIGKILL)(campaign):
        return False
    campaign.look()
    path = campaign.random.choice(whole)
    campaign.finished.pop(path.parent.name, None)
    spoil(campaign, path)
    return True


def clock_jump(campaign: Campaign) -> bool:
    """Set the clock, and with it the times of files, months forth or back."""
    offset = campaign.random.uniform(-1e7, 1e7)
    (campaign.orders / "clock").write_text(str(offset))
    _shift(campaign, offset)
    return bool(campaign.at_work())


def other_clock(campaign: Campaign) -> bool:
    """The file server's clock alone is set."""
    _shift(campaign, campaign.random.uniform(-1e5, 1e5))
    return bool(campaign.at_work())


def _shift(campaign: Campaign, offset: float) -> None:
    for folder in campaign.folders():
        for name in ("lock", "progress.json"):
            try:
                then = (folder / name).stat().st_mtime + offset
                os.utime(folder / name, (then, then))
            except OSError:
                continue


def clean_up(campaign: Campaign) -> bool:
    """Remove temporary files as they come, for a while."""
    removed = 0
    deadline = time.monotonic() + 2
    while time.monotonic() < deadline and not removed:
        for path in (campaign.out / "cells").rglob(TEMPORARY):
            path.unlink(missing_ok=True)
            removed += 1
    return removed > 0


def remove_a_folder(campaign: Campaign) -> bool:
    """Of a running cell."""
    ready = [folder for folder, _ in campaign.at_work() if not (folder / "result.json").exists()]
    if not ready:
        return False
    folder = campaign.random.choice(ready)
    shutil.rmtree(folder, ignore_errors=True)
    campaign.finished.pop(folder.name, None)
    return True


def move_the_results(campaign: Campaign) -> bool:
    """The whole folder, while cells run; whoever types the command again moves it back."""
    if not campaign.wait(campaign.at_work):
        return False
    campaign.look()
    away = campaign.root / "away"
    campaign.out.rename(away)

    def back() -> None:
        shutil.rmtree(campaign.out, ignore_errors=True)
        away.rename(campaign.out)

    campaign.mends.append(back)
    assert campaign.command is not None
    campaign.join(campaign.command)
    return True


def second_command(campaign: Campaign) -> bool:
    """On the same folder."""
    if campaign.second or not campaign.at_work():
        return False
    campaign.second = campaign.start()
    return True


FAULTS: dict[str, Fault] = {
    "SIGKILL of a cell": signal_a_cell(signal.SIGKILL),
    "SIGTERM of a cell": signal_a_cell(signal.SIGTERM),
    "SIGHUP of a cell": signal_a_cell(signal.SIGHUP),
    "SIGSEGV of a cell": signal_a_cell(signal.SIGSEGV),
    "SIGSTOP of a cell, then SIGCONT": signal_a_cell(signal.SIGSTOP, signal.SIGCONT),
    "SIGTSTP of a cell, then SIGCONT": signal_a_cell(signal.SIGTSTP, signal.SIGCONT),
    "SIGKILL of the command": signal_the_command(signal.SIGKILL),
    "SIGTERM of the command": signal_the_command(signal.SIGTERM),
    "SIGINT of the command": signal_the_command(signal.SIGINT),
    "SIGHUP of the command": signal_the_command(signal.SIGHUP),
    "SIGSTOP of the command, then SIGCONT": signal_the_command(signal.SIGSTOP, signal.SIGCONT),
    "power cut": at_rest(power_cut),
    "ENOSPC in one write": order("ENOSPC write"),
    "ENOSPC for a while": order("ENOSPC write for a while"),
    "EDQUOT in one write": order("EDQUOT write"),
    "EIO in one write": order("EIO write"),
    "no inode left": order("ENOSPC create"),
    "read-only for a while": order("EROFS create for a while"),
    "EIO in one fsync": order("EIO fsync"),
    "ESTALE in one renaming": order("ESTALE rename"),
    "EIO in reading a checkpoint": unreadable_checkpoint,
    "write that never returns": hang,
    "no file may be opened (ulimit -n)": limit_a_cell(resource.RLIMIT_NOFILE, 3),
    "no file may grow (ulimit -f)": limit_a_cell(resource.RLIMIT_FSIZE, 100),
    "no more memory (ulimit -v)": limit_a_cell(resource.RLIMIT_AS, 1 << 20),
    "newest checkpoint truncated": at_rest(spoil_checkpoints(1), checkpoints=2),
    "newest checkpoint with a flipped bit": at_rest(spoil_checkpoints(1, flip=True), checkpoints=2),
    "both checkpoints truncated": at_rest(spoil_checkpoints(2), checkpoints=2),
    "record of a finished cell truncated": spoil_a_record,
    "cell.json truncated": at_rest(lambda campaign, cell: spoil(campaign, cell.order)),
    "lock of no sense": at_rest(put("lock", old_nonsense)),
    "lock of a host that is gone": at_rest(lock_of_another_host(-1.0)),
    "the same, stamped in the future": at_rest(lock_of_another_host(1e6)),
    "pipe for the lock": at_rest(put("lock", os.mkfifo)),
    "folder for the lock": at_rest(put("lock", Path.mkdir)),
    "pipe for progress.json": at_rest(put("progress.json", os.mkfifo)),
    "pipe for the record": at_rest(put("result.json", os.mkfifo)),
    "pipe for the log": at_rest(put("log.txt", os.mkfifo)),
    "device for the record": at_rest(put("result.json", lambda path: path.symlink_to("/dev/zero"))),
    "link that leads in a circle for a checkpoint": at_rest(
        put("checkpoint.pt", lambda path: path.symlink_to(path.name)), checkpoints=1
    ),
    "socket for a checkpoint": at_rest(put("checkpoint.pt", put_socket), checkpoints=1),
    "folder for the record": at_rest(folder_for("result.json")),
    "folder for a checkpoint": at_rest(folder_for("checkpoint.pt")),
    "file for the cell's folder": at_rest(a_file_for_the_folder),
    "folder of a running cell removed": remove_a_folder,
    "results folder moved while cells run": move_the_results,
    "clock jump": clock_jump,
    "clock jump of the file server alone": other_clock,
    "temporary files deleted as they come": clean_up,
    "temporary file deleted before its renaming": order("cleaner"),
    "second command on the same folder": second_command,
}
