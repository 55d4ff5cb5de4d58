"""Cells on a Ray cluster, each a task that runs one fresh process.

Where the nodes see the parent's disk, cells work in their folders there. Elsewhere a cell's folder travels to the node
as a `Parcel`, and what changes in it travels back: small files every second, checkpoints as often as costs little. A
cell whose node is lost is started again from what came back. The parent alone writes where results live.
"""

import contextlib
import logging
import os
import platform
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import GetTimeoutError, RayError, RayTaskError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

import ssl_bench
from ssl_bench.cell_process import missing_message, needed_paths, start
from ssl_bench.devices import cores
from ssl_bench.errors import CellError, UsageError
from ssl_bench.executor import ELSEWHERE, INTERRUPTED, Executor, Job, Outcome, Wanted, outcome_of
from ssl_bench.lock import Lock
from ssl_bench_plugins.executors.configs import RayConfig
from ssl_bench_plugins.executors.nodes import Node, gpu_share, total_room
from ssl_bench_plugins.executors.parcel import Packer, Parcel

TICK = 0.2
TELL = 1.0
"""Seconds between two words of a cell to the parent."""
SHARE = 0.05
"""Of a cell's time that may go into sending checkpoints."""
GRACE = 60.0
"""Seconds that cells get to save and to send what they have, when all is stopped."""
ALONE = 120.0
"""Seconds without a node that could take a cell, after which the command gives up."""


class Desk:
    """An actor beside the parent: cells leave parcels there and hear whether to stop; the parent collects."""

    def __init__(self) -> None:
        self.stopping = False
        self.parcels: dict[str, Parcel | None] = {}

    def tell(self, attempt: str, parcel: Parcel | None) -> bool:
        """Whether to stop."""
        earlier = self.parcels.get(attempt)
        self.parcels[attempt] = parcel.after(earlier) if parcel and earlier else parcel or earlier
        return self.stopping

    def collect(self) -> dict[str, Parcel | None]:
        """What came since the last time, by attempt."""
        parcels, self.parcels = self.parcels, {}
        return parcels

    def stop(self) -> None:
        """From now on, cells are told to save and stop."""
        self.stopping = True


@dataclass(frozen=True)
class Errand:
    """A cell as it is sent to a node."""

    attempt: str
    folder: str
    base: str
    """Where relative paths begin."""
    device: str
    content: Parcel | None
    """None: the node works in `folder` itself."""


def run_cell(desk: Any, errand: Errand) -> tuple[int, Parcel | None]:
    """On a node: run the cell in a fresh process; its exit status, and what its folder holds that was not sent yet."""
    if errand.content is None:
        return _attend(desk, errand, Path(errand.folder), None), None
    folder = Path(tempfile.mkdtemp(prefix="ssl-bench-"))
    try:
        errand.content.unpack(folder)
        packer = Packer(folder)
        packer.pack()
        code = _attend(desk, errand, folder, packer)
        return code, packer.pack()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _attend(desk: Any, errand: Errand, folder: Path, packer: Packer | None) -> int:
    """Start the process and pass word between it and the desk until it ends; its exit status."""
    if ray.get(desk.tell.remote(errand.attempt, None)):
        return INTERRUPTED
    process = start(folder, errand.device, Path(errand.base))
    next_large = 0.0
    try:
        while True:
            try:
                return process.wait(TELL)
            except subprocess.TimeoutExpired:
                began = time.monotonic()
                large = began >= next_large
                parcel = packer.pack(large=large) if packer else None
                if ray.get(desk.tell.remote(errand.attempt, parcel)):
                    process.terminate()
                if large:
                    ended = time.monotonic()
                    next_large = ended + (ended - began) / SHARE
    finally:
        if process.poll() is None:  # The parent is gone, and with it who would take the result.
            process.kill()
            process.wait()


def look_around(paths: Sequence[str], base: str, mark: str) -> tuple[list[str], bool, str]:
    """On a node: which of `paths` are missing, whether the parent's disk is seen, and the version of ssl-bench."""
    missing = [path for path in paths if not Path(base, path).exists()]
    return missing, Path(mark).exists(), ssl_bench.__version__


@dataclass
class Flight:
    """A cell under way."""

    job: Job
    attempt: str
    result: Any
    started: float
    lock: Lock | None
    """Of a folder that no node works in itself."""
    begun: bool = False
    """Whether it has been heard of; before that it waits for room in the cluster."""


