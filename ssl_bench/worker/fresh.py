"""One cell in a fresh process, for executors that reach other machines. Torch-free on the caller's side."""

import os
import platform
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from pathlib import Path

from ssl_bench.errors import DataError
from ssl_bench.executor import REMOVED
from ssl_bench.machine.files import read_json
from ssl_bench.machine.search_path import SafeEnvironment
from ssl_bench.store.folder import CellFolder

POOLS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def start_cell(folder: Path, device: str, base: Path | None = None) -> "subprocess.Popen[bytes]":
    """Start the cell in `folder` on `cpu` or `cuda:0`. The process ends with the caller's, and saves on SIGTERM.

    `base`: where relative paths of the user's begin, if not here.
    """
    command = [
        sys.executable,
        "-P",
        "-m",
        "ssl_bench.worker.fresh",
        str(folder.absolute()),
        device,
        str(os.getpid()),
    ]
    here = base if base is not None and base.is_dir() else None
    with SafeEnvironment():
        # The cell sets the number of its threads itself; libraries that start more would fight over the cores.
        env = {**os.environ, **dict.fromkeys(POOLS, "1")}
        return subprocess.Popen(command, cwd=here, env=env, stdin=subprocess.DEVNULL)


def needed_paths(folder: Path) -> set[str]:
    """Files and folders of the user that the cell in `folder` reads, as its order names them."""
    order = read_json(CellFolder(folder).order) or {}
    further = order.get("unlabeled")
    named = (order.get("path"), order.get("weights"), *(further if isinstance(further, list) else ()))
    return {path for path in named if path and isinstance(path, str)}


def missing_message(missing: Iterable[str], host: str) -> str:
    """What to tell a user whose data is not on a machine."""
    return (
        f"{', '.join(sorted(missing))} is not there on {host}: data and weights must lie at the same path on every "
        "machine that runs cells, on a shared disk or copied"
    )


def main(folder: Path, device: str, parent: int) -> None:
    """Run a cell in this process, which was started for it."""
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    for number in (signal.SIGUSR1, signal.SIGUSR2):
        # Slurm's warnings go to every process of a job; the caller passes them on as SIGTERM.
        signal.signal(number, signal.SIG_IGN)
    if not folder.is_dir():
        sys.exit(REMOVED)
    missing = [path for path in needed_paths(folder) if not Path(path).exists()]
    if missing:
        CellFolder(folder).fail(missing_message(missing, platform.node()))
        sys.exit(DataError.exit_status)
    from ssl_bench.worker import worker

    worker.work_on(folder, device)


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    # Nothing is lost: files are replaced whole, and the next attempt goes on from the last checkpoint.
    os._exit(1)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
