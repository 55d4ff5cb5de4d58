"""Where commands run: folders with modules of the user's own, streams that are closed or narrow, an early Ctrl-C."""

import contextlib
import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

SCRIPT = "from ssl_bench.cli import main; main()"
RUN = ("run", "--tasks=night", "--methods=supervised", "--set=night.iterations=2", "--devices=cpu")
STRAYS = ("enum", "queue", "random", "signal", "statistics", "tempfile", "token", "torch", "typing")


def start(
    folder: Path,
    *arguments: str,
    python: tuple[str, ...] = ("-P", "-c", SCRIPT),
    environment: dict[str, str] | None = None,
    **options: Any,
) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, *python, *arguments],
        cwd=folder,
        env={**os.environ, **(environment or {})},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        **options,
    )


@pytest.fixture
def strays(tmp_path: Path) -> Path:
    """A folder with modules named as those of Python and of what we need, which leave a trace where they are run."""
    for name in STRAYS:
        (tmp_path / f"{name}.py").write_text(f"open('executed-{name}', 'w'); 1 / 0\n")
    return tmp_path


def test_own_modules_in_the_working_folder(strays: Path) -> None:
    """By the module and by an empty entry of the path; in the server, in workers, and in those that share a cell."""
    path = os.environ.get("PYTHONPATH", "")
    by_module = start(strays, *RUN, "--out=a", python=("-m", "ssl_bench"))
    assert by_module.wait() == 0
    # The path is made safe before anything else is imported; the site's own start is Python's to protect.
    for name in ("enum", "typing"):
        (strays / f"{name}.py").unlink()
    by_path = start(
        strays,
        *RUN,
        "--out=b",
        "--gpus-per-cell=2",
        environment={"PYTHONPATH": f":{path}:."},
    )
    assert by_path.wait() == 0
    assert not list(strays.glob("executed-*"))


def test_own_modules_beside_a_cell_of_a_cluster(strays: Path) -> None:
    """Processes of other executors start as modules, in the folder of the command."""
    from ssl_bench.worker import fresh as cell_process

    process = cell_process.start_cell(strays / "no-cell", "cpu", strays)
    assert process.wait() == 66
    assert not list(strays.glob("executed-*"))


def test_own_modules_beside_a_notebook(strays: Path) -> None:
    """Its path begins with an empty entry, and stays as it is."""
    lines = (
        "import sys",
        "from ssl_bench import Bench",
        "bench = Bench('runs')",
        "plan = bench.plan(tasks='night', methods='supervised', settings={'night.iterations': 2})",
        f"import os; os.chdir({str(strays)!r}); sys.path.insert(0, '')",
        "bench.run(plan, devices='cpu')",
        "assert sys.path[0] == ''",
    )
    (strays / "elsewhere").mkdir()
    process = start(strays / "elsewhere", python=("-P", "-c", "\n".join(lines)))
    assert process.wait() == 0
    assert not list(strays.glob("executed-*"))


def test_folders_named_in_full_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ssl_bench.machine.search_path import SafePath

    monkeypatch.chdir(tmp_path)
    (tmp_path / "lib").mkdir()
    full = os.pathsep.join([str(tmp_path), str(tmp_path / "lib")])
    for given, kept in ((full, full), (":.", None), ("lib:.:", str(tmp_path / "lib"))):
        monkeypatch.setenv("PYTHONPATH", given)
        monkeypatch.setattr(sys, "path", [str(tmp_path), "", *sys.path])
        before = list(sys.path)
        with SafePath():
            assert os.environ.get("PYTHONPATH") == kept
            assert os.environ["PYTHONSAFEPATH"] == "1"
            assert (str(tmp_path) in sys.path) == (given == full)
            assert "" not in sys.path
        assert (os.environ["PYTHONPATH"], sys.path) == (given, before)


