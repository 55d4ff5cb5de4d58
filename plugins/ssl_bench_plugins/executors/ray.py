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
from collections import Counter, deque
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
    Outcome,
    UsageError,
    Wanted,
    in_a_line,
    lock_of,
    needed_paths,
    outcome_of,
)
from ssl_bench_plugins.executors.configs import RayConfig
from ssl_bench_plugins.executors.nodes import gpu_share, place, total_room
from ssl_bench_plugins.executors.parcel import Packer, Parcel
from ssl_bench_plugins.executors.ray_cluster import check_nodes, connect, nodes, on
from ssl_bench_plugins.executors.ray_node import TELL, Desk, Errand, run_cell

TICK = 0.2

GRACE = 60.0
"""Seconds that cells get to save and to send what they have, when all is stopped."""

RESTARTS = 3
"""How often a cell is started again at once whose node was lost."""

ALONE = 120.0
"""Seconds without a node that could take a cell, after which the command gives up."""


@dataclass
class Flight:
    """A cell under way on the cluster."""

    job: Job
    attempt: str
    result: Any
    started: float
    lock: Lock | None
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


class RayExecutor(Executor):
    """Longest cells first over the nodes of a cluster."""

    several_processes = True

    def __init__(self, wanted: Wanted, config: RayConfig) -> None:
        super().__init__(wanted, config)
        self.gpus: float | None = None
        self.leave: Callable[[], None] = ray.shutdown
        self.flights: list[Flight] = []
        self.lost: Counter[str] = Counter()
        self.desk: Any = None
        self.shared = False

    def running(self) -> Sequence[Job]:
        """The jobs that nodes are at work on."""
        return [flight.job for flight in self.flights if flight.begun]

    def open(self) -> None:
        """Join the cluster, or start one here."""
        if self.gpus is not None:
            return
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

    def run(self, jobs: Sequence[Job]) -> Iterator[Outcome | None]:
        """As `Executor.run`. Raises UsageError where a node lacks ssl-bench or the data, before any compute."""
        if not jobs:
            return
        self.open()
        assert self.gpus is not None
        waiting = deque(sorted(jobs, key=lambda job: -job.weight))
        try:
            self.shared = self._look_around(jobs)
            # Ray may kill it where memory runs low. A new one knows nothing, which costs what was on its way.
            forever = {"max_restarts": -1, "max_task_retries": -1}
            self.desk = on(ray.get_runtime_context().get_node_id(), Desk, **forever).remote()
            seen = time.monotonic()
            while waiting or self.flights:
                room = total_room(nodes(), self.wanted, self.gpus)
                seen = time.monotonic() if room or self.running() else seen
                if time.monotonic() - seen > ALONE:
                    raise CellError("the Ray cluster has no node left that could take a cell")
                while waiting and len(self.flights) < room:
                    outcome = self._start(waiting.popleft())
                    if outcome is not None:
                        yield outcome
                deadline = time.monotonic() + TELL
                while time.monotonic() < deadline and self.flights:
                    yield from self._landed(waiting)
                    yield None
                self._receive()
                if not self.flights:
                    yield None
                    time.sleep(TICK)
        except RayError as error:
            why = in_a_line(error)
            raise CellError(
                f"the Ray cluster fails ({why}); the same command goes on once it is back"
            ) from error
        finally:
            self._stop()

    def _start(self, job: Job) -> Outcome | None:
        """Send a job off, unless another command has its folder."""
        lock, content = None, None
        if not self.shared:
            lock = lock_of(job.folder)
            if lock.take() is not None:
                return outcome_of(job, ELSEWHERE, 0.0)
            content = Packer(job.folder).pack()
        attempt = f"{job.cell} {uuid.uuid4().hex}"
        device = place(self.wanted, gpu=bool(self.gpus))
        errand = Errand(attempt, str(job.folder.absolute()), str(Path.cwd()), device, content)
        # Retries are ours: Ray's would start from the checkpoint that was sent first.
        task = ray.remote(run_cell).options(
            num_cpus=self.wanted.cores, num_gpus=self.gpus or 0.0, max_retries=0, name=job.cell
        )
        self.flights.append(Flight(job, attempt, task.remote(self.desk, errand), time.monotonic(), lock))
        return None

    def _landed(self, waiting: "deque[Job]") -> Iterator[Outcome]:
        """Outcomes of the flights that have ended; those whose node was lost go back into the queue."""
        ready, _ = ray.wait([flight.result for flight in self.flights], timeout=TICK)
        for flight in [flight for flight in self.flights if flight.result in ready]:
            job, seconds = flight.job, time.monotonic() - flight.started
            lost = ""
            try:
                code, parcel = ray.get(flight.result)
            except RayTaskError as error:
                outcome = Outcome(job.cell, "failed", in_a_line(error.cause or error), seconds)
            except RayError as error:
                lost = in_a_line(error)
                self._receive()
            else:
                code = code if flight.take_in(parcel) else ELSEWHERE
                outcome = outcome_of(job, code, seconds)
                lost = "told to stop" if code in (INTERRUPTED, -signal.SIGTERM) else ""
            self._land(flight)
            if lost:
                self.lost[job.cell] += 1
                if self.lost[job.cell] <= RESTARTS:
                    waiting.appendleft(job)
                    continue
                why = f"its node was lost {self.lost[job.cell]} times, the last time: {lost}"
                outcome = Outcome(job.cell, "failed", why, seconds)
            yield outcome

    def _land(self, flight: Flight) -> None:
        self.flights.remove(flight)
        if flight.lock:
            flight.lock.release()

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

    def _stop(self) -> None:
        """Tell the cells to save and stop, and take what they send, for as long as `GRACE`."""
        if not self.flights:
            return
        try:
            self._receive()
            for flight in self.flights:
                if not flight.begun:
                    ray.cancel(flight.result)
            deadline = time.monotonic() + GRACE
            while self.flights and time.monotonic() < deadline:
                ray.get(self.desk.stop.remote())
                for _ in self._landed(deque()):
                    pass
                self._receive()
        except RayError:
            pass  # The cluster is gone, and the cells with it.
        finally:
            for flight in list(self.flights):
                self._land(flight)