class RayExecutor(Executor):
    """Longest cells first over the nodes of a cluster."""

    def __init__(self, wanted: Wanted, config: RayConfig) -> None:
        super().__init__(wanted, config)
        connect(config.address)
        try:
            asked = wanted.devices == "cuda" or "gpus" in config.model_fields_set
            self.gpus = gpu_share(wanted, config.gpus, asked=asked, nodes=nodes())
        except UsageError:
            self.close()
            raise
        self.flights: list[Flight] = []
        self.lost: Counter[str] = Counter()
        self.desk: Any = None
        self.shared = False

    def running(self) -> Sequence[Job]:
        """The jobs in flight."""
        return [flight.job for flight in self.flights if flight.begun]

    def close(self) -> None:
        """Leave the cluster; one that was started here ends."""
        ray.shutdown()

    def run(self, jobs: Sequence[Job]) -> Iterator[Outcome | None]:
        """As `Executor.run`. Raises UsageError where a node lacks ssl-bench or the data, before any compute."""
        waiting = deque(sorted(jobs, key=lambda job: -job.weight))
        try:
            self.shared = self._look_around(jobs)
            self.desk = _on(ray.get_runtime_context().get_node_id(), Desk).remote()
            seen = time.monotonic()
            while waiting or self.flights:
                room = total_room(nodes(), self.wanted, self.gpus)
                seen = time.monotonic() if room or self.flights else seen
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
                    time.sleep(TICK)
        finally:
            self._stop()

    def _start(self, job: Job) -> Outcome | None:
        """Send a job off, unless another command has its folder."""
        lock, content = None, None
        if not self.shared:
            lock = Lock(job.folder)
            if lock.take() is not None:
                return outcome_of(job, ELSEWHERE, 0.0)
            content = Packer(job.folder).pack()
        attempt = f"{job.cell} {uuid.uuid4().hex}"
        device = "cuda:0" if self.gpus else "cpu"
        errand = Errand(attempt, str(job.folder.absolute()), str(Path.cwd()), device, content)
        # Retries are ours: Ray's would start from the checkpoint that was sent first.
        task = ray.remote(run_cell).options(
            num_cpus=self.wanted.threads, num_gpus=self.gpus, max_retries=0, name=job.cell
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
                outcome = Outcome(job.cell, "failed", _first_line(error.cause or error), seconds)
            except RayError as error:
                lost = _first_line(error)
                self._receive()
            else:
                if parcel and job.folder.is_dir():
                    parcel.unpack(job.folder)
                outcome = outcome_of(job, code, seconds)
                lost = "told to stop" if code in (INTERRUPTED, -signal.SIGTERM) else ""
            self._land(flight)
            if lost:
                self.lost[job.cell] += 1
                if self.lost[job.cell] <= self.config.retries:
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
            if parcel and flight.job.folder.is_dir():
                parcel.unpack(flight.job.folder)
            if flight.lock and not flight.begun:
                with contextlib.suppress(OSError):
                    os.utime(flight.lock.path)  # A sign of life, for machines that look at the folder.

    def _look_around(self, jobs: Sequence[Job]) -> bool:
        """Whether every node sees the folders of the jobs. UsageError where one cannot run them."""
        paths = sorted(set().union(*(needed_paths(job.folder) for job in jobs)))
        mark = jobs[0].folder.absolute().parent / f".{uuid.uuid4().hex}"
        here = [node for node in nodes() if node.room(self.wanted.threads, self.gpus)]
        seen = []
        mark.touch()
        try:
            looks = [_on(node.id, look_around).remote(paths, str(Path.cwd()), str(mark)) for node in here]
            for node, look in zip(here, looks, strict=True):
                missing, shared, version = _answer(node, look)
                if missing:
                    raise UsageError(missing_message(missing, f"Ray node {node.name}"))
                if version != ssl_bench.__version__:
                    raise UsageError(
                        f"Ray node {node.name} has ssl-bench {version}, {platform.node()} has "
                        f"{ssl_bench.__version__}; install the same everywhere"
                    )
                seen.append(shared)
        finally:
            mark.unlink(missing_ok=True)
        return all(seen)

    def _stop(self) -> None:
        """Tell the cells to save and stop, and take what they send, for as long as `GRACE`."""
        if not self.flights:
            return
        try:
            ray.get(self.desk.stop.remote())
            self._receive()
            for flight in self.flights:
                if not flight.begun:
                    ray.cancel(flight.result)
            deadline = time.monotonic() + GRACE
            while self.flights and time.monotonic() < deadline:
                for _ in self._landed(deque()):
                    pass
                self._receive()
        except RayError:
            pass  # The cluster is gone, and the cells with it.
        finally:
            for flight in list(self.flights):
                self._land(flight)


def connect(address: str) -> None:
    """Join the cluster, or start one for `local`. UsageError where there is none."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # as Ray asks for, in a warning
    own: dict[str, Any] = {"num_cpus": cores(), "include_dashboard": False} if address == "local" else {}
    handler = signal.getsignal(signal.SIGTERM)
    try:
        ray.init(address=address, logging_level=logging.ERROR, log_to_driver=False, **own)
    except (ConnectionError, RuntimeError, ValueError, TimeoutError) as error:
        raise UsageError(
            f"--ray-address {address}: no Ray cluster can be joined there ({_first_line(error)}); start one with "
            "`ray start --head`, or leave the option out"
        ) from error
    finally:
        # Ray takes SIGTERM for itself.
        signal.signal(signal.SIGTERM, handler)


def nodes() -> list[Node]:
    """The machines of the cluster that are alive."""
    alive = (node for node in ray.nodes() if node["Alive"])
    return [
        Node(
            node["NodeManagerHostname"],
            node["Resources"].get("CPU", 0.0),
            node["Resources"].get("GPU", 0.0),
            node["NodeID"],
        )
        for node in alive
    ]


def _on(node: str, what: Any) -> Any:
    strategy = NodeAffinitySchedulingStrategy(node, soft=False)
    return ray.remote(what).options(num_cpus=0, scheduling_strategy=strategy)


def _answer(node: Node, look: Any) -> tuple[list[str], bool, str]:
    try:
        answer: tuple[list[str], bool, str] = ray.get(look, timeout=ALONE)
    except GetTimeoutError as error:
        raise UsageError(f"Ray node {node.name} does not answer; take it out of the cluster") from error
    except RayError as error:
        raise UsageError(
            f"Ray node {node.name} cannot run ssl-bench ({_first_line(error)}); install it on every node"
        ) from error
    return answer


def _first_line(error: BaseException) -> str:
    return f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"
