"""What only a GPU can show. Skipped where there is none.

`SSL_BENCH_GPU_TESTS_ON=cpu` tries those that a CPU can run on it, which shows that the tests themselves are sound.
"""

import copy
import gc
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.distributed as dist
import toyruns
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from ssl_bench.errors import CellError
from ssl_bench.method import Batch, Method
from ssl_bench.plan.plan import Request, make_plan
from ssl_bench.recipe import PLAIN, Execution
from ssl_bench.registry.loading import load_registry
from ssl_bench.store.record import Record, parse_record
from ssl_bench.store.results import ResultStore
from ssl_bench.task import Target
from ssl_bench.testing.toys import RECIPE, ToyStream, build_toy, toy_spec
from ssl_bench.train.acceleration import accelerate
from ssl_bench.train.losses import LossLog
from ssl_bench.train.trainer import Trainer
from ssl_bench.worker.build import prepare_torch
from ssl_bench.worker.meter import EnergyMeter, peak_gpu_bytes
from ssl_bench.worker.worker import run_cell
from ssl_bench.world.batch_norm import batch_norm
from ssl_bench.world.world import join, leave
from ssl_bench_plugins.methods.flaw_detector import FlawDetector
from ssl_bench_plugins.methods.pipeline_c import flaw_target

pytestmark = pytest.mark.gpu
GPU = torch.device(os.environ.get("SSL_BENCH_GPU_TESTS_ON", "cuda"))
needs_cuda = pytest.mark.skipif(GPU.type != "cuda", reason="of a real GPU alone")
REGISTRY = load_registry()
METHODS = tuple(spec.name for spec in REGISTRY.sorted("methods") if spec.role != "upper_bound")
RUNS = [
    (task, name, settings)
    for task, name, settings in toyruns.variants()
    if REGISTRY.method(name).role != "upper_bound"
]
NAMES = ["-".join([task, name, *map(str, settings.values())]) for task, name, settings in RUNS]


@pytest.fixture(scope="module", autouse=True)
def _computing_as_cells_do() -> None:
    prepare_torch(1, GPU)


def moved(batch: Batch, device: torch.device) -> Batch:
    targets = Target(*(part.to(device) for part in batch.targets))
    return Batch(batch.images.to(device), batch.valid.to(device), targets)


class OnGpu:
    """The toy stream's batches, on the GPU beforehand."""

    def __init__(self) -> None:
        self.batches = [moved(ToyStream("classification").batch(step), GPU) for step in range(6)]

    def batch(self, step: int) -> Batch:
        return self.batches[step]


def trainer(name: str, execution: Execution = PLAIN, **settings: Any) -> Trainer:
    if reason := REGISTRY.method(name).unsupported(toy_spec("classification")):
        pytest.skip(reason)
    method = build_toy(REGISTRY.method(name), "classification").to(GPU)
    accelerate(method, execution, GPU)
    recipe = RECIPE.model_copy(update={"optimizer": RECIPE.optimizer.model_copy(update=settings)})
    return Trainer(method, recipe, OnGpu(), seed=0)


@needs_cuda
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


@needs_cuda
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


@needs_cuda
def test_memory_is_that_of_tensors() -> None:
    block = torch.zeros(2**26, device=GPU)
    peak = peak_gpu_bytes(GPU)
    assert peak is not None
    assert peak >= block.numel() * 4


@contextmanager
def in_float32() -> Iterator[None]:
    """Convolutions and products in float32 proper: a CPU knows no TF32."""
    before = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    yield
    torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = before


def toy_trainer(task: str, method: Method, device: torch.device) -> Trainer:
    class Rows:
        def batch(self, step: int) -> Batch:
            rows = toyruns.batch(task, step, void=True, together=method.config.rows_together())
            return moved(rows, device)

    return Trainer(method.to(device), toyruns.RECIPE, Rows(), 0)


def stepped(trained: Trainer, steps: range) -> dict[str, Tensor]:
    terms = {f"{name} {step}": value for step in steps for name, value in trained.step(step).items()}
    return {name: torch.as_tensor(value).cpu() for name, value in terms.items()}


