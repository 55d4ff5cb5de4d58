"""Two processes for one cell, on the CPU: what one process would have learnt, evaluation, stops and kills."""

import importlib
import multiprocessing
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from test_parts import SETTINGS, narrow_registry, tiny_order, tree
from torch import nn
from torch.nn import functional as F
from toyruns import build, learnt, variants

from ssl_bench.dataset import GuardedDataset
from ssl_bench.executor import ELSEWHERE, INTERRUPTED
from ssl_bench.machine.files import read_json
from ssl_bench.registry.loading import load_registry
from ssl_bench.registry.registry import Registry
from ssl_bench.store.folder import CellFolder
from ssl_bench.store.heartbeat import Heartbeat, LockLost
from ssl_bench.store.results import ResultStore, same
from ssl_bench.train.evaluate import evaluate
from ssl_bench.worker.attempt import attempt, stop_on_signals
from ssl_bench.worker.build import open_cell_data
from ssl_bench.worker.group import run_processes
from ssl_bench.worker.launch import LOOPBACK, Stopped, meeting_place, run_together
from ssl_bench.worker.micro_batches import TakeLess
from ssl_bench.worker.worker import work_on
from ssl_bench.world.batch_norm import synchronise
from ssl_bench.world.world import World, join, leave
from ssl_bench_plugins.backbones.hdrnet import RowNorm

# What every cell imports sooner or later, once and not in each of the processes forked from here.
for _name in ("ssl_bench.worker.group", "torch._dynamo", "torch._inductor.config"):
    importlib.import_module(_name)
CPU = torch.device("cpu")
APART = [("night", "mt"), ("segmentation", "s4l"), ("segmentation", "advssl"), ("segmentation", "gct")]
"""Tasks and methods that are also run with a pass for labelled rows and one for the others."""


def in_a_process(body: Callable[..., None], *arguments: Any) -> multiprocessing.Process:
    """A copy of this process, as a worker is one of the fork server: what it does to signals stays there."""
    process = multiprocessing.get_context("fork").Process(target=body, args=arguments)
    process.start()
    return process  # type: ignore[return-value]


def learn_together(data: str, out: str) -> None:
    """In each of two processes: train everything, evaluate, and leave what came out."""
    torch.set_num_threads(1)
    world, registry = join(CPU), load_registry()
    found: dict[str, Any] = {}
    for task, name, settings in variants():
        method = build(task, name, registry, norm=True, **settings)
        synchronise(method)
        found[f"{task} {name} {settings}"] = learnt(method, task, void=True, world=world)
        buffers = [buffer.double().sum().item() for buffer in method.buffers()]
        assert world.gather(buffers) == [buffers] * 2
    for task, name in APART:
        method = build(task, name, registry, norm=True)
        synchronise(method)
        found[f"{task} {name} apart"] = learnt(method, task, void=True, world=world, forward="separate")
    found["single rows"] = single_rows(world)
    found["evaluation"] = scores(Path(data), registry, world)
    gathered = world.gather(found)
    if world.leads:
        torch.save(gathered, out)
    leave()


def single_rows(world: World) -> dict[str, torch.Tensor]:
    """Of two rows, a process its own or both: what a layer with a rule for single rows keeps of them."""
    norm = RowNorm(4)
    if world.size > 1:
        synchronise(norm)
    rows = torch.randn(2, 4, generator=torch.Generator().manual_seed(0))
    norm(rows if world.size == 1 else rows[world.rank : world.rank + 1])
    return {"mean": norm.running_mean, "variance": norm.running_var}  # type: ignore[dict-item]


def scores(data: Path, registry: Registry, world: World) -> dict[str, Any]:
    """Of an untrained network on an odd number of images, by both kinds of metrics."""
    order = tiny_order(data, registry)
    dataset = open_cell_data(order, registry)
    method = build("night", "supervised", registry, norm=True).eval()
    found = evaluate(method.predict, method.task, GuardedDataset(dataset, ()), dataset.test, CPU, world=world)
    masks = build("segmentation", "supervised", registry, norm=True).eval()
    labels = SimpleNamespace(
        image=dataset.image, target=lambda name: dataset.target(name)[..., 0] % 3, unknown=lambda name: None
    )
    other = evaluate(masks.predict, masks.task, labels, dataset.test, CPU, world=world)  # type: ignore[arg-type]
    return {"night": [found.scores, dict(found.per_image)], "masks": [other.scores, dict(other.per_image)]}


