"""The benchmark of training steps, at a size where it says nothing of speed."""

import argparse
from pathlib import Path

import pytest

from benchmarks import train

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
    forms = ["plain", "bf16", "channels last", "channels last, bf16"]
    assert [row[1:3] for row in rows] == [
        *(["supervised", form] for form in [*forms, "reference"]),
        *(["mt", form] for form in forms),
    ]
    figures = [dict(zip(head, row, strict=True)) for row in rows]
    plain, reference = figures[0], figures[4]
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
    assert len(rows) == 4
    assert all("(no time was left) | - | - |" in row for row in rows)


def test_what_is_no_reference_is_refused(tmp_path: Path) -> None:
    (tmp_path / "reference.py").write_text("x = 1\n")
    for path, words in ((tmp_path, "defines no make_step"), (tmp_path / "none.py", "no Python file there")):
        with pytest.raises(SystemExit, match=words):
            train.run(options("--methods", "supervised", "--side", "8", "--against", str(path)))
    with pytest.raises(SystemExit):
        options("--rows", "6")
