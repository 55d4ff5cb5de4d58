"""Where a record comes from: versions and hardware."""

import contextlib
import platform
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from ssl_bench import __version__

PACKAGES = ("torch", "torchvision", "timm", "segmentation-models-pytorch", "torchmetrics", "numpy")


def provenance(device: torch.device, resumed_at: Sequence[int]) -> dict[str, Any]:
    """Versions, hardware, and the steps at which the cell was resumed."""
    cuda = device.type == "cuda"
    return {
        "ssl_bench": __version__,
        "packages": {name: version(name) for name in PACKAGES},
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "device": torch.cuda.get_device_name(device) if cuda else processor_name(),
        "resumed_at": list(resumed_at),
    }


def processor_name() -> str:
    """The CPU's model, for provenance."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
