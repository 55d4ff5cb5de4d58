"""What a job of the array asks Slurm for. Knows neither Slurm nor submitit."""

from typing import Any

from ssl_bench import UsageError, Wanted
from ssl_bench_plugins.executors.configs import SlurmConfig

CORES_OF_A_GPU = 4
"""CPU cores that the images for a GPU are loaded with."""

ALL_AT_ONCE = 1_000_000
"""Jobs of an array that may run at a time, where the command sets no limit: how many do is for Slurm to say."""


def gpus_of(wanted: Wanted, config: SlurmConfig) -> str | None:
    """The GPUs of each cell, as Slurm takes them; None on the CPU. UsageError for a contradiction."""
    if wanted.devices not in ("auto", "cpu", "cuda"):
        raise UsageError(f"--devices {wanted.devices}: Slurm chooses the GPUs; say auto, cpu or cuda")
    if wanted.devices == "cpu" and config.gpus:
        raise UsageError("--devices cpu and --slurm-gpus contradict each other; leave one out")
    if config.gpus is None:
        needed = wanted.devices == "cuda" or (wanted.devices == "auto" and wanted.processes > 1)
        return str(wanted.processes) if needed else None
    number = config.gpus.rpartition(":")[2]
    if not number.isdecimal():
        return f"{config.gpus}:{wanted.processes}"
    if int(number) == 0:
        raise UsageError(f"--slurm-gpus {config.gpus}: a cell takes 1 or more; leave it out for the CPU")
    if int(number) != wanted.processes:
        raise UsageError(
            f"--slurm-gpus {config.gpus}: a cell of {wanted.processes} would use {wanted.processes}; "
            f"--gpus-per-cell {number} makes it use {number}"
        )
    return config.gpus


def parameters(wanted: Wanted, gpus: str | None, config: SlurmConfig) -> dict[str, Any]:
    """As submitit's AutoExecutor takes them."""
    asked = {
        "name": "ssl-bench",
        "nodes": 1,
        "tasks_per_node": 1,
        "cpus_per_task": max(wanted.cores, CORES_OF_A_GPU * wanted.processes) if gpus else wanted.cores,
        "stderr_to_stdout": True,
        "slurm_time": config.time,
        "slurm_account": config.account,
        "slurm_partition": config.partition,
        "slurm_gpus_per_node": gpus,
        "slurm_array_parallelism": wanted.jobs or ALL_AT_ONCE,
        # Also where a cluster's default is not to.
        "slurm_additional_parameters": {"requeue": True},
        # The job starts in the folder of the command, in which a user's `random.py` is no module of ours.
        "slurm_setup": ["export PYTHONSAFEPATH=1"],
    }
    return {name: value for name, value in asked.items() if value is not None}


def refusal(said: str) -> str:
    """What sbatch complains of, in one line."""
    lines = [
        line.removeprefix("sbatch:").strip().removeprefix("error:").strip() for line in said.splitlines()
    ]
    return "; ".join(line for line in lines if line) or "sbatch did not say why"
