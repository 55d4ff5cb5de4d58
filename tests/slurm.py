"""A Slurm of one node, started by a test and ended by it: Debian's daemons, without systemd and without cgroups."""

import contextlib
import fcntl
import os
import platform
import pwd
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

DAEMONS = ("munged", "slurmctld", "slurmd", "sbatch")

CONFIG = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
# How long a job waits before it is run anew hangs on the lifetime of credentials.
AuthInfo=socket={folder}/munge.socket,cred_expire=5
SlurmctldPort={port}
SlurmdPort={node_port}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
MailProg=/bin/true
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
SchedulerParameters=sched_interval=1,bf_interval=1
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
ReturnToService=2
NodeName={host} NodeAddr=127.0.0.1 CPUs=2 State=UNKNOWN
PartitionName=low Nodes={host} Default=YES PriorityTier=1 PreemptMode=REQUEUE GraceTime=20
PartitionName=high Nodes={host} PriorityTier=10 PreemptMode=OFF
PartitionName=closed Nodes={host} State=DOWN
"""


class NoSlurmError(Exception):
    """Why it cannot be started here."""


@contextlib.contextmanager
def one_node_slurm(folder: Path) -> Iterator[Path]:
    """Run the daemons in `folder`; gives the configuration file, for $SLURM_CONF. Raises NoSlurmError."""
    environment = {**os.environ, "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin"}
    missing = [name for name in DAEMONS if shutil.which(name, path=environment["PATH"]) is None]
    if missing:
        raise NoSlurmError(f"no {', '.join(missing)}: apt-get install slurmctld slurmd slurm-client munge")
    # One node holds one Slurm at a time: tests of several processes wait for each other.
    turn = (Path(tempfile.gettempdir()) / "ssl-bench-one-node-slurm").open("w")
    fcntl.flock(turn, fcntl.LOCK_EX)
    for name in ("state", "spool"):
        (folder / name).mkdir(parents=True)
    key = folder / "munge.key"
    key.write_bytes(secrets.token_bytes(128))
    key.chmod(0o600)
    config = folder / "slurm.conf"
    values = {
        "host": platform.node().partition(".")[0],
        "user": pwd.getpwuid(os.getuid()).pw_name,
        "folder": folder,
        "port": free_port(),
        "node_port": free_port(),
    }
    config.write_text(CONFIG.format(**values))
    environment["SLURM_CONF"] = str(config)
    munge = [
        *("munged", "--foreground", "--force", f"--key-file={key}", f"--socket={folder}/munge.socket"),
        *(f"--pid-file={folder}/munged.pid", f"--log-file={folder}/munged.log", f"--seed-file={folder}/seed"),
    ]
    daemons: list[subprocess.Popen[bytes]] = []
    try:
        for command in (munge, ["slurmctld", "-D"], ["slurmd", "-D"]):
            with (folder / f"{command[0]}.out").open("wb") as out:
                daemons.append(subprocess.Popen(command, env=environment, stdout=out, stderr=out))
            if command is munge:
                wait_until(lambda: (folder / "munge.socket").exists(), daemons, folder)
        wait_until(lambda: "idle" in ask(environment, "sinfo", "--noheader", "--format=%T"), daemons, folder)
        yield config
    finally:
        end_jobs(environment)
        for daemon in reversed(daemons):
            daemon.terminate()
        for daemon in daemons:
            try:
                daemon.wait(10)
            except subprocess.TimeoutExpired:
                daemon.kill()
        turn.close()


def end_jobs(environment: dict[str, str]) -> None:
    """Wait for jobs that are ending, and for a while: those of daemons that are gone would stay for ever."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and ask(environment, "squeue", "--noheader"):
        ask(environment, "scancel", f"--user={os.getuid()}")
        time.sleep(0.5)


def ask(environment: dict[str, str], *command: str) -> str:
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False).stdout


def wait_until(condition: object, daemons: list[subprocess.Popen[bytes]], folder: Path) -> None:
    deadline = time.monotonic() + 60
    while not condition():  # type: ignore[operator]
        ended = [daemon for daemon in daemons if daemon.poll() is not None]
        if ended or time.monotonic() > deadline:
            said = "; ".join(path.read_text().strip()[-200:] for path in folder.glob("*.out"))
            raise NoSlurmError(f"Slurm does not start here: {said}")
        time.sleep(0.2)


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])
