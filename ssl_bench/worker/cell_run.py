"""One cell in progress: its parts, its steps, its checkpoints and its record."""

import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ssl_bench.data.splits import observable
from ssl_bench.dataset import Dataset, GuardedDataset
from ssl_bench.errors import CellError, in_a_line
from ssl_bench.machine.devices import loader_threads
from ssl_bench.method import Method
from ssl_bench.observe.observer import Observer, times
from ssl_bench.observe.probe import Probe
from ssl_bench.plan.order import Order
from ssl_bench.plan.single_rows import COMPLAINT, backbone_at_fault, explain
from ssl_bench.plan.weights import Weights
from ssl_bench.registry.registry import Registry
from ssl_bench.specs import MethodSpec
from ssl_bench.store.heartbeat import Heartbeat
from ssl_bench.store.record import SCHEMA
from ssl_bench.tracker import Trackers
from ssl_bench.train.acceleration import accelerate
from ssl_bench.train.batches import BatchStream
from ssl_bench.train.evaluate import Evaluation, evaluate
from ssl_bench.train.losses import READ_EVERY, LossLog, is_loss
from ssl_bench.train.prefetch import Prefetcher
from ssl_bench.train.trainer import Trainer
from ssl_bench.worker.attempt import Interrupted
from ssl_bench.worker.build import build_method, check_providers, open_cell_data
from ssl_bench.worker.checkpoint import FORM, load_checkpoint, save_checkpoint
from ssl_bench.worker.curves import Curves, best_of
from ssl_bench.worker.meter import Meter, combined
from ssl_bench.worker.micro_batches import MicroBatches
from ssl_bench.worker.provenance import code_version, method_code, provenance, state_hash
from ssl_bench.world.batch_norm import synchronise
from ssl_bench.world.world import ALONE, World


