"""A real Slurm of one node, started here: an array of cells, preempted, queued anew, and resumed."""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import Said
from slurm import NoSlurmError, one_node_slurm

from ssl_bench.store.results import read_records, same

pytest.importorskip("submitit")

pytestmark = pytest.mark.slow

Command = Callable[..., Said]
ARGUMENTS = (
    *(
        "--tasks",
        "night",
        "--methods",
        "supervised,mt",
        "--no-control",
        "--devices",
        "cpu",
        "--checkpoint-seconds",
        "0.2",
    ),
    *("--set", "night.iterations=200", "--set", "night.crop=32"),
)


@pytest.fixture(scope="module")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    try:
        with one_node_slurm(tmp_path_factory.mktemp("slurm")) as config:
            yield config
    except NoSlurmError as error:
        pytest.skip(str(error))


@pytest.fixture(autouse=True)
def in_a_hurry(slurm: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_CONF", str(slurm))
    for name, seconds in (("TICK", 0.2), ("ASK", 0.5), ("SETTLE", 2.0)):
        monkeypatch.setattr(f"ssl_bench_plugins.executors.slurm.{name}", seconds)


def records(out: Path) -> dict[str, Any]:
    return {record.cell.id: record for record in read_records(out / "cells")}


def wait_for(condition: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 400
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def ask(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_an_array_is_preempted_and_goes_on(command: Command, tmp_path: Path) -> None:
    local, out = tmp_path / "local", tmp_path / "slurm"
    assert command("run", *ARGUMENTS, "--out", local).status == 0

    def preempt() -> None:
        wait_for(lambda: list(out.glob("cells/*/checkpoint.pt")))
        urgent = ("--partition=high", "--ntasks=2", f"--output={tmp_path}/urgent.txt", "--wrap", "true")
        ask("sbatch", *urgent)

    thread = threading.Thread(target=preempt, daemon=True)
    thread.start()
    options = ("--executor", "slurm", "--slurm-partition", "low", "--slurm-time", "30")
    said = command("run", *ARGUMENTS, *options, "--out", out)
    thread.join()
    assert (said.status, said.err) == (0, "")
    jobs = ask("scontrol", "show", "job")
    assert jobs.count("JobName=ssl-bench") == 2
    assert "ArrayTaskId=1" in jobs
    assert "Restarts=1" in jobs
    straight, resumed = records(local), records(out)
    assert set(resumed) == set(straight)
    assert all(same(resumed[name], straight[name]) for name in straight)
    assert any(record.provenance.resumed_at for record in resumed.values())
    for name in straight:
        folders = (out / "cells" / name, local / "cells" / name)
        assert len({tuple(sorted(path.name for path in folder.iterdir())) for folder in folders}) == 1
    assert {path.name for path in (out / "cells").iterdir()} == set(straight)


def test_what_no_node_has_is_an_error_and_no_wait(command: Command, tmp_path: Path) -> None:
    said = command("run", *ARGUMENTS, "--threads", "64", "--executor", "slurm", "--out", tmp_path)
    assert said.status == 2
    assert "Slurm has no node there" in said.err
    # A job, of the test before as well, goes a moment after it has ended.
    wait_for(lambda: "ssl-bench" not in ask("squeue", "--noheader", "--format=%j"))


def test_a_cell_of_two_processes(command: Command, tmp_path: Path) -> None:
    few = ("--tasks", "night", "--methods", "supervised", "--devices", "cpu", "--set", "night.iterations=4")
    for name, options in (("local", ()), ("slurm", ("--executor", "slurm"))):
        said = command("run", *few, "--gpus-per-cell", 2, *options, "--out", tmp_path / name)
        assert (said.status, said.err) == (0, "")
    (straight,), (other,) = (records(tmp_path / name).values() for name in ("local", "slurm"))
    assert same(other, straight)


def test_a_gpu_where_there_is_none(command: Command, tmp_path: Path) -> None:
    cell = ("--tasks", "night", "--methods", "supervised", "--executor", "slurm", "--out", tmp_path)
    said = command("run", *cell, "--slurm-gpus", "1")
    assert said.status == 2
    assert said.err.startswith("ssl-bench: Slurm does not take the jobs: ")
    assert len(said.err.strip().splitlines()) == 1


def test_ctrl_c_takes_the_jobs_back(command: Command, tmp_path: Path) -> None:
    def waiting() -> str:
        return ask("squeue", "--noheader", "--format=%j", "--partition=closed")

    def interrupt() -> None:
        wait_for(waiting)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt, daemon=True)
    thread.start()
    cell = ("--tasks", "night", "--methods", "supervised", "--executor", "slurm", "--out", tmp_path)
    said = command("run", *cell, "--slurm-partition", "closed")
    thread.join()
    assert (said.status, said.err.strip()) == (
        130,
        "ssl-bench: interrupted; the same command goes on from here",
    )
    assert waiting() == ""
