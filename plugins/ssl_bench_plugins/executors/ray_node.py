"""What runs on the machines of a Ray cluster: cells, and the desk beside the parent that they talk to."""

import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray

import ssl_bench
from ssl_bench import INTERRUPTED, start_cell
from ssl_bench_plugins.executors.parcel import Packer, Parcel

TELL = 1.0
"""Seconds between two words of a cell to the parent."""

SHARE = 0.05
"""Of a cell's time that may go into sending checkpoints."""


class Desk:
    """An actor beside the parent: cells leave parcels there and hear whether to stop; the parent collects."""

    def __init__(self) -> None:
        self.stopping = False
        self.parcels: dict[str, Parcel | None] = {}

    def tell(self, attempt: str, parcel: Parcel | None) -> bool:
        """Leave a parcel of an attempt, and hear whether to stop."""
        earlier = self.parcels.get(attempt)
        self.parcels[attempt] = parcel.after(earlier) if parcel and earlier else parcel or earlier
        return self.stopping

    def collect(self) -> dict[str, Parcel | None]:
        """What came since the last time, by attempt."""
        parcels, self.parcels = self.parcels, {}
        return parcels

    def stop(self) -> None:
        """From now on, cells are told to save and stop."""
        self.stopping = True


@dataclass(frozen=True)
class Errand:
    """A cell as it is sent to a node."""

    attempt: str
    folder: str
    base: str
    """Where relative paths begin."""
    device: str
    content: Parcel | None
    """None: the node works in `folder` itself."""


def run_cell(desk: Any, errand: Errand) -> tuple[int, Parcel | None]:
    """On a node: run the cell in a fresh process; its exit status, and what a copied folder holds then."""
    if errand.content is None:
        return _attend(desk, errand, Path(errand.folder), None), None
    folder = Path(tempfile.mkdtemp(prefix="ssl-bench-"))
    try:
        errand.content.unpack(folder)
        packer = Packer(folder)
        packer.pack()
        code = _attend(desk, errand, folder, packer)
        return code, Packer(folder).pack()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _attend(desk: Any, errand: Errand, folder: Path, packer: Packer | None) -> int:
    """Start the process and pass word between it and the desk until it ends; its exit status."""
    if ray.get(desk.tell.remote(errand.attempt, None)):
        return INTERRUPTED
    process = start_cell(folder, errand.device, Path(errand.base))
    next_large = 0.0
    try:
        while True:
            try:
                return process.wait(TELL)
            except subprocess.TimeoutExpired:
                began = time.monotonic()
                large = began >= next_large
                parcel = packer.pack(large=large) if packer else None
                if ray.get(desk.tell.remote(errand.attempt, parcel)):
                    process.terminate()
                if large:
                    ended = time.monotonic()
                    next_large = ended + (ended - began) / SHARE
    finally:
        if process.poll() is None:  # The parent is gone, and with it who would take the result.
            process.kill()
            process.wait()


def look_around(paths: Sequence[str], base: str, mark: str) -> tuple[list[str], bool, str]:
    """On a node: which of `paths` are missing, whether the parent's disk is seen, and the version of ssl-bench."""
    missing = [path for path in paths if not Path(base, path).exists()]
    return missing, Path(mark).exists(), ssl_bench.__version__
