"""Several processes for one cell: torchrun's agent starts them, watches them, and ends them together."""

import os
import signal
from collections.abc import Callable
from typing import Any, NamedTuple

from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

LOOPBACK = "127.0.0.1"


class Stopped(Exception):
    """The agent was told to stop, and so were the processes, which have ended."""


class Ended(NamedTuple):
    """The process that ended first, where they did not all succeed; the others were ended after it."""

    rank: int
    status: int
    """Exit status; negative: the signal that killed it."""

    def __str__(self) -> str:
        if self.status < 0:
            return f"process {self.rank} was killed by {signal.Signals(-self.status).name}"
        return f"process {self.rank} ended with status {self.status}"


def run_together(
    body: Callable[..., None], arguments: tuple[Any, ...], *, processes: int, name: str, fork: bool
) -> Ended | None:
    """Run `body(*arguments)` in several processes on this machine, each with torchrun's environment variables.

    `fork`: start them as copies of this process, which saves them its imports; not where they use CUDA. Raises Stopped
    where this process gets SIGTERM, which it hands on; it waits for the others to end.
    """
    # Ctrl-C goes to all processes of a terminal's group, and it is the parent's to handle.
    if os.getpgrp() != os.getpid():
        os.setpgid(0, 0)
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=processes,
        run_id=f"{name}-{os.getpid()}",
        rdzv_backend="c10d",
        rdzv_endpoint=f"{LOOPBACK}:0",
        local_addr=LOOPBACK,
        # What is worth another try is not the agent's to know.
        max_restarts=0,
        monitor_interval=0.1,
        start_method="fork" if fork else "spawn",
        logs_specs=DefaultLogsSpecs(log_dir=os.devnull),
    )
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        elastic_launch(config, body)(*arguments)
    except ChildFailedError as error:
        rank, failure = error.get_first_failure()
        return Ended(rank, failure.exitcode)
    except SignalException as told:
        raise Stopped(str(told)) from None
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    return None
