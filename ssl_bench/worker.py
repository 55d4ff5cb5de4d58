"""Run one cell in its folder. A worker knows nothing but the folder, a device and the registry.

cell.json -> Trainer(Method(Task, networks)) -> result.json
"""

import contextlib
import gc
import os
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from ssl_bench.acceleration import accelerate
from ssl_bench.backbone import network_factory
from ssl_bench.batch_norm import synchronise
from ssl_bench.batches import BatchStream
from ssl_bench.cell import Cell, execution_of, recipe_of
from ssl_bench.checkpoint import load_checkpoint, save_checkpoint, save_weights
from ssl_bench.cost import Meter, combined
from ssl_bench.curves import Curves, best_of
from ssl_bench.dataset import Dataset, GuardedDataset, listing
from ssl_bench.devices import loader_threads, one_by_one
from ssl_bench.distributed import ALONE, World
from ssl_bench.errors import CellError
from ssl_bench.evaluate import Evaluation, evaluate
from ssl_bench.files import read_json, write_json
from ssl_bench.heap import keep_heap
from ssl_bench.heartbeat import Heartbeat
from ssl_bench.losses import READ_EVERY, LossLog
from ssl_bench.memory import MicroBatches, TakeLess
from ssl_bench.method import Method
from ssl_bench.plugin_files import unpack
from ssl_bench.prefetch import Prefetcher
from ssl_bench.process import Interrupted, attempt
from ssl_bench.provenance import code_version, provenance
from ssl_bench.registry import Registry, load_registry
from ssl_bench.results import CHECKPOINTS, MEMORY, SCHEMA, read_record
from ssl_bench.seeds import seed_for
from ssl_bench.specs import MethodSpec, resolve
from ssl_bench.task import Task
from ssl_bench.tracker import Trackers
from ssl_bench.trainer import Trainer
from ssl_bench.unlabeled import open_data
from ssl_bench.weights import SCRATCH, Weights


def main(folder: Path, devices: str, registry: Registry | None = None) -> None:
    """Body of a worker process: run the cell, leave a record or a failure, and exit with a status.

    `devices`: `cpu`, `cuda:0`, or `cuda:0,1` for a cell of several processes.
    """

    def run(stop: Sequence[int], heartbeat: Heartbeat) -> None:
        processes = execution_of(cell_in(folder)).processes
        known = registry or registry_for(folder)
        if processes == 1:
            run_cell(folder, torch.device(devices), known, stop, heartbeat)
        else:
            from ssl_bench.processes import run_processes

            run_processes(folder, one_by_one(devices, processes), known, stop, heartbeat)

    sys.exit(attempt(folder, devices, run))


def cell_in(folder: Path) -> Cell:
    """The cell that a folder is for. Raises CellError."""
    content = read_json(folder / "cell.json")
    if content is None:
        raise CellError(f"{folder / 'cell.json'} cannot be read; run the command again")
    return Cell.from_json(content)


def run_cell(
    folder: Path,
    device: torch.device,
    registry: Registry,
    stop: Sequence[int] = (),
    heartbeat: Heartbeat | None = None,
    world: World = ALONE,
) -> None:
    """Train and score the cell in `folder`, from its checkpoint where there is one, and write its record.

    Raises Interrupted, after saving a checkpoint, as soon as `stop` is no longer empty, and LockLost where the
    heartbeat has lost the folder. Alone it goes on from its checkpoint where memory runs out; one of several processes
    raises TakeLess.
    """
    if read_record(folder / "result.json") is not None:
        return
    cell = cell_in(folder)
    prepare_torch(cell.threads)
    heartbeat = heartbeat or Heartbeat(folder)
    while True:
        try:
            _run_once(cell, folder, device, registry, stop, heartbeat, world)
            return
        except TakeLess:
            if world.size > 1:
                raise
        gc.collect()
        if device.type == "cuda":
            torch.cuda.empty_cache()


def _run_once(
    cell: Cell,
    folder: Path,
    device: torch.device,
    registry: Registry,
    stop: Sequence[int],
    heartbeat: Heartbeat,
    world: World,
) -> None:
    with contextlib.closing(CellRun(cell, folder, device, registry, stop, heartbeat, world)) as run:
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
    record["provenance"]["weights_sha256"] = save_weights(folder / "weights.pt", run.method.state_dict())
    write_json(folder / "result.json", record)
    for leftover in (*CHECKPOINTS, MEMORY, "progress.json"):
        (folder / leftover).unlink(missing_ok=True)


def registry_for(folder: Path) -> Registry:
    """What is installed, and the plugin files that the cell staged in a folder brings along."""
    sources = (read_json(folder / "cell.json") or {}).get("plugins", {})
    return load_registry(files=unpack(sources, folder / "plugins"))


