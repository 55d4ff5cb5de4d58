"""A cell that several processes share: the worker starts them and waits, and each takes its part of the rows."""

import multiprocessing
import os
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import torch

from ssl_bench.distributed import join, leave
from ssl_bench.errors import CellError, SslBenchError
from ssl_bench.executor import INTERRUPTED
from ssl_bench.files import read_json
from ssl_bench.launch import Stopped, run_together
from ssl_bench.memory import TakeLess
from ssl_bench.registry import Registry, load_registry
from ssl_bench.worker import Interrupted, run_cell, stop_on_signals, told

AGAIN = 76
"""Exit status of a process that ran out of memory: all are to start anew, with smaller micro-batches."""
SECONDS_TO_BE_FOUND = 2.0
"""For the agent to find a process that was killed, before those that lost their connection to it end too."""


def run_processes(
    folder: Path, devices: Sequence[str], registry: Registry | None, stop: Sequence[int]
) -> None:
    """Run the cell in `folder` in one process per device. Raises Interrupted, and CellError for one that died.

    Ends this process where one of them failed and has said why.
    """
    while not stop:
        try:
            ended = run_together(
                run_process,
                (str(folder), list(devices), registry),
                processes=len(devices),
                name=folder.name,
                fork=devices[0] == "cpu",
            )
        except Stopped:
            break
        if ended is None:
            return
        if ended.status == INTERRUPTED:
            break
        if ended.status == AGAIN:
            (folder / "failure.json").unlink(missing_ok=True)
            continue
        if ended.status < 0 or read_json(folder / "failure.json") is None:
            raise CellError(f"{ended}; there were {len(devices)}, and the others were stopped")
        sys.exit(ended.status)
    raise Interrupted


def run_process(folder: str, devices: Sequence[str], registry: Registry | None) -> None:
    """The body of one process."""
    threading.Thread(target=die_with_parent, daemon=True).start()
    stop = stop_on_signals()
    device = torch.device(devices[int(os.environ["LOCAL_RANK"])])
    with told(Path(folder)):
        try:
            world = join(device)
            run_cell(Path(folder), device, registry or load_registry(), stop, world)
        except TakeLess:
            sys.exit(AGAIN)
        except (Interrupted, SslBenchError):
            raise
        except Exception:
            time.sleep(SECONDS_TO_BE_FOUND)
            if (Path(folder) / "failure.json").exists():
                sys.exit(1)
            raise
        leave()


def die_with_parent() -> None:
    """Wait for the end of the process that started this one, and end then too."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        # Nothing is lost: files are replaced whole, and the next run resumes from the last checkpoint.
        os._exit(1)
