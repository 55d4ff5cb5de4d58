"""Faults at random moments of `ssl-bench run`, until every record is there; those are compared in the end.

Three tiny cells on two slots, in as many runs as it takes. The faults come from outside (signals, files damaged or
removed) or from file functions and clocks that fail (`benchmarks/survival/shims.py`); the engine knows nothing of them.
"""

import json
import os
import random
import re
import shutil
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path

from benchmarks.measure import table
from benchmarks.survival.command import FORK, make_data, start
from ssl_bench.machine.files import TEMPORARY
from ssl_bench.machine.lock import holder
from ssl_bench.store.folder import CellFolder
from ssl_bench.store.record import Record
from ssl_bench.store.results import same

TITLE = "Faults"
HOW = "Counts, no times."
COUNT, SEED = 200, 0
LANES = 4
"""Runs at a time: what passes between two faults is mostly waiting."""

PATIENCE = 300.0
"""Seconds that anything may take on a busy machine."""


@dataclass
class Campaign:
    """One results folder, from its first command until every cell has finished."""

    root: Path
    data: Path
    random: random.Random
    command: BaseProcess | None = None
    second: BaseProcess | None = None
    finished: dict[str, bytes] = field(default_factory=dict)
    last: str | None = None
    """The last fault since the command was started."""
    lost: int = 0

    def __post_init__(self) -> None:
        self.out, self.orders, self.said = self.root / "out", self.root / "orders", self.root / "said.txt"
        self.orders.mkdir(parents=True)

    def start(self) -> BaseProcess:
        """Start a command on the folder."""
        return start(self.data, self.out, self.orders, self.said)

    def folders(self) -> list[Path]:
        """The cells' folders."""
        return sorted((self.out / "cells").glob("[!.]*"))

    def at_work(self) -> list[tuple[Path, int]]:
        """Folders and processes of the cells that run now."""
        owners = ((folder, holder(folder)) for folder in self.folders())
        return [(folder, owner.pid) for folder, owner in owners if owner and owner.is_local]

    def look(self) -> None:
        """Count finished cells that are gone, and note those that are new."""
        for cell, record in self.finished.items():
            path = self.out / "cells" / cell / "result.json"
            self.lost += not path.is_file() or path.read_bytes() != record
        for path in (self.out / "cells").glob("*/result.json"):
            self.finished.setdefault(path.parent.name, path.read_bytes())


Fault = Callable[[Campaign], bool]
"""Does its damage, if there is something to damage now."""


