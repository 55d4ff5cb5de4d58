"""The benchmarks of training steps and of a GPU, at sizes where they say nothing of speed."""

import argparse
import os
import re
import sys
from pathlib import Path

import pytest
import torch
from torch import nn
from trees import save

from benchmarks import gpu, passes, peer, plain_loop, scale, steps, train
from benchmarks.measure import machine
from ssl_bench.backbone import NetworkFactory, TaskNetwork
from ssl_bench.plan.plan import Request, make_plan
from ssl_bench.registry.loading import load_registry
from ssl_bench.task import Task
from ssl_bench.testing.toys import ToyNetwork
from ssl_bench_plugins.backbones.unet_small import SmallUNet
from ssl_bench_plugins.methods import flaw_detector

REFERENCE = """
import torch
from torch import nn

def make_step(network, kind, side, rows, channels, device):
    model = nn.Conv2d(3, channels, 1).to(device)
    images = torch.rand(rows, 3, side, side, device=device)
    return lambda: model(images).sum().backward()
"""


def options(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    train.add_options(parser)
    return parser.parse_args(["--device", "cpu", "--networks", "unet-small", *arguments])


def test_every_form_has_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train, "ROUNDS", 1)
    (tmp_path / "reference.py").write_text(REFERENCE)
    text = train.run(
        options("--methods", "supervised,mt", "--side", "16", "--rows", "4", "--against", str(tmp_path))
    )
    lines = [
        [cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line[:1] == "|"
    ]
    head, _, *rows = lines
    assert {len(row) for row in rows} == {len(head)}
    forms = ["plain", "bf16", "channels last", "channels last, bf16", "2 micro batches"]
    assert [row[1:3] for row in rows] == [
        *(["supervised", form] for form in [*forms, "reference"]),
        *(["mt", form] for form in forms),
    ]
    figures = [dict(zip(head, row, strict=True)) for row in rows]
    plain, reference = figures[0], figures[5]
    assert plain["times as fast as plain"] == "1.00"
    assert float(plain["ms per step"]) > 0
    assert plain["share of peak"].endswith("%")
    assert reference["share of peak"] == reference["GFLOP per step"] == "-"
    # 338 k parameters at 64.5 MFLOP an image of 32 px; backward is twice forward, but for the images themselves.
    assert float(plain["GFLOP per step"]) == pytest.approx(3 * 4 * 0.0645 / 4, abs=0.06)
    assert "Peak: what a product of two 1024 x 1024 matrices reaches" in text


def test_without_time_nothing_is_estimated(monkeypatch: pytest.MonkeyPatch) -> None:
    text = train.run(options("--methods", "supervised", "--side", "8", "--seconds", "-1"))
    rows = [line for line in text.splitlines() if line.startswith("| unet-small")]
    assert len(rows) == 5
    assert all("(no time was left) | - | - |" in row for row in rows)


def test_what_is_no_reference_is_refused(tmp_path: Path) -> None:
    (tmp_path / "reference.py").write_text("x = 1\n")
    for path, words in ((tmp_path, "defines no make_step"), (tmp_path / "none.py", "no Python file there")):
        with pytest.raises(SystemExit, match=words):
            train.run(options("--methods", "supervised", "--side", "8", "--against", str(path)))
    with pytest.raises(SystemExit):
        options("--rows", "6")


@pytest.mark.parametrize("method", peer.METHODS)
@pytest.mark.parametrize("task", peer.TASKS)
def test_the_plain_loop_has_the_losses_of_the_trainer(task: str, method: str) -> None:
    registry = load_registry()
    spec = registry.task(task)
    # Where a gate asks for sure predictions, a network that has some at first.
    network, side = (spec.backbones["lite"], 64) if method == "fixmatch" else ("unet-small", 32)
    pair = peer.Pair(registry, spec, method, network, side, spec.recipes["lite"])
    # Sums are taken in another order, and Adam makes a whole step of what that leaves of a gradient of 0.
    for tolerance in (1e-6, 1e-3):
        ours, theirs = pair.ours(), pair.theirs()
        ours = {name.replace("student/", "").replace("/", " "): value for name, value in ours.items()}
        scale = sum(map(abs, theirs.values()))
        assert {name: ours[name] for name in theirs} == pytest.approx(theirs, rel=0, abs=tolerance * scale)
    known = {"kept", "confidence", "difference", "disagreement"}
    assert ours.keys() - known == theirs.keys() - known


@pytest.mark.parametrize("task", peer.TASKS)
def test_the_plain_loop_is_a_whole_script(task: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peer, "TRAINING", 6)
    monkeypatch.setattr(peer, "TEST", 2)
    monkeypatch.setattr(plain_loop.smp, "FPN", lambda name, classes, **others: SmallUNet(3, classes))
    peer.write_pictures(tmp_path)
    score = plain_loop.train(tmp_path / task, task, "mt", 0, 2, peer.IDS, peer.LABELED)
    assert 0 <= score <= 1 if task == "segmentation" else 0 < score < 100
    plan = make_plan(load_registry(), Request(**peer.request(tmp_path, 2, "0,1")))
    assert len(plan.cells) == 12


def test_what_more_of_a_thing_costs_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    text = scale.grown("things", [10, 110], [{"read": 1.0}, {"read": 1.5}])
    assert text.splitlines()[-2:] == ["| 10 | 1.00 | - |", "| 110 | 1.50 | 5.000 |"]
    parser = argparse.ArgumentParser()
    scale.add_options(parser)
    text = scale.run(parser.parse_args(["--images", "20,30", "--records", "1,3", "--cells", ""]))
    heads = [line.split("|")[1].strip() for line in text.splitlines() if " s |" in line]
    assert heads == ["images, segmentation", "images, denoising", "records"]
    assert text.count("| 30 |") == 2


@pytest.mark.skipif(sys.platform != "linux", reason="of Linux alone")
def test_what_all_processes_of_a_command_take_is_counted() -> None:
    # A child that its parent leaves behind, and that nobody waits for.
    busy = "import time\nwhile time.process_time() < 0.3: pass"
    code = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {busy!r}])"
    assert scale.cpu_of_all([sys.executable, "-c", code]) > 0.3


