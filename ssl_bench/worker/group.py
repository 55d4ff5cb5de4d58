"""A cell that several processes share: the worker starts them and waits, and each takes its part of the rows."""

import os
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import torch

from ssl_bench.errors import SslBenchError
from ssl_bench.executor import ELSEWHERE, INTERRUPTED, IO_ERROR, NO_SPACE, REMOVED
from ssl_bench.registry.registry import Registry
from ssl_bench.store.folder import CellFolder
from ssl_bench.store.heartbeat import Heartbeat, LockLost
from ssl_bench.worker.attempt import Interrupted, die_with_parent, ending, failed, stop_on_signals
from ssl_bench.worker.launch import Stopped, run_together
from ssl_bench.worker.micro_batches import TakeLess
from ssl_bench.worker.worker import registry_for, run_cell
from ssl_bench.world.world import join, leave

AGAIN = 76
"""Exit status of a process that ran out of memory: all are to start anew, with smaller micro-batches."""
WORDLESS = (ELSEWHERE, REMOVED, NO_SPACE, IO_ERROR)
"""Exit statuses that say enough: there, word may not be left in the folder, or cannot be."""
SECONDS_TO_BE_FOUND = 2.0
"""For the parent to find a process that was killed, before those that lost their connection to it end too."""


def run_processes(
    folder: Path, devices: Sequence[str], registry: Registry, stop: Sequence[int], heartbeat: Heartbeat
) -> None:
    """Run the cell in `folder` in one process per device. Raises Interrupted.

    Ends this process where one of them failed, having said why, or was killed.
    """
    heartbeat.rest()  # From now on theirs are the signs of life.
    fork = devices[0] == "cpu"
    arguments = (folder, devices, registry if fork else None, heartbeat)
    while not stop:
        try:
            ended = run_together(
                run_process, arguments, processes=len(devices), name=folder.name, fork=fork, stop=stop
            )
        except Stopped:
            break
        if ended is None:
            return
        if ended.status == INTERRUPTED:
            break
        if ended.status == AGAIN:
            CellFolder(folder).failure.unlink(missing_ok=True)
            continue
        if ended.status not in WORDLESS and (ended.status < 0 or CellFolder(folder).read_failure() is None):
            message = f"{ended}; there were {len(devices)}, and the others were stopped"
            sys.exit(failed(folder, message, 1, worth_retrying=True))
        sys.exit(ended.status)
    raise Interrupted


def run_process(folder: Path, devices: Sequence[str], registry: Registry | None, parent: Heartbeat) -> None:
    """The body of one process."""
    threading.Thread(target=die_with_parent, daemon=True).start()
    stop = stop_on_signals()
    device = torch.device(devices[int(os.environ["LOCAL_RANK"])])

    def run() -> None:
        world = join(device)
        heartbeat = Heartbeat(folder, parent.lock, parent.hang_seconds, shows=world.leads)
        try:
            run_cell(folder, device, registry or registry_for(folder), stop, heartbeat, world)
        except TakeLess:
            sys.exit(AGAIN)
        except (Interrupted, LockLost, SslBenchError):
            raise
        except Exception:
            time.sleep(SECONDS_TO_BE_FOUND)
            if stop or CellFolder(folder).failure.exists():
                sys.exit(1)  # It follows another one, after whose end the parent tells the others to stop.
            raise
        finally:
            heartbeat.rest()
        leave()

    status = ending(folder, run)
    if status:
        sys.exit(status)
