"""How benchmarks measure: variants interleaved in one process, CPU time, medians, peak memory."""

import ctypes
import gc
import importlib.metadata
import importlib.util
import os
import platform
import re
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch

PACKAGES = ("torch", "torchvision", "kornia", "opencv-python-headless", "segmentation-models-pytorch")


def interleaved(
    variants: Mapping[str, Callable[[], object]],
    *,
    seconds: float,
    rounds: int,
    device: torch.device | None = None,
    reduce: Callable[[list[float]], float] = statistics.median,
) -> dict[str, float]:
    """Median time of each variant, s: one call of each per round, the first round to warm up.

    CPU time, or wall-clock time until a GPU, where `device` is one, has done the work. A variant that has used
    `seconds` sits out the rest; one that uses them at once is judged by its first call.
    """
    # CPU time, with one thread: what other processes take does not count.
    on_gpu = device is not None and device.type == "cuda"
    clock = time.perf_counter if on_gpu else time.process_time
    times: dict[str, list[float]] = {name: [] for name in variants}
    for _ in range(rounds + 1):
        for name, call in variants.items():
            if sum(times[name]) > seconds:
                continue
            if on_gpu:
                torch.cuda.synchronize(device)
            start = clock()
            call()
            if on_gpu:
                torch.cuda.synchronize(device)
            times[name].append(clock() - start)
    return {name: reduce(values[1:] or values) for name, values in times.items()}


def added_memory(call: Callable[[], object], device: torch.device) -> float | None:
    """How far one call raises the memory of tensors on a GPU, or this process's resident memory on a CPU, MB."""
    if device.type != "cuda":
        return peak_memory(call)
    before = torch.cuda.memory_allocated(device)
    torch.cuda.reset_peak_memory_stats(device)
    call()
    return (torch.cuda.max_memory_allocated(device) - before) / 1e6


def peak_memory(call: Callable[[], object]) -> float | None:
    """How far one call raises this process's resident memory, MB; None where the system (not Linux) cannot tell."""
    status = Path("/proc/self/status")
    if not status.exists():
        return None
    gc.collect()
    ctypes.CDLL("libc.so.6").malloc_trim(0)  # Else the call would be served from memory freed before.
    Path("/proc/self/clear_refs").write_text("5")
    before = _resident(status, "VmRSS")
    call()
    return (_resident(status, "VmHWM") - before) / 1024


def _resident(status: Path, field: str) -> int:
    found = re.search(rf"{field}:\s+(\d+) kB", status.read_text())
    assert found is not None
    return int(found[1])


def absent(module: str) -> bool:
    """Whether an optional peer is not installed; says so."""
    missing = importlib.util.find_spec(module) is None
    if missing:
        print(f"{module} is not installed: left out")
    return missing


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table, numbers to the right."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def machine() -> str:
    """Hardware, versions, and whether others were at work, one paragraph."""
    names = [platform.processor() or platform.machine()]
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = re.findall(r"model name\s*: (.*)", info.read_text()) or names
    versions = []
    for name in PACKAGES:
        try:
            versions.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    instructions = torch.backends.cpu.get_cpu_capability()
    cpu = f"{len(names)} x {names[0]} ({instructions})"
    return (
        f"{cpu}, {platform.system()}, Python {platform.python_version()}, {', '.join(versions)}.{_others()}"
    )


def _others() -> str:
    """What else the machine did, where it did: before a benchmark starts."""
    if not hasattr(os, "getloadavg") or (load := os.getloadavg()[1]) < 1:
        return ""
    return f" A shared machine (load average {load:.0f} beforehand): read ratios more than times."
