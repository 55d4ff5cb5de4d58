"""Several processes for one cell, as torchrun would start them: watched, and ended together.

Torchrun's own agent raises an exception in a signal's handler, and Python drops those that come at certain moments,
while it forks among them: now and then, a cell would not hear that it was told to stop.
"""

import multiprocessing
import os
import signal
import socket
import time
from collections.abc import Callable, Sequence
from multiprocessing import resource_tracker
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from typing import Any, NamedTuple

from torch.distributed import TCPStore

from ssl_bench.machine.signals import hold_signals

LOOPBACK = "127.0.0.1"

INTERVAL = 0.1
"""Seconds between two looks at whether to stop."""

GRACE = 30.0
"""Seconds that processes get to end once they are told to."""


class Stopped(Exception):
    """This process was told to stop, and told the others, which have ended."""


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

    `body` calls `stop_on_signals`; until then, SIGTERM waits. `fork`: start them as copies of this process, which saves
    them its imports; not where they use CUDA. `stop` fills when this process is told to stop: it hands that on, waits
    for the others to end, and raises Stopped.
    """
    if stop:
        raise Stopped
    # Ctrl-C goes to all processes of a terminal's group, and it is the parent's to handle.
    if os.getpgrp() != os.getpid():
        os.setpgid(0, 0)
    store = meeting_place()
    meeting = {
        "MASTER_ADDR": LOOPBACK,
        "MASTER_PORT": str(store.port),
        "WORLD_SIZE": str(processes),
        "TORCHELASTIC_USE_AGENT_STORE": "True",  # They meet at the store of this process.
        "TORCHELASTIC_RESTART_COUNT": "0",  # Older torch asks for it then.
    }
    context: Any = multiprocessing.get_context("fork" if fork else "spawn")
    if not fork:
        resource_tracker.ensure_running()  # Else with the first process, and then signals wait no longer.
    started = []
    try:
        for rank in range(processes):
            environment = {**meeting, "RANK": str(rank), "LOCAL_RANK": str(rank)}
            process = context.Process(
                target=_begin, args=(environment, body, arguments), name=f"{name}-{rank}"
            )
            with hold_signals(signal.SIGTERM):  # Python drops one that a copy gets as it begins.
                process.start()
            started.append(process)
        return _first_failed(started, stop)
    finally:
        _end(started)


def meeting_place() -> TCPStore:
    """The store at which the processes meet, which no other machine can reach: anybody who does may write to it.

    Torch's own socket listens on every interface, whatever host it is given.
    """
    with socket.create_server((LOOPBACK, 0)) as listening:
        # The store closes the descriptor that it is given.
        return TCPStore(
            LOOPBACK,
            listening.getsockname()[1],
            is_master=True,
            wait_for_workers=False,
            master_listen_fd=os.dup(listening.fileno()),
        )


def _begin(environment: dict[str, str], body: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    os.environ.update(environment)
    body(*arguments)


def _first_failed(started: Sequence[BaseProcess], stop: Sequence[int]) -> Ended | None:
    """Wait until all have succeeded or one has not."""
    left = list(started)
    while left:
        if stop:
            raise Stopped
        wait([process.sentinel for process in left], INTERVAL)
        for rank, process in enumerate(started):
            if process.exitcode:
                return Ended(rank, process.exitcode)
        left = [process for process in left if process.exitcode is None]
    return None


def _end(started: Sequence[BaseProcess]) -> None:
    for process in started:
        process.terminate()
    deadline = time.monotonic() + GRACE
    for process in started:
        process.join(max(0.0, deadline - time.monotonic()))
        process.kill()
        process.join()
