"""Cells in the process of the test: no process is started, and torch is imported once."""

from collections.abc import Sequence
from typing import Any

import torch

from ssl_bench.errors import SslBenchError
from ssl_bench.executor import Executor, Job, Wanted
from ssl_bench.machine.devices import find_devices
from ssl_bench.worker.worker import registry_for, run_cell


class InlineExecutor(Executor):
    """One job after the other, on the CPU."""

    def __init__(self, wanted: Wanted, config: Any) -> None:
        super().__init__(wanted, config)
        find_devices(wanted.devices)

    def room(self) -> int:
        return 1

    def start(self, job: Job) -> int | str:
        try:
            run_cell(job.folder, torch.device("cpu"), registry_for(job.folder))
        except SslBenchError as error:
            return str(error)
        return 0

    def poll(self, handle: int | str) -> int | str:
        return handle

    def stop(self, handles: Sequence[int | str], *, at_once: bool = False) -> None: ...
