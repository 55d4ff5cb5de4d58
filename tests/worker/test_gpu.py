"""What only a GPU can show. Skipped where there is none."""

from typing import Any

import pytest
import torch

from ssl_bench.errors import CellError
from ssl_bench.method import Batch
from ssl_bench.recipe import PLAIN, Execution
from ssl_bench.registry.loading import load_registry
from ssl_bench.task import Target
from ssl_bench.testing.toys import RECIPE, ToyStream, build_toy
from ssl_bench.train.acceleration import accelerate
from ssl_bench.train.losses import LossLog
from ssl_bench.train.trainer import Trainer
from ssl_bench.worker.build import prepare_torch
from ssl_bench.worker.meter import peak_gpu_bytes

pytestmark = pytest.mark.gpu
GPU = torch.device("cuda")
METHODS = ("supervised", "mt", "s4l", "advssl", "gct")


@pytest.fixture(scope="module", autouse=True)
def _computing_as_cells_do() -> None:
    prepare_torch(1, GPU)


class OnGpu:
    """The toy stream's batches, on the GPU beforehand."""

    def __init__(self) -> None:
        self.batches = [self._moved(ToyStream("classification").batch(step)) for step in range(6)]

    def _moved(self, batch: Batch) -> Batch:
        return Batch(
            batch.images.to(GPU), batch.valid.to(GPU), Target(*(part.to(GPU) for part in batch.targets))
        )

    def batch(self, step: int) -> Batch:
        return self.batches[step]


def trainer(name: str, execution: Execution = PLAIN, **settings: Any) -> Trainer:
    method = build_toy(load_registry().method(name), "classification").to(GPU)
    accelerate(method, execution, GPU)
    recipe = RECIPE.model_copy(update={"optimizer": RECIPE.optimizer.model_copy(update=settings)})
    return Trainer(method, recipe, OnGpu(), seed=0)


@pytest.mark.parametrize("execution", [PLAIN, Execution(precision="bf16", channels_last=True)], ids=str)
@pytest.mark.parametrize("name", METHODS)
def test_no_step_waits_for_the_device(name: str, execution: Execution) -> None:
    stepped = trainer(name, execution)
    for step in range(2):  # Kernels are loaded and matrices of blurs made.
        stepped.step(step)
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    try:
        terms = [stepped.step(step) for step in range(2, 4)]
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert all(term.is_cuda and term.isfinite() for each in terms for term in each.values())


@pytest.mark.parametrize("name", METHODS)
def test_loss_curves_agree_with_float32(name: str) -> None:
    def curve(execution: Execution) -> list[list[float]]:
        stepped = trainer(name, execution, learning_rate=0.01)
        return [[term.item() for term in stepped.step(step).values()] for step in range(2)]

    plain = curve(PLAIN)
    for execution, tolerance in ((Execution(precision="bf16"), 0.02), (Execution(channels_last=True), 0.01)):
        for mine, theirs in zip(curve(execution), plain, strict=True):
            for first, second in zip(mine, theirs, strict=True):
                assert abs(first - second) <= tolerance * sum(map(abs, theirs))


def test_weights_stay_as_they_were_before_a_loss_that_is_not_finite() -> None:
    stepped, log = trainer("supervised"), LossLog()
    log.add(0, stepped.step(0))
    before = [parameter.clone() for parameter in stepped.method.parameters()]
    batches = stepped.stream.batches  # type: ignore[attr-defined]
    batches[1] = Batch(batches[1].images * float("nan"), batches[1].valid, batches[1].targets)
    for step in range(1, 4):
        log.add(step, stepped.step(step))
    assert all(torch.equal(*pair) for pair in zip(before, stepped.method.parameters(), strict=True))
    with pytest.raises(CellError, match="loss 'model/task' is nan at step 1"):
        log.read()


def test_memory_is_that_of_tensors() -> None:
    block = torch.zeros(2**26, device=GPU)
    peak = peak_gpu_bytes(GPU)
    assert peak is not None
    assert peak >= block.numel() * 4
