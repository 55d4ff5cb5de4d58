"""What a cell costs: counts against hand-worked figures, and what cannot be measured is None."""

import re
import sys
import time
import types
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from ssl_bench.registry.loading import load_registry
from ssl_bench.testing.toys import RECIPE, build_toy
from ssl_bench.worker.meter import EnergyMeter, Meter, inference_flops, peak_gpu_bytes, peak_resident_bytes

CPU = torch.device("cpu")
STATUS = Path("/proc/self/status")


class Small(nn.Module):
    """A strided convolution, batch normalisation, a linear layer over channels, and its own attention."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(3, 8, 3, stride=2, padding=1)
        self.norm = nn.BatchNorm2d(8)
        self.linear = nn.Linear(8, 5, bias=False)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        features = self.norm(self.convolution(images)).flatten(2).transpose(1, 2)
        attended = nn.functional.scaled_dot_product_attention(features, features, features)
        return self.linear(attended)


def test_flops_by_hand() -> None:
    network = Small().train()
    mean = network.norm.running_mean.clone()
    places = 8 * 8
    convolution = 2 * places * 8 * 3 * 3 * 3
    attention = 2 * 2 * places * places * 8
    linear = 2 * places * 8 * 5
    assert inference_flops(network, 3, 16, CPU) == convolution + attention + linear
    # It was a look, and no training.
    assert not network.training
    assert torch.equal(network.norm.running_mean, mean)
    assert all(parameter.grad is None for parameter in network.parameters())


def test_flops_that_cannot_be_counted_are_missing(capfd: pytest.CaptureFixture[str]) -> None:
    assert inference_flops(nn.Linear(7, 1), 3, 16, CPU) is None
    assert "FLOPs are not counted: RuntimeError" in capfd.readouterr().out


def test_a_step_is_timed_without_what_lies_between_laps(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(time, "perf_counter", lambda: now)
    meter = Meter(CPU)
    now = 5.0
    meter.start_lap()
    # The first step, then laps of 20 and 2 steps at 0.1 s, an evaluation of 50 s, and one of 2 at 0.3 s.
    for seconds, steps, pause in ((9.0, 1, 0), (2.0, 20, 0), (0.2, 2, 50.0), (0.6, 2, 0)):
        now += seconds
        meter.end_lap(steps)
        now += pause
        meter.start_lap()
    assert meter.laps == pytest.approx([0.1, 0.1, 0.3])
    state = meter.state_dict()
    assert state["seconds"] == pytest.approx(66.8)
    method = build_toy(load_registry().method("mt"), "regression")
    # The process before took more memory than the one that goes on.
    assert 50 * 2**20 < state["peaks"]["peak_resident_bytes"] < 2**50
    state["peaks"]["peak_resident_bytes"] = 2**50
    resumed = Meter(CPU)
    resumed.load_state_dict(state)
    now += 3.2
    cost = resumed.cost(method, RECIPE, rows=5)
    assert cost["seconds"] == 70.0
    assert cost["seconds_per_step"] == 0.1
    assert cost["images_per_second"] == 50
    assert cost["images_seen"] == 5 * RECIPE.iterations
    # Convolutions of 3 x 3 from 3 to 8 channels and of 1 x 1 from 8 to 1.
    assert cost["parameters"] == cost["parameters_trained"] == 8 * 27 + 8 + 8 + 1
    assert cost["inference_flops"] == 2 * RECIPE.crop**2 * (8 * 27 + 8)
    assert cost["inference_side"] == RECIPE.crop
    assert cost["peak_memory_bytes"] is cost["gpu_energy_joules"] is None
    assert cost["peak_resident_bytes"] == 2**50


def test_what_is_left_out_is_no_part_of_the_cell(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(time, "perf_counter", lambda: now)
    meter = Meter(CPU)
    now = 30.0
    meter.leave_out(10.0)
    meter.leave_out(5.0)
    assert meter.seconds() == meter.seconds_here() == 15.0
    # Nor where the cell goes on in another process.
    resumed = Meter(CPU)
    resumed.load_state_dict(meter.state_dict())
    now += 4.0
    resumed.leave_out(1.0)
    assert (resumed.seconds(), resumed.seconds_here()) == (18.0, 3.0)


def test_a_process_without_a_warm_step_has_no_time_of_one() -> None:
    meter = Meter(CPU)
    meter.end_lap(1)
    assert meter.laps == []
    cost = meter.cost(build_toy(load_registry().method("supervised"), "regression"), RECIPE, rows=2)
    assert cost["seconds_per_step"] is cost["images_per_second"] is None


@pytest.mark.skipif(not STATUS.exists(), reason="only Linux says so elsewhere, too")
def test_memory_is_what_the_system_says() -> None:
    peak = re.search(r"VmHWM:\s+(\d+) kB", STATUS.read_text())
    assert peak is not None
    assert peak_resident_bytes() == pytest.approx(int(peak[1]) * 1024, rel=0.01)
    assert peak_gpu_bytes(CPU) is None


def test_energy_is_what_nvml_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    counted = iter([1_000, 61_000, 3_061_000])
    nvml = types.ModuleType("pynvml")
    nvml.__dict__.update(
        nvmlInit=lambda: None,
        nvmlDeviceGetHandleByUUID=lambda uuid: {"GPU-abc": "handle"}[uuid],
        nvmlDeviceGetTotalEnergyConsumption=lambda handle: next(counted),
    )
    monkeypatch.setitem(sys.modules, "pynvml", nvml)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: SimpleNamespace(uuid="abc"))
    meter = EnergyMeter(torch.device("cuda:0"))
    assert meter.joules() == 60.0
    assert meter.joules() == 3060.0
    assert meter.joules() is None  # The counter is gone.
    assert EnergyMeter(CPU).joules() is None
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert EnergyMeter(torch.device("cuda:0")).joules() is None


def test_energy_with_a_part_unmeasured_is_missing() -> None:
    meter = Meter(CPU)
    state: dict[str, Any] = meter.state_dict()
    assert state["joules"] is None
    meter._energy = SimpleNamespace(joules=lambda: 5.0)  # type: ignore[assignment]
    assert meter.joules() == 5.0
    meter.load_state_dict(state)
    assert meter.joules() is None
