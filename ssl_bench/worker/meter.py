"""What a cell costs: time of a step, memory, FLOPs, energy. What cannot be measured is None."""

import resource
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from ssl_bench.errors import in_a_line
from ssl_bench.method import Method
from ssl_bench.recipe import Recipe
from ssl_bench.train.merged import merged


class Meter:
    """What a cell in progress has used so far, over all the processes that it took."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._energy = EnergyMeter(device)
        self._started = self._lap_started = time.perf_counter()
        self._seconds_before = 0.0
        self._joules_before: float | None = 0.0
        self._peaks_before: Mapping[str, int | None] = {}
        self._apart = 0.0
        self.before_first_step: float | None = None
        """Seconds from the start of this process's part to the end of its first step; None until then."""
        self.laps: list[float] = []
        """Seconds per training step, its batch included, of stretches without evaluations and checkpoints.

        The first of a process is left out: memory is taken and kernels are chosen or compiled in it.
        """

    def start_lap(self) -> None:
        """Steps begin here, and so does a lap."""
        self._lap_started = time.perf_counter()

    def end_lap(self, steps: int) -> None:
        """So many steps are done, on the device too; the next lap begins."""
        now = time.perf_counter()
        if self.before_first_step is None:
            self.before_first_step = now - self._started
        else:
            self.laps.append((now - self._lap_started) / steps)
        self._lap_started = now

    def seconds(self) -> float:
        """Seconds that the cell has taken so far, in all of its processes."""
        return self._seconds_before + self.seconds_here()

    def seconds_here(self) -> float:
        """Seconds that the cell has taken in this process."""
        return time.perf_counter() - self._started - self._apart

    def leave_out(self, seconds: float) -> None:
        """What was done in so many seconds is no part of the cell."""
        self._apart += seconds

    def joules(self) -> float | None:
        """Of the whole GPU while the cell ran; None where it cannot be measured, or could not for a part."""
        used = self._energy.joules()
        return None if used is None or self._joules_before is None else self._joules_before + used

    def peaks(self) -> dict[str, int | None]:
        """The most memory so far, bytes, of the process that took most: what one does that only evaluates is little."""
        here = {
            "peak_memory_bytes": peak_gpu_bytes(self._device),
            "peak_resident_bytes": peak_resident_bytes(),
        }
        return {
            name: None if peak is None else max(peak, self._peaks_before.get(name) or 0)
            for name, peak in here.items()
        }

    def state_dict(self) -> dict[str, Any]:
        """All that was measured so far, for a checkpoint."""
        return {"seconds": self.seconds(), "joules": self.joules(), "laps": self.laps, "peaks": self.peaks()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state_dict` gave in another process."""
        self._seconds_before, self._joules_before = state["seconds"], state["joules"]
        self.laps = state["laps"]
        self._peaks_before = state.get("peaks", {})  # which older checkpoints lack

    def cost(self, method: Method, recipe: Recipe, rows: int) -> dict[str, Any]:
        """The cost of a record; `rows`: images of an iteration. None for what was not measured. The method is left in
        evaluation mode."""
        per_step = statistics.median(self.laps) if self.laps else None
        deployed, channels = merged(method.eval().deployed), method.task.in_channels
        return {
            "seconds": round(self.seconds(), 2),
            "seconds_before_first_step": round(self.before_first_step or 0.0, 2),
            "seconds_per_step": round(per_step, 6) if per_step else None,
            "images_per_second": round(rows / per_step, 3) if per_step else None,
            "images_seen": rows * recipe.iterations,
            "parameters": sum(p.numel() for p in deployed.parameters()),
            "parameters_trained": sum(p.numel() for p in method.parameters() if p.requires_grad),
            "inference_flops": inference_flops(deployed, channels, recipe.crop, self._device),
            "inference_side": recipe.crop,
            **self.peaks(),
            "gpu_energy_joules": self.joules(),
        }


def combined(costs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The cost of a cell by those of its processes: what several devices use adds up, the rest is the first one's."""
    whole = dict(costs[0])
    for name in ("peak_memory_bytes", "peak_resident_bytes", "gpu_energy_joules"):
        amounts = [cost[name] for cost in costs]
        whole[name] = None if None in amounts else sum(amounts)
    return whole


class EnergyMeter:
    """Energy of the whole GPU since the meter was made, whoever used it, by NVML (package `nvidia-ml-py`)."""

    def __init__(self, device: torch.device) -> None:
        self._nvml: Any = None
        if device.type != "cuda":
            return
        try:
            import pynvml  # type: ignore[import-not-found,import-untyped,unused-ignore]

            pynvml.nvmlInit()
            uuid = torch.cuda.get_device_properties(device).uuid
            self._handle = pynvml.nvmlDeviceGetHandleByUUID(f"GPU-{uuid}")
            self._nvml = pynvml
            self._before = self._read()
        except Exception:  # Not installed, no driver, or a GPU that does not count: then it is not measured.
            self._nvml = None

    def joules(self) -> float | None:
        """None where the GPU or this machine does not tell."""
        if self._nvml is None:
            return None
        try:
            return self._read() - self._before
        except Exception:  # As above.
            return None

    def _read(self) -> float:
        return float(self._nvml.nvmlDeviceGetTotalEnergyConsumption(self._handle)) / 1000


def peak_resident_bytes() -> int:
    """The most memory that this process had resident so far, its libraries included."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def peak_gpu_bytes(device: torch.device) -> int | None:
    """The most memory that torch's tensors took on the GPU so far; None for a CPU."""
    return torch.cuda.max_memory_allocated(device) if device.type == "cuda" else None


@torch.no_grad()
def inference_flops(network: nn.Module, in_channels: int, side: int, device: torch.device) -> int | None:
    """FLOPs, two for a multiply and an add, of the convolutions and matrix products of one forward pass.

    For one image of `side` x `side` px, in evaluation mode, in which the network is left. None where it cannot be
    counted: no reason to lose a trained network.
    """
    images = torch.zeros(1, in_channels, side, side, device=device)
    try:
        # Fused attention has no count on every device; as matrix products it has.
        with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
            network.eval()(images)
    except Exception as error:
        print(f"FLOPs are not counted: {in_a_line(error)}", flush=True)
        return None
    return int(counter.get_total_flops())
