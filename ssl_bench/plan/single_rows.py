"""Networks that cannot be trained on one row at a time: BatchNorm takes a variance over what a channel holds, and after
a pooling to 1 x 1, or in a crop that is that small by then, that is one value. Found by trying. Torch-free where no
row stands alone.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ssl_bench.errors import UsageError
from ssl_bench.plan.cell import Cell
from ssl_bench.registry.registry import Registry
from ssl_bench.specs import BackboneSpec, resolve

if TYPE_CHECKING:
    from torch import nn

COMPLAINT = "Expected more than 1 value per channel when training"
"""How torch begins to say so."""
SIDE = 32
"""Pixels of the images for a method whose networks are stood in for."""


def check_single_rows(registry: Registry, cells: Iterable[Cell]) -> None:
    """UsageError, with the cure, for the first cell that a BatchNorm layer would end at its first step."""
    known: dict[str, str] = {}
    for cell in cells:
        asked = cell.execution.micro_batches
        if 1 not in _rows(cell, registry, asked):
            continue
        key = repr(
            (
                cell.task,
                cell.classes,
                cell.channels,
                cell.backbone,
                cell.method,
                cell.config,
                cell.recipe,
                asked,
            )
        )
        if key not in known:
            known[key] = backbone_at_fault(cell, registry, asked)
        if known[key]:
            whose = f" of '{known[key]}'"
            raise UsageError(f"{cell.title}: {explain(cell, whose)}")


def explain(cell: Cell, whose: str = "") -> str:
    """What is wrong with the rows of a cell, and what to do; `whose`: the layer's network, ` of '...'`."""
    asked, recipe = cell.execution.micro_batches, cell.training
    fewer = f"take --micro-batches below {asked}, or set" if asked > 1 else "set"
    return (
        f"a BatchNorm layer{whose} gets one value per channel in training, from one image of {recipe.crop} x "
        f"{recipe.crop} px at a time; {fewer} {cell.task}.labeled_rows and .unlabeled_rows to {2 * asked} or more, "
        "or take another backbone"
    )


def backbone_at_fault(cell: Cell, registry: Registry, micro_batches: int) -> str:
    """The backbone of the cell that a BatchNorm layer fails in, its rows taken in so many parts; empty where none does.

    The layer takes its statistics over the processes of a cell, and so counts the rows of all of them.
    """
    rows = _rows(cell, registry, micro_batches)
    if 1 not in rows:
        return ""
    alone = [name for name, fewest in _fewest_rows(cell, registry, rows).items() if fewest == 1]
    return next((name for name in alone if _fails(cell, registry, name)), "")


def _rows(cell: Cell, registry: Registry, micro_batches: int) -> list[int]:
    """Labelled and unlabelled rows of a part, the latter where the method uses them."""
    recipe = cell.training
    both = registry.method(cell.method).uses_unlabeled
    kinds = [recipe.labeled_rows, recipe.unlabeled_rows] if both else [recipe.labeled_rows]
    return [rows // micro_batches for rows in kinds]


def _fewest_rows(cell: Cell, registry: Registry, rows: list[int]) -> dict[str, int]:
    """Backbone to the fewest rows that the cell's method gives a network of it in training, found by a step of it.

    Small layers stand in for the networks. Where the method cannot do with them, it may give either kind on its own.
    """
    import torch
    from torch import nn

    from ssl_bench.method import Batch, Progress
    from ssl_bench.plan.networks import network_factory
    from ssl_bench.specs import make_task
    from ssl_bench.task import Target
    from ssl_bench.world.part import Draws

    fewest: dict[str, int] = {}

    class StandIn(nn.Module):
        encoding = ()

        def __init__(self, name: str, in_channels: int, out_channels: int) -> None:
            super().__init__()
            self.name, self.head = name, nn.Conv2d(in_channels, out_channels, 1)

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return self.from_features(self.features(images), images)

        def features(self, images: torch.Tensor) -> list[torch.Tensor]:
            if self.training:
                fewest[self.name] = min(len(images), fewest.get(self.name, len(images)))
            return [images]

        def from_features(self, features: list[torch.Tensor], images: torch.Tensor) -> torch.Tensor:
            if self.training:
                fewest[self.name] = min(len(images), fewest.get(self.name, len(images)))
            logits: torch.Tensor = self.head(features[-1])
            return logits

    task = make_task(registry.task(cell.task), cell.classes, cell.channels)
    spec, recipe = registry.method(cell.method), cell.training
    factory = network_factory(
        lambda name: BackboneSpec(name=name, backbone=StandIn), task, cell.backbone, cell.seed
    )
    with torch.random.fork_rng(devices=[]):
        images = torch.rand(sum(rows), task.in_channels, SIDE, SIDE)
        valid = torch.ones(sum(rows), 1, SIDE, SIDE, dtype=torch.bool)
        shape = (
            (rows[0], SIDE, SIDE)
            if task.kind == "classification"
            else (rows[0], task.out_channels, SIDE, SIDE)
        )
        value = torch.zeros(shape, dtype=torch.int64 if task.kind == "classification" else torch.float32)
        batch = Batch(images, valid, Target(value, valid[: rows[0]]))
        draws = Draws(torch.Generator().manual_seed(0))
        try:
            method: Any = resolve(spec.method)(task, spec.config(**cell.config), factory)
            for _ in method.train().losses(
                batch, Progress(0, recipe.iterations, recipe.iterations_per_epoch, draws)
            ):
                pass
        except Exception:
            return {cell.backbone: min(rows), **fewest}
    return fewest


def _fails(cell: Cell, registry: Registry, name: str) -> bool:
    """Whether a network refuses one row in training."""
    import torch

    from ssl_bench.backbone import TaskNetwork
    from ssl_bench.specs import make_task

    task, side = make_task(registry.task(cell.task), cell.classes, cell.channels), cell.training.crop
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        made: nn.Module = resolve(registry.backbone(name).backbone)(name, task.in_channels, task.out_channels)
        network = TaskNetwork(made, in_channels=task.in_channels, residual=False).train()
        try:
            network(torch.rand(1, task.in_channels, side, side))
        except ValueError as error:
            return str(error).startswith(COMPLAINT)
        except Exception:  # Another fault, which the cell tells of.
            return False
    return False
