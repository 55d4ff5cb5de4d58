"""Several processes for one cell: torchrun's agent starts them, watches them, and ends them together."""

import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, NoReturn

from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

LOOPBACK = "127.0.0.1"

GRACE = 30.0
"""Seconds that processes get to end once they are told to."""


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
    body: Callable[..., None],
    arguments: tuple[Any, ...],
    *,
    processes: int,
    name: str,
    fork: bool,
    stop: Sequence[int] = (),
) -> Ended | None:
    """Run `body(*arguments)` in several processes on this machine, each with torchrun's environment variables.

    `fork`: start them as copies of this process, which saves them its imports; not where they use CUDA. Raises Stopped
    where this process gets SIGTERM, however often, or got it before, as `stop` says; it hands it on, and waits for the
    others to end.
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
    # The agent's own handlers begin a second late, and a signal that comes while it ends the processes breaks that off.
    config.signals_to_handle = "SIGHUP,SIGQUIT"
    signal.signal(signal.SIGTERM, _tell)
    try:
        if stop:
            raise Stopped
        elastic_launch(config, body)(*arguments)
    except ChildFailedError as error:
        rank, failure = error.get_first_failure()
        return Ended(rank, failure.exitcode)
    except SignalException as told:
        raise Stopped(str(told)) from None
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        _end_all()
    return None


def _tell(number: int, frame: object) -> NoReturn:
    signal.signal(number, signal.SIG_IGN)
    raise SignalException(f"told by signal {number}", signal.Signals(number))


def _end_all() -> None:
    """End what the agent had started and did not know of yet when it was told to stop."""
    left = multiprocessing.active_children()
    for process in left:
        process.terminate()
    deadline = time.monotonic() + GRACE
    for process in left:
        process.join(max(0.0, deadline - time.monotonic()))
        if process.exitcode is None:
            process.kill()
            process.join()
