"""Faults at random moments of `ssl-bench run`, until every record is there; those are compared in the end.

Four tiny cells on two slots, in as many runs as it takes. The faults come from outside (signals, limits, files that
are damaged, moved or removed) or from file functions and clocks that fail (`benchmarks/survival/`); the engine knows
nothing of them.
"""

import argparse
import json
import random
import re
import shutil
import tempfile
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

from benchmarks.measure import table
from benchmarks.survival.campaign import PATIENCE, Campaign
from benchmarks.survival.command import FORK, make_data
from benchmarks.survival.kinds import FAULTS
from ssl_bench.machine.files import TEMPORARY
from ssl_bench.store.record import Record
from ssl_bench.store.results import same

TITLE = "Faults"
COUNT, SEED = 300, 0
LANES = 4
"""Runs at a time: what passes between two faults is mostly waiting."""
GRACE = 10.0
"""Seconds that a process may take to end behind its command."""

FINDINGS = (
    "different from undisturbed ones",
    "missing",
    "finished cells lost on the way",
    "locks left",
    "temporary files left",
    "processes left",
    "tracebacks",
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """The command's own options."""
    parser.add_argument("--count", type=int, default=COUNT, help=f"of faults  [{COUNT}]")
    parser.add_argument("--seed", type=int, default=SEED, help=f"of all that is drawn  [{SEED}]")


def how(options: argparse.Namespace) -> str:
    """The conditions, for the head of the table."""
    return "Counts, no times."


def run(options: argparse.Namespace) -> str:
    """A table of faults by kind and outcome, and what was found when all was done."""
    return disturb(options.count, options.seed)


def disturb(count: int, seed: int) -> str:
    """So many faults, drawn by a seed."""
    lanes = min(LANES, 1 + count // 25)
    generator = random.Random(str(seed))
    # Each kind is as frequent as the others, in an order that is drawn.
    kinds: list[str] = []
    while len(kinds) < count:
        kinds += generator.sample(list(FAULTS), len(FAULTS))
    del kinds[count:]
    outcomes: dict[str, Counter[str]] = {name: Counter() for name in FAULTS}
    totals: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as name, ProcessPoolExecutor(lanes, mp_context=FORK) as pool:
        root = Path(name)
        make_data(root / "data")
        reference = _undisturbed(root)
        works = [
            pool.submit(_lane, root, reference, kinds[lane::lanes], f"{seed} {lane}") for lane in range(lanes)
        ]
        for work in as_completed(works):  # What goes wrong in one is told at once.
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
    there = sum(bool(each["injected"]) for each in outcomes.values())
    return (
        f"{table(head, rows)}\n{injected} faults of {there} kinds (seed {seed}) in {totals['runs']} runs of "
        f"{len(reference)} cells, {lanes} runs at a time. Of {totals['records compared']} records: {facts}.\n"
    )


def _lane(
    root: Path, reference: dict[str, bytes], kinds: list[str], seed: str
) -> tuple[dict[str, Counter[str]], Counter[str]]:
    """One run after the other until all of these faults were there: outcomes by kind, and findings."""
    generator = random.Random(seed)
    outcomes: dict[str, Counter[str]] = {name: Counter() for name in FAULTS}
    totals: Counter[str] = Counter()
    while kinds:
        campaign = Campaign(root / f"run {seed} {totals['runs']}", root / "data", generator)
        _disturb(campaign, outcomes, kinds, generator.randint(3, 12))
        totals += _findings(campaign, reference)
        shutil.rmtree(campaign.root)
        print(f"lane {seed}: {dict(totals)}, {len(kinds)} faults to go", flush=True)
    return outcomes, totals


def _undisturbed(root: Path) -> dict[str, bytes]:
    campaign = Campaign(root / "undisturbed", root / "data", random.Random())
    command = campaign.start()
    command.join(PATIENCE)
    assert command.exitcode == 0, campaign.said.read_text()
    campaign.look()
    return campaign.finished


def _disturb(campaign: Campaign, outcomes: dict[str, Counter[str]], kinds: list[str], most: int) -> None:
    """Let so many faults happen while commands run, the next of `kinds` that can, then let the last one finish."""
    left = min(most, len(kinds))
    for _ in range(40 * most):
        if campaign.command is None:
            campaign.command = campaign.start()
        time.sleep(campaign.random.uniform(0, 1.0))
        if left and campaign.runs:
            kind = kinds.pop(0)
            if FAULTS[kind](campaign):
                outcomes[kind]["injected"] += 1
                if campaign.last:
                    outcomes[campaign.last]["went on"] += 1
                campaign.last = kind
                left -= 1
            else:  # There was nothing to damage: another one now, and this one later.
                kinds.append(kind)
        if not left:
            campaign.join(campaign.command)
        if campaign.command.exitcode is not None and _ended(campaign, outcomes) == 0:
            return
        campaign.look()
    raise AssertionError(f"no end: {campaign.said.read_text()}")


def _ended(campaign: Campaign, outcomes: dict[str, Counter[str]]) -> int:
    """Book the end of the command; its exit status, once nothing of it runs any more."""
    assert campaign.command is not None
    status = campaign.command.exitcode or 0
    if campaign.second:
        campaign.join(campaign.second)
    if campaign.last:
        outcomes[campaign.last]["again" if status else "went on"] += 1
    campaign.mend()
    campaign.command, campaign.second, campaign.last = None, None, None
    return status


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
    deadline = time.monotonic() + GRACE
    while campaign.processes() and time.monotonic() < deadline:
        time.sleep(0.1)
    found["processes left"] = len(campaign.processes())
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