def start_two(data: str, out: str) -> None:
    ended = run_together(learn_together, (data, out), processes=2, name="test", fork=True)
    assert ended is None


def test_two_processes_give_what_one_gives(tmp_path: Path) -> None:
    """Every method on both kinds of task, with void pixels and padding that leave each process another number of valid
    ones; and scores of an odd number of images."""
    data, registry = tree(tmp_path / "data"), load_registry()
    alone = {
        f"{task} {name} {settings}": learnt(
            build(task, name, registry, norm=True, **settings), task, void=True
        )
        for task, name, settings in variants()
    }
    for task, name in APART:
        run = learnt(build(task, name, registry, norm=True), task, void=True, forward="separate")
        alone[f"{task} {name} apart"] = run
    alone["single rows"] = single_rows(World())
    alone["evaluation"] = scores(data, registry, World())
    process = in_a_process(start_two, str(data), str(tmp_path / "found.pt"))
    process.join(500)
    assert process.exitcode == 0
    first, second = torch.load(tmp_path / "found.pt", weights_only=True)
    assert first.keys() == alone.keys()
    assert alone["evaluation"] == first["evaluation"] == second["evaluation"]
    for name, run in alone.items():
        if name == "evaluation":
            continue
        for what, value in run.items():
            assert torch.equal(first[name][what], second[name][what]), f"{name}, {what}: processes differ"
            torch.testing.assert_close(
                first[name][what],
                value,
                rtol=0,
                atol=2e-5,
                msg=lambda text, where=f"{name}, {what}": f"{where}: {text}",
            )


@pytest.mark.slow
def test_a_stop_a_kill_and_a_lack_of_memory(tmp_path: Path) -> None:
    """What one process does holds for two: they stop together, die together, and go on to the same numbers."""
    data, registry = tree(tmp_path / "data"), narrow_registry(rows=3, seconds=0.02)
    build("night", "mt", registry, norm=False)  # Imported here, the modules need not be in each process.
    request = {"backbones": "narrow", "settings": [*SETTINGS, "night.iterations=20"]}
    order = tiny_order(data, registry, gpus_per_cell=2, checkpoint_seconds=0.1, **request)
    folder = ResultStore(tmp_path / "out").stage(order).path

    # Four rows of a process are too many at a time.
    worker = in_a_process(work_on, folder, "cpu", registry)
    wait_for(lambda: progress(folder).get("step", 0) > 2)
    worker.terminate()
    worker.join(60)
    assert worker.exitcode == INTERRUPTED
    assert (folder / "checkpoint.pt").exists()
    assert read_json(folder / "memory.json") == {"reduced": [{"step": 0, "micro_batches": 2}]}

    stopped = progress(folder)["pid"]
    worker = in_a_process(work_on, folder, "cpu", registry)
    wait_for(lambda: progress(folder)["pid"] != stopped)
    pids = children(worker.pid)
    assert len(pids) == 2
    os.kill(pids[1], signal.SIGKILL)
    worker.join(60)
    assert worker.exitcode == 1
    message = "process 1 was killed by SIGKILL; there were 2, and the others were stopped"
    failure = read_json(folder / "failure.json")
    assert failure is not None
    assert (failure["message"], failure["worth_retrying"]) == (message, True)
    assert not any(map(alive, pids))

    worker = in_a_process(work_on, folder, "cpu", registry)
    worker.join(120)
    assert worker.exitcode == 0
    record = CellFolder(folder).finished()
    assert record is not None
    assert len(record.provenance.resumed_at) >= 1
    assert record.provenance.micro_batches["used"] == 2

    execution = {"gpus_per_cell": 2, "micro_batches": 2}
    other = ResultStore(tmp_path / "out").stage(tiny_order(data, registry, **execution, **request)).path
    worker = in_a_process(work_on, other, "cpu", registry)
    worker.join(120)
    straight = CellFolder(other).finished()
    assert straight is not None
    assert same(record, straight.replaced(cell=record.cell))


def test_nobody_else_can_reach_the_store_at_which_the_processes_meet() -> None:
    store = meeting_place()
    with socket.create_connection((LOOPBACK, store.port), 10):
        pass
    # Another address of this machine: a socket that listens on every interface answers there, too.
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.2", store.port), 10)


