"""An observer changes nothing, sees what methods teach, and keeps its labels to itself."""

import contextlib
import dataclasses
import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from conftest import Said
from torch import Tensor
from toyruns import RECIPE, SIDE, STEPS, batch, build, variants

from ssl_bench.dataset import GuardedDataset
from ssl_bench.errors import PluginError
from ssl_bench.method import Batch, Method
from ssl_bench.observe.observer import Observer, times, undone
from ssl_bench.observe.pixels import pixels_of
from ssl_bench.observe.probe import Probe
from ssl_bench.plan.plan import Request, make_plan
from ssl_bench.registry.loading import load_registry
from ssl_bench.store.folder import CellFolder
from ssl_bench.store.heartbeat import Heartbeat
from ssl_bench.store.observed import Observation, Seen, observations_of
from ssl_bench.store.results import ResultStore, same
from ssl_bench.task import Target
from ssl_bench.train.evaluate import evaluate, most_doubted
from ssl_bench.train.trainer import Trainer
from ssl_bench.worker.attempt import Interrupted
from ssl_bench.worker.build import open_cell_data
from ssl_bench.worker.cell_run import CellRun
from ssl_bench.worker.worker import run_cell
from ssl_bench.world.exposed import Exposed, Observe

REGISTRY = load_registry()
TAUGHT = {spec.name for spec in REGISTRY.sorted("methods") if spec.uses_unlabeled and spec.role == "ssl"} - {
    "s4l"
}
"""By targets of pixels."""


class Looked:
    """Two batches of random pixels, and labels that are as random."""

    batches = 2

    def __init__(self, task: str, together: int) -> None:
        self.task, self.together = task, together

    @property
    def rows(self) -> int:
        return self.batches * 2 * self.together

    def batch(self, number: int) -> Batch:
        return batch(self.task, 50 + number, void=True, together=self.together)

    def truth(self, number: int) -> Target:
        return secret(self.task, number, 2 * self.together)


def secret(task: str, number: int, rows: int) -> Target:
    generator = torch.Generator().manual_seed(900 + number)
    valid = torch.rand(rows, 1, SIDE, SIDE, generator=generator) > 0.1
    if task == "segmentation":
        return Target(torch.randint(3, (rows, SIDE, SIDE), generator=generator) * valid[:, 0], valid)
    return Target(torch.rand(rows, 3, SIDE, SIDE, generator=generator), valid)


def trained(task: str, name: str, settings: dict[str, object], *, observed: bool) -> tuple[Method, list[Any]]:
    method = build(task, name, REGISTRY, norm=True, **settings)
    together, spec = method.config.rows_together(), REGISTRY.method(name)

    class Rows:
        def batch(self, step: int) -> Batch:
            return batch(task, step, void=True, together=together)

    trainer, found = Trainer(method, RECIPE, Rows(), 0), []
    observer = Observer(method, RECIPE, Looked(task, together), 0, teaches=spec.uses_unlabeled)
    for step in range(STEPS):
        trainer.step(step)
        if observed:
            found.append(observer.observe(step + 1))
    return method, found


@pytest.mark.parametrize(("task", "name", "settings"), list(variants()), ids=lambda value: str(value)[:24])
def test_observing_changes_no_bit_of_any_method(task: str, name: str, settings: dict[str, object]) -> None:
    method, _ = trained(task, name, settings, observed=False)
    watched, found = trained(task, name, settings, observed=True)
    for (key, value), other in zip(method.state_dict().items(), watched.state_dict().values(), strict=True):
        assert torch.equal(value, other), key
    assert all(
        module.training == other.training
        for module, other in zip(method.modules(), watched.modules(), strict=True)
    )
    last = Observation.model_validate(found[-1])
    assert last.deployed is not None
    assert bool(last.seen) == (name in TAUGHT)
    for each in last.seen.values():
        assert each.pixels > 0
        assert each.score is not None
        # Labels that are drawn tell nothing.
        if task == "segmentation" and each.detection is not None:
            assert 0.4 < each.detection < 0.6
        assert (each.calibration is not None) == (task == "segmentation")


