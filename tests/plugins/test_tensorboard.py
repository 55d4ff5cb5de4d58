"""Event files of TensorBoard, read back by its own reader: every step once, whatever interrupts the cell."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from trees import save

pytest.importorskip("tensorboard", reason="the extra `tensorboard` is not installed")

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from ssl_bench.plan.order import Order
from ssl_bench.plan.plan import Request, make_plan
from ssl_bench.registry.loading import load_registry
from ssl_bench.store.results import ResultStore
from ssl_bench.testing.parts import tracker_checks
from ssl_bench.train.trainer import Trainer
from ssl_bench.worker.attempt import Interrupted
from ssl_bench.worker.cell_run import CellRun
from ssl_bench.worker.worker import run_cell

REGISTRY, CPU = load_registry(), torch.device("cpu")
STEPS = 6


class Kill(BaseException):
    """No error that anybody catches."""


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("night")
    for number in range(10):
        save(folder / f"input/{number}.png", number)
        save(folder / f"target/{number}.png", 100 + number)
    return folder


@pytest.fixture
def one_cell(pictures: Path) -> Callable[..., Order]:
    def make(**request: Any) -> Order:
        settings = [f"night.iterations={STEPS}", "night.crop=16", "night.evaluations=2"]
        arguments = {
            "tasks": "night",
            "methods": "supervised",
            "settings": settings,
            "trackers": "tensorboard",
        }
        arguments |= {"data": [f"night={pictures}"], "labels": ("all",)}
        return make_plan(REGISTRY, Request(**{"control": False, **arguments, **request})).orders[0]  # type: ignore[arg-type]

    return make


@pytest.fixture
def interrupt(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path, int], None]:
    """Run the cell in a folder until it is told to stop during a step, counted from 1."""

    def run(folder: Path, at: int) -> None:
        stop: list[int] = []
        step = Trainer.step

        def told(self: Trainer, number: int) -> Any:
            stop.extend([15] * (number + 1 == at))
            return step(self, number)

        with monkeypatch.context() as patch:
            patch.setattr(Trainer, "step", told)
            with pytest.raises(Interrupted):
                run_cell(folder, CPU, REGISTRY, stop)

    return run


def read(folder: Path) -> dict[str, list[tuple[int, float]]]:
    accumulator = EventAccumulator(str(folder / "tensorboard"), size_guidance={"scalars": 0})
    accumulator.Reload()
    return {
        tag: [(event.step, event.value) for event in accumulator.Scalars(tag)]
        for tag in accumulator.Tags()["scalars"]
    }


Make = Callable[..., Order]
Interrupt = Callable[[Path, int], None]


def test_curves_are_what_the_record_holds(tmp_path: Path, one_cell: Make) -> None:
    folder = ResultStore(tmp_path).stage(one_cell()).path
    run_cell(folder, CPU, REGISTRY)
    record = ResultStore(tmp_path).finished(one_cell().cell)
    assert record is not None
    found = read(folder)
    assert [step for step, _ in found["loss/model/task"]] == list(range(1, STEPS + 1))
    assert [value for _, value in found["loss/model/task"]] == pytest.approx(record.curves["model/task"])
    scores = [(each["step"], pytest.approx(each["metrics"]["psnr"])) for each in record.evaluations]
    assert found["test/psnr"] == scores
    assert [step for step, _ in scores] == [3, 6]


def test_a_resumed_cell_has_every_step_once(
    tmp_path: Path, one_cell: Make, interrupt: Interrupt, monkeypatch: pytest.MonkeyPatch
) -> None:
    straight = ResultStore(tmp_path / "straight").stage(one_cell()).path
    run_cell(straight, CPU, REGISTRY)
    folder = ResultStore(tmp_path / "broken").stage(one_cell(checkpoint_seconds=1000.0)).path
    interrupt(folder, 3)
    assert [step for step, _ in read(folder)["loss/model/task"]] == [1, 2, 3]

    # Killed at step 5, when no checkpoint holds step 4.
    step = Trainer.step

    def killed(self: Trainer, number: int) -> Any:
        if number == 4:
            raise Kill
        return step(self, number)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "step", killed)
        with pytest.raises(Kill):
            run_cell(folder, CPU, REGISTRY)
    interrupt(folder, STEPS)

    # Killed after the last evaluation, which the checkpoint of the last step does not hold.
    def written(self: CellRun) -> Any:
        self.trackers.save(self.step)
        raise Kill

    with monkeypatch.context() as patch:
        patch.setattr(CellRun, "record", written)
        with pytest.raises(Kill):
            run_cell(folder, CPU, REGISTRY)
    run_cell(folder, CPU, REGISTRY)
    assert read(folder) == read(straight)


def test_a_start_from_the_beginning_replaces_all(
    tmp_path: Path, one_cell: Make, interrupt: Interrupt
) -> None:
    folder = ResultStore(tmp_path).stage(one_cell()).path
    interrupt(folder, 4)
    (folder / "checkpoint.pt").unlink()
    run_cell(folder, CPU, REGISTRY)
    found = read(folder)
    assert [step for step, _ in found["loss/model/task"]] == list(range(1, STEPS + 1))
    assert [step for step, _ in found["test/psnr"]] == [3, 6]


def test_a_search_names_what_it_is_scored_on(tmp_path: Path, one_cell: Make) -> None:
    folder = ResultStore(tmp_path).stage(one_cell(held_out="1/4")).path
    run_cell(folder, CPU, REGISTRY)
    found = read(folder)
    assert "held_out/psnr" in found
    assert not any(tag.startswith("test/") for tag in found)


def test_it_keeps_the_contract_of_a_tracker() -> None:
    spec = REGISTRY.tracker("tensorboard")
    assert [check() for _, check in tracker_checks(spec)] == [None]
    assert "pip install" in spec.install
