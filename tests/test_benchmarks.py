"""The benchmarks of training steps and of a GPU, at sizes where they say nothing of speed."""

import argparse
import re
from pathlib import Path

import pytest

from benchmarks import gpu, train

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


@pytest.mark.slow
def test_every_part_of_the_benchmark_of_a_gpu_works_on_a_cpu(tmp_path: Path) -> None:
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
