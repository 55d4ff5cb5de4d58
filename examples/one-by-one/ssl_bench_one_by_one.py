"""One By One. Say here where cells run; this one runs one after the other, each in a Python of its own."""

import subprocess
from collections.abc import Iterable, Sequence

from ssl_bench import Executor, ExecutorConfig, ExecutorSpec, Job, find_devices, hookimpl, start_cell


class OneByOneSettings(ExecutorConfig):
    """A field `x` becomes the option `--one-by-one-x`, and is `self.config.x`."""


class OneByOneExecutor(Executor):
    """One process at a time; a cluster's executor would submit here, and look for the record."""

    def open(self) -> None:
        """As `Executor.open`."""
        self.device = find_devices(self.wanted.devices)[0]

    def room(self) -> int:
        """As `Executor.room`."""
        return 1

    def start(self, job: Job) -> "subprocess.Popen[bytes]":
        """As `Executor.start`."""
        return start_cell(job.folder, self.device)

    def poll(self, handle: "subprocess.Popen[bytes]") -> int | None:
        """As `Executor.poll`."""
        return handle.poll()

    def stop(self, handles: Sequence["subprocess.Popen[bytes]"], *, at_once: bool = False) -> None:
        """As `Executor.stop`."""
        for process in handles:
            process.kill() if at_once else process.terminate()


@hookimpl
def provide_executors() -> Iterable[ExecutorSpec]:
    """What ssl-bench finds here."""
    return [
        ExecutorSpec(
            name="one-by-one", title="One By One", executor=OneByOneExecutor, config=OneByOneSettings
        )
    ]
