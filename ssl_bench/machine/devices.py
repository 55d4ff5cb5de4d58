"""Which devices a command may use, and how many cells run at a time."""

import os
import platform
import re
from pathlib import Path
from typing import Literal

from ssl_bench.errors import UsageError
from ssl_bench.recipe import Precision

CPU_INFORMATION = Path("/proc/cpuinfo")
"""Where Linux says what a CPU can do."""
_BF16_FLAGS = {"amx_bf16": "AMX", "avx512_bf16": "AVX-512"}
"""Flags of a CPU to what its instructions are called, the fastest first."""


def find_devices(wanted: str) -> list[str]:
    """`auto`, `cpu`, `cuda` or `cuda:0,1` to device names. UsageError for a GPU that is not there."""
    if check_devices(wanted) == "cpu":
        return ["cpu"]
    numbers = wanted.partition(":")[2]
    if wanted == "auto" and not _may_have_gpu():
        return ["cpu"]
    import torch

    count = torch.cuda.device_count()
    if wanted == "auto":
        return [f"cuda:{index}" for index in range(count)] or ["cpu"]
    if count == 0:
        raise UsageError(f"--devices {wanted}: this machine has no CUDA device; use --devices cpu")
    indices = [int(number) for number in numbers.split(",")] if numbers else list(range(count))
    for index in indices:
        if not 0 <= index < count:
            raise UsageError(f"--devices {wanted}: no GPU {index}; this machine has 0 to {count - 1}")
    return [f"cuda:{index}" for index in dict.fromkeys(indices)]


def check_devices(wanted: str) -> str:
    """`wanted` where it can name devices, of whatever machine; else UsageError."""
    kind, colon, numbers = wanted.partition(":")
    if wanted not in ("auto", "cpu") and kind != "cuda":
        meant = "cuda" if kind.lower() in ("gpu", "gpus", "nvidia", "cuda") else ""
        meant = meant + colon + numbers if meant else ""
        hint = f"did you mean '{meant}'?" if meant else "say auto, cpu, cuda or cuda:0,1"
        raise UsageError(f"--devices '{wanted}': {hint}")
    if numbers and not re.fullmatch(r"\d{1,9}(, *\d{1,9})*", numbers, flags=re.ASCII):
        raise UsageError(f"--devices '{wanted}': GPU numbers are integers of 0 or more, as in cuda:0,1")
    return wanted


def precision_for(wanted: Precision | Literal["auto"], devices: str) -> Precision:
    """`auto`: bf16 where `devices` names GPUs, or is `auto` itself and this machine has a GPU driver that
    CUDA_VISIBLE_DEVICES does not hide; else fp32. Torch is not asked, so that a plan needs none: on a machine with
    a driver and no GPU that serves, or with one that has no bf16, say fp32.

    It does not depend on the kind of CPU: precision is part of what a cell is, and a folder that is begun on one and
    resumed on another would hold two kinds of cells. `plan --estimate` says what bf16 would save.
    """
    if wanted != "auto":
        return wanted
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES", "0").strip() in ("", "-1")
    on_gpu = devices.startswith("cuda") or (devices == "auto" and _may_have_gpu() and not hidden)
    return "bf16" if on_gpu else "fp32"


def processor_name() -> str:
    """The model of this machine's CPU."""
    names = (line.partition(":")[2].strip() for line in _cpu_information() if line.startswith("model name"))
    return next(names, "") or platform.processor() or platform.machine()


def bf16_of_cpu() -> str | None:
    """Name of the instructions by which this CPU multiplies in bf16; None where it has none, or the system (not Linux)
    does not say."""
    flags = {flag for line in _cpu_information() if line.startswith("flags") for flag in line.split()}
    return next((words for flag, words in _BF16_FLAGS.items() if flag in flags), None)


def _cpu_information() -> list[str]:
    """What the system says of each of its CPUs, line by line; nothing where it does not say."""
    try:
        return CPU_INFORMATION.read_text().splitlines()
    except OSError:
        return []


def group_devices(devices: list[str], processes: int) -> list[str]:
    """The devices of each cell that runs at a time, `cuda:0,1`. UsageError where there are not enough for one."""
    if devices == ["cpu"] or processes == 1:
        return devices
    numbers = [device.partition(":")[2] for device in devices]
    groups = [numbers[start : start + processes] for start in range(0, len(numbers), processes)]
    if len(numbers) < processes:
        there = "1 GPU is" if len(numbers) == 1 else f"{len(numbers)} GPUs are"
        raise UsageError(f"--gpus-per-cell {processes}: only {there} there to use")
    return [f"cuda:{','.join(group)}" for group in groups if len(group) == processes]


def one_by_one(devices: str, processes: int) -> list[str]:
    """The device of each process of a cell: what `grouped` put together, or the one device for all."""
    kind, _, numbers = devices.partition(":")
    each = [f"{kind}:{number}" for number in numbers.split(",")] if numbers else [kind]
    return each * processes if len(each) == 1 else each


def count_slots(devices: list[str], threads: int, jobs: int | None) -> int:
    """Cells at a time: `jobs` if given, else one per GPU or group of them, or as many as the cores carry with
    `threads` each, all processes of a cell together."""
    if jobs is not None:
        return jobs
    if devices != ["cpu"]:
        return len(devices)
    return max(1, cores() // threads)


def device_name(device: str) -> str:
    """What a device is called by who made it: the model of a GPU, or of this machine's CPU."""
    if not device.startswith("cuda"):
        return processor_name()
    import torch

    return torch.cuda.get_device_name(device)


def device_memory(device: str) -> int:
    """Memory of a GPU, bytes."""
    import torch

    return int(torch.cuda.get_device_properties(device).total_memory)


def cores() -> int:
    """CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def loader_threads() -> int:
    """Threads that load batches for one GPU: up to 4, and no more than its share of the cores."""
    import torch

    return max(1, min(4, cores() // max(1, torch.cuda.device_count())))


def hide_gpus() -> None:
    """Let this process and those that it starts find no GPU. Before torch asks for one: optimisers do, on the CPU too,
    which would take a part of its memory, and makes it an error in a fork of this process."""
    os.environ["CUDA_VISIBLE_DEVICES"] = ""


def _may_have_gpu() -> bool:
    """Without importing torch, which costs seconds: whether a GPU driver is there at all."""
    return any(Path(path).exists() for path in ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg"))