def weights(method: Method) -> dict[str, Tensor]:
    return {name: value.detach().cpu() for name, value in method.state_dict().items()}


@pytest.mark.parametrize(("task", "name", "settings"), RUNS, ids=NAMES)
def test_a_step_on_the_device_is_that_on_the_cpu(task: str, name: str, settings: dict[str, Any]) -> None:
    built = toyruns.build(task, name, REGISTRY, norm=True, **settings)
    with in_float32():
        here = toy_trainer(task, copy.deepcopy(built), torch.device("cpu"))
        there = toy_trainer(task, built, GPU)
        for found, expected in zip(*(stepped(one, range(1)).items() for one in (there, here)), strict=True):
            assert found[0] == expected[0]
            torch.testing.assert_close(found[1], expected[1], rtol=1e-3, atol=1e-4, msg=found[0])
    mine, theirs = weights(there.method), weights(here.method)
    for key, value in theirs.items():
        if value.is_floating_point():
            torch.testing.assert_close(mine[key], value, rtol=1e-2, atol=1e-3, msg=key)


@pytest.mark.parametrize(("task", "name", "settings"), RUNS, ids=NAMES)
def test_the_same_steps_give_the_same_bits(task: str, name: str, settings: dict[str, Any]) -> None:
    """Twice from the start, and once more resumed in the middle from what a checkpoint holds."""
    built = toyruns.build(task, name, REGISTRY, norm=True, **settings)
    whole, again, resumed = (toy_trainer(task, copy.deepcopy(built), GPU) for _ in range(3))
    losses = stepped(whole, range(4))
    assert_equal(stepped(again, range(2)), {key: losses[key] for key in losses if key.endswith((" 0", " 1"))})
    method, state = (copy.deepcopy(one.state_dict()) for one in (again.method, again))
    resumed.method.load_state_dict(method)
    resumed.load_state_dict(state)
    for trained in (again, resumed):
        assert_equal(
            stepped(trained, range(2, 4)), {key: losses[key] for key in losses if key.endswith((" 2", " 3"))}
        )
        assert_equal(weights(trained.method), weights(whole.method))


def assert_equal(mine: dict[str, Tensor], theirs: dict[str, Tensor]) -> None:
    assert list(mine) == list(theirs)
    assert [name for name in mine if not torch.equal(mine[name], theirs[name])] == []


@pytest.mark.parametrize("side", [40, 321])
def test_pipeline_c_and_the_detector_on_the_device(side: int) -> None:
    generator = torch.Generator().manual_seed(0)
    prediction, target = (torch.rand(4, 21, side, side, generator=generator) for _ in range(2))
    exact = flaw_target(prediction.double(), target.double(), mu=1.0, nu=2)
    found = flaw_target(prediction.to(GPU), target.to(GPU), mu=1.0, nu=2)
    assert found.device.type == GPU.type
    torch.testing.assert_close(found.cpu().double(), exact, rtol=0, atol=1e-4)
    torch.manual_seed(0)
    detector, images = FlawDetector(24).eval(), torch.rand(4, 3, side, side, generator=generator)
    with torch.no_grad(), in_float32():
        expected = detector(prediction, images)
        found = detector.to(GPU)(prediction.to(GPU), images.to(GPU))
    torch.testing.assert_close(found.cpu(), expected, rtol=1e-3, atol=1e-4)


@needs_cuda
def test_energy_is_measured_or_missing() -> None:
    meter = EnergyMeter(GPU)
    block = torch.rand(4096, 4096, device=GPU)
    for _ in range(50):
        block = torch.tanh(block @ block)
    torch.cuda.synchronize()
    joules = meter.joules()
    assert joules is None or joules >= 0


@needs_cuda
def test_processes_meet_by_nccl() -> None:
    """One of them: gradients and statistics go through NCCL all the same."""
    names = {
        "RANK": "0",
        "WORLD_SIZE": "1",
        "LOCAL_RANK": "0",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": "0",
    }
    before = {name: os.environ.get(name) for name in names}
    os.environ |= names
    try:
        world = join(torch.device("cuda:0"))
        assert (world.rank, world.size) == (0, 1)
        total = torch.ones(3, device="cuda:0")
        torch.distributed.all_reduce(total)
        assert total.tolist() == [1, 1, 1]
        norm = torch.nn.SyncBatchNorm(3).to("cuda:0").train()
        assert norm(torch.rand(2, 3, 4, 4, device="cuda:0")).isfinite().all()
    finally:
        leave()
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.__setitem__(name, value)


