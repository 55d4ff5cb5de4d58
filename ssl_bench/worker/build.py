"""What a cell is made of: its data, its method at its initial weights, and torch as it is to compute."""

import os
from pathlib import Path

import torch

from ssl_bench.data.unlabeled import open_data
from ssl_bench.dataset import Dataset
from ssl_bench.errors import CellError, DataError
from ssl_bench.machine.heap import keep_heap
from ssl_bench.method import Method
from ssl_bench.plan.cell import Cell
from ssl_bench.plan.networks import network_factory
from ssl_bench.plan.order import Order
from ssl_bench.plan.plan import parts_of
from ssl_bench.plan.weights import SCRATCH, Weights
from ssl_bench.registry.registry import Registry
from ssl_bench.seeds import seed_for
from ssl_bench.specs import make_task, resolve


def open_cell_data(order: Order, registry: Registry) -> Dataset:
    """The data that a cell was planned on. Raises DataError where it cannot be opened any more."""
    cell = order.cell
    dataset = resolve(registry.dataset(cell.task, cell.dataset).dataset)
    path, unlabeled = Path(order.path) if order.path else None, [Path(folder) for folder in order.unlabeled]
    return open_data(dataset, path, unlabeled, cell.classes, cell.channels, order.tested, order.shift)


def require_same(order: Order, dataset: Dataset) -> None:
    """Raise DataError where a data set is not, byte for byte, what a finished cell was run on.

    Nothing of it is shown then: whoever wrote the cell may have named any folder of this machine.
    """
    cell, unsure = order.cell, not order.content and dataset.path is not None
    if order.changed(dataset) or (unsure and dataset.fingerprint() != cell.data):
        raise DataError(
            f"{order.path or cell.dataset}: the data set has changed since cell {cell.id} was run; put it back, or "
            "run the cell again"
        )


def check_providers(cell: Cell, registry: Registry) -> None:
    """Raise CellError where a part of the cell is not by who provided it when the run was planned, version and all."""
    method = registry.method(cell.method)
    backbones = [cell.backbone, *method.config(**cell.config).backbones()]
    dataset = registry.dataset(cell.task, cell.dataset)
    for part, key in parts_of(registry, registry.task(cell.task), dataset, backbones, method).items():
        here, planned = str(registry.providers[key]), cell.providers.get(part)
        if planned is not None and planned != here:
            raise CellError(
                f"its {part} is by {here} here, and the run was planned with {planned}; run it again"
            )


def build_method(
    cell: Cell, registry: Registry, classes: tuple[str, ...], weights: Weights = SCRATCH
) -> Method:
    """The cell's method with its networks at their initial weights, on the CPU; `weights` are what they start from."""
    task = make_task(registry.task(cell.task), classes, cell.channels)
    spec = registry.method(cell.method)
    factory = network_factory(registry.backbone, task, cell.backbone, cell.seed, weights, cell.training)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_for("method", cell.seed, cell.method))
        method: Method = resolve(spec.method)(task, spec.config(**cell.config), factory)
    return method.train()


def prepare_torch(threads: int, device: torch.device) -> None:
    """Make this process compute as a cell does on a device."""
    keep_heap()
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True, warn_only=True)
    # Else every tensor is filled when it is made: on a GPU one more launch for each, and nothing reads what it holds.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.backends.cudnn.benchmark = False
    # A blur is a matrix product, and a target that it makes is to be exact. TF32 in convolutions is torch's default,
    # and for training alone: see `exact_inference`.
    torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = True, False
    # Without it matrix products on a GPU are not the same in every run.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    if device.index is not None:
        # What a method calls `cuda` is then this one, and optimisers, which look at the current one, start no other.
        torch.cuda.set_device(device)
