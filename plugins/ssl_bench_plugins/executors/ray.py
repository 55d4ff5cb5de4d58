"""Cells on a Ray cluster, each a task that runs one fresh process.

Where the nodes see the parent's disk, cells work in their folders there. Elsewhere a cell's folder travels to the node
as a `Parcel`, and what changes in it travels back: small files every second, checkpoints as often as costs little. A
cell whose node is lost is started again from what came back. The parent alone writes where results live.
"""

import contextlib
import os
import signal
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import RayError, RayTaskError

from ssl_bench import (
    ELSEWHERE,
    INTERRUPTED,
    CellError,
    Executor,
    Job,
    Lock,
    UsageError,
    Wanted,
    in_a_line,
    lock_of,
    needed_paths,
)
from ssl_bench_plugins.executors.configs import RayConfig
from ssl_bench_plugins.executors.nodes import Node, gpu_share, place, total_room
from ssl_bench_plugins.executors.parcel import Packer, Parcel
from ssl_bench_plugins.executors.ray_cluster import check_nodes, connect, nodes, on
from ssl_bench_plugins.executors.ray_node import TELL, Desk, Errand, run_cell

RESTARTS = 3
"""How often a cell is started again at once whose node was lost."""

ALONE = 120.0
"""Seconds without a node that could take a cell, after which the command gives up."""


@dataclass
class Flight:
    """A cell under way on the cluster."""

    job: Job
    attempt: str = ""
    result: Any = None
    """What its task on the cluster will give; None where another command has the folder."""
    lock: Lock | None = None
    """Of a folder that no node works in itself."""
    begun: bool = False
    """Whether it has been heard of; before that it waits for room in the cluster."""

    def take_in(self, parcel: Parcel | None) -> bool:
        """Write what came into the folder, where that is still there; False where it is another command's by now."""
        if self.lock and self.job.folder.is_dir():
            if not self.lock.held():
                return False
            if parcel:
                parcel.unpack(self.job.folder)
        return True


@contextlib.contextmanager
def in_plain_words() -> Iterator[None]:
    """What Ray raises meanwhile becomes a CellError, in a line."""
    try:
        yield
    except RayError as error:
        raise CellError(
            f"the Ray cluster fails ({in_a_line(error)}); the same command goes on once it is back"
        ) from error


