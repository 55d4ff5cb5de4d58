"""The price of a cell from a few of its steps, taken in a process of its own."""

import contextlib
import queue
import signal
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ssl_bench.errors import SslBenchError, in_a_line
from ssl_bench.forecast.prices import Price
from ssl_bench.machine.devices import hide_gpus
from ssl_bench.machine.files import write_json
from ssl_bench.machine.fork_server import start_fork_server
from ssl_bench.plan.order import Order
from ssl_bench.store.folder import CellFolder

if TYPE_CHECKING:
    from ssl_bench.worker.cell_run import CellRun

WARM_UP, STEPS, SECONDS = 2, 20, 3.0
"""Steps before the clock starts; steps that are timed, at least 3 of them and no more than fit the seconds."""
IMAGES, IMAGES_ON_GPU = 4, 33
"""Images that are scored for the price of an evaluation, the first of them to warm up; a GPU takes several at once."""


@dataclass(frozen=True)
class Timed:
    """A shape's price, or why it has none."""

    price: Price
    device: str = ""
    fault: str = ""


def time_shapes(
    shapes: Mapping[str, Order],
    devices: Sequence[str],
    slots: int,
    preload: Sequence[str],
    report: Callable[[int], None] = lambda done: None,
) -> dict[str, Timed]:
    """Shape to what a cell of it takes, as many at a time as cells will run, since they slow each other down."""
    context = start_fork_server(preload)
    slots = min(slots, len(shapes))
    free: queue.Queue[str] = queue.Queue()
    for slot in range(slots):
        free.put(devices[slot % len(devices)])

    def one(order: Order) -> Timed:
        device = free.get()
        try:
            # A pool for each: its memory is then that of no other shape, and a crash takes nothing else along.
            with ProcessPoolExecutor(1, context, signal.signal, (signal.SIGINT, signal.SIG_DFL)) as pool:
                return pool.submit(_time_alone, order.to_json(), device).result()
        except BrokenProcessPool:
            return Timed(Price(), fault="the process was killed; perhaps it needs more memory than there is")
        finally:
            free.put(device)
            report(1)

    with ThreadPoolExecutor(max(1, slots)) as threads:
        return dict(zip(shapes, threads.map(one, shapes.values()), strict=True))


def _time_alone(content: Mapping[str, Any], device: str) -> Timed:
    """As `time_cell`. As it started, Ctrl-C ended it without a word; from here on it leaves nothing behind."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if device == "cpu":
        hide_gpus()
    return time_cell(content, device)


def time_cell(content: Mapping[str, Any], device: str) -> Timed:
    """Build the cell of a `cell.json`, take a few steps, score a few images, and extrapolate."""
    import torch

    from ssl_bench.store.heartbeat import Heartbeat
    from ssl_bench.worker.build import prepare_torch
    from ssl_bench.worker.cell_run import CellRun
    from ssl_bench.worker.worker import registry_for

    order = Order.from_json(content)
    if order.cell.execution.processes > 1:
        return Timed(Price(), fault="cells in several processes are not timed")
    started = time.perf_counter()
    try:
        prepare_torch(order.cell.threads, torch.device(device))
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            write_json(CellFolder(folder).order, content)
            registry, heartbeat = registry_for(folder), Heartbeat(folder)
            run = CellRun(order, folder, torch.device(device), registry, (), heartbeat)
            with contextlib.closing(run):
                return Stopwatch(run, started).extrapolate()
    except SslBenchError as error:
        return Timed(Price(), fault=str(error))
    except (torch.OutOfMemoryError, MemoryError):
        return Timed(Price(), fault="it needs more memory than there is")
    except Exception as error:
        # What a method of somebody's own raises leaves the others their prices.
        return Timed(Price(), fault=f"{in_a_line(error)}; `ssl-bench run` leaves the traceback in its log")


class Stopwatch:
    """Times the parts of a cell that has been built and has taken no step yet."""

    def __init__(self, run: "CellRun", started: float) -> None:
        """`started`: when building it began, by `time.perf_counter`."""
        self.run, self.started = run, started
        self.last = run.recipe.iterations - 1
        self.rows = run.recipe.labeled_rows + run.recipe.unlabeled_rows * run.spec.uses_unlabeled
        self.watts: float | None = None
        """Of the GPU during the steps, once they are timed, where it can be measured."""

    def extrapolate(self) -> Timed:
        """The price of the whole cell."""
        import torch

        from ssl_bench.worker.meter import peak_gpu_bytes, peak_resident_bytes
        from ssl_bench.worker.provenance import processor_name

        run, split = self.run, self.run.cell.split
        self.clock(lambda: run.trainer.step(0))
        first = time.perf_counter() - self.started
        step, each = self.step(), self.image()
        images = len(split.labeled) + len(split.unlabeled) * run.spec.uses_unlabeled
        evaluations = run.recipe.evaluations + len(run.method.predict_beside())
        seconds = (
            first
            + self.last * step
            + min(images, self.rows * run.recipe.iterations) * self.first_read()
            + evaluations * len(run.data.scored) * each
        )
        price = Price(
            seconds,
            peak_gpu_bytes(run.device),
            peak_resident_bytes(),
            None if self.watts is None else self.watts * seconds,
        )
        cuda = run.device.type == "cuda"
        return Timed(price, torch.cuda.get_device_name(run.device) if cuda else processor_name())

    def first_read(self) -> float:
        """Seconds that an image takes longer when it is first read.

        On a GPU other threads read ahead while it computes, and what that costs shows in the steps.
        """
        if self.run.prefetcher:
            return 0.0
        # Beyond the steps that were taken, so that their images are new.
        places = [max(self.last, STEPS) + place for place in range(1, 4)]
        cold = sum(self.clock(partial(self.run.stream.load, place)) for place in places)
        warm = sum(self.clock(partial(self.run.stream.load, place)) for place in places)
        return max(0.0, cold - warm) / (len(places) * self.rows)

    def step(self) -> float:
        """Seconds of a step on images that were read before."""
        trainer, together = self.run.trainer, 1 if self.run.prefetcher is None else 10
        taken, total, place = 0, 0.0, 1
        before, started = self.run.meter.joules(), time.perf_counter()
        while place <= WARM_UP or (taken < STEPS and (taken < 3 or total < SECONDS)):
            # A short recipe's last step is taken again.
            steps = [min(place + more, self.last) for more in range(together)]
            if self.run.prefetcher is None:
                self.run.stream.load(steps[0])
            seconds = self.clock(partial(list, map(trainer.step, steps)))
            if place > WARM_UP:
                taken, total = taken + together, total + seconds
            place += together
        after = self.run.meter.joules()
        if before is not None and after is not None:
            self.watts = (after - before) / (time.perf_counter() - started)
        return total / taken

    def image(self) -> float:
        """Seconds to score an image."""
        from ssl_bench.train.evaluate import evaluate

        run = self.run
        names = list(run.data.scored[: IMAGES if run.device.type == "cpu" else IMAGES_ON_GPU])
        run.method.eval()
        score = partial(evaluate, run.method.predict, run.task, run.data)
        first, others = (self.clock(partial(score, some, run.device)) for some in (names[:1], names[1:]))
        return others / (len(names) - 1) if len(names) > 1 else first

    def clock(self, call: Callable[[], Any]) -> float:
        """Seconds of a call with all that it sets going on the device."""
        import torch

        start = time.perf_counter()
        call()
        if self.run.device.type == "cuda":
            torch.cuda.synchronize(self.run.device)
        return time.perf_counter() - start