class CellRun:
    """One cell in progress: what a checkpoint holds, and how to go on from it."""

    def __init__(
        self,
        order: Order,
        folder: Path,
        device: torch.device,
        registry: Registry,
        stop: Sequence[int],
        heartbeat: Heartbeat,
        world: World = ALONE,
    ) -> None:
        self.order, self.folder, self.device, self.world = order, folder, device, world
        self.cell = cell = order.cell
        self.stop, self.heartbeat = stop, heartbeat
        self.meter = Meter(device)
        self.recipe = cell.training
        self.step = self.first_step = 0
        self.phase = "starting"
        self.losses, self.terms = LossLog(), dict[str, float]()
        heartbeat(self._state)
        self.spec: MethodSpec = registry.method(cell.method)
        self.dataset = open_cell_data(order, registry)
        if order.changed(self.dataset):
            raise CellError(f"{order.path}: the data set has changed since the run was planned; run it again")
        heartbeat(self._state)
        self.data = GuardedDataset(self.dataset, cell.split.labeled, cell.split.held_out)
        weights = Weights(cell.pretrained, order.weights)
        weights.check_file()
        check_providers(cell, registry)
        self.method = build_method(cell, registry, self.dataset.classes, weights)
        self.initial_weights = state_hash(self.method.deployed)
        self.method.to(device)
        self.task = self.method.task
        self.task.prepare(registry.task(cell.task).recipe.model_validate(dict(cell.recipe)), self._labels())
        if world.size > 1:
            synchronise(self.method)
        self.networks = accelerate(self.method, cell.execution, device)
        self.micro_batches = MicroBatches(
            folder,
            cell,
            self.spec,
            self.method.config,
            lambda count: not backbone_at_fault(cell, registry, count),
        )
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
        trackers = order.trackers if world.leads else ()
        self.trackers = Trackers({name: registry.tracker(name).make for name in trackers})
        within = [value for value in vars(self.dataset).values() if isinstance(value, Dataset)]
        parts = (self, self.task, self.dataset, *within, *self.method.modules())
        packages = {type(part).__module__.partition(".")[0] for part in parts} - {"builtins", "torch"}
        self.code = code_version(frozenset(packages))
        self.curves = Curves(self.recipe.iterations, self.recipe.epochs)
        self.evaluations: list[dict[str, Any]] = []
        self.observer, self.observed = self._observer(), list[dict[str, Any]]()
        self.resumed_at: list[int] = []
        self.last: Evaluation | None = None

    def _observer(self) -> Observer | None:
        """Who looks at what is taught, where that is asked for and there are labels to hold it against."""
        cell = self.cell
        if not self.order.observe or not observable(self.dataset, cell.split):
            return None
        parts = self.micro_batches.used * self.world.size
        probe = Probe(
            self.dataset, cell.split, self.recipe, self.task.kind, cell.seed, self.device, parts=parts
        )
        return Observer(self.method, self.recipe, probe, cell.seed, teaches=self.spec.uses_unlabeled)

    def _labels(self) -> Iterator[np.ndarray]:
        """Of the labelled images, one after the other."""
        for name in self.cell.split.labeled:
            self.heartbeat(self._state)
            yield self.data.target(name)

    def resume(self) -> None:
        """Go back to the last checkpoint, if there is one."""
        state = load_checkpoint(self.folder)
        if state is not None and (why := self._not_ours(state)):
            print(f"the checkpoint is of {why}: starting over", flush=True)
            state = None
        if state is not None:
            self.trainer.load_state_dict(state["trainer"])
            self.step = self.first_step = state["step"]
            self.curves.load_state_dict(state["curves"])
            self.evaluations = state["evaluations"]
            self.observed = state.get("observed", [])
            self.meter.load_state_dict(state["meter"])
            self.resumed_at = [*state["resumed_at"], self.step]
            if self.world.leads:
                print(f"resumed at step {self.step}", flush=True)
        self.trackers.start(self.folder, self.cell.coordinates(), self.step)

    def _not_ours(self, state: Mapping[str, Any]) -> str:
        """Whose a checkpoint is, where going on from it is not the computation of this cell by this code."""
        form = state.get("form", 1)  # Earlier versions did not state it.
        if form != FORM:
            return f"another form ({form!s:.20}), by another version of ssl-bench"
        if state.get("cell") != self.cell.id:
            return "another cell"
        return "" if state.get("code") == self.code else "another version of the code"

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
            if self.observer and self.step in times(recipe.iterations):
                self._observe(self.observer)
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
            steps = self.order.checkpoint_steps
            by_step = steps is not None and self.step % steps == 0
            if by_step or time.monotonic() - saved >= self.order.checkpoint_seconds:
                self.save()
                saved = time.monotonic()

    def _step(self) -> Mapping[str, torch.Tensor]:
        """The losses of the next step. TakeLess where memory ran out, CellError where nothing less can be taken."""
        try:
            return self.trainer.step(self.step)
        except torch.OutOfMemoryError as error:
            print(in_a_line(error), flush=True)
        except ValueError as error:
            if not str(error).startswith(COMPLAINT):
                raise
            raise CellError(explain(self.cell)) from error
        # Not in the handler: what is raised there keeps the step's tensors alive, in the frames of its context.
        less = self.micro_batches.reduce(self.step)
        print(less, flush=True)
        raise less

    def save(self) -> None:
        """Write a checkpoint of the cell as it stands."""
        self._read_losses()
        if not self.world.leads:
            return
        self.trackers.save(self.step)
        state = {
            "form": FORM,
            "cell": self.cell.id,
            "code": self.code,
            "trainer": self.trainer.state_dict(),
            "step": self.step,
            "curves": self.curves.state_dict(),
            # The last one is made again with the record, of which it is a part.
            "evaluations": [done for done in self.evaluations if done["step"] < self.recipe.iterations],
            "observed": self.observed,
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
            "metrics": self.last.scores | self._uncertain(),
            "beside": beside,
            "evaluations": self.evaluations,
            "best": best_of(self.evaluations, primary["name"], primary["higher_is_better"]),
            "per_image": {"ids": list(self.data.scored), **self.last.per_image},
            **({"one_value": True} if self.last.one_value else {}),
            "curves": self.curves.means(),
            **({"observed": self.observed} if self.observed else {}),
            "cost": combined(self.world.gather(self.meter.cost(self.method, self.recipe, rows))),
            "provenance": {
                **provenance(self.device, self.resumed_at),
                "method_code": method_code(type(self.method)),
                "initial_weights": self.initial_weights,
                **self._compiled(),
                **self.micro_batches.provenance(),
            },
        }
        self.trackers.end(record)
        return record

    def _uncertain(self) -> dict[str, float | None]:
        """`METRIC/uncertain`: scores of the pixels that the method doubts most, where it doubts any."""
        if type(self.method).doubt is Method.doubt:
            return {}
        scores = self._score(self.method.predict, self.method.doubt).scores
        names = [metric["name"] for metric in self.cell.describe["task"]["metrics"]]
        return {f"{name}/uncertain": scores[name] for name in names if scores.get(name) is not None}

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

    def _observe(self, observer: Observer) -> None:
        """Once after each step that is due. A run is never lost over it where memory runs out."""
        self._read_losses()
        if self.step not in {done["step"] for done in self.observed}:
            self.phase = "observing"
            self.heartbeat(self._state)
            started = time.perf_counter()
            try:
                self.observed.append(observer.observe(self.step))
            except torch.OutOfMemoryError as error:
                print(f"step {self.step} is not observed: {in_a_line(error)}", flush=True)
            # A cell costs the same whether or not somebody looked.
            self.meter.leave_out(time.perf_counter() - started)
        self.meter.start_lap()

    def _score(self, predict: Any, doubt: Any = None) -> Evaluation:
        self.phase = "evaluating"
        self.method.eval()
        try:
            names = self.data.scored
            return evaluate(
                predict, self.task, self.data, names, self.device, self.between, self.world, doubt
            )
        finally:
            self.method.train()

    def between(self) -> None:
        """Between two images, or steps that are timed: show life, and raise Interrupted where told to stop."""
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
            "loss": sum(value for name, value in self.terms.items() if is_loss(name)) if self.terms else None,
            "seconds": self.meter.seconds(),
            "steps_per_second": (taken - 1) / training if taken > 1 else None,
            "device": str(self.device),
        }

    def _compiled(self) -> dict[str, Any]:
        """Of each network, where that was asked for, whether it is compiled, or why it is not."""
        if not self.cell.execution.compile:
            return {}
        return {"compiled": {network.name: network.failure or True for network in self.networks}}