def run(count: int = COUNT, seed: int = SEED) -> str:
    """A table of faults by kind and outcome, and what was found when all was done."""
    lanes = min(LANES, 1 + count // 25)
    shares = [count // lanes + (lane < count % lanes) for lane in range(lanes)]
    outcomes: dict[str, Counter[str]] = {name: Counter() for name in FAULTS}
    totals: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as name, ProcessPoolExecutor(lanes, mp_context=FORK) as pool:
        root = Path(name)
        make_data(root / "data")
        reference = _undisturbed(root)
        works = [
            pool.submit(_lane, root, reference, share, f"{seed} {lane}") for lane, share in enumerate(shares)
        ]
        for work in works:
            of_lane, found = work.result()
            totals += found
            for kind, counts in of_lane.items():
                outcomes[kind] += counts
    rows = [
        [kind, *(str(found[column]) for column in ("injected", "went on", "again"))]
        for kind, found in outcomes.items()
    ]
    head = ["fault", "injected", "after it the command went on", "it ended, and was typed again"]
    facts = ", ".join(f"{totals[what]} {what}" for what in FINDINGS)
    injected = sum(each["injected"] for each in outcomes.values())
    return (
        f"{table(head, rows)}\n{injected} faults (seed {seed}) in {totals['runs']} runs of {len(reference)} cells, "
        f"{lanes} runs at a time. Of {totals['records compared']} records: {facts}.\n"
    )


def _lane(
    root: Path, reference: dict[str, bytes], count: int, seed: str
) -> tuple[dict[str, Counter[str]], Counter[str]]:
    """One run after the other until there were `count` faults: outcomes by kind, and findings."""
    generator = random.Random(seed)
    outcomes: dict[str, Counter[str]] = {name: Counter() for name in FAULTS}
    totals: Counter[str] = Counter()
    while (left := count - sum(each["injected"] for each in outcomes.values())) > 0:
        campaign = Campaign(root / f"run {seed} {totals['runs']}", root / "data", generator)
        _disturb(campaign, outcomes, min(left, generator.randint(3, 12)))
        totals += _findings(campaign, reference)
        shutil.rmtree(campaign.root)
        print(f"lane {seed}: {dict(totals)}, {left} faults to go", flush=True)
    return outcomes, totals


def _undisturbed(root: Path) -> dict[str, bytes]:
    campaign = Campaign(root / "undisturbed", root / "data", random.Random())
    command = campaign.start()
    command.join(PATIENCE)
    assert command.exitcode == 0, campaign.said.read_text()
    campaign.look()
    return campaign.finished


def _disturb(campaign: Campaign, outcomes: dict[str, Counter[str]], faults: int) -> None:
    """Let faults happen while commands run, then let the last one finish."""
    kinds = list(FAULTS)
    for _ in range(20 * faults):
        if campaign.command is None:
            campaign.command = campaign.start()
        time.sleep(campaign.random.uniform(0, 1.5))
        kind = campaign.random.choice(kinds)
        running = campaign.command.exitcode is None
        if running and faults and FAULTS[kind](campaign):
            outcomes[kind]["injected"] += 1
            if campaign.last:
                outcomes[campaign.last]["went on"] += 1
            campaign.last = kind
            faults -= 1
        if not faults:
            _join(campaign.command, campaign)
        if campaign.command.exitcode is not None and _ended(campaign, outcomes) == 0:
            return
        campaign.look()
    raise AssertionError(f"no end: {campaign.said.read_text()}")


def _ended(campaign: Campaign, outcomes: dict[str, Counter[str]]) -> int:
    """Book the end of the command; its exit status, once nothing of it runs any more."""
    assert campaign.command is not None
    status = campaign.command.exitcode or 0
    if campaign.second:
        _join(campaign.second, campaign)
    if campaign.last:
        outcomes[campaign.last]["again" if status else "went on"] += 1
    for order in campaign.orders.iterdir():
        if order.name != "clock":
            order.unlink(missing_ok=True)
    campaign.command, campaign.second, campaign.last = None, None, None
    return status


def _join(process: BaseProcess, campaign: Campaign) -> None:
    process.join(PATIENCE)
    assert process.exitcode is not None, campaign.said.read_text()


FINDINGS = (
    "different from undisturbed ones",
    "missing",
    "finished cells lost on the way",
    "locks left",
    "temporary files left",
    "tracebacks",
)


def _findings(campaign: Campaign, reference: dict[str, bytes]) -> Counter[str]:
    """What is wrong with a folder whose command said that all is well."""
    campaign.look()
    found = Counter(dict.fromkeys(FINDINGS, 0))
    found["runs"] = 1
    for cell, record in reference.items():
        found["records compared"] += 1
        if cell not in campaign.finished:
            found["missing"] += 1
        elif not same(*(Record.of(json.loads(content)) for content in (campaign.finished[cell], record))):
            found["different from undisturbed ones"] += 1
    found["finished cells lost on the way"] = campaign.lost
    found["locks left"] = len([folder for folder in campaign.folders() if (folder / "lock").exists()])
    found["temporary files left"] = len(list((campaign.out / "cells").rglob(TEMPORARY)))
    # Python drops what a signal raises while it forks, and says so. A command does not fork but asks a server to;
    # here, where it does, it may go on in spite of a SIGTERM.
    said = re.sub(
        r"Exception ignored in: <function _(after|release).*?KeyboardInterrupt:",
        "",
        campaign.said.read_text(),
        flags=re.DOTALL,
    )
    found["tracebacks"] = said.count("Traceback")
    if any(found[what] for what in FINDINGS):
        print(campaign.said.read_text(), *(path for path in campaign.out.rglob("*")), sep="\n")
    return found


def _kill_a_cell(campaign: Campaign, number: int = signal.SIGKILL) -> bool:
    at_work = campaign.at_work()
    if at_work:
        try:
            os.kill(campaign.random.choice(at_work)[1], number)
        except ProcessLookupError:
            return False
    return bool(at_work)


def _kill_the_command(campaign: Campaign, number: int = signal.SIGKILL) -> bool:
    assert campaign.command is not None
    while campaign.command.exitcode is None and not campaign.at_work():
        time.sleep(0.02)
    if campaign.command.exitcode is not None:
        return False
    assert campaign.command.pid
    os.kill(campaign.command.pid, number)
    _join(campaign.command, campaign)
    return True


def _order(name: str) -> Fault:
    """Have the next write of any cell fail, and wait until it has."""

    def fault(campaign: Campaign) -> bool:
        assert campaign.command is not None
        happened = campaign.orders / "happened"
        happened.unlink(missing_ok=True)
        (campaign.orders / name).touch()
        while campaign.command.exitcode is None and not happened.exists():
            time.sleep(0.02)
        if name.endswith("for a while"):
            time.sleep(campaign.random.uniform(0, 3))
        (campaign.orders / name).unlink(missing_ok=True)
        return happened.exists()

    return fault


def _hang(campaign: Campaign) -> bool:
    assert campaign.command is not None
    order = campaign.orders / "hang"
    order.touch()
    while campaign.command.exitcode is None and order.exists():
        time.sleep(0.02)
    hung = not order.exists()
    order.unlink(missing_ok=True)
    return hung


def _break_checkpoints(which: int, *, flip: bool = False) -> Fault:
    """Wait for a cell with two checkpoints, kill the command, and damage the newest ones."""

    def fault(campaign: Campaign) -> bool:
        ready: list[Path] = []
        while campaign.command and campaign.command.exitcode is None and not ready:
            time.sleep(0.02)
            ready = [
                f for f in campaign.folders() if all(path.exists() for path in CellFolder(f).checkpoints)
            ]
        if not ready or not _kill_the_command(campaign):
            return False
        folder = campaign.random.choice(ready)
        checkpoints = CellFolder(folder).checkpoints
        if not all(path.exists() for path in checkpoints):
            return False  # It finished before the kill.
        for path in checkpoints[:which]:
            if path.exists():
                content = bytearray(path.read_bytes())
                place = campaign.random.randrange(len(content))
                if flip:
                    content[place] ^= 1 << campaign.random.randrange(8)
                else:
                    del content[place:]
                path.write_bytes(bytes(content))
        return True

    return fault


def _clock_jump(campaign: Campaign) -> bool:
    """Set the clock, and with it the times of files, months forth or back."""
    offset = campaign.random.uniform(-1e7, 1e7)
    (campaign.orders / "clock").write_text(str(offset))
    for folder in campaign.folders():
        for name in ("lock", "progress.json"):
            try:
                then = (folder / name).stat().st_mtime + offset
                os.utime(folder / name, (then, then))
            except FileNotFoundError:
                continue
    return bool(campaign.at_work())


def _clean_up(campaign: Campaign) -> bool:
    """Remove temporary files as they come, for a while."""
    removed = 0
    deadline = time.monotonic() + 2
    while time.monotonic() < deadline and not removed:
        for path in (campaign.out / "cells").rglob(TEMPORARY):
            path.unlink(missing_ok=True)
            removed += 1
    return removed > 0


def _remove_a_folder(campaign: Campaign) -> bool:
    ready = [folder for folder, _ in campaign.at_work() if not (folder / "result.json").exists()]
    if not ready:
        return False
    folder = campaign.random.choice(ready)
    shutil.rmtree(folder, ignore_errors=True)
    campaign.finished.pop(folder.name, None)
    return True


def _second_command(campaign: Campaign) -> bool:
    if campaign.second or not campaign.at_work():
        return False
    campaign.second = campaign.start()
    return True


FAULTS: dict[str, Fault] = {
    "SIGKILL of a cell": _kill_a_cell,
    "SIGKILL of the command": _kill_the_command,
    "SIGTERM of a cell": lambda campaign: _kill_a_cell(campaign, signal.SIGTERM),
    "SIGTERM of the command": lambda campaign: _kill_the_command(campaign, signal.SIGTERM),
    "ENOSPC in one write": _order("ENOSPC"),
    "ENOSPC for a while": _order("ENOSPC for a while"),
    "EIO in one write": _order("EIO"),
    "newest checkpoint truncated": _break_checkpoints(1),
    "newest checkpoint with a flipped bit": _break_checkpoints(1, flip=True),
    "both checkpoints truncated": _break_checkpoints(2),
    "clock jump": _clock_jump,
    "temporary files deleted as they come": _clean_up,
    "temporary file deleted before its renaming": _order("cleaner"),
    "write that never returns": _hang,
    "folder of a running cell removed": _remove_a_folder,
    "second command on the same folder": _second_command,
}
