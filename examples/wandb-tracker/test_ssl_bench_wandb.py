"""What wandb is told, by a stand-in for it: there is no account here, and no network."""

import importlib
import sys
import types
from pathlib import Path
from typing import Any

import pytest
import ssl_bench_wandb

from ssl_bench.testing import find_subjects


class Run:
    """What `wandb.init` gives, as far as the tracker uses it."""

    def __init__(self, **settings: Any) -> None:
        self.settings, self.logged = settings, []
        self.summary: dict[str, Any] = {}
        self.finished = False

    def define_metric(self, name: str, step_metric: str) -> None:
        assert (name, step_metric) == ("*", "iteration")

    def log(self, values: dict[str, Any]) -> None:
        self.logged.append(values)

    def finish(self) -> None:
        self.finished = True


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[Run]:
    started: list[Run] = []
    wandb = types.ModuleType("wandb")
    wandb.init = lambda **settings: started.append(Run(**settings)) or started[-1]  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "wandb", wandb)
    monkeypatch.delitem(sys.modules, "ssl_bench_wandb.tracker", raising=False)
    monkeypatch.delenv("WANDB_MODE", raising=False)
    return started


def test_contract(runs: list[Run]) -> None:
    (subject,) = find_subjects(ssl_bench_wandb)
    assert not subject.findings()
    assert [run.finished for run in runs] == [True, True, True]


def test_a_run_in_wandb(runs: list[Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tracker = importlib.import_module("ssl_bench_wandb.tracker").WandbTracker()
    tracker.start(tmp_path, {"id": "night-mt-0123abcd", "task": "night", "split": {"held_out": 0}}, 0)
    tracker.step(1, {"student/task": 0.5})
    tracker.evaluation(1, {"psnr": 20.0, "ssim": None})
    tracker.end({"metrics": {"psnr": 20.0, "ssim": None}})
    (run,) = runs
    assert run.settings["mode"] == "offline"
    assert (run.settings["id"], run.settings["group"], run.settings["dir"]) == ("0123abcd", "night", tmp_path)
    assert run.logged == [{"iteration": 1, "loss/student/task": 0.5}, {"iteration": 1, "test/psnr": 20.0}]
    assert run.summary == {"psnr": 20.0, "ssim": None}
    monkeypatch.setenv("WANDB_MODE", "online")
    tracker.start(tmp_path, {"id": "b", "task": "night", "split": {"held_out": 4}}, 0)
    assert runs[1].settings["mode"] == "online"
    tracker.evaluation(1, {"psnr": 20.0})
    assert runs[1].logged == [{"iteration": 1, "held_out/psnr": 20.0}]


def test_wandb_is_not_needed_to_be_listed() -> None:
    (spec,) = ssl_bench_wandb.provide_trackers()
    assert isinstance(spec.tracker, str)
