"""A few random faults of every run of the benchmark; `python -m benchmarks faults` does 200."""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = "from benchmarks import faults; print(faults.run(6, seed=5))"


@pytest.mark.slow
def test_records_survive_faults() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], cwd=Path(__file__).parent.parent, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "6 faults (seed 5)" in done.stdout
    for what in ("different", "missing", "finished cells lost", "locks left", "temporary", "tracebacks"):
        assert f" 0 {what}" in done.stdout, done.stdout