def test_a_failure_of_all_processes_is_told_once(tmp_path: Path) -> None:
    registry = narrow_registry(rows=0)
    settings = ["night.crop=32", "night.labeled_rows=2", "night.unlabeled_rows=2"]
    data = tree(tmp_path / "data")
    order = tiny_order(data, registry, backbones="narrow", settings=settings, gpus_per_cell=2)
    folder = ResultStore(tmp_path / "out").stage(order).path
    worker = in_a_process(work_on, folder, "cpu", registry)
    worker.join(120)
    assert worker.exitcode == 1
    failure = read_json(folder / "failure.json")
    assert failure is not None
    assert failure["message"].startswith("step 0 does not fit in memory")


def until_told(folder: Path) -> None:
    """In each of two processes: wait to be told, and take a while to save."""
    stop, rank = stop_on_signals(), os.environ["LOCAL_RANK"]
    (folder / f"ready-{rank}").touch()
    wait_for(lambda: bool(stop))
    time.sleep(2)
    (folder / f"saved-{rank}").touch()
    sys.exit(INTERRUPTED)


def stopped(folder: Path, stop: Sequence[int]) -> None:
    received = stop_on_signals()
    received += stop
    (folder / "started").touch()
    with pytest.raises(Stopped):
        run_together(until_told, (folder,), processes=2, name="test", fork=True, stop=received)
    (folder / "ended").touch()


def named(folder: Path, what: str) -> set[str]:
    return {path.name.removeprefix(what) for path in folder.glob(f"{what}*")}


@pytest.mark.parametrize("when", ["before", "early", "again and again"])
def test_told_to_stop_at_any_moment_and_more_than_once(tmp_path: Path, when: str) -> None:
    process = in_a_process(stopped, tmp_path, [signal.SIGTERM] * (when == "before"))
    wait_for(
        lambda: len(list(tmp_path.glob("ready-*"))) == 2 if " " in when else (tmp_path / "started").exists()
    )
    for _ in range({"before": 0, "early": 1}.get(when, 4)):
        process.terminate()
        time.sleep(0.2)
    process.join(20)
    assert process.exitcode == 0
    assert (tmp_path / "ended").exists()
    # Told early, none has begun, or all have, which then save like the rest.
    assert named(tmp_path, "saved-") == named(tmp_path, "ready-")
    assert len(named(tmp_path, "saved-")) in {"before": (0,), "early": (0, 2)}.get(when, (2,))


def one_ends(
    folder: Path, device: torch.device, registry: Registry, stop: Sequence[int], beat: Heartbeat, world: World
) -> None:
    """In place of `run_cell`: the second process ends early, and the first is left alone."""
    if (folder / "memory.json").exists():
        return
    if not world.leads and folder.name == "memory":
        (folder / "memory.json").touch()
        raise TakeLess
    if not world.leads:
        raise LockLost
    while True:
        world.any(bool(stop))


@pytest.mark.parametrize(("why", "status"), [("memory", 0), ("lock", ELSEWHERE)])
def test_who_follows_another_leaves_no_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, why: str, status: int
) -> None:
    """A failure that is seen while all start anew, or in a folder that is another command's by now."""
    monkeypatch.setattr("ssl_bench.worker.group.run_cell", one_ends)
    folder, registry, seen = tmp_path / why, load_registry(), False
    folder.mkdir()

    def body() -> None:
        run = partial(run_processes, folder, ["cpu", "cpu"], registry)
        os._exit(attempt(folder, "cpu", run))

    process = in_a_process(body)
    while process.exitcode is None:
        seen = seen or (folder / "failure.json").exists()
        time.sleep(0.02)
    assert process.exitcode == status
    assert not seen


def progress(folder: Path) -> dict[str, Any]:
    return read_json(folder / "progress.json") or {}


def children(pid: int | None) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_for(condition: Callable[[], bool], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def test_layers_with_a_forward_pass_of_their_own_are_caught() -> None:
    """As timm's, which normalise and activate in one."""

    class Activated(nn.BatchNorm2d):
        def forward(self, features: torch.Tensor) -> torch.Tensor:
            out = F.batch_norm(features, self.running_mean, self.running_var, self.weight, self.bias, True)
            return out.relu()

    network = nn.Sequential(nn.Conv2d(3, 4, 1), Activated(4), nn.BatchNorm2d(4))
    names = list(network.state_dict())
    synchronise(network)
    synchronise(network)
    assert list(network.state_dict()) == names
    assert all(isinstance(layer, nn.BatchNorm2d) for layer in network[1:])
    with pytest.raises(ValueError, match="process group has not been initialized"):
        network(torch.rand(2, 3, 4, 4))
    network.eval()
    network[2](torch.rand(2, 4, 4, 4))
