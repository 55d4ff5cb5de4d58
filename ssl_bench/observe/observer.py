"""Looks at what a method would teach a fixed probe of unlabelled crops, at fixed steps, and changes nothing.

A method is run on the probe as in training, with its views, gates and batch statistics, and takes no step. What it
shows is copied; random numbers, running statistics and modes are put back. Labels are read when all of its code has
run, and dropped before it runs again: nothing that a method can reach ever holds them.
"""

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from ssl_bench.method import Batch, Method, Progress
from ssl_bench.observe.pixels import MOST, Pixels, joined, pixels_of, seen
from ssl_bench.recipe import Recipe
from ssl_bench.seeds import seed_for
from ssl_bench.store.observed import Observation
from ssl_bench.task import Target, Task
from ssl_bench.train.inference import exact_inference
from ssl_bench.world.exposed import Exposed, Observe
from ssl_bench.world.forwards import Forwards
from ssl_bench.world.part import Draws

TIMES = 8
"""Observations of a run, evenly spaced, the last of them at its end."""


class Looked(Protocol):
    """Batches to look at, and the labels of their unlabelled rows: `ssl_bench.observe.probe.Probe`."""

    batches: int

    @property
    def rows(self) -> int:
        """How many unlabelled rows there are in all."""

    def batch(self, number: int) -> Batch:
        """Make a batch, on the device of the method."""

    def truth(self, number: int) -> Target:
        """The labels of its unlabelled rows, on the CPU."""


@dataclass(frozen=True)
class Shown:
    """What was shown of one batch, with predictions of who is taught by each target, and of the deployed network."""

    targets: list[tuple[Exposed, Tensor | None]]
    deployed: Tensor


def times(iterations: int) -> set[int]:
    """Numbers of iterations after which a run is observed."""
    return {-(-iterations * k // TIMES) for k in range(1, TIMES + 1)}


class Observer:
    """Observes a method on a probe, step by step."""

    def __init__(self, method: Method, recipe: Recipe, probe: Looked, seed: int, *, teaches: bool) -> None:
        """`teaches`: whether the method takes unlabelled rows; else its deployed network alone is looked at."""
        self.method, self.recipe, self.probe, self.seed, self.teaches = method, recipe, probe, seed, teaches

    def observe(self, step: int) -> dict[str, Any]:
        """An `Observation` after so many iterations, as JSON."""
        parts: dict[str, list[Pixels]] = {}
        labeled: dict[str, bool] = {}
        deployed: list[Pixels] = []
        task = self.method.task
        most = max(1, MOST // self.probe.batches)
        for number in range(self.probe.batches):
            batch = self.probe.batch(number)
            with undone(self.method):
                shown = self._shown(batch, number, step)
            # From here on no code of the method runs.
            truths = {False: self.probe.truth(number), True: on_cpu(batch.targets)}
            insides = {
                False: batch.unlabeled_valid.cpu(),
                True: batch.valid[: batch.labeled].cpu(),
            }
            for exposed, student in shown.targets:
                truth, inside = truths[exposed.labeled], insides[exposed.labeled]
                found = pixels_of(task, exposed, student, truth, inside, most)
                parts.setdefault(exposed.name, []).append(found)
                labeled[exposed.name] = exposed.labeled
            itself = Exposed("", shown.deployed, None, None, None, False)
            deployed.append(pixels_of(task, itself, None, truths[False], insides[False], most))
            del truths
        classes = task.out_channels
        return Observation(
            step=step,
            rows=self.probe.rows,
            deployed=seen(joined(deployed), classes, labeled=False).score,
            seen={name: seen(joined(every), classes, labeled=labeled[name]) for name, every in parts.items()},
        ).to_json()

    def _shown(self, batch: Batch, number: int, step: int) -> Shown:
        observe = Observe(looking=True)
        torch.manual_seed(seed_for("observe", self.seed, number))
        if self.teaches:
            # With gradients, as in training: nothing is compiled anew, and what needs one has it.
            # Running statistics are put back before anybody is evaluated: they took this batch in.
            with undone(self.method):
                # None is held: its graph would stay while others predict.
                deque(self.method.losses(batch, self._progress(batch, observe, number, step)), maxlen=0)
        self.method.eval()
        images = {False: batch.unlabeled_images, True: batch.labeled_images}
        known: dict[tuple[int, bool], Tensor] = {}

        def predicted(network: nn.Module, predict: Callable[[Tensor], Tensor], labeled: bool) -> Tensor:
            key = id(network), labeled
            if key not in known:
                known[key] = plain(self.method.task, predict, images[labeled])
            return known[key]

        with exact_inference():
            deployed = predicted(self.method.deployed, self.method.predict, False)
            taught: list[tuple[Exposed, nn.Module | None]] = [
                (each._replace(student=None), each.student) for each in observe.take()
            ]
            return Shown(
                [
                    (each, None if student is None else predicted(student, student, each.labeled))
                    for each, student in taught
                ],
                deployed,
            )

    def _progress(self, batch: Batch, observe: Observe, number: int, step: int) -> Progress:
        recipe = self.recipe
        kinds = (batch.labeled, len(batch.images) - batch.labeled)
        # The same draws in every observation, so that it is the method that differs.
        generator = torch.Generator().manual_seed(seed_for("observe draws", self.seed, number))
        return Progress(
            # After the last step there is none to come.
            min(step, recipe.iterations - 1),
            recipe.iterations,
            recipe.iterations_per_epoch,
            Draws(generator, kinds=kinds),
            Forwards(recipe.forward),
            observe=observe,
        )


def plain(task: Task, predict: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    """T(x), on the CPU, as a tensor that nothing of a method hangs on."""
    prediction = task.activate(predict(images)).detach().cpu()
    return torch.from_numpy(prediction.as_subclass(Tensor).numpy().copy())


def on_cpu(target: Target) -> Target:
    """Move a label to the CPU, where it is measured."""
    return Target(target.value.cpu(), target.valid.cpu())


@contextmanager
def undone(method: Method) -> Iterator[None]:
    """Put back what running a method changes: random numbers, buffers such as running statistics, and modes."""
    buffers = [
        (module, name, buffer, buffer.clone())
        for module in method.modules()
        for name, buffer in module._buffers.items()
        if buffer is not None
    ]
    modes = [(module, module.training) for module in method.modules()]
    devices = sorted({buffer.device.index or 0 for _, _, buffer, _ in buffers if buffer.is_cuda})
    devices = devices or sorted({p.device.index or 0 for p in method.parameters() if p.is_cuda})
    try:
        with torch.random.fork_rng(devices=devices):
            yield
    finally:
        with torch.no_grad():
            for module, name, buffer, kept in buffers:
                module._buffers[name] = buffer.copy_(kept)
        for module, mode in modes:
            module.training = mode
