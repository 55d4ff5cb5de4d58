"""One By One. Say here where cells run; this one runs one after the other, each in a Python of its own."""

import subprocess
import time
from collections.abc import Iterable, Iterator, Sequence

from ssl_bench import (
    Executor,
    ExecutorConfig,
    ExecutorSpec,
    Job,
    Outcome,
    Wanted,
    find_devices,
    hookimpl,
    outcome_of,
    start_cell,
)

GRACE = 20.0
"""Seconds that a cell gets to save where it stands, once told to stop."""


class OneByOneSettings(ExecutorConfig):
    """A field `x` becomes the option `--one-by-one-x`."""


class OneByOneExecutor(Executor):
    """The longest job first; a cluster's executor would submit here, and look for the record."""

    def __init__(self, wanted: Wanted, config: OneByOneSettings) -> None:
        super().__init__(wanted, config)
        self.device = find_devices(wanted.devices)[0]
        self.job: Job | None = None

    def running(self) -> Sequence[Job]:
        """The one in flight."""
        return [self.job] if self.job else []

    def run(self, jobs: Sequence[Job]) -> Iterator[Outcome | None]:
        """An Outcome per job as it ends, and None in between; closing stops what runs."""
        for job in sorted(jobs, key=lambda job: -job.weight):
            started = time.monotonic()
            process = start_cell(job.folder, self.device)
            self.job = job
            try:
                while process.poll() is None:
                    yield None
                    time.sleep(0.2)
            finally:
                self.job = None
                end(process)
            yield outcome_of(job, process.returncode, time.monotonic() - started)


def end(process: "subprocess.Popen[bytes]") -> None:
    """Tell a process to save and stop, and kill it where it does not."""
    process.terminate()
    try:
        process.wait(GRACE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@hookimpl
def provide_executors() -> Iterable[ExecutorSpec]:
    """What ssl-bench finds here."""
    return [
        ExecutorSpec(
            name="one-by-one", title="One By One", executor=OneByOneExecutor, config=OneByOneSettings
        )
    ]
