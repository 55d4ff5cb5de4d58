"""`ssl-bench run` end to end: processes, kills, resumes, tables."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from trees import save

from ssl_bench.store.results import read_records, same

pytestmark = [pytest.mark.slow, pytest.mark.longest]

STEPS = 120
ARGUMENTS = [
    *(
        "--tasks",
        "matting,night",
        "--methods",
        "supervised,mt",
        "--no-control",
        "--devices",
        "cpu",
        "--jobs",
        "2",
        "--backbones",
        "unet-small",
    ),
    *("--checkpoint-seconds", "0.3"),
    *(
        x
        for task in ("matting", "night")
        for x in ("--set", f"{task}.iterations={STEPS}", "--set", f"{task}.crop=16")
    ),
]


@pytest.fixture(scope="module", autouse=True)
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Few and small ones of both tasks: what is tested is who dies when, over enough steps to die in."""
    root = tmp_path_factory.mktemp("pictures")
    for task, channels in (("matting", 1), ("night", 3)):
        for number in range(20):
            save(root / task / f"input/{number}.png", 12 * number)
            save(root / task / f"target/{number}.png", 255 - 12 * number, channels=channels)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_BENCH_DATA", str(root))
        yield


def start(out: Path, *arguments: str) -> subprocess.Popen[str]:
    line = [sys.executable, "-m", "ssl_bench", "run", *ARGUMENTS, *arguments, "--out", str(out)]
    pipe = subprocess.PIPE
    # A parent in the background may pass SIGINT on as ignored, and Ctrl-C is part of what is tested.
    return subprocess.Popen(
        line,
        stdout=pipe,
        stderr=pipe,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def end(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=300)
    return process.returncode, out, err


def records(out: Path) -> dict[str, Any]:
    return {record.cell.id: record for record in read_records(out / "cells")}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("undisturbed")
    status, said, err = end(start(out))
    assert status == 0, err
    assert err == ""
    assert "[4/4]" in said
    assert "Portrait Image" in said
    return out


def test_records_tables_and_a_second_run(undisturbed: Path) -> None:
    found = records(undisturbed)
    assert len(found) == 4
    text = (undisturbed / "leaderboards" / "leaderboard.md").read_text()
    assert "Portrait Image Matting" in text
    assert "MT [1]" in text
    assert "Tarvainen" in text
    assert r"$\lambda_{MT}$" in (undisturbed / "leaderboards" / "hyperparameters.md").read_text()
    status, said, _ = end(start(undisturbed))
    assert status == 0
    assert "0 to run, 4 finished" in said
    assert records(undisturbed) == found


def workers_of(out: Path) -> dict[str, int]:
    """Cell to the process that works on it, from what the cells say of themselves."""
    pids = {}
    for path in out.glob("cells/*/progress.json"):
        try:
            pids[path.parent.name] = json.loads(path.read_text())["pid"]
        except (OSError, ValueError):
            continue
    return pids


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_for(condition: Any, seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def test_kill_9_of_a_cell_and_of_the_command(undisturbed: Path, tmp_path: Path) -> None:
    generator = random.Random(0)
    # A cell is killed: the others finish, its log is named, the status is 1.
    process = start(tmp_path, "--retries", "0")
    wait_for(lambda: list(tmp_path.glob("cells/*/checkpoint.pt")))
    victim, pid = generator.choice(sorted(workers_of(tmp_path).items()))
    os.kill(pid, signal.SIGKILL)
    status, _, err = end(process)
    assert status == 1
    assert f"failed: {victim}: killed by SIGKILL" in err
    assert "log.txt" in err
    assert "Traceback" not in err
    assert set(records(undisturbed)) - set(records(tmp_path)) == {victim}

    # The whole command is killed, twice: its workers die with it.
    for folder in tmp_path.glob("cells/*"):
        (folder / "result.json").unlink(missing_ok=True)
    for _ in range(2):
        process = start(tmp_path)
        wait_for(lambda: workers_of(tmp_path) and list(tmp_path.glob("cells/*/checkpoint.pt")))
        time.sleep(generator.uniform(0.2, 1.5))
        pids = workers_of(tmp_path).values()
        os.kill(process.pid, signal.SIGKILL)
        end(process)
        wait_for(lambda pids=pids: not any(map(alive, pids)), 10)
    status, _, err = end(start(tmp_path))
    assert status == 0, err
    resumed, straight = records(tmp_path), records(undisturbed)
    assert set(resumed) == set(straight)
    assert all(same(resumed[name], straight[name]) for name in straight)
    assert any(record.provenance.resumed_at for record in resumed.values())


def test_ctrl_c_saves_and_the_next_run_goes_on(undisturbed: Path, tmp_path: Path) -> None:
    process = start(tmp_path, "--checkpoint-seconds", "1000")
    wait_for(lambda: workers_of(tmp_path))
    time.sleep(0.5)
    os.killpg(process.pid, signal.SIGINT)  # As a terminal does: everyone in the foreground gets it.
    status, _, err = end(process)
    assert status == 130
    assert err.strip() == "ssl-bench: interrupted; the same command goes on from here"
    assert list(tmp_path.glob("cells/*/checkpoint.pt"))
    assert end(start(tmp_path, "--checkpoint-seconds", "1000"))[0] == 0
    resumed, straight = records(tmp_path), records(undisturbed)
    assert all(same(resumed[name], straight[name]) for name in straight)
    assert any(record.provenance.resumed_at for record in resumed.values())


def test_a_failing_cell_leaves_the_others_alone(tmp_path: Path) -> None:
    """A learning rate far too high for one task makes its losses overflow."""
    settings = ["--set", "night.optimizer.name=sgd", "--set", "night.optimizer.learning_rate=1e30"]
    status, out, err = end(start(tmp_path, *settings))
    assert status == 1
    assert err.count("loss 'model/task' is") == 1
    assert err.count("failed: night") == 2
    assert "Traceback" not in err
    assert len(records(tmp_path)) == 2
    assert "Portrait Image" in out
    failed = list(tmp_path.glob("cells/night*/failure.json"))
    assert len(failed) == 2
    assert all("try a lower learning rate" in (path.parent / "log.txt").read_text() for path in failed)
