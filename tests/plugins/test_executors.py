"""Executors as plugins: options made from settings, and what adapters decide, without the packages they adapt to."""

import ast
import json
import os
import signal
import subprocess
import sys
import threading
import time
import types
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import pytest
from conftest import Said
from pydantic import Field

from ssl_bench.errors import UsageError
from ssl_bench.executor import Executor, Job, Wanted
from ssl_bench.forecast.expected import Costs, shape_of
from ssl_bench.forecast.prices import Price
from ssl_bench.hookspecs import hookimpl
from ssl_bench.machine.files import write_json
from ssl_bench.plan.plan import Request, make_plan
from ssl_bench.recipe import Execution
from ssl_bench.registry import loading
from ssl_bench.registry.scaffold import Package, render
from ssl_bench.run.display import PlainDisplay
from ssl_bench.run.loop import carry_out
from ssl_bench.run.start import start_of
from ssl_bench.run.timing import time_cells
from ssl_bench.specs import ExecutorConfig, ExecutorSpec
from ssl_bench.store.heartbeat import lock_of
from ssl_bench.store.outcomes import outcome_of
from ssl_bench.store.record import Record
from ssl_bench.store.results import ResultStore
from ssl_bench.testing.parts import executor_checks
from ssl_bench.worker import fresh as cell_process
from ssl_bench_plugins.executors.configs import SlurmConfig
from ssl_bench_plugins.executors.nodes import Node, gpu_share, place, total_room
from ssl_bench_plugins.executors.parcel import LARGE, Packer, Parcel
from ssl_bench_plugins.executors.slots import MemorySlots, NumberedSlots, slots_of
from ssl_bench_plugins.executors.slurm_job import may_go_on
from ssl_bench_plugins.executors.slurm_queue import gone, read_queue
from ssl_bench_plugins.executors.slurm_request import gpus_of, parameters, refusal

Command = Callable[..., Said]


class FarmConfig(ExecutorConfig):
    """Settings of an executor of somebody else's."""

    hens: int = Field(3, ge=1, description="How many lay.")
    kind: Literal["brown", "white"] = Field("brown", description="Of eggs.")
    free_range: bool = Field(False, description="Let them out.")


class FarmExecutor(Executor):
    """Runs nothing, and says what it was asked."""

    def room(self) -> int:
        return 1

    def start(self, job: Job) -> int:
        text = f"{self.config.model_dump_json()} {self.wanted.jobs} {self.wanted.devices}"
        write_json(job.folder / "failure.json", {"message": text})
        return 1

    def poll(self, handle: int) -> int:
        return handle

    def stop(self, handles: Sequence[int], *, at_once: bool = False) -> None: ...


class Farm:
    """A third party's plugin."""

    name = "farm"
    config: type[ExecutorConfig] = FarmConfig

    @hookimpl
    def provide_executors(self) -> list[ExecutorSpec]:
        return [ExecutorSpec(name=self.name, title="a farm", executor=FarmExecutor, config=self.config)]


@pytest.fixture
def farm(monkeypatch: pytest.MonkeyPatch) -> Farm:
    """The farm is installed."""
    plugin, load = Farm(), loading.load_registry
    monkeypatch.setattr(loading, "load_registry", lambda plugins=(), **more: load([*plugins, plugin], **more))
    return plugin


def run(command: Command, out: Path, *arguments: object) -> Said:
    return command("run", "--tasks", "night", "--methods", "supervised", "--out", out, *arguments)


def test_settings_become_options_with_help(command: Command, farm: Farm) -> None:
    text = " ".join(command("run", "--help").out.split())
    assert "Options of --executor farm: --farm-hens VALUE How many lay. [default: 3]" in text
    assert "--farm-kind VALUE Of eggs. [default: brown]" in text
    assert "--farm-free-range / --no-farm-free-range Let them out." in text
    for option in ("--ray-address", "--ray-gpus", "--slurm-account", "--slurm-partition", "--slurm-time"):
        assert option in text


def test_options_reach_the_executor(command: Command, farm: Farm, tmp_path: Path) -> None:
    options = ("--farm-hens", "7", "--farm-free-range", "--jobs", "2")
    said = run(command, tmp_path, "--executor", "farm", *options)
    assert said.status == 1
    assert '{"hens":7,"kind":"brown","free_range":true} 2 auto' in said.err