def test_a_table_says_whether_the_machine_is_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    for load, words in (
        (0.2, "segmentation-models-pytorch"),
        (7.4, "A shared machine (load average 7 beforehand)"),
    ):
        monkeypatch.setattr(os, "getloadavg", lambda load=load: (0.0, load, 0.0))
        assert words in machine()
        assert ("shared" in machine()) == (load > 1)


def small(task: Task) -> NetworkFactory:
    def build_network(index: int = 0, backbone: str | None = None) -> TaskNetwork:
        torch.manual_seed(index)
        layers = (nn.Conv2d(3, 8, 3, padding=1), nn.Tanh(), nn.Conv2d(8, task.out_channels, 1))
        return TaskNetwork(ToyNetwork(*layers), in_channels=3, residual=False)

    return build_network


@pytest.fixture
def narrow_detector(monkeypatch: pytest.MonkeyPatch) -> None:
    narrow = tuple((channels // 16, stride) for channels, stride in flaw_detector.LAYERS)
    monkeypatch.setattr(flaw_detector, "LAYERS", narrow)


@pytest.mark.usefixtures("narrow_detector")
def test_no_method_takes_a_pass_that_it_does_not_need() -> None:
    found = {run.name: run for run in passes.runs(40, small)}
    methods = {spec.name for spec in load_registry().sorted("methods")} - {"full"}
    assert methods < found.keys()
    assert passes.STATED.keys() <= found.keys()
    for run in found.values():
        run.step()
        if run.name in passes.STATED:
            assert run.images == run.stated, run.name
    # After a look, networks are as they were.
    assert TaskNetwork.forward.__qualname__ == "TaskNetwork.forward"


@pytest.mark.usefixtures("narrow_detector")
def test_steps_have_a_line_each_and_work_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = ("supervised", "mt", "gct", "gct, naive", "bank", "supervised, pictures")
    monkeypatch.setattr(
        steps, "runs", lambda side: [run for run in passes.runs(side, small) if run.name in kept]
    )
    parser = argparse.ArgumentParser()
    steps.add_options(parser)
    chosen = parser.parse_args(["--sides", "40", "--rounds", "1"])
    text = steps.run(chosen)
    lines = [
        [cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line[:1] == "|"
    ]
    head, _, *rows = lines
    assert [row[0] for row in rows] == list(kept)
    work = {row[0]: float(row[head.index("work")]) for row in rows}
    # Convolutions 3 x 3 to 8 channels and 1 x 1 to 21, which send no gradient to the images: of 4 images forward and
    # backward, and of 2 more forward.
    first, second = 27 * 8, 8 * passes.CLASSES
    assert work["mt"] == pytest.approx(1 + 0.5 * (first + second) / (2 * first + 3 * second), abs=0.01)
    assert work["supervised"] == work["supervised, pictures"] == 1
    assert "medians of 1 steps" in steps.how(chosen)
    assert ("Above 1.15: " in text) != ("None is above 1.15" in text)


@pytest.mark.slow
@pytest.mark.longest
def test_every_part_of_the_benchmark_of_a_gpu_works_on_a_cpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(20):
        for folder in ("input", "target"):
            save(tmp_path / "data/denoising" / folder / f"{number}.png", 12 * number)
    monkeypatch.setenv("SSL_BENCH_DATA", str(tmp_path / "data"))
    text = gpu.run(of_gpu("--device", "cpu", "--quick", "--out", str(tmp_path)))
    assert "Failed" not in text
    assert "Stopped" not in text
    for part in gpu.PARTS:
        assert f"## {part.title}\n\n" in text
        assert (tmp_path / f"{part.name}.md").read_text() in text
    assert re.search(r"^\d+ passed, \d+ skipped", text, re.MULTILINE)
    assert "| 128, 8, 21 |" in text
    assert "| 2 |" in text
    assert "the same scores" in text
    assert "NO" not in text
    assert (tmp_path / "leaderboards" / "README.md").is_file()


def test_a_part_that_fails_or_hangs_hides_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bodies = {
        "broken": "echo no such kernel >&2; exit 3",
        "endless": "echo begun; sleep 600",
        "sound": "echo '| a | 1 |'",
    }
    for name, body in bodies.items():
        (tmp_path / f"{name}.sh").write_text(body)
    monkeypatch.setattr(gpu, "GRACE", 0.4)
    monkeypatch.setattr(gpu, "PARTS", tuple(gpu.Part(name, name.title(), 1.0) for name in bodies))
    monkeypatch.setattr(gpu, "command_of", lambda part: ["sh", str(tmp_path / f"{part.name}.sh")])
    text = gpu.run(of_gpu("--device", "cpu", "--quick", "--minutes", "0.2", "--out", str(tmp_path / "out")))
    assert "## Broken\n\nFailed with exit status 3. It said:\n\n    no such kernel" in text
    assert "## Endless\n\nStopped after" in text
    assert "    begun" in text
    assert "## Sound\n\n| a | 1 |" in text
    assert (tmp_path / "out" / "sound.md").read_text().startswith("## Sound\n\n| a | 1 |")
    with pytest.raises(SystemExit, match="--parts gone: known are broken, endless, sound"):
        gpu.run(of_gpu("--device", "cpu", "--parts", "gone", "--out", str(tmp_path)))


def of_gpu(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    gpu.add_options(parser)
    return parser.parse_args(arguments)
