"""Every method in training on one batch, its images through task networks counted as they pass."""

import itertools
import operator
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.naive_gct import NaiveGCT
from benchmarks.variants import OneBatch
from ssl_bench.backbone import NetworkFactory, TaskNetwork
from ssl_bench.method import Method
from ssl_bench.plan.settings import resolve_config
from ssl_bench.recipe import Kind, OptimizerSettings, Recipe
from ssl_bench.registry.loading import load_registry
from ssl_bench.specs import MethodSpec, resolve
from ssl_bench.task import Strength, Task
from ssl_bench.testing.toys import ToyClassification, ToyRegression, toy_spec
from ssl_bench.train.trainer import Trainer
from ssl_bench.world.part import Draws
from ssl_bench_plugins.backbones import smp

BACKBONE, CLASSES = "unet/resnet18", 21
ROWS = 4
"""Half of them labelled; what takes no unlabelled rows has as many, all labelled."""
RECIPE = Recipe(
    iterations=10_000,
    optimizer=OptimizerSettings(name="sgd", learning_rate=1e-3, momentum=0.9, weight_decay=5e-4),
)
MIDDLE = RECIPE.iterations // 2
"""The first step that is taken: every stage has begun, and there are snapshots."""

STATED: dict[str, tuple[tuple[int, int], tuple[int, int]]] = {
    "supervised": ((1, 0), (0, 0)),
    "frozen-encoder": ((1, 0), (0, 0)),
    "lora": ((1, 0), (0, 0)),
    "control": ((1, 1), (0, 0)),
    "mt": ((1, 1), (0, 1)),
    "s4l": ((2, 2), (0, 0)),
    "advssl": ((1, 1), (0, 0)),
    "gct": ((2, 2), (0, 0)),
    "gct, low memory": ((2, 2), (2, 2)),
    "gct, naive": ((2, 2), (2, 2)),
    "cutmix": ((1, 1), (0, 1)),
    "cps": ((2, 2), (0, 0)),
    "fixmatch": ((1, 1), (0, 1)),
    "st": ((1, 1), (0, 1)),
    "bank": ((1, 1), (0, 4)),
}
"""How often labelled and unlabelled rows have to pass with a gradient, and without, as papers or pages of the
documentation say. What draws its number of passes is left out; of `bank`, two states are there half-way."""


def unperturbed(task: Task, images: Tensor, draws: Draws, strength: Strength = "weak") -> Tensor:
    """The images themselves: steps are compared, and not tasks."""
    return images


class Classes(ToyClassification):
    """Segmentation without the cost of a perturbation."""

    out_channels = CLASSES
    perturb = unperturbed


class Pictures(ToyRegression):
    """Regression without it."""

    perturb = unperturbed


TASKS: dict[Kind, type[Task]] = {"classification": Classes, "regression": Pictures}


def network_of(task: Task) -> NetworkFactory:
    """Real networks of modest size."""

    def build_network(index: int = 0, backbone: str | None = None) -> TaskNetwork:
        torch.manual_seed(index)
        network = smp.build(backbone or BACKBONE, 3, task.out_channels)
        return TaskNetwork(network, in_channels=3, residual=False)

    return build_network


Passes = Counter[tuple[str, bool]]
"""Images by part of a network, `encoder` or `decoder`, and whether there was a gradient."""
PARTS = {"forward": ("encoder", "decoder"), "features": ("encoder",), "from_features": ("decoder",)}
"""Functions of a task network to the parts that they run."""


@contextmanager
def counted() -> Iterator[Passes]:
    """While it lasts, images that pass through any task network."""
    passes: Passes = Counter()
    plain = {name: vars(TaskNetwork)[name] for name in PARTS if name in vars(TaskNetwork)}

    def watched(name: str) -> Callable[..., Any]:
        def run(*arguments: Any, **named: Any) -> Any:
            outputs = plain[name](*arguments, **named)
            last = outputs if isinstance(outputs, Tensor) else outputs[-1]
            for part in PARTS[name]:
                passes[part, last.requires_grad] += len(last)
            return outputs

        return run

    for name in plain:
        setattr(TaskNetwork, name, watched(name))
    try:
        yield passes
    finally:
        for name, function in plain.items():
            setattr(TaskNetwork, name, function)


@dataclass
class Run:
    """A method in training, step after step on one batch."""

    name: str
    spec: MethodSpec
    kind: Kind
    side: int
    settings: dict[str, Any] = field(default_factory=dict)
    build: Callable[[Task], NetworkFactory] = network_of
    seconds: list[float] = field(default_factory=list)
    passes: list[Passes] = field(default_factory=list)

    def __post_init__(self) -> None:
        task = TASKS[self.kind]()
        torch.manual_seed(0)
        config = resolve_config(toy_spec(self.kind), self.spec, self.settings)
        method: Method = resolve(self.spec.method)(task, config, self.build(task))
        stream = OneBatch(task, self.side, ROWS, self.labeled)
        self._trainer = Trainer(method.train(), RECIPE, stream, seed=0)
        self._steps = itertools.count(MIDDLE)

    @property
    def labeled(self) -> int:
        """Labelled rows of the batch."""
        return ROWS // 2 if self.spec.uses_unlabeled else ROWS

    def step(self) -> None:
        """Take the next one, timed, its images counted."""
        with counted() as passes:
            started = time.process_time()
            self._trainer.step(next(self._steps))
            self.seconds.append(time.process_time() - started)
        self.passes.append(passes)

    def flops(self) -> float:
        """Of the next step."""
        with FlopCounterMode(display=False) as counter:
            self.step()
        self.seconds.pop()
        return float(counter.get_total_flops())

    @property
    def images(self) -> str:
        """Through a task network in a step with a gradient, and without, the mean of all; encoder and decoder apart
        where they differ."""
        means = {
            (part, gradient): statistics.fmean(passes[part, gradient] for passes in self.passes)
            for part in ("encoder", "decoder")
            for gradient in (True, False)
        }
        texts = [f"{means[part, True]:g} + {means[part, False]:g}" for part in ("encoder", "decoder")]
        return texts[0] if texts[0] == texts[1] else f"{texts[0]}, decoder {texts[1]}"

    @property
    def stated(self) -> str:
        """The same, as `STATED` has it."""
        if self.name not in STATED:
            return "-"
        rows = (self.labeled, ROWS - self.labeled)
        return " + ".join(str(sum(map(operator.mul, times, rows))) for times in STATED[self.name])


def runs(side: int, build: Callable[[Task], NetworkFactory] = network_of) -> list[Run]:
    """Every method that does not differ from another in its data alone, and forms of GCT; what cannot learn classes
    learns pictures, and then supervised learning does so once more."""
    registry = load_registry()
    found, gct = [], registry.method("gct")
    for spec in (registry.method(spec.name) for spec in registry.sorted("methods")):
        if spec.role == "upper_bound":
            continue
        kind: Kind = "regression" if spec.unsupported(toy_spec("classification")) else "classification"
        found.append(Run(spec.name, spec, kind, side, build=build))
        if spec.name == gct.name:
            found.append(Run("gct, low memory", gct, kind, side, {"low_memory": True}, build))
            found.append(Run("gct, naive", replace(gct, method=NaiveGCT), kind, side, build=build))
    baseline = next(run for run in found if run.spec.role == "baseline")
    if any(run.kind != baseline.kind for run in found):
        found.append(Run(f"{baseline.name}, pictures", baseline.spec, "regression", side, build=build))
    return found
