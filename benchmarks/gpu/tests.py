"""`pytest -m gpu`: how many passed, and what failed."""

import os
import re
import subprocess
import sys
from pathlib import Path

from benchmarks.gpu.part import read_options

ROOT = Path(__file__).parent.parent.parent


def main() -> None:
    """Print the last line of pytest, and a line for every test that failed."""
    options = read_options(__doc__)
    line = [sys.executable, "-m", "pytest", "-o", "addopts=--import-mode=importlib", "-m", "gpu", "--tb=line"]
    line += ["-n", "0", "-p", "no:cacheprovider"]
    line += ["-k", "(pipeline_c and 40) or memory or (on_the_cpu and mt)"] if options.quick else []
    environment = dict(os.environ)
    if options.device.type != "cuda":
        environment["SSL_BENCH_GPU_TESTS_ON"] = str(options.device)
    process = subprocess.Popen(
        [*line, "tests/worker/test_gpu.py"],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        errors="replace",
    )
    try:
        said, _ = process.communicate(timeout=options.seconds)
    except subprocess.TimeoutExpired:
        process.terminate()
        said, _ = process.communicate()
        print("Not all of them: their time was over.\n")
    lines = said.splitlines()
    failed = [line for line in lines if line.startswith(("FAILED", "ERROR"))]
    counted = (
        line.strip("= ") for line in reversed(lines) if re.search(r"\d+ (passed|failed|skipped)", line)
    )
    summary = next(counted, "pytest said nothing")
    print(f"{summary}\n" + "".join(f"- `{line}`\n" for line in failed))


if __name__ == "__main__":
    main()
