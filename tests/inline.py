"""Cells in the process of the test: no process is started, and torch is imported once."""

from collections.abc import Iterator, Sequence

import torch

from ssl_bench.errors import SslBenchError
from ssl_bench.executor import Executor, Job, Outcome
from ssl_bench.worker import registry_for, run_cell


class InlineExecutor(Executor):
    """One job after the other."""

    def running(self) -> Sequence[Job]:
        return []

    def run(self, jobs: Sequence[Job]) -> Iterator[Outcome | None]:
        for job in jobs:
            try:
                run_cell(job.folder, torch.device("cpu"), registry_for(job.folder))
                yield Outcome(job.cell, "finished")
            except SslBenchError as error:
                yield Outcome(job.cell, "failed", str(error))
