"""What one job of a Slurm array does on its node: run a cell, which saves and is queued anew when the node is taken."""

import os
import signal
import subprocess
import time
from pathlib import Path

from ssl_bench import ELSEWHERE, INTERRUPTED, CellFolder, Job, outcome_of, start_cell

WARNINGS = (signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)
"""What Slurm sends before it takes a node away, and, as submitit asks for, before the time is up."""

TICK = 0.2


def run_cell(cell: str, folder: str, device: str, stop: str) -> int:
    """Run the cell in a process of its own; its exit status.

    `stop`: a file; once it is there, the command has been stopped, and nothing is queued anew.
    """
    warned: list[int] = []
    # In place of submitit's handlers, which would queue the job anew before the cell has saved.
    for number in WARNINGS:
        signal.signal(number, lambda number, frame: warned.append(number))
    files = CellFolder(Path(folder))
    process = start_cell(files.path, device)
    told = False
    while (code := process.poll()) is None:
        if warned and not told:
            process.terminate()
            told = True
        time.sleep(TICK)
    if code in (INTERRUPTED, -signal.SIGTERM):
        job = os.environ["SLURM_JOB_ID"]
        if not Path(stop).exists() and may_go_on(shown(job)):
            subprocess.run(["scontrol", "requeue", job], check=True)
            time.sleep(60)  # until Slurm ends this run
    elif code not in (0, ELSEWHERE) and not files.failure.exists() and files.path.is_dir():
        # The exit status is not seen by the command, and so what there is to say is said here.
        message = outcome_of(Job(cell, files.path), code, 0.0).message
        files.fail(message, worth_retrying=True)
    return code


def shown(job: str) -> str:
    """What Slurm says of a job; empty where it cannot be asked."""
    command = ["scontrol", "show", "job", job]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def may_go_on(state: str) -> bool:
    """Whether a job that was told to end was neither cancelled nor queued anew by Slurm itself."""
    return "JobState=RUNNING" in state
