"""Training steps to be timed: a method on a network, in one form of computing it, on one random batch."""

import argparse
import importlib.util
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch

from ssl_bench.method import Batch, Method
from ssl_bench.plan.networks import network_factory
from ssl_bench.plan.settings import resolve_config
from ssl_bench.recipe import Execution, Recipe
from ssl_bench.registry.registry import Registry
from ssl_bench.specs import MethodSpec, TaskSpec, resolve
from ssl_bench.task import Target, Task
from ssl_bench.train.acceleration import Accelerated, accelerate
from ssl_bench.train.trainer import Trainer

Step = Callable[[], object]
MakeStep = Callable[[str, str, int, int, int, torch.device], Step | None]
"""As `benchmarks/train.py` says of a reference."""
CLASSES = tuple(map(str, range(21)))
"""As many as PASCAL VOC has."""
SMALL_ROWS = 4
CPU = torch.device("cpu")


@dataclass(frozen=True)
class Workload:
    """A network of a task at a size."""

    task: TaskSpec
    network: str
    side: int
    rows: int
    """Of an iteration, half of them labelled."""
    recipe: Recipe

    @property
    def title(self) -> str:
        """Network, task and size."""
        return f"{self.network}, {self.task.name}, {self.rows} of {self.side} x {self.side}"

    def make_task(self) -> Task:
        """The task, with 21 classes where it has classes."""
        task: Task = resolve(self.task.task)(CLASSES if self.task.kind == "classification" else ())
        return task


class OneBatch:
    """The same random batch at every step, so that no loading is timed."""

    def __init__(self, task: Task, side: int, rows: int, labeled: int, device: torch.device = CPU) -> None:
        generator = torch.Generator().manual_seed(0)
        images = torch.rand(rows, task.in_channels, side, side, generator=generator)
        value = torch.rand(labeled, task.out_channels, side, side, generator=generator)
        if task.kind == "classification":
            value = value.argmax(1)
        valid = torch.ones(rows, 1, side, side, dtype=torch.bool, device=device)
        self._batch = Batch(images.to(device), valid, Target(value.to(device), valid[:labeled]))

    def batch(self, step: int) -> Batch:
        """Whatever the step."""
        return self._batch


def workloads(registry: Registry, device: torch.device, options: argparse.Namespace) -> list[Workload]:
    """The papers' networks at the papers' sizes on a GPU; a small one on a CPU; or what the options name."""
    small = device.type == "cpu"
    if options.networks:
        named = [(options.task, name.strip()) for name in options.networks.split(",")]
    elif small:
        named = [(task, registry.task(task).backbones["lite"]) for task in ("segmentation", "denoising")]
    else:
        named = [(task, registry.task(task).backbones["paper"]) for task in registry.entries["tasks"]]
    found = []
    for task, network in named:
        registry.check_backbone(network)
        spec = registry.task(task)
        recipe = spec.recipes["lite" if small else "paper"]
        rows = options.rows or (SMALL_ROWS if small else recipe.labeled_rows + recipe.unlabeled_rows)
        found.append(Workload(spec, network, options.side or recipe.crop, rows, recipe))
    return found


def training_step(
    registry: Registry, workload: Workload, method: MethodSpec, form: Execution, device: torch.device
) -> tuple[Step, list[Accelerated]]:
    """A training step, freshly built, and the networks that are accelerated for it.

    All rows are labelled for a method that takes no others: as many pass through its network as through any.
    """
    task = workload.make_task()
    labeled = workload.rows // 2 if method.uses_unlabeled else workload.rows
    build_network = network_factory(registry.backbone, task, workload.network, 0)
    torch.manual_seed(0)
    made: Method = resolve(method.method)(task, resolve_config(workload.task, method, {}), build_network)
    networks = accelerate(made.train().to(device), form, device)
    stream = OneBatch(task, workload.side, workload.rows, labeled, device)
    trainer = Trainer(made, workload.recipe, stream, seed=0, micro_batches=form.micro_batches)
    steps = itertools.cycle(range(workload.recipe.iterations))
    return partial(_next_step, trainer, steps), networks


def load_reference(path: Path) -> MakeStep:
    """`make_step` of a Python file, or of `reference.py` in a folder. SystemExit where there is none."""
    file = path / "reference.py" if path.is_dir() else path
    spec = importlib.util.spec_from_file_location("reference", file)
    if spec is None or spec.loader is None or not file.is_file():
        raise SystemExit(f"--against {path}: no Python file there")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    if not hasattr(module, "make_step"):
        raise SystemExit(f"--against {path}: {file} defines no make_step (see benchmarks/train.py)")
    make_step: MakeStep = module.make_step
    return make_step


def reference_step(make_step: MakeStep, workload: Workload, device: torch.device) -> Step | None:
    """What a reference takes as its training step for a workload; None where it has none."""
    task = workload.make_task()
    return make_step(workload.network, task.kind, workload.side, workload.rows, task.out_channels, device)


def _next_step(trainer: Trainer, steps: Iterator[int]) -> None:
    trainer.step(next(steps))
