"""A few random faults of every run of the benchmark; `python -m benchmarks faults` does 300."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = "from benchmarks import faults; print(faults.disturb(6, seed=5))"


@pytest.mark.slow
def test_records_survive_faults() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], cwd=Path(__file__).parent.parent, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"6 faults of \d kinds \(seed 5\)", done.stdout)
    for what in (
        "different",
        "missing",
        "finished cells lost",
        "locks left",
        "temporary",
        "processes",
        "tracebacks",
    ):
        assert f" 0 {what}" in done.stdout, done.stdout