def test_what_is_measured_of_a_target(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of the pixels are right and kept; the student has none right."""

    class Teaches(type(build("segmentation", "supervised", REGISTRY, norm=False))):  # type: ignore[misc]
        def losses(self, batch: Batch, progress: Any) -> Iterator[Any]:
            rows = len(batch.unlabeled_images)
            truth = torch.stack([one_hot(Looked("segmentation", 1).truth(number).value) for number in (0, 1)])
            target = 0.9 * truth[0 if batch.images[0, 0, 0, 0] == first else 1] + 0.03
            wrong = target.roll(1, 1)
            left = torch.arange(SIDE).expand(rows, 1, SIDE, SIDE) < SIDE // 2
            progress.observe(
                torch.where(left, target, wrong),
                keep=left,
                student=lambda images: -1e3 * wrong + 1e3 * wrong.roll(1, 1),
            )
            yield {}

    method = build("segmentation", "supervised", REGISTRY, norm=False)
    method.__class__ = Teaches
    first = Looked("segmentation", 1).batch(0).images[0, 0, 0, 0]
    found = Observer(method, RECIPE, Looked("segmentation", 1), 0, teaches=True).observe(1)
    seen = Seen.model_validate(found["seen"]["target"])
    assert seen.kept == pytest.approx(0.5, abs=0.05)
    assert seen.score == pytest.approx(100 * seen.kept, abs=1e-3)  # type: ignore[operator]
    assert (seen.score_kept, seen.student, seen.student_kept) == (100, 0, 0)
    assert seen.calibration == pytest.approx(abs(0.93 - seen.kept), abs=1e-4)  # type: ignore[operator]
    assert seen.recall == seen.recall_kept
    assert seen.detection == pytest.approx(0.5)  # It is as sure of all.


def one_hot(ids: Tensor) -> Tensor:
    return torch.nn.functional.one_hot(ids, 3).movedim(-1, 1).float()


def test_all_is_put_back() -> None:
    method = build("segmentation", "mt", REGISTRY, norm=True)
    before = {name: value.clone() for name, value in method.state_dict().items()}
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    with undone(method):
        torch.manual_seed(9)
        method.eval()
        for module in method.modules():
            for name, buffer in list(module._buffers.items()):
                if name == "running_mean":
                    module._buffers[name] = torch.rand_like(buffer)  # type: ignore[arg-type]
                elif buffer is not None:
                    buffer += 1
    assert torch.equal(torch.rand(3), expected)
    assert method.training
    assert all(torch.equal(value, before[name]) for name, value in method.state_dict().items())


def test_what_is_shown_is_a_plain_picture_of_its_rows() -> None:
    class Loud(Tensor):
        pass

    target, keep = torch.rand(2, 3, 4, 5), torch.ones(2, 1, 4, 5, dtype=torch.bool)
    for looking in (False, True):
        observe = Observe(looking=looking)
        assert observe(target, keep=keep) is None  # type: ignore[func-returns-value]
        assert len(observe.take()) == looking
    observe = Observe(looking=True)
    observe([target, target + 0.5], keep=keep)
    (shown,) = observe.take()
    assert shown.doubt is not None
    assert torch.allclose(shown.doubt, torch.full((2, 1, 4, 5), 0.5))
    target += 1
    assert not torch.equal(shown.target, target)
    for wrong in (
        {"target": target[0]},
        {"target": target.as_subclass(Loud)},
        {"target": target, "keep": keep[:1]},
        {"target": target, "doubt": target},
    ):
        with pytest.raises(PluginError, match="is to be a plain tensor"):
            observe(**wrong)


def test_what_would_be_read_wrongly_is_refused() -> None:
    target, keep = torch.rand(2, 3, 4, 5), torch.ones(2, 1, 4, 5)
    for wrong in (keep.to(torch.uint8), keep.long(), keep):
        with pytest.raises(PluginError, match=r"keep is to be bool, not torch\."):
            Observe(looking=True)(target, keep=wrong)
    observe = Observe(looking=True)
    observe(target, name="first")
    observe(target, name="second")
    with pytest.raises(PluginError, match=r"observe\('first', \.\.\.\): given twice in a step"):
        observe(target, name="first")
    # Of another batch it may be given again.
    observe.take()
    observe(target, name="first")


@pytest.mark.parametrize("labeled", [False, True])
def test_who_is_taught_is_scored_as_it_is_evaluated(monkeypatch: pytest.MonkeyPatch, labeled: bool) -> None:
    """With the running statistics that it had, and on the rows that its target is of."""
    method, _ = trained("night", "mt", {}, observed=False)
    shown: list[tuple[Exposed, Tensor | None]] = []

    class Teaches(type(method)):  # type: ignore[misc]
        def losses(self, batch: Batch, progress: Any) -> Iterator[Any]:
            yield from super().losses(batch, progress)
            rows = batch.labeled_images if labeled else batch.unlabeled_images
            progress.observe(rows, student=self.student, name="own", labeled=labeled)

    def noted(task: Any, exposed: Exposed, student: Tensor | None, *others: Any) -> Any:
        shown.append((exposed, student))
        return pixels_of(task, exposed, student, *others)

    method.__class__ = Teaches
    looked = Looked("night", 2)
    images = looked.batch(0).labeled_images if labeled else looked.batch(0).unlabeled_images
    with torch.no_grad():
        student, deployed = (
            method.task.activate(predict(given))
            for predict, given in (
                (method.eval().student, images),
                (method.predict, looked.batch(0).unlabeled_images),
            )
        )
    method.train()
    monkeypatch.setattr("ssl_bench.observe.observer.pixels_of", noted)
    Observer(method, RECIPE, looked, 0, teaches=True).observe(STEPS)
    found = {exposed.name: (exposed, predicted) for exposed, predicted in shown[: len(shown) // 2]}
    torch.testing.assert_close(found["own"][1], student)
    torch.testing.assert_close(found[""][0].target, deployed)


def test_to_look_is_no_cost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (order,) = orders("night", "supervised", observe=True)
    now = 100.0
    monkeypatch.setattr(time, "perf_counter", lambda: now)

    def slow(step: int) -> dict[str, Any]:
        nonlocal now
        now += 50
        return {"step": step}

    with contextlib.closing(
        CellRun(order, tmp_path, torch.device("cpu"), REGISTRY, (), Heartbeat(tmp_path))
    ) as run:
        now += 7
        run._observe(SimpleNamespace(observe=slow))  # type: ignore[arg-type]
        now += 2
        assert run.observed == [{"step": 0}]
        assert run.meter.seconds() == 9


def test_times_end_with_the_run() -> None:
    assert times(80) == {10, 20, 30, 40, 50, 60, 70, 80}
    assert max(times(3)) == 3


@pytest.fixture(autouse=True)
def _few_are_tested(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ssl_bench_tasks.synthetic.base.TEST", 3)


SETTINGS = ("iterations=4", "crop=24", "labeled_rows=2", "unlabeled_rows=2")


def orders(task: str, methods: str, **request: Any) -> tuple[Any, ...]:
    asked = {"tasks": task, "methods": methods, "backbones": "unet-small", "control": False, "labels": ("4",)}
    settings = [f"{task}.{each}" for each in SETTINGS]
    return make_plan(REGISTRY, Request(**{**asked, "settings": settings, **request})).orders


@pytest.mark.parametrize(("task", "name"), [("segmentation", "fixmatch"), ("night", "gct")])
def test_a_cell_is_the_same_cell_observed_or_not(task: str, name: str, tmp_path: Path) -> None:
    ((plainly,), (watched,)) = (orders(task, name, observe=observe) for observe in (False, True))
    assert watched.cell == plainly.cell
    records = []
    for place, order in (("plain", plainly), ("watched", watched)):
        store = ResultStore(tmp_path / place)
        run_cell(store.stage(order).path, torch.device("cpu"), REGISTRY)
        record = store.finished(order.cell)
        assert record is not None
        records.append(record)
    assert same(*records)
    assert ("psnr/uncertain" in records[0].metrics) == (name == "gct")
    assert "observed" not in records[0].to_json()
    assert observations_of(records[0]) == []
    found = observations_of(records[1])
    assert [each.step for each in found] == sorted(times(4))
    assert all(each.deployed is not None for each in found)
    one, other = (
        CellFolder(ResultStore(tmp_path / place).folder(watched.cell).path).weights
        for place in ("plain", "watched")
    )
    weights = (torch.load(path, weights_only=True) for path in (one, other))
    assert all(torch.equal(a, b) for a, b in zip(*(each.values() for each in weights), strict=True))
    if name == "gct":
        assert {*found[0].seen} == {
            *("first", "first, by F", "first, by C", "second", "second, by F", "second, by C")
        }
        assert found[0].seen["first, by C"].labeled
        # C blurs the very error.
        assert (found[-1].seen["first, by C"].correlation or 0) > 0.3


def test_a_run_goes_on_with_what_was_observed(tmp_path: Path) -> None:
    (order,) = orders("night", "mt", observe=True)
    order = dataclasses.replace(order, checkpoint_steps=1)
    store = ResultStore(tmp_path)
    folder = store.stage(order).path
    stop: list[int] = []
    run = CellRun(order, folder, torch.device("cpu"), REGISTRY, stop, Heartbeat(folder))
    run.resume()
    step = run._step

    def stopped() -> Any:
        stop.extend([1] if run.step == 2 else [])
        return step()

    run._step = stopped  # type: ignore[method-assign]
    with pytest.raises(Interrupted):
        run.train()
    run.save()
    assert [each["step"] for each in run.observed] == [1, 2, 3]
    run_cell(folder, torch.device("cpu"), REGISTRY)
    resumed = store.finished(order.cell)
    assert resumed is not None
    other = ResultStore(tmp_path / "at once")
    run_cell(other.stage(order).path, torch.device("cpu"), REGISTRY)
    straight = other.finished(order.cell)
    assert straight is not None
    assert resumed.observed == straight.observed


def test_the_truth_of_a_probe_is_the_labels_of_its_own_crops() -> None:
    """With images that are their own labels, so that a crop's label is the crop."""
    (order,) = orders(
        "night", "mt", settings=["night.iterations=4", "night.crop=150", "night.scale=[0.5,2.0]"]
    )
    data = open_cell_data(order, REGISTRY)
    data.image = data.target  # type: ignore[method-assign]
    probe = Probe(data, order.cell.split, order.cell.training, "regression", 0, torch.device("cpu"))
    batch, truth = probe.batch(0), probe.truth(0)
    assert torch.equal(truth.valid, batch.unlabeled_valid)
    assert not truth.valid.all()
    inside = truth.valid.expand_as(truth.value)
    assert torch.equal(truth.value[inside], batch.unlabeled_images[inside])


def test_what_was_finished_unobserved_is_told(command: Callable[..., Said], tmp_path: Path) -> None:
    (order,) = orders("night", "supervised")
    folder = ResultStore(tmp_path).stage(order).path
    run_cell(folder, torch.device("cpu"), REGISTRY)
    options = [part for each in SETTINGS for part in ("--set", f"night.{each}")]
    options += [
        "--tasks",
        "night",
        "--methods",
        "supervised",
        "--no-control",
        "--labels",
        "4",
        "--devices",
        "cpu",
    ]
    again = command("run", *options, "--out", tmp_path, "--observe")
    assert again.status == 0, again.err
    assert "1 finished cell was not observed; --no-resume runs it again" in again.out + again.err
    plainly = command("run", *options, "--out", tmp_path)
    assert "observed" not in plainly.out + plainly.err


def test_the_pixels_that_a_method_doubts_are_scored_by_themselves() -> None:
    """Where doubt is the error itself, the quarter with most of it holds most of the error."""
    (order,) = orders("night", "supervised")
    data = open_cell_data(order, REGISTRY)
    task = build("night", "supervised", REGISTRY, norm=False).task
    guarded = GuardedDataset(data, order.cell.split.labeled)
    name = data.test[0]
    truth = torch.from_numpy(data.target(name).transpose(2, 0, 1)[None] / np.float32(255))
    ramp = torch.linspace(0, 0.2, truth.shape[3]).expand_as(truth)

    def score(doubt: Any) -> float:
        found = evaluate(
            lambda images: (truth - ramp).abs(), task, guarded, [name], torch.device("cpu"), doubt=doubt
        )
        return found.scores["mae"] or 0.0

    error = ((truth - ramp).abs() - truth).abs().mean(1, keepdim=True)
    quarter = error.flatten().sort(descending=True).values[: math.ceil(error.numel() / 4)]
    assert score(lambda images: error) == pytest.approx(float(quarter.mean()), rel=1e-4)
    assert score(None) == pytest.approx(float(error.mean()), rel=1e-4)
    # The last quarter of the columns has most of it.
    columns = torch.arange(truth.shape[3]).expand(1, 1, *truth.shape[2:]).float()
    assert score(lambda images: columns) > 1.5 * score(None)
    nothing = torch.zeros(1, 1, 2, 2, dtype=torch.bool)
    assert torch.equal(most_doubted(torch.rand(1, 1, 2, 2), nothing), nothing)


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("prevmatch", {"lambda_own": 0.0, "lambda_pm": 0.0}),
        ("gct", {"lambda_dc": 0.0}),
        ("mt", {"lambda_mt": 0.0}),
    ],
)
def test_what_weighs_nothing_teaches_nobody(name: str, settings: dict[str, object]) -> None:
    _, found = trained("night", name, settings, observed=True)
    taught = {key for key in Observation.model_validate(found[-1]).seen if ", by " not in key}
    assert not taught


def test_a_batch_that_is_weighed_as_a_whole_teaches_every_pixel() -> None:
    _, found = trained("segmentation", "cutmix", {"gate": "rate"}, observed=True)
    assert Observation.model_validate(found[-1]).seen["target"].kept is None
    _, found = trained("segmentation", "cutmix", {"gate": "pixel", "tau_cm": 0.35}, observed=True)
    assert Observation.model_validate(found[-1]).seen["target"].kept is not None
