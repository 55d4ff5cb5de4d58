"""A training step of every method against the plain supervised step, beside the ratio that counted passes promise.

F is a forward pass of the task network and D one of the flaw detector or critic, over the whole batch, labelled and
unlabelled rows; the backward pass to weights and inputs costs two of them, the one to inputs alone costs one.
"""

import itertools
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.measure import interleaved, peak_memory, table
from benchmarks.pipeline_c import dense_blur, max_pool, with_parts
from ssl_bench.backbone import TaskNetwork
from ssl_bench.machine.heap import keep_heap
from ssl_bench.method import Batch, Losses, Method, Progress
from ssl_bench.recipe import OptimizerSettings, Recipe
from ssl_bench.task import Target, Task, masked_mean
from ssl_bench.testing import ToyClassification
from ssl_bench.train.trainer import Trainer
from ssl_bench_plugins.backbones import smp
from ssl_bench_plugins.methods.advssl import AdvSSL, Critic
from ssl_bench_plugins.methods.configs import MeanTeacherConfig, SupervisedConfig
from ssl_bench_plugins.methods.flaw_detector import FlawDetector
from ssl_bench_plugins.methods.flaw_maps import both_flawed, exchange, readable
from ssl_bench_plugins.methods.gct import GCT
from ssl_bench_plugins.methods.mean_teacher import MeanTeacher
from ssl_bench_plugins.methods.paper_configs import AdvSSLConfig, GCTConfig, S4LConfig
from ssl_bench_plugins.methods.s4l import S4L
from ssl_bench_plugins.methods.supervised import Supervised

TITLE = "Training steps"
BACKBONE, CLASSES = "unet/resnet18", 21
ROWS = 4
"""Half of them labelled; the plain supervised step has as many, all labelled."""
SIDES = (128, 321)
ROUNDS = {128: 7, 321: 4}
RECIPE = Recipe(
    iterations=10_000,
    optimizer=OptimizerSettings(name="sgd", learning_rate=1e-3, momentum=0.9, weight_decay=5e-4),
)
GCT_SETTINGS: dict[str, Any] = {"lambda_fc": 1.0, "lambda_dc": 100.0, "eta_dc": 0, "xi": 0.4, "nu": 1}


class Classes(ToyClassification):
    """Segmentation without the cost of a perturbation, so that steps are compared and not tasks."""

    out_channels = CLASSES


class NaiveGCT(GCT):
    """GCT without any reuse: targets, networks and F each with passes of their own (six of F, where published code
    does with four), C with dense convolutions and for unlabelled rows too. Its gradients are those of GCT."""

    def losses(self, batch: Batch, progress: Progress) -> Iterator[Losses]:
        """Targets and masks without gradient; each network; F."""
        config, images, rows = self.config, batch.images, slice(batch.labeled, None)
        valid = torch.cat([batch.targets.valid, batch.unlabeled_valid])
        labels = self.task.encode(batch.targets).value
        labels = torch.cat([labels, labels.new_zeros(len(images) - batch.labeled, *labels.shape[1:])])
        networks = {"first": self.first, "second": self.second}
        with torch.no_grad():
            predictions = [self.task.activate(network(images)) for network in networks.values()]
            seen = [network.normalize(images) for network in networks.values()]
            pairs = list(zip(predictions, seen, strict=True))
            first, second = (readable(self.detector(prediction, view), valid) for prediction, view in pairs)
            targets = exchange((predictions[0], predictions[1]), (first, second), config.xi)
            mask = both_flawed((first, second), config.xi)
        for (name, network), target, view in zip(networks.items(), targets, seen, strict=True):
            logits = network(images)
            prediction = self.task.activate(logits)
            flaws = self.detector(prediction, view)
            error = torch.zeros_like(prediction)
            error[rows] = (prediction - target)[rows].square()
            yield {
                name: {
                    "task": self.task.loss(logits[: batch.labeled], batch.targets),
                    "consistency": self.lambda_dc * masked_mean(error, valid),
                    "correction": config.lambda_fc * masked_mean((mask * flaws.square())[rows], valid[rows]),
                }
            }
        errors = []
        for prediction, view in pairs:
            truth = with_parts(dense_blur, max_pool)(prediction, labels, config.nu)
            errors.append((self.detector(prediction, view) - truth)[: batch.labeled].square().mean())
        yield {"detector": {"flaw": torch.stack(errors).mean()}}


class OneBatch:
    """The same random batch at every step."""

    def __init__(self, side: int, labeled: int) -> None:
        generator = torch.Generator().manual_seed(0)
        images = torch.rand(ROWS, 3, side, side, generator=generator)
        valid = torch.ones(ROWS, 1, side, side, dtype=torch.bool)
        value = torch.randint(0, CLASSES, (labeled, side, side), generator=generator)
        self._batch = Batch(images, valid, Target(value, valid[:labeled]))

    def batch(self, step: int) -> Batch:
        """Whatever the step."""
        return self._batch


