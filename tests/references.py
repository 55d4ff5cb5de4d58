"""What tests of methods share: a toy task in float64, batches with void and padding, and plain gradient steps."""

import copy
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from ssl_bench.backbone import TaskNetwork
from ssl_bench.method import Batch, Method
from ssl_bench.plan.settings import resolve_config
from ssl_bench.recipe import Kind, OptimizerSettings, Recipe
from ssl_bench.registry.loading import load_registry
from ssl_bench.seeds import seed_for
from ssl_bench.specs import resolve
from ssl_bench.task import Strength, Target, Task
from ssl_bench.testing import TOYS
from ssl_bench.testing.toys import ToyNetwork, toy_spec
from ssl_bench.train.trainer import Trainer
from ssl_bench.world.part import Draws

LABELED, UNLABELED, HEIGHT, WIDTH, ITERATIONS, RATE = 2, 4, 11, 9, 9, 0.3
RECIPE = Recipe(
    iterations=ITERATIONS,
    epochs=3,
    labeled_rows=LABELED,
    unlabeled_rows=UNLABELED,
    optimizer=OptimizerSettings(name="sgd", learning_rate=RATE, momentum=0.0, schedule="constant"),
)
REGISTRY = load_registry()
Naive = Callable[[Method, Batch, int, Draws], Mapping[str, Tensor]]
"""A copy of the method, a batch, its step and what it draws, to the loss of each player."""


def exact(kind: Kind) -> Task:
    """The toy task of a kind, in the precision of its logits; views are moved by a draw, strong ones dimmed too."""
    parent = TOYS[kind]

    class Exact(parent):  # type: ignore[misc, valid-type]
        def activate(self, logits: Tensor) -> Tensor:
            return logits.softmax(1) if kind == "classification" else logits

        def perturb(self, images: Tensor, draws: Draws, strength: Strength = "weak") -> Tensor:
            if strength == "none":
                return images
            moved = images + 0.3 * draws.rand(len(images), 1, 1, 1).to(images.dtype)
            return moved if strength == "weak" else 0.6 * moved

    return Exact()


def build(name: str, kind: Kind, *, norm: bool = True, **settings: Any) -> Method:
    """A method in float64 on small networks that are rather sure of what they say."""
    task, spec = exact(kind), REGISTRY.method(name)

    def build_network(index: int = 0, backbone: str | None = None) -> TaskNetwork:
        torch.manual_seed(index)
        layers = [
            nn.Conv2d(3, 5, 3, padding=1),
            nn.BatchNorm2d(5),
            nn.Tanh(),
            nn.Conv2d(5, task.out_channels, 1),
        ]
        layers[-1].weight.data *= 3
        return TaskNetwork(
            ToyNetwork(*(layer for layer in layers if norm or not isinstance(layer, nn.BatchNorm2d))),
            in_channels=3,
            residual=False,
        )

    torch.manual_seed(7)
    method: Method = resolve(spec.method)(task, resolve_config(toy_spec(kind), spec, settings), build_network)
    return method.double().train()


def make_batch(kind: Kind, step: int = 0) -> Batch:
    """Rows with void pixels and padding, each another number of them."""
    generator = torch.Generator().manual_seed(50 + step)
    rows = LABELED + UNLABELED
    images = torch.rand(rows, 3, HEIGHT, WIDTH, generator=generator).double()
    valid = torch.ones(rows, 1, HEIGHT, WIDTH, dtype=torch.bool)
    for row in range(rows):
        valid[row, :, :, WIDTH - row :] = False
    known = valid[:LABELED] & (torch.rand(LABELED, 1, HEIGHT, WIDTH, generator=generator) > 0.2)
    if kind == "classification":
        value = torch.randint(0, 3, (LABELED, HEIGHT, WIDTH), generator=generator) * known[:, 0]
    else:
        value = images[:LABELED].mean(1, keepdim=True) * known
    return Batch(images, valid, Target(value, known))


def draws_of(step: int) -> Draws:
    """What a trainer with seed 0 draws at a step."""
    return Draws(torch.Generator().manual_seed(seed_for("draws", 0, step)))


class Stream:
    """Batches of a kind."""

    def __init__(self, kind: Kind) -> None:
        self.kind = kind

    def batch(self, step: int) -> Batch:
        return make_batch(self.kind, step)


def compare(
    method: Method, naive: Naive, steps: range = range(3), after: Callable[..., None] | None = None
) -> None:
    """Values and gradients of each step, and where SGD leads, with a naive copy beside it.

    `after`: what the copy does after an optimiser step, given itself and the step.
    """
    kind = method.task.kind
    copied = copy.deepcopy(method)
    trainer = Trainer(method, RECIPE, Stream(kind), 0)
    for step in steps:
        totals = naive(copied, make_batch(kind, step), step, draws_of(step))
        found: dict[str, float] = {}
        for name, value in trainer.step(step).items():
            player, slash, _ = name.rpartition("/")
            if slash:
                found[player] = found.get(player, 0.0) + float(value)
        assert found.keys() == totals.keys()
        for player, total in totals.items():
            torch.testing.assert_close(found[player], total.item(), rtol=1e-5, atol=1e-6)
        gradients = {
            player: torch.autograd.grad(
                total, copied.players()[player].parameters(), retain_graph=True, allow_unused=True
            )
            for player, total in totals.items()
        }
        for player, own in gradients.items():
            for parameter, gradient in zip(copied.players()[player].parameters(), own, strict=True):
                parameter.data -= RATE * (0 if gradient is None else gradient)
        if after is not None:
            after(copied, step)
        expected, state = copied.state_dict(), method.state_dict()
        assert expected.keys() == state.keys()
        for name, value in expected.items():
            where = f"{name} after step {step}"
            torch.testing.assert_close(
                state[name], value, rtol=1e-9, atol=1e-11, msg=lambda text, where=where: f"{where}: {text}"
            )


def average(teacher: nn.Module, student: nn.Module, step: int, decay: float) -> None:
    """A moving average, one number after the other: the first update copies, and so are integers always."""
    decay = min(decay, step / (step + 1))
    new = student.state_dict()
    for name, old in teacher.state_dict().items():
        old.copy_(decay * old + (1 - decay) * new[name] if old.is_floating_point() else new[name])


def pasted(rows: Tensor, boxes: Tensor) -> Tensor:
    """Rows 0 and 1, 2 and 3, ... with their partner's pixels in the boxes, pixel by pixel."""
    mixed = rows.clone()
    for row, _, top, left in boxes.nonzero().tolist():
        mixed[row, :, top, left] = rows[row + 1 if row % 2 == 0 else row - 1, :, top, left]
    return mixed


def over(values: Tensor, valid: Tensor) -> Tensor:
    """Mean of (B, H, W) over the valid pixels (B, 1, H, W), one row after the other."""
    return torch.cat([row[known[0]] for row, known in zip(values, valid, strict=True)]).mean()