def command(*arguments: object, **environment: str) -> str:
    line = [sys.executable, "-m", "ssl_bench", *map(str, arguments)]
    done = subprocess.run(
        line, capture_output=True, text=True, env={**os.environ, **environment}, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_cells_side_by_side_then_predict_and_export(tmp_path: Path) -> None:
    """Two cells at once on one device, to the same records as one after the other; then what was trained is used."""
    device = "cuda:0" if GPU.type == "cuda" else "cpu"
    options = ("run", "--tasks=night", "--methods=mt,gct", "--no-control", "--set=night.iterations=4")
    options += ("--set=night.crop=32", f"--devices={device}")
    for jobs in (2, 1):
        command(*options, f"--jobs={jobs}", "--out", tmp_path / f"{jobs}")
    records = [
        {path.parent.name: parse_record(path) for path in (tmp_path / jobs / "cells").glob("*/result.json")}
        for jobs in "12"
    ]
    assert len(records[0]) == 2
    for name, record in records[0].items():
        assert records[1][name].metrics == record.metrics
        assert (record.cost.peak_memory_bytes is not None) == (GPU.type == "cuda")
    cell = next(iter(records[0]))
    Image.fromarray(np.full((50, 70, 3), 90, np.uint8)).save(tmp_path / "dark.png")
    command("predict", cell, tmp_path / "dark.png", "--runs", tmp_path / "1", "--out", tmp_path / "bright")
    assert Image.open(tmp_path / "bright" / "dark.png").size == (70, 50)
    command("export", cell, "--runs", tmp_path / "1", "--format", "onnx", "--out", tmp_path / "model.onnx")


def test_a_cell_that_does_not_fit_goes_on_in_parts(tmp_path: Path) -> None:
    """With three quarters of the memory that it takes whole."""

    def run(name: str) -> Record:
        request = Request(
            tasks="night",
            methods="supervised",
            control=False,
            backbones="unet/resnet18",
            pretrained=False,
            precision="fp32",
            settings=("night.iterations=2", f"night.crop={512 if GPU.type == 'cuda' else 32}"),
        )
        folder = ResultStore(tmp_path / name).stage(make_plan(REGISTRY, request).orders[0]).path
        if GPU.type == "cuda":
            gc.collect()  # The peak is the process's, and what is left of other cells has a part in it.
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
        run_cell(folder, torch.device(GPU.type, 0) if GPU.type == "cuda" else GPU, REGISTRY)
        return parse_record(folder / "result.json")

    whole = run("whole")
    assert "micro_batches" not in whole.provenance.to_json()
    if GPU.type != "cuda":
        return
    torch.cuda.empty_cache()
    share = 0.75 * whole.cost.peak_memory_bytes / torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction(share)
    try:
        parts = run("parts")
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert parts.provenance.micro_batches["used"] > 1
    assert parts.cost.peak_memory_bytes < whole.cost.peak_memory_bytes


@needs_cuda
def test_torch_s_own_kernels_take_part() -> None:
    torch.manual_seed(0)
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    try:
        features, weight, bias = torch.randn(4, 3, 5, 5).cuda(), torch.rand(3).cuda(), torch.rand(3).cuda()
        running = [torch.zeros(3).cuda(), torch.ones(3).cuda()]
        expected = [buffer.clone() for buffer in running]
        found = batch_norm(features, *running, weight, bias, True)
        plain = F.batch_norm(features, *expected, weight, bias, True)
        torch.testing.assert_close([found, *running], [plain, *expected])
        # A bias without a weight, as HDRNet has, learns as well.
        bias.requires_grad_()
        graphs = (each(features, *running, None, bias, True) for each in (batch_norm, F.batch_norm))
        found, plain = (torch.autograd.grad(each.square().sum(), bias)[0] for each in graphs)
        torch.testing.assert_close(found, plain)
    finally:
        dist.destroy_process_group()
