"""What a job of the array asks Slurm for. Knows neither Slurm nor submitit."""

from typing import Any

from ssl_bench.errors import UsageError
from ssl_bench.executor import Wanted
from ssl_bench_plugins.executors.configs import SlurmConfig

CORES_OF_A_GPU = 4
"""CPU cores that a cell on a GPU loads its images with."""

ALL_AT_ONCE = 1_000_000
"""Jobs of an array that may run at a time, where the command sets no limit: how many do is for Slurm to say."""


def gpus_of(wanted: Wanted, config: SlurmConfig) -> str | None:
    """The GPUs of each cell, as Slurm takes them; None on the CPU. UsageError for a contradiction."""
    if wanted.devices not in ("auto", "cpu", "cuda"):
        raise UsageError(f"--devices {wanted.devices}: Slurm chooses the GPUs; say auto, cpu or cuda")
    if wanted.devices == "cpu" and config.gpus:
        raise UsageError("--devices cpu and --slurm-gpus contradict each other; leave one out")
    return config.gpus or ("1" if wanted.devices == "cuda" else None)


def parameters(wanted: Wanted, gpus: str | None, config: SlurmConfig) -> dict[str, Any]:
    """As submitit's AutoExecutor takes them."""
    asked = {
        "name": "ssl-bench",
        "nodes": 1,
        "tasks_per_node": 1,
        "cpus_per_task": max(wanted.threads, CORES_OF_A_GPU) if gpus else wanted.threads,
        "stderr_to_stdout": True,
        "slurm_time": config.time,
        "slurm_account": config.account,
        "slurm_partition": config.partition,
        "slurm_gpus_per_node": gpus,
        "slurm_array_parallelism": wanted.jobs or ALL_AT_ONCE,
        # Also where a cluster's default is not to.
        "slurm_additional_parameters": {"requeue": True},
    }
    return {name: value for name, value in asked.items() if value is not None}


def refusal(said: str) -> str:
    """What sbatch complains of, in one line."""
    lines = [
        line.removeprefix("sbatch:").strip().removeprefix("error:").strip() for line in said.splitlines()
    ]
    return "; ".join(line for line in lines if line) or "sbatch did not say why"
