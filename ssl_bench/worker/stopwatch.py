"""What a whole cell would take, from a few of its steps, taken in the process that would run it."""

import contextlib
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch

from ssl_bench.errors import CellError
from ssl_bench.machine.devices import device_name
from ssl_bench.method import Method
from ssl_bench.plan.order import Order
from ssl_bench.registry.registry import Registry
from ssl_bench.store.heartbeat import Heartbeat
from ssl_bench.store.record import Cost, Estimate
from ssl_bench.train.evaluate import evaluate
from ssl_bench.worker.cell_run import CellRun
from ssl_bench.worker.meter import peak_gpu_bytes, peak_resident_bytes

WARM_UP, STEPS, SECONDS = 2, 20, 3.0
"""Steps before the clock starts; steps that are timed, at least 3 of them and no more than fit the seconds."""
IMAGES, IMAGES_ON_GPU = 4, 33
"""Images that are scored for the price of an evaluation, the first of them to warm up; a GPU takes several at once."""


def time_cell(
    order: Order,
    folder: Path,
    device: torch.device,
    registry: Registry,
    stop: Sequence[int],
    heartbeat: Heartbeat,
) -> Estimate:
    """Build the cell, take a few steps, score a few images, and extrapolate. Raises Interrupted where told to stop."""
    started = time.perf_counter()
    try:
        with contextlib.closing(CellRun(order, folder, device, registry, stop, heartbeat)) as run:
            return Stopwatch(run, started).extrapolate()
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise CellError("it needs more memory than there is") from error


class Stopwatch:
    """Times the parts of a cell that has been built and has taken no step yet."""

    def __init__(self, run: CellRun, started: float) -> None:
        """`started`: when building it began, by `time.perf_counter`."""
        self.run, self.started = run, started
        self.last = run.recipe.iterations - 1
        self.rows = run.recipe.labeled_rows + run.recipe.unlabeled_rows * run.spec.uses_unlabeled
        self.watts: float | None = None
        """Of the GPU during the steps, once they are timed, where it can be measured."""

    def extrapolate(self) -> Estimate:
        """What the whole cell would take."""
        run, split = self.run, self.run.cell.split
        self.clock(lambda: run.trainer.step(0))
        first = time.perf_counter() - self.started
        step, each = self.step(), self.image()
        images = len(split.labeled) + len(split.unlabeled) * run.spec.uses_unlabeled
        # The last one is made once more of a method that doubts some pixels, for the score of these.
        doubts = type(run.method).doubt is not Method.doubt
        evaluations = run.recipe.evaluations + len(run.method.predict_beside()) + doubts
        seconds = (
            first
            + self.last * step
            + min(images, self.rows * run.recipe.iterations) * self.first_read()
            + evaluations * len(run.data.scored) * each
        )
        cost = Cost(
            seconds=seconds,
            peak_memory_bytes=peak_gpu_bytes(run.device),
            peak_resident_bytes=peak_resident_bytes(),
            gpu_energy_joules=None if self.watts is None else self.watts * seconds,
        )
        return Estimate(cost=cost, device=device_name(str(run.device)))

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
        run = self.run
        names = list(run.data.scored[: IMAGES if run.device.type == "cpu" else IMAGES_ON_GPU])
        run.method.eval()
        score = partial(evaluate, run.method.predict, run.task, run.data)
        first, others = (self.clock(partial(score, some, run.device)) for some in (names[:1], names[1:]))
        return others / (len(names) - 1) if len(names) > 1 else first

    def clock(self, call: Callable[[], Any]) -> float:
        """Seconds of a call with all that it sets going on the device."""
        self.run.between()
        start = time.perf_counter()
        call()
        if self.run.device.type == "cuda":
            torch.cuda.synchronize(self.run.device)
        return time.perf_counter() - start