def test_suites_hold_them_and_the_command_line_wins(command: Command, farm: Farm, tmp_path: Path) -> None:
    suite = tmp_path / "suite.toml"
    suite.write_text(
        'executor = "farm"\nfarm-hens = 5\nfarm_kind = "white"\nfarm-free-range = true\nray-gpus = 0.5\n'
    )
    said = command(
        "run", suite, "--tasks", "night", "--methods", "supervised", "--out", tmp_path, "--executor", "farm"
    )
    assert '{"hens":5,"kind":"white","free_range":true}' in said.err
    arguments = ("--tasks", "night", "--methods", "supervised", "--executor", "farm", "--no-farm-free-range")
    said = command("run", suite, "--farm-hens", "6", "--out", tmp_path, *arguments)
    assert '{"hens":6,"kind":"white","free_range":false}' in said.err
    # Without --executor, the suite contradicts itself.
    said = command("run", suite, "--tasks", "night", "--out", tmp_path)
    assert (said.status, "--ray-gpus is a setting of executor 'ray'" in said.err) == (2, True)
    assert command("plan", suite, "--tasks", "night", "--out", tmp_path).status == 0
    suite.write_text("farm-hen = 5\n")
    assert "unknown key 'farm-hen'; did you mean 'farm-hens'?" in command("run", suite).err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ["--farm-hens", "4"],
            ["--farm-hens is a setting of executor 'farm', and this command's is 'local'"],
        ),
        (["--executor", "farm", "--farm-hens", "0"], ["--farm-hens '0': input should be greater than or"]),
        (["--executor", "farm", "--farm-hens", "x"], ["--farm-hens 'x': input should be a valid integer"]),
        (["--executor", "farm", "--farm-kind", "blue"], ["--farm-kind 'blue'", "'brown' or 'white'"]),
        (["--executor", "ray", "--ray-gpus", "2"], ["--ray-gpus '2'", "less than or equal to 1"]),
        (["--executor", "ray", "--farm-hens", "2"], ["this command's is 'ray'"]),
        (["--farm-hen", "2"], ["--farm-hen", "--farm-hens"]),
    ],
    ids=lambda value: " ".join(value) if value[0].startswith("--") else "",
)
def test_settings_that_are_wrong(
    command: Command, farm: Farm, tmp_path: Path, arguments: list[str], words: list[str]
) -> None:
    said = run(command, tmp_path, *arguments)
    assert said.status == 2
    assert len(said.err.strip().splitlines()) == 1
    assert all(word in said.err for word in words), said.err
    assert not (tmp_path / "cells").exists()


def test_a_setting_that_is_an_option_already(command: Command, farm: Farm) -> None:
    class Seeds(ExecutorConfig):
        seeds: int = 0

    farm.name, farm.config = "split", Seeds
    said = command("run", "--help")
    assert said.status == 2
    assert "its setting 'seeds' would be --split-seeds, which `run` has already" in said.err


