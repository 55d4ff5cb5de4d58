"""A Ray cluster of three nodes on this machine: the records of the local executor, whoever dies on the way."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import Said

from ssl_bench.store.results import read_records, same

pytest.importorskip("ray")

pytestmark = [pytest.mark.slow, pytest.mark.longest]

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
    *("--set", "night.iterations=350", "--set", "night.crop=32"),
)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        # A busy machine: nobody is ended for the memory that others take, and nodes may take long to start.
        patch.setenv("RAY_memory_monitor_refresh_ms", "0")
        patch.setenv("RAY_raylet_start_wait_time_s", "300")
        from ray.cluster_utils import Cluster

        made = Cluster()
        insistently(lambda: made.add_node(num_cpus=0, include_dashboard=False))
        for _ in range(2):
            insistently(lambda: made.add_node(num_cpus=1))
        yield made
        made.shutdown()


def insistently(start: Callable[[], Any]) -> None:
    """Ray gives a node 30 s to start, which a busy machine may not manage."""
    for last in (False, False, True):
        try:
            return start()
        except Exception:
            if last:
                raise


@pytest.fixture
def far_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """The nodes answer as they are asked, and are treated as if they did not see the parent's disk."""
    from ssl_bench_plugins.executors.ray import RayExecutor

    look = RayExecutor._look_around

    def unshared(self: Any, jobs: Any) -> bool:
        assert look(self, jobs)
        return False

    monkeypatch.setattr(RayExecutor, "_look_around", unshared)


def records(out: Path) -> dict[str, Any]:
    return {record.cell.id: record for record in read_records(out / "cells")}


def wait_for(condition: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + 400
    while not (found := condition()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)
    return found


def saved(out: Path) -> dict[str, int]:
    """Process of each cell whose checkpoint has come back."""
    pids = {}
    for path in out.glob("cells/*/checkpoint.pt"):
        try:
            pids[path.parent.name] = json.loads((path.parent / "progress.json").read_text())["pid"]
        except (OSError, ValueError):
            continue
    return pids


def ancestors(pid: int) -> Iterator[int]:
    while pid > 1:
        try:
            pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            return
        yield pid


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


OWN = """
import os

import ray  # brings psutil along
import psutil
from ssl_bench_plugins.executors.ray_cluster import connect

before = dict(os.environ)
leave = connect("local")
try:
    here = psutil.Process()
    listening = {
        socket.laddr.ip
        for process in (here, *here.children(recursive=True))
        for socket in process.net_connections("inet")
        if socket.status == "LISTEN"
    }
finally:
    leave()
assert listening
assert listening <= {"127.0.0.1", "::ffff:127.0.0.1", "::1"}, listening
changed = {name for name in os.environ.keys() | before if os.environ.get(name) != before.get(name)}
assert not {name for name in changed if "AUTH" in name or "CLUSTER" in name}, changed
"""


def test_a_cluster_of_its_own_is_reached_from_this_machine_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("psutil")
    monkeypatch.setenv("RAY_raylet_start_wait_time_s", "300")
    # In a process of its own: Ray reads once how its clusters know who may come in, and others here are open. And in a
    # session of its own: what is left of a cluster that ends may end the whole process group.
    said = subprocess.run(
        [sys.executable, "-c", OWN], capture_output=True, text=True, timeout=500, start_new_session=True
    )
    assert said.returncode == 0, said.stderr


def test_a_node_is_killed_and_then_the_command_is_stopped(
    cluster: Any, far_away: None, command: Command, tmp_path: Path
) -> None:
    local, out = tmp_path / "local", tmp_path / "ray"
    assert command("run", *ARGUMENTS, "--out", local).status == 0
    killed: list[str] = []
    interrupted: list[str] = []

    def disturb() -> None:
        # A node dies once a checkpoint of the cell on it has come back.
        cell, pid = wait_for(lambda: next(iter(saved(out).items()), None))
        raylets = {node.all_processes["raylet"][0].process.pid: node for node in cluster.worker_nodes}
        raylet = next(pid for pid in ancestors(pid) if pid in raylets)
        cluster.remove_node(raylets[raylet], allow_graceful=False)
        killed.append(cell)
        # The cell is at work elsewhere: Ctrl-C, unless it has ended by then, and the command perhaps with it.
        result = out / "cells" / cell / "result.json"
        wait_for(lambda: saved(out).get(cell, pid) != pid or result.exists())
        if not result.exists():
            interrupted.append(cell)
            os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=disturb, daemon=True)
    thread.start()
    ray = ("--executor", "ray", "--ray-address", cluster.address)
    said = command("run", *ARGUMENTS, *ray, "--out", out)
    assert killed or said.status == 0, said
    thread.join()
    assert killed
    if interrupted:
        assert said.status == 130, said
        assert said.err.strip() == "ssl-bench: interrupted; the same command goes on from here"
    else:
        assert said.status == 0, said
    assert not list(out.glob("cells/*/lock"))

    said = command("run", *ARGUMENTS, *ray, "--out", out)
    assert (said.status, said.err) == (0, "")
    straight, resumed = records(local), records(out)
    assert set(resumed) == set(straight)
    assert all(same(resumed[name], straight[name]) for name in straight)
    # From what had come back: nothing was lost but the steps since.
    assert resumed[killed[0]].provenance.resumed_at[0] > 0
    for name in straight:
        assert names(out / "cells" / name) == names(local / "cells" / name)


def test_a_gpu_where_there_is_none(cluster: Any, command: Command, tmp_path: Path) -> None:
    ray = ("--executor", "ray", "--ray-address", cluster.address, "--out", tmp_path)
    for arguments in (("--devices", "cuda"), ("--devices", "auto", "--ray-gpus", "0.5")):
        started = time.monotonic()
        said = command("run", "--tasks", "night", "--methods", "mt", *arguments, *ray)
        assert said.status == 2
        assert "no node has what a cell needs, 1 CPU core and" in said.err
        assert time.monotonic() - started < 30
    assert not list(tmp_path.glob("cells/*"))