@pytest.mark.parametrize("encoding", ["latin-1", "ascii"])
def test_an_alphabet_without_our_characters(tmp_path: Path, encoding: str) -> None:
    environment = {"PYTHONIOENCODING": encoding}
    said = start(tmp_path, *RUN, environment=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    out, err = said.communicate()
    assert (said.returncode, err) == (0, b"")
    assert "PSNR (dB) ?" in out.decode(encoding)
    for arguments in (("leaderboard", "runs"), ("run", "--help"), ("list",), ("status", "runs")):
        said = start(
            tmp_path, *arguments, environment=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        out, err = said.communicate()
        assert (said.returncode, err) == (0, b"")
        out.decode(encoding)


def test_closed_streams(tmp_path: Path) -> None:
    """As a daemon starts it, with no descriptor of the three; files must not take their places."""
    closed = {"close_fds": False, "shell": True}
    words = " ".join(RUN)
    line = f"exec {sys.executable} -P -c '{SCRIPT}' {words} <&- >&- 2>&-"
    assert subprocess.Popen(line, cwd=tmp_path, **closed).wait() == 0
    (log,) = tmp_path.glob("runs/cells/*/log.txt")
    assert log.read_text().startswith("== ")
    assert len(list(tmp_path.glob("runs/cells/*/result.json"))) == 1
    for wrong in ("list nothing", "predict no.such x.png --out y"):
        line = f"exec {sys.executable} -P -c '{SCRIPT}' {wrong} >&- 2>&-"
        assert subprocess.Popen(line, cwd=tmp_path, **closed).wait() == 2


def test_a_reader_that_has_gone_stops_nothing(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    command = start(tmp_path, *RUN, stdout=writing, stderr=subprocess.PIPE)
    os.close(writing)
    assert (command.communicate()[1], command.returncode) == (b"", 0)
    assert len(list(tmp_path.glob("runs/cells/*/result.json"))) == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux's full device")
def test_a_full_disk_below_stdout_is_said(tmp_path: Path) -> None:
    with Path("/dev/full").open("w") as full:
        command = start(tmp_path, "list", stdout=full, stderr=subprocess.PIPE)
    said = command.communicate()[1].decode()
    assert command.returncode == 1
    assert said == "ssl-bench: what the command says cannot be written: No space left on device\n"


def test_a_terminal_that_cannot_go_back_gets_lines(tmp_path: Path) -> None:
    terminal, theirs = pty.openpty()
    environment = {"TERM": "dumb", "COLUMNS": "40", "LINES": "10"}
    command = start(tmp_path, *RUN, environment=environment, stdout=theirs, stderr=theirs)
    os.close(theirs)
    said = b""
    with contextlib.suppress(OSError):  # Linux says so where the other side is closed.
        while piece := os.read(terminal, 65536):
            said += piece
    os.close(terminal)
    assert command.wait() == 0
    assert b"\x1b" not in said
    assert b"[1/1] night" in said


@pytest.mark.parametrize("arguments", [("list",), ("check", "supervised"), RUN])
def test_ctrl_c_during_imports_is_one_line(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    # Interrupted at its first import, and then at others; Python's own start is before.
    for module in ("click", "pydantic", "ssl_bench.registry.registry", "torch", "numpy"):
        script = (
            "import os, signal, sys\n"
            "class Finder:\n"
            "    def find_spec(self, name, *rest):\n"
            f"        if name == {module!r}:\n"
            "            os.kill(os.getpid(), signal.SIGINT)\n"
            "sys.meta_path.insert(0, Finder())\n" + SCRIPT
        )
        command = start(
            tmp_path, *arguments, python=("-P", "-c", script), stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        out, err = command.communicate()
        if module in ("torch", "numpy") and command.returncode == 0:
            continue  # This command does without.
        assert (command.returncode, out) == (130, b"")
        assert err.decode().strip() == "ssl-bench: interrupted; the same command goes on from here"


def test_ctrl_c_that_becomes_another_error_is_still_ctrl_c(tmp_path: Path) -> None:
    script = (
        "import os, signal, ssl_bench.cli.list as module\n"
        "def spoilt(*arguments):\n"
        "    try: os.kill(os.getpid(), signal.SIGINT); import time; time.sleep(9)\n"
        "    except BaseException as error: raise RuntimeError('import failed') from error\n"
        "module.load_registry = spoilt\n" + SCRIPT
    )
    began = time.monotonic()
    command = start(tmp_path, "list", python=("-P", "-c", script), stderr=subprocess.PIPE)
    assert command.communicate()[1].decode().strip().startswith("ssl-bench: interrupted")
    assert command.returncode == 130
    assert time.monotonic() - began < 8