def open_cell_data(cell: Cell, registry: Registry) -> Dataset:
    """The data that a cell was planned on. Raises DataError where it cannot be opened any more."""
    dataset = resolve(registry.dataset(cell.task, cell.dataset).dataset)
    path, unlabeled = Path(cell.path) if cell.path else None, [Path(folder) for folder in cell.unlabeled]
    return open_data(dataset, path, unlabeled, cell.classes)


def build_method(
    cell: Cell, registry: Registry, classes: tuple[str, ...], weights: Weights = SCRATCH
) -> Method:
    """The cell's method with its networks at their initial weights, on the CPU; `weights` are what they start from."""
    task: Task = resolve(registry.task(cell.task).task)(classes)
    spec = registry.method(cell.method)
    factory = network_factory(registry.backbone, task, cell.backbone, cell.seed, weights)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_for("method", cell.seed, cell.method))
        method: Method = resolve(spec.method)(task, spec.config(**cell.config), factory)
    return method.train()


class CellRun:
    """One cell in progress: what a checkpoint holds, and how to go on from it."""

    def __init__(
        self,
        cell: Cell,
        folder: Path,
        device: torch.device,
        registry: Registry,
        stop: Sequence[int],
        heartbeat: Heartbeat,
        world: World = ALONE,
    ) -> None:
        self.cell, self.folder, self.device, self.world = cell, folder, device, world
        self.stop, self.heartbeat = stop, heartbeat
        self.meter = Meter(device)
        self.recipe = recipe_of(cell)
        self.step = self.first_step = 0
        self.phase = "starting"
        self.losses, self.terms = LossLog(), dict[str, float]()
        heartbeat(self._state)
        self.spec: MethodSpec = registry.method(cell.method)
        self.dataset = open_cell_data(cell, registry)
        if listing(self.dataset) != cell.listing:
            raise CellError(f"{cell.path}: the data set has changed since the run was planned; run it again")
        heartbeat(self._state)
        self.data = GuardedDataset(self.dataset, cell.split.labeled, cell.split.held_out)
        weights = Weights(cell.pretrained, cell.weights)
        weights.check_file()
        self.method = build_method(cell, registry, self.dataset.classes, weights).to(device)
        self.task = self.method.task
        if world.size > 1:
            synchronise(self.method)
        self.networks = accelerate(self.method, execution_of(cell), device)
        self.micro_batches = MicroBatches(folder, cell, self.spec.uses_unlabeled)
        self.stream = BatchStream(
            self.data,
            cell.split,
            self.recipe,
            self.task.kind,
            seed=cell.seed,
            uses_unlabeled=self.spec.uses_unlabeled,
            device=device,
            part=world.part,
        )
        # On a CPU a thread that decodes would take the core from the one that trains.
        workers = loader_threads() if device.type == "cuda" else 0
        self.prefetcher = Prefetcher(self.stream, self.recipe.iterations, workers) if workers else None
        self.trainer = Trainer(
            self.method,
            self.recipe,
            self.prefetcher or self.stream,
            cell.seed,
            micro_batches=self.micro_batches.used,
            world=world,
        )
        trackers = cell.trackers if world.leads else ()
        self.trackers = Trackers([resolve(registry.tracker(name).tracker)() for name in trackers])
        parts = (self, self.method, self.task, self.dataset, self.method.deployed)
        self.code = code_version(frozenset(type(part).__module__.partition(".")[0] for part in parts))
        self.curves = Curves(self.recipe.iterations, self.recipe.epochs)
        self.evaluations: list[dict[str, Any]] = []
        self.resumed_at: list[int] = []
        self.last: Evaluation | None = None

    def resume(self) -> None:
        """Go back to the last checkpoint, if there is one."""
        state = load_checkpoint(self.folder)
        if state is not None and state.get("code") != self.code:
            print("the checkpoint is of another version of the code: starting over", flush=True)
            state = None
        if state is not None:
            self.trainer.load_state_dict(state["trainer"])
            self.step = self.first_step = state["step"]
            self.curves.load_state_dict(state["curves"])
            self.evaluations = state["evaluations"]
            self.meter.load_state_dict(state["meter"])
            self.resumed_at = [*state["resumed_at"], self.step]
            if self.world.leads:
                print(f"resumed at step {self.step}", flush=True)
        self.trackers.start(self.folder, self.cell.coordinates(), self.step)

    def train(self) -> None:
        """Step to the end, evaluating and saving on the way. Raises Interrupted where told to stop."""
        recipe = self.recipe
        due = {round(recipe.iterations * k / recipe.evaluations) for k in range(1, recipe.evaluations + 1)}
        every = READ_EVERY if self.device.type == "cuda" else 1
        saved = time.monotonic()
        self.meter.start_lap()
        while True:
            if self.step in due and self.step not in {done["step"] for done in self.evaluations}:
                self._evaluate()
            if self.step == recipe.iterations:
                return
            self.phase = "training"
            self.heartbeat(self._state)
            # All processes stop at the same step.
            if self.world.any(bool(self.stop)):
                raise Interrupted
            self.losses.add(self.step, self._step())
            self.step += 1
            if self.step % every == 0 or not self.terms:
                self._read_losses()
            steps = self.cell.checkpoint_steps
            by_step = steps is not None and self.step % steps == 0
            if by_step or time.monotonic() - saved >= self.cell.checkpoint_seconds:
                self.save()
                saved = time.monotonic()

    def _step(self) -> Mapping[str, torch.Tensor]:
        """The losses of the next step. TakeLess where memory ran out, CellError where nothing less can be taken."""
        try:
            return self.trainer.step(self.step)
        except torch.OutOfMemoryError as error:
            print(f"{type(error).__name__}: {str(error).partition(chr(10))[0]}", flush=True)
        # Not in the handler: what is raised there keeps the step's tensors alive, in the frames of its context.
        less = self.micro_batches.reduce(self.step)
        print(less, flush=True)
        raise less

    def save(self) -> None:
        """Write a checkpoint."""
        self._read_losses()
        if not self.world.leads:
            return
        self.trackers.save(self.step)
        state = {
            "code": self.code,
            "trainer": self.trainer.state_dict(),
            "step": self.step,
            "curves": self.curves.state_dict(),
            # The last one is made again with the record, of which it is a part.
            "evaluations": [done for done in self.evaluations if done["step"] < self.recipe.iterations],
            "meter": self.meter.state_dict(),
            "resumed_at": self.resumed_at,
        }
        self.heartbeat.check()
        save_checkpoint(self.folder, state)
        self.meter.start_lap()

    def record(self) -> dict[str, Any]:
        """The record of the finished cell: cost and provenance stand outside its identity."""
        assert self.last is not None
        beside = {name: self._score(predict).scores for name, predict in self.method.predict_beside().items()}
        primary = self.cell.describe["task"]["metrics"][0]
        rows = self.recipe.labeled_rows + (self.recipe.unlabeled_rows if self.spec.uses_unlabeled else 0)
        record = {
            "schema": SCHEMA,
            "cell": self.cell.coordinates(),
            "config": {"recipe": dict(self.cell.recipe), "method": dict(self.cell.config)},
            "describe": dict(self.cell.describe),
            "providers": dict(self.cell.providers),
            "metrics": self.last.scores,
            "beside": beside,
            "evaluations": self.evaluations,
            "best": best_of(self.evaluations, primary["name"], primary["higher_is_better"]),
            "per_image": {"ids": list(self.data.scored), **self.last.per_image},
            "curves": self.curves.means(),
            "cost": combined(self.world.gather(self.meter.cost(self.method, self.recipe, rows))),
            "provenance": {
                **provenance(self.device, self.resumed_at),
                **self._compiled(),
                **self.micro_batches.provenance(),
            },
        }
        self.trackers.end(record)
        return record

    def close(self) -> None:
        """End the threads that load batches."""
        if self.prefetcher:
            self.prefetcher.close()

    def _read_losses(self) -> None:
        """Wait for the steps so far, and take in their losses. CellError where one is not finite."""
        read = self.losses.read()
        if read:
            self.meter.end_lap(len(read))
        for step, terms in read:
            self.curves.add(step, terms)
            self.trackers.step(step + 1, terms)
            self.terms = terms

    def _evaluate(self) -> None:
        self._read_losses()
        self.last = self._score(self.method.predict)
        self.evaluations.append({"step": self.step, "metrics": self.last.scores})
        self.trackers.evaluation(self.step, self.last.scores)
        self.meter.start_lap()

    def _score(self, predict: Any) -> Evaluation:
        self.phase = "evaluating"
        self.method.eval()
        try:
            names = self.data.scored
            return evaluate(predict, self.task, self.data, names, self.device, self._between, self.world)
        finally:
            self.method.train()

    def _between(self) -> None:
        """Between two test images: show life, and raise Interrupted where told to stop."""
        self.heartbeat(self._state)
        if self.stop:
            raise Interrupted

    def _state(self) -> dict[str, Any]:
        taken = self.step - self.first_step
        training = self.meter.seconds_here() - (self.meter.before_first_step or 0.0)
        return {
            "phase": self.phase,
            "step": self.step,
            "iterations": self.recipe.iterations,
            "loss": float(sum(self.terms.values())) if self.terms else None,
            "seconds": self.meter.seconds(),
            "steps_per_second": (taken - 1) / training if taken > 1 else None,
            "device": str(self.device),
        }

    def _compiled(self) -> dict[str, Any]:
        """Of each network, where that was asked for, whether it is compiled, or why it is not."""
        if not execution_of(self.cell).compile:
            return {}
        return {"compiled": {network.name: network.failure or True for network in self.networks}}


def prepare_torch(threads: int) -> None:
    """Make this process compute as a cell does."""
    keep_heap()
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.backends.cudnn.benchmark = False
    # A blur is a matrix product, and a target that it makes is to be exact; TF32 in convolutions is torch's default.
    torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = True, False
    # Without it matrix products on a GPU are not the same in every run.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
