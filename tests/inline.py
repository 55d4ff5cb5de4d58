"""Cells in the process of the test: no process is started, and torch is imported once."""

from collections.abc import Iterator, Sequence
from typing import Any

import torch

from ssl_bench.errors import SslBenchError
from ssl_bench.executor import Executor, Job, Outcome, Wanted
from ssl_bench.machine.devices import find_devices
from ssl_bench.worker.worker import registry_for, run_cell


class InlineExecutor(Executor):
    """One job after the other, on the CPU."""

    def __init__(self, wanted: Wanted, config: Any) -> None:
        super().__init__(wanted, config)
        find_devices(wanted.devices)

    def running(self) -> Sequence[Job]:
        return []

    def run(self, jobs: Sequence[Job]) -> Iterator[Outcome | None]:
        for job in jobs:
            try:
                run_cell(job.folder, torch.device("cpu"), registry_for(job.folder))
                yield Outcome(job.cell, "finished")
            except SslBenchError as error:
                yield Outcome(job.cell, "failed", str(error))
