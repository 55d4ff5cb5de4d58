"""Run one cell in its folder. A worker knows nothing but the folder, a device and the registry.

cell.json -> Trainer(Method(Task, networks)) -> result.json
"""

import contextlib
import gc
import sys
from collections.abc import Sequence
from pathlib import Path

import torch

from ssl_bench.errors import CellError, DataError
from ssl_bench.machine.devices import hide_gpus, one_by_one
from ssl_bench.machine.files import write_json
from ssl_bench.plan.order import Order
from ssl_bench.registry.files import unpack
from ssl_bench.registry.loading import load_registry
from ssl_bench.registry.registry import Registry
from ssl_bench.store.folder import CellFolder
from ssl_bench.store.heartbeat import Heartbeat
from ssl_bench.worker.attempt import Interrupted, attempt
from ssl_bench.worker.build import prepare_torch
from ssl_bench.worker.cell_run import CellRun
from ssl_bench.worker.checkpoint import save_weights
from ssl_bench.worker.micro_batches import TakeLess
from ssl_bench.worker.stopwatch import time_cell
from ssl_bench.world.world import ALONE, World


def work_on(folder: Path, devices: str, registry: Registry | None = None) -> None:
    """Body of a worker process: run the cell unless it has finished, leave a record or a failure, and exit.

    `devices`: `cpu`, `cuda:0`, or `cuda:0,1` for a cell of several processes.
    """

    def run(stop: Sequence[int], heartbeat: Heartbeat) -> None:
        if CellFolder(folder).finished() is not None:
            return
        processes = order_in(folder).cell.execution.processes
        known = registry or registry_for(folder)
        if processes == 1:
            run_cell(folder, torch.device(devices), known, stop, heartbeat)
        else:
            from ssl_bench.worker.group import run_processes

            run_processes(folder, one_by_one(devices, processes), known, stop, heartbeat)

    if devices == "cpu":
        hide_gpus()
    sys.exit(attempt(folder, devices, run))


def order_in(folder: Path) -> Order:
    """What is to be run in a folder. Raises CellError."""
    try:
        return CellFolder(folder).read_order()
    except DataError as error:
        raise CellError(str(error)) from error


def run_cell(
    folder: Path,
    device: torch.device,
    registry: Registry,
    stop: Sequence[int] = (),
    heartbeat: Heartbeat | None = None,
    world: World = ALONE,
) -> None:
    """Train and score the cell in `folder`, from its checkpoint where there is one, and write its record.

    Of an order that is to be timed, take a few steps and write an estimate instead.

    Raises Interrupted, after saving a checkpoint, as soon as `stop` is no longer empty, and LockLost where the
    heartbeat has lost the folder. Alone it goes on from its checkpoint where memory runs out; one of several processes
    raises TakeLess.
    """
    order = order_in(folder)
    prepare_torch(order.cell.threads, device)
    heartbeat = heartbeat or Heartbeat(folder)
    if order.timed:
        estimate = time_cell(order, folder, device, registry, stop, heartbeat)
        write_json(CellFolder(folder).estimate, estimate.to_json())
        return
    while True:
        try:
            _run_once(order, folder, device, registry, stop, heartbeat, world)
            return
        except TakeLess:
            if world.size > 1:
                raise
        gc.collect()
        if device.type == "cuda":
            torch.cuda.empty_cache()


def _run_once(
    order: Order,
    folder: Path,
    device: torch.device,
    registry: Registry,
    stop: Sequence[int],
    heartbeat: Heartbeat,
    world: World,
) -> None:
    with contextlib.closing(CellRun(order, folder, device, registry, stop, heartbeat, world)) as run:
        run.resume()
        try:
            run.train()
            record = run.record()
        except Interrupted:
            if run.step > run.first_step:
                run.save()
            print(f"interrupted at step {run.step}", flush=True)
            raise
    heartbeat.check()
    if not world.leads:
        return
    # From the CPU, so that plain torch.load reads them on a machine without a GPU.
    weights = run.method.to("cpu").state_dict()
    files = CellFolder(folder)
    record["provenance"]["weights_sha256"] = save_weights(files.weights, weights)
    write_json(files.record, record)
    for leftover in (*files.checkpoints, files.memory, files.progress):
        leftover.unlink(missing_ok=True)


def registry_for(folder: Path) -> Registry:
    """What is installed, and the plugin files that the cell staged in a folder brings along."""
    order = order_in(folder)
    return load_registry(files=unpack(order.plugins, order.helpers, CellFolder(folder).plugins))
