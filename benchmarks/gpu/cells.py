"""Several cells at once on one device: the time of all of them, and whether their records are the same."""

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.gpu.part import read_options
from benchmarks.measure import table

JOBS = (1, 2, 4, 8)


def main() -> None:
    """Print seconds of a plan by the number of cells at once."""
    options = read_options(__doc__)
    device = "cuda:0" if options.device.type == "cuda" else "cpu"
    settings = ("--tasks=denoising", "--methods=supervised,mt", "--no-control", "--tier=smoke")
    settings += ("--seeds=0", "--set=denoising.iterations=2") if options.quick else ("--seeds=0-3",)
    rows, records, ends = [], [], time.monotonic() + 0.9 * options.seconds
    for jobs in JOBS[:2] if options.quick else JOBS:
        if time.monotonic() > ends:
            rows.append([str(jobs), "no time was left", "-"])
            continue
        out = options.out / f"cells-{jobs}"
        shutil.rmtree(out, ignore_errors=True)
        line = [sys.executable, "-m", "ssl_bench", "run", *settings, f"--devices={device}", f"--jobs={jobs}"]
        start = time.monotonic()
        done = subprocess.run([*line, "--out", str(out)], capture_output=True, text=True)
        seconds = time.monotonic() - start
        if done.returncode:
            raise SystemExit(done.stdout + done.stderr)
        records.append(metrics(out))
        rows.append([str(jobs), f"{seconds:.1f}", "yes" if records[-1] == records[0] else "NO"])
        shutil.rmtree(out)
    print(f"`ssl-bench run {' '.join(settings)}`, {len(records[0])} cells:\n")
    print(table(["cells at once", "seconds in all", "the same scores"], rows))


def metrics(folder: Path) -> dict[str, object]:
    """Cell to its scores."""
    found = (folder / "cells").glob("*/result.json")
    return {path.parent.name: json.loads(path.read_text())["metrics"] for path in found}


if __name__ == "__main__":
    main()
