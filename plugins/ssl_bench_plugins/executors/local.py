"""Cells on this machine, each in a process forked from a server that has torch already imported."""

import multiprocessing
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing import connection
from multiprocessing.process import BaseProcess
from pathlib import Path

from ssl_bench import (
    CellError,
    Executor,
    ExecutorConfig,
    Job,
    Wanted,
    find_devices,
    group_devices,
    start_fork_server,
)
from ssl_bench_plugins.executors.slots import slots_of

COMPILER = ("torch._dynamo", "torch._inductor.config")
"""What the first optimiser of a process imports, for seconds."""


@dataclass
class Running:
    """A job in flight, with its process and device."""

    job: Job
    process: BaseProcess
    device: str


class LocalExecutor(Executor):
    """The slots of this machine.

    Importing torch, timm and smp costs up to 10 s a process; the fork server pays it once, before it has
    touched a device, so a forked cell starts in well under a second.
    """

    several_processes = True

    def __init__(self, wanted: Wanted, config: ExecutorConfig) -> None:
        super().__init__(wanted, config)
        self.devices = group_devices(find_devices(wanted.devices), wanted.processes)
        self.running: list[Running] = []
        self.context = multiprocessing.get_context("forkserver")

    def open(self) -> None:
        """Start the server, which imports while the command still checks data."""
        # On a GPU the server must not ask for devices, as the compiler does when it is imported.
        compiler = () if any(device != "cpu" for device in self.devices) else COMPILER
        start_fork_server([*self.wanted.preload, *compiler])
        self.slots = slots_of(self.devices, self.wanted)

    def room(self) -> int:
        """As `Executor.room`."""
        return self.slots.at_once

    def start(self, job: Job) -> Running | None:
        """As `Executor.start`."""
        device = self.slots.take(job)
        if device is None:
            return None
        process = self.context.Process(target=work, args=(str(job.folder), device), daemon=False)
        path = sys.path
        # A process gets this one's path. In a notebook its empty entry, the working folder, comes first.
        sys.path = [entry for entry in path if entry]
        try:
            process.start()
        except (EOFError, ConnectionError) as error:
            raise CellError(
                "the server that cells are forked from ended at its start; "
                f"`{sys.executable} -c 'import ssl_bench.worker.worker'` may say why"
            ) from error
        finally:
            sys.path = path
        self.running.append(Running(job, process, device))
        return self.running[-1]

    def poll(self, handle: Running) -> int | None:
        """As `Executor.poll`."""
        code = handle.process.exitcode
        if code is not None:
            self.running.remove(handle)
            self.slots.give_back(handle.job, handle.device)
        return code

    def stop(self, handles: Sequence[Running], *, at_once: bool = False) -> None:
        """As `Executor.stop`."""
        for one in handles:
            if at_once:
                one.process.kill()
                one.process.join()
            else:
                one.process.terminate()

    def wait(self, seconds: float) -> None:
        """As `Executor.wait`, and no longer than until a process ends."""
        connection.wait([one.process.sentinel for one in self.running], seconds)


def work(folder: str, device: str) -> None:
    """In the forked process: run the cell, and die with the parent."""
    from ssl_bench import die_with_parent, work_on

    threading.Thread(target=die_with_parent, daemon=True).start()
    work_on(Path(folder), device)