Costs = Callable[[float, float, float], float]
METHODS: dict[str, tuple[Callable[..., Method], Any, Costs]] = {
    # Name: method, settings, and its cost in F, detector's D and critic's D.
    "supervised": (Supervised, SupervisedConfig(), lambda f, d, c: 3 * f),
    "mt": (MeanTeacher, MeanTeacherConfig(noise="none"), lambda f, d, c: 3.5 * f),
    "s4l": (S4L, S4LConfig(), lambda f, d, c: 6 * f),
    # Fakes: forward, to inputs for the model, to weights and inputs for the critic; reals are half as many rows.
    "advssl": (AdvSSL, AdvSSLConfig(), lambda f, d, c: 3 * f + 4 * c + 1.5 * c),
    "gct": (GCT, GCTConfig(**GCT_SETTINGS), lambda f, d, c: 6 * f + 8 * d),
    "gct, low memory": (GCT, GCTConfig(**GCT_SETTINGS, low_memory=True), lambda f, d, c: 8 * f + 12 * d),
    "gct, naive": (NaiveGCT, GCTConfig(**GCT_SETTINGS), lambda f, d, c: 8 * f + 12 * d),
}


def build_network(index: int = 0, backbone: str | None = None) -> TaskNetwork:
    """A real network of modest size."""
    torch.manual_seed(index)
    network = smp.build(backbone or BACKBONE, 3, CLASSES)
    return TaskNetwork(network, in_channels=3, residual=False)


def run() -> str:
    """A table per side."""
    torch.set_num_threads(1)
    keep_heap()
    notes = (
        f"{BACKBONE}, {ROWS} rows, half of them labelled (all of them for the supervised step), {CLASSES} classes,\n"
        "float32. F: a forward pass of the task network; D: of the flaw detector or critic. Ideal: the counted\n"
        "passes, with D / F taken from FLOPs, and from forward times measured here. `gct, naive`: passes of their\n"
        "own for targets, networks and detector, C with dense convolutions.\n"
        f"Timed steps of each after one to warm up: {', '.join(f'{n} at {side}' for side, n in ROUNDS.items())}.\n"
    )
    return "\n".join([*(_table(side) for side in SIDES), notes])


def _table(side: int) -> str:
    task: Task = Classes()
    calls: dict[str, Callable[[], object]] = {}
    for name, (method, config, _) in METHODS.items():
        torch.manual_seed(0)
        stream = OneBatch(side, ROWS if name == "supervised" else ROWS // 2)
        made = method(task, config, build_network).train()
        trainer = Trainer(made, RECIPE, stream, seed=0)
        calls[name] = partial(_next_step, trainer, itertools.count())
    times = interleaved(calls, seconds=60, rounds=ROUNDS[side])
    memory = {name: peak_memory(call) for name, call in calls.items()}
    by_flops, by_time = _forward_costs(side)
    rows = []
    for name, (_, _, cost) in METHODS.items():
        ratio = times[name] / times["supervised"]
        ideals = [cost(*costs) / (3 * costs[0]) for costs in (by_flops, by_time)]
        figures = [times[name], ratio, *ideals, *(ratio / ideal for ideal in ideals)]
        peak = "-" if memory[name] is None else f"{memory[name]:.0f}"
        rows.append([name, *(f"{figure:.2f}" for figure in figures), peak])
    head = ["method", "s per step", "ratio to supervised", "ideal by FLOPs", "ideal by time"]
    head += ["over ideal by FLOPs", "over ideal by time", "peak memory added, MB"]
    naive = times["gct, naive"] / times["gct"]
    return (
        f"## {side} x {side}\n\n{table(head, rows)}\nGCT against its naive form: {naive:.2f} times as fast.\n"
    )


def _next_step(trainer: Trainer, steps: Iterator[int]) -> None:
    trainer.step(next(steps))


def _forward_costs(side: int) -> tuple[list[float], list[float]]:
    """Of one forward pass of task network, detector and critic: FLOPs, and CPU seconds."""
    images, prediction = torch.rand(ROWS, 3, side, side), torch.rand(ROWS, CLASSES, side, side)
    parts: tuple[tuple[nn.Module, tuple[Tensor, ...]], ...] = (
        (build_network(), (images,)),
        (FlawDetector(3 + CLASSES), (prediction, images)),
        (Critic(CLASSES), (prediction,)),
    )
    flops, calls = [], {}
    for index, (module, inputs) in enumerate(parts):
        with FlopCounterMode(display=False) as counter:
            module(*inputs)
        flops.append(float(counter.get_total_flops()))
        calls[str(index)] = partial(module, *inputs)
    return flops, list(interleaved(calls, seconds=10, rounds=9).values())