class RayExecutor(Executor):
    """The nodes of a cluster."""

    several_processes = True
    grace = 60.0

    def __init__(self, wanted: Wanted, config: RayConfig) -> None:
        super().__init__(wanted, config)
        self.gpus: float | None = None
        self.leave: Callable[[], None] = ray.shutdown
        self.flights: list[Flight] = []
        self.lost: Counter[str] = Counter()
        self.desk: Any = None
        self.shared = self.stopping = False
        self.nodes: list[Node] = []
        self.looked = self.seen = 0.0

    def open(self) -> None:
        """Join the cluster, or start one here."""
        self.leave = connect(self.config.address)
        try:
            asked = self.wanted.devices == "cuda" or "gpus" in self.config.model_fields_set
            self.gpus = gpu_share(self.wanted, self.config.gpus, asked=asked, nodes=nodes())
        except UsageError:
            self.leave()
            raise

    def close(self) -> None:
        """Leave the cluster; one that was started here ends."""
        if self.gpus is not None:
            self.leave()
            self.gpus = None

    @in_plain_words()
    def expect(self, jobs: Sequence[Job]) -> None:
        """As `Executor.expect`. Raises UsageError where a node lacks ssl-bench or the data."""
        self.shared = self._look_around(jobs)
        # Ray may kill it where memory runs low. A new one knows nothing, which costs what was on its way.
        forever = {"max_restarts": -1, "max_task_retries": -1}
        self.desk = on(ray.get_runtime_context().get_node_id(), Desk, **forever).remote()
        self.looked, self.seen = 0.0, time.monotonic()

    @in_plain_words()
    def room(self) -> int:
        """As `Executor.room`. Raises CellError where there has long been no node that could take a cell."""
        self._look()
        room = total_room(self.nodes, self.wanted, self.gpus or 0.0)
        if room or any(flight.begun for flight in self.flights):
            self.seen = time.monotonic()
        if time.monotonic() - self.seen > ALONE:
            raise CellError("the Ray cluster has no node left that could take a cell")
        return room

    @in_plain_words()
    def start(self, job: Job) -> Flight:
        """As `Executor.start`."""
        self.flights.append(Flight(job))
        self._send(self.flights[-1])
        return self.flights[-1]

    def at_work(self, handle: Flight) -> bool:
        """As `Executor.at_work`."""
        return handle.begun

    @in_plain_words()
    def poll(self, handle: Flight) -> int | str | None:
        """As `Executor.poll`. A cell whose node was lost is sent again."""
        try:
            self._look()
            if handle.result is None:
                code: int | str | None = ELSEWHERE
            elif ray.wait([handle.result], timeout=0)[0]:
                code = self._landed(handle)
            else:
                code = None
        except RayError:
            if not self.stopping:
                raise
            code = INTERRUPTED  # The cluster is gone, and the cells with it.
        if code is not None:
            self._land(handle)
            self.flights.remove(handle)
        return code

    def stop(self, handles: Sequence[Flight], *, at_once: bool = False) -> None:
        """As `Executor.stop`; what cells then send is taken until `grace` is over."""
        self.stopping = True
        if at_once or self.desk is None:  # Before any cell was told of, nobody listens.
            for flight in handles:
                self._land(flight)
            return
        with contextlib.suppress(RayError):
            self._receive()
            for flight in handles:
                if not flight.begun and flight.result is not None:
                    ray.cancel(flight.result)
            self.looked = 0.0
            self._look()

    def _send(self, flight: Flight) -> None:
        """Send a job off, unless another command has its folder."""
        job, content, flight.result = flight.job, None, None
        if not self.shared:
            flight.lock = lock_of(job.folder)
            if flight.lock.take() is not None:
                flight.lock = None
                return
            content = Packer(job.folder).pack()
        flight.attempt, flight.begun = f"{job.cell} {uuid.uuid4().hex}", False
        device = place(self.wanted, gpu=bool(self.gpus))
        errand = Errand(flight.attempt, str(job.folder.absolute()), str(Path.cwd()), device, content)
        # Retries are ours: Ray's would start from the checkpoint that was sent first.
        task = ray.remote(run_cell).options(
            num_cpus=self.wanted.cores, num_gpus=self.gpus or 0.0, max_retries=0, name=job.cell
        )
        flight.result = task.remote(self.desk, errand)

    def _landed(self, flight: Flight) -> int | str | None:
        """What became of a flight that has ended; None where its node was lost and it is under way again."""
        lost = ""
        try:
            code, parcel = ray.get(flight.result)
        except RayTaskError as error:
            return in_a_line(error.cause or error)
        except RayError as error:
            code, lost = INTERRUPTED, in_a_line(error)
            self._receive()
        else:
            if not flight.take_in(parcel):
                return ELSEWHERE
            lost = "told to stop" if code in (INTERRUPTED, -signal.SIGTERM) else ""
        if self.stopping or not lost:
            return int(code)
        self._land(flight)
        cell = flight.job.cell
        self.lost[cell] += 1
        if self.lost[cell] > RESTARTS:
            return f"its node was lost {self.lost[cell]} times, the last time: {lost}"
        self._send(flight)
        return ELSEWHERE if flight.result is None else None

    @staticmethod
    def _land(flight: Flight) -> None:
        if flight.lock:
            flight.lock.release()

    def _look(self) -> None:
        """Now and then, see which nodes there are and what cells sent, and while all is stopped, tell them so."""
        if time.monotonic() - self.looked < TELL:
            return
        self.nodes = nodes()
        self._receive()
        if self.stopping:
            ray.get(self.desk.stop.remote())
        self.looked = time.monotonic()

    def _receive(self) -> None:
        """Hear what cells said, and write what they sent into their folders."""
        parcels = ray.get(self.desk.collect.remote())
        for flight in self.flights:
            parcel = parcels.get(flight.attempt)
            flight.begun = flight.begun or flight.attempt in parcels
            flight.take_in(parcel)
            if flight.lock and not flight.begun:
                with contextlib.suppress(OSError):
                    os.utime(flight.lock.path)  # A sign of life, for machines that look at the folder.

    def _look_around(self, jobs: Sequence[Job]) -> bool:
        """Whether every node sees the folders of the jobs. UsageError where one cannot run them."""
        paths = sorted(set().union(*(needed_paths(job.folder) for job in jobs)))
        here = [node for node in nodes() if node.room(self.wanted.cores, self.gpus or 0.0)]
        mark = jobs[0].folder.absolute().parent / f".{uuid.uuid4().hex}"
        mark.touch()
        try:
            return check_nodes(here, paths, mark)
        finally:
            mark.unlink(missing_ok=True)