@pytest.mark.parametrize(("name", "package"), [("ray", "ray"), ("slurm", "submitit")])
def test_a_missing_package_is_named_with_its_cure(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, package: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    for module in [module for module in sys.modules if module.startswith("ssl_bench_plugins.executors.")]:
        monkeypatch.delitem(sys.modules, module)
    said = run(command, tmp_path, "--executor", name)
    assert said.status == 2
    assert f"executor '{name}' needs a package that is not installed" in said.err
    assert f"pip install 'ssl-bench[{name}]'" in said.err
    assert not (tmp_path / "cells").exists()


def job(name: str = "a", folder: Path = Path(), *, shape: str = "s", memory: int | None = None) -> Job:
    return Job(name, folder, shape=shape, memory=memory)


def test_cells_on_a_cpu_are_counted() -> None:
    slots = slots_of(["cpu"], Wanted(jobs=2))
    assert isinstance(slots, NumberedSlots)
    assert [slots.take(job()), slots.take(job()), slots.take(job())] == ["cpu", "cpu", None]
    slots.give_back(job(), "cpu")
    assert slots.take(job()) == "cpu"
    spread = NumberedSlots(["cuda:0", "cuda:1"], 3)
    assert sorted(str(spread.take(job())) for _ in range(4)) == ["None", "cuda:0", "cuda:0", "cuda:1"]


def test_cells_share_a_gpu_by_measured_memory(tmp_path: Path) -> None:
    gib = 2**30
    slots = MemorySlots({"cuda:0": 16 * gib, "cuda:1": 16 * gib}, at_once=5)
    first, second = job("a", tmp_path / "a"), job("b", tmp_path / "b")
    # Never measured: each has a GPU alone.
    assert {slots.take(first), slots.take(second)} == {"cuda:0", "cuda:1"}
    assert slots.take(job("c", tmp_path)) is None
    # The first to finish is measured for all of its shape.
    measured = {"schema": 1, "cell": {"id": "a"}, "metrics": {}, "cost": {"peak_memory_bytes": 3 * gib}}
    first.folder.mkdir()
    (first.folder / "result.json").write_text(json.dumps(measured))
    slots.give_back(first, "cuda:0")
    slots.give_back(second, "cuda:1")
    taken = [slots.take(job(str(number), tmp_path)) for number in range(8)]
    # 3 GiB x 1.2 + 1 GiB is 4.6 GiB: three to a GPU, and five in all.
    assert taken.count("cuda:0") == 3
    assert taken.count("cuda:1") == 2
    assert taken[5:] == [None, None, None]
    # From an earlier run's records; too large for two.
    known = MemorySlots({"cuda:0": 16 * gib}, at_once=5)
    assert known.take(job("x", shape="big", memory=10 * gib)) == "cuda:0"
    assert known.take(job("y", shape="big", memory=10 * gib)) is None
    assert known.take(job("z", shape="small", memory=1 * gib)) == "cuda:0"


def record(cell: dict, seconds: float, peak: int | None, recipe: dict, method: dict, role: str) -> Record:
    return Record.of(
        {
            "schema": 1,
            "metrics": {},
            "cell": cell,
            "config": {"recipe": recipe, "method": method},
            "describe": {"method": {"role": role}},
            "cost": {"seconds": seconds, "peak_memory_bytes": peak},
        }
    )


def test_costs_come_from_the_nearest_records() -> None:
    loaded = loading.load_registry()
    request = Request(tasks="night,matting", methods="supervised,mt", control=False, seeds=(0, 1))
    cells = {(cell.task, cell.method, cell.seed): cell for cell in make_plan(loaded, request).cells}
    done, other = cells["night", "mt", 0], cells["night", "mt", 1]
    assert shape_of(done) == shape_of(other) != shape_of(cells["night", "supervised", 0])
    assert Costs([]).memory(done) is None
    assert (
        Costs([]).seconds(done)
        == Costs([]).seconds(other)
        > Costs([]).seconds(cells["night", "supervised", 0])
    )
    costs = Costs(
        record(done.coordinates(), seconds, peak, dict(done.recipe), dict(done.config), "ssl")
        for seconds, peak in ((30.0, 5), (50.0, 9))
    )
    assert costs.memory(other) == 9
    assert costs.memory(cells["night", "supervised", 0]) is None
    assert costs.seconds(other) == pytest.approx(40.0)
    # In another precision it takes another amount of memory.
    assert costs.memory(replace(other, execution=Execution(precision="bf16"))) is None
    # Of the same method on another task: its rate.
    ratio = Costs([]).seconds(cells["matting", "mt", 0]) / Costs([]).seconds(done)
    assert costs.seconds(cells["matting", "mt", 0]) == pytest.approx(40.0 * ratio)
    # Of what `plan --estimate` found, as of a record.
    estimated = Costs([], [(done, Price(seconds=60.0)), (cells["night", "supervised", 0], Price())])
    assert estimated.seconds(other) == pytest.approx(60.0)
    assert estimated.seconds(cells["matting", "mt", 0]) == pytest.approx(60.0 * ratio)


def test_what_a_cluster_carries() -> None:
    nodes = [Node("a", 8, 2), Node("b", 4, 0), Node("c", 1, 1)]
    assert total_room(nodes, Wanted(), 0) == 13
    assert total_room(nodes, Wanted(threads=2), 0) == 6
    assert total_room(nodes, Wanted(), 1.0) == 3
    assert total_room(nodes, Wanted(), 0.25) == 9
    assert total_room(nodes, Wanted(), 0.3) == 7  # three on each GPU, and one core on c
    assert total_room(nodes, Wanted(jobs=4), 0.25) == 4
    assert total_room(nodes, Wanted(processes=2), 2.0) == 1
    assert total_room(nodes, Wanted(processes=4), 0) == 3
    assert gpu_share(Wanted(), 1.0, asked=False, nodes=nodes) == 1.0
    assert gpu_share(Wanted(), 1.0, asked=False, nodes=nodes[1:2]) == 0.0
    assert gpu_share(Wanted(devices="cpu"), 1.0, asked=False, nodes=nodes) == 0.0
    assert gpu_share(Wanted(processes=2), 1.0, asked=False, nodes=nodes) == 2.0


@pytest.mark.parametrize(
    ("wanted", "asked", "words"),
    [
        (Wanted(devices="cuda"), True, "1 CPU core and 0.5 GPU .*b: 4 CPU cores, 0 GPUs.*--devices cpu"),
        (Wanted(), True, "0.5 GPU"),
        (Wanted(threads=8), False, "8 CPU cores .*--threads"),
        (Wanted(devices="cuda:1"), False, "a cluster chooses its GPUs itself"),
        (Wanted(devices="cpu"), True, "contradict"),
    ],
)
def test_what_a_cluster_does_not_have_is_an_error(wanted: Wanted, asked: bool, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        gpu_share(wanted, 0.5, asked=asked, nodes=[Node("b", 4, 0)])


def test_a_folder_travels_and_comes_back(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    for folder in (here, there):
        folder.mkdir()
    (here / "cell.json").write_text("{}")
    (here / "checkpoint.pt").write_bytes(b"1")
    (here / "lock").write_text("mine")
    (here / ".cell.json.12").write_text("half")
    Packer(here).pack().unpack(there)
    assert sorted(path.name for path in there.iterdir()) == ["cell.json", "checkpoint.pt"]
    packer = Packer(there)
    packer.pack()
    assert packer.pack().files == {}
    (there / "checkpoint.pt").write_bytes(b"2" * LARGE)
    (there / "progress.json").write_text("{}")
    (there / "curves").mkdir()
    (there / "curves" / "events").write_bytes(b"x")
    small = packer.pack(large=False)
    assert set(small.files) == {"progress.json", "curves/events"}
    small.unpack(here)
    assert (here / "checkpoint.pt").read_bytes() == b"1"
    both = packer.pack().after(small)
    assert set(both.files) == {"progress.json", "curves/events", "checkpoint.pt"}
    # A record waits for what it speaks of; a checkpoint that is gone goes.
    (there / "checkpoint.pt").unlink()
    (there / "weights.pt").write_bytes(b"3" * LARGE)
    (there / "result.json").write_text("{}")
    assert packer.pack(large=False).files == {}
    packer.pack().after(both).unpack(here)
    names = {path.relative_to(here).as_posix() for path in here.rglob("*") if path.is_file()}
    own = {"lock", ".cell.json.12"}
    assert names == {"cell.json", "progress.json", "curves/events", "weights.pt", "result.json", *own}
    for bad in ("../x", "/x", "a/../../x"):
        with pytest.raises(ValueError, match="leads out"):
            Parcel({bad: b""}, frozenset({bad})).unpack(here)


def test_data_that_is_not_there_is_named(tmp_path: Path) -> None:
    cell = {"path": str(tmp_path / "no-data"), "unlabeled": [str(tmp_path)], "weights": None}
    (tmp_path / "cell.json").write_text(json.dumps(cell))
    assert cell_process.needed_paths(tmp_path) == {str(tmp_path / "no-data"), str(tmp_path)}
    process = cell_process.start_cell(tmp_path, "cpu")
    assert process.wait(60) == 2
    message = json.loads((tmp_path / "failure.json").read_text())["message"]
    assert message.startswith(f"{tmp_path / 'no-data'} is not there on ")
    assert "at the same path on every machine" in message


def test_a_cell_ends_with_the_process_that_started_it(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from ssl_bench.worker.fresh import start_cell\n"
        "print(start_cell(Path(sys.argv[1]), 'cpu').pid, flush=True)"
    )
    line = [sys.executable, "-c", script, str(tmp_path)]
    pid = int(subprocess.run(line, capture_output=True, text=True, check=True, timeout=60).stdout)
    deadline = time.monotonic() + 60
    while alive(pid):
        assert time.monotonic() < deadline
        time.sleep(0.2)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # Its new parent may not have taken note of its end yet.
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"


def test_ctrl_c_waits_for_jobs_to_be_noted() -> None:
    slurm = pytest.importorskip("ssl_bench_plugins.executors.slurm")
    done, noted = threading.Event(), []
    other = threading.Thread(target=done.wait)  # which the system may give the signal to
    other.start()

    def submit() -> None:
        with slurm.uninterrupted():
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.05)
            noted.append("all")

    try:
        with pytest.raises(KeyboardInterrupt):
            submit()
    finally:
        done.set()
        other.join()
    assert noted == ["all"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_what_slurm_is_asked_for() -> None:
    config = SlurmConfig(account="lab", partition="gpu", time="1-00:00:00", gpus="a100:1")
    wanted = Wanted(jobs=8, threads=2)
    asked = parameters(wanted, gpus_of(wanted, config), config)
    assert asked["slurm_account"] == "lab"
    assert asked["slurm_partition"] == "gpu"
    assert asked["slurm_time"] == "1-00:00:00"
    assert asked["slurm_gpus_per_node"] == "a100:1"
    assert asked["cpus_per_task"] == 4
    assert asked["slurm_array_parallelism"] == 8
    plain = parameters(Wanted(threads=2), None, SlurmConfig())
    assert plain["cpus_per_task"] == 2
    assert not {"slurm_account", "slurm_partition", "slurm_gpus_per_node"} & set(plain)
    assert gpus_of(Wanted(devices="cuda"), SlurmConfig()) == "1"
    assert gpus_of(Wanted(), SlurmConfig()) is None
    several = Wanted(threads=2, processes=4)
    assert gpus_of(several, SlurmConfig()) == "4"
    assert gpus_of(several, SlurmConfig(gpus="a100")) == "a100:4"
    assert parameters(several, "4", SlurmConfig())["cpus_per_task"] == 16
    assert (place(several, gpu=True), place(several, gpu=False)) == ("cuda:0,1,2,3", "cpu")
    with pytest.raises(UsageError, match="--gpus-per-cell 2 makes it use 2"):
        gpus_of(several, SlurmConfig(gpus="a100:2"))
    with pytest.raises(UsageError, match="contradict"):
        gpus_of(Wanted(devices="cpu"), config)
    with pytest.raises(UsageError, match="Slurm chooses the GPUs"):
        gpus_of(Wanted(devices="cuda:1"), config)


def test_a_slurm_job_s_word_counts_when_it_has_ended(tmp_path: Path) -> None:
    slurm = pytest.importorskip("ssl_bench_plugins.executors.slurm")
    executor = object.__new__(slurm.SlurmExecutor)
    executor.stopping = False
    queued = slurm.Queued(job("a", tmp_path), "7_0", state="RUNNING")
    (tmp_path / "failure.json").write_text('{"message": "no memory"}')
    # The job may yet say more, and a cell that is tried again before that would be taken for failed.
    assert executor._code(queued) is None
    queued.ended = time.monotonic()
    outcome = outcome_of(queued.job, executor._code(queued), 1.0)
    assert (outcome.status, outcome.message) == ("failed", "no memory")


def test_a_ray_cluster_of_its_own_asks_for_a_token(monkeypatch: pytest.MonkeyPatch) -> None:
    clusters = pytest.importorskip("ssl_bench_plugins.executors.ray_cluster")
    seen: list[dict[str, Any]] = []

    def init(**settings: Any) -> None:
        names = ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN")
        alone = not clusters.ray_constants.ENABLE_RAY_CLUSTER
        seen.append({**settings, "alone": alone, **{name: os.environ.get(name) for name in names}})

    monkeypatch.setattr(clusters.ray, "init", init)
    monkeypatch.setattr(clusters.ray, "shutdown", lambda: None)
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    for _ in range(2):
        clusters.connect("local")()
    clusters.connect("auto")()
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    clusters.connect("local")()
    assert [(one["alone"], one["RAY_AUTH_MODE"]) for one in seen] == [
        (True, "token"),
        (True, "token"),
        (False, None),
        (True, "disabled"),
    ]
    tokens = [one["RAY_AUTH_TOKEN"] for one in seen]
    assert len({token for token in tokens if token}) == 2
    assert all(len(token) == 64 for token in tokens[:2])


def test_what_comes_over_ray_is_not_written_into_another_s_folder(tmp_path: Path) -> None:
    ray = pytest.importorskip("ssl_bench_plugins.executors.ray")
    (tmp_path / "cell.json").write_text('{"hang_seconds": 3600}')
    lock, parcel = lock_of(tmp_path), Parcel({"x": b"1"}, frozenset({"x", "cell.json"}))
    assert lock.owner.patience > 3600
    flight = ray.Flight(job("a", tmp_path), "a 1", None, lock)
    assert lock.take() is None
    assert flight.take_in(parcel)
    assert (tmp_path / "x").read_bytes() == b"1"
    (tmp_path / "lock").write_text("{}")
    assert not flight.take_in(Parcel({"x": b"2"}, frozenset({"x"})))
    assert (tmp_path / "x").read_bytes() == b"1"


def test_ctrl_c_while_the_server_starts_leaves_no_traceback(tmp_path: Path) -> None:
    line = [sys.executable, "-m", "ssl_bench", "run", "--tasks", "night", "--methods", "supervised"]
    line += ["--devices", "cpu", "--out", str(tmp_path)]
    process = subprocess.Popen(line, stdout=-1, stderr=-1, text=True, start_new_session=True)
    deadline = time.monotonic() + 60
    while not any("forkserver" in child for child in children(process.pid)):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert said.strip() == "ssl-bench: interrupted; the same command goes on from here"


def children(pid: int) -> list[str]:
    """Their command lines."""
    pids = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [Path(f"/proc/{child}/cmdline").read_text() for child in pids]


def test_what_slurm_says() -> None:
    said = "7_0|RUNNING|None\n7_1|PENDING|Priority\n7_2|TIMEOUT|None\n8|PENDING|launch failed requeued held\n"
    states = read_queue(said)
    assert states == {"7_0": "RUNNING", "7_1": "PENDING", "7_2": "TIMEOUT", "8": "FAILED"}
    assert [gone(states, name) for name in ("7_0", "7_1", "7_2", "8", "9")] == [
        False,
        False,
        True,
        True,
        True,
    ]
    # No node is such as these ask for; those that are down come up again.
    never = read_queue("7_0|PENDING|PartitionConfig\n7_1|PENDING|Nodes required for job are DOWN\n")
    assert never == {"7_0": "IMPOSSIBLE", "7_1": "PENDING"}
    assert may_go_on("   JobState=RUNNING Reason=None Dependency=(null)")
    assert not may_go_on("   JobState=CANCELLED Reason=None")
    refused = "sbatch: error: Batch job submission failed: Invalid account\nsbatch: error: again\n"
    assert refusal(refused) == "Batch job submission failed: Invalid account; again"


def guide() -> tuple[str, str]:
    """Name and source of the executor of the guide."""
    text = (Path(__file__).parents[2] / "docs" / "clusters.md").read_text()
    return "kennel", text.partition("```python\n")[2].partition("```")[0]


def template() -> tuple[str, str]:
    """Name and source of the executor that `ssl-bench new` writes."""
    package = Package("executor", "stable")
    return "stable", render(package, loading.load_registry())[f"{package.module}.py"]


@pytest.mark.parametrize("written", [guide, template])
def test_an_executor_is_forty_lines_and_runs_a_cell(
    tmp_path: Path, written: Callable[[], tuple[str, str]]
) -> None:
    name, source = written()
    module = types.ModuleType(name)
    exec(source, module.__dict__)
    (kind,) = (
        node
        for node in ast.parse(source).body
        if isinstance(node, ast.ClassDef) and "Executor" in map(ast.unparse, node.bases)
    )
    assert kind.end_lineno
    assert kind.end_lineno - kind.lineno < 40
    loaded = loading.load_registry([module])
    spec = loaded.executor(name)
    assert [check() for _, check in executor_checks(spec)] == [None]
    settings = ["night.iterations=1", "night.crop=32"]
    plan = make_plan(loaded, Request(tasks="night", methods="supervised", settings=settings))
    store = ResultStore(tmp_path)
    asked: list[str] = []

    def enough() -> bool:
        asked.append("")
        return False

    outcomes = carry_out(
        loaded, plan, store, start_of(spec, {}), PlainDisplay(), devices="cpu", enough=enough
    )
    assert [(outcome.cell, outcome.status) for outcome in outcomes] == [(plan.cells[0].id, "finished")]
    assert asked
    assert store.finished(plan.cells[0]) is not None
    if written is not guide:  # Another round of processes, for the same code.
        return
    timed = time_cells(loaded, plan, store, start_of(spec, {}), PlainDisplay(), devices="cpu")
    assert (timed.faults, timed.at_once) == ({}, 1)
    assert (timed.estimates[plan.cells[0].id].cost.seconds or 0) > 0
    assert not list(tmp_path.glob("estimate-*"))


@pytest.mark.parametrize("name", loading.load_registry().entries["executors"])
def test_every_executor_keeps_its_contract(name: str) -> None:
    checks = executor_checks(loading.load_registry().executor(name))
    assert [check() for _, check in checks] == [None]
