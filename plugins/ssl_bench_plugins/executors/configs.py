"""Settings of the built-in executors: options of `ssl-bench run` are made from them. Torch-free."""

from pydantic import Field

from ssl_bench import ExecutorConfig


class RayConfig(ExecutorConfig):
    """Where the cluster is, and what a cell takes of it besides `--threads` CPU cores."""

    address: str = Field(
        "local",
        min_length=1,
        description="Cluster to join, as HOST:PORT or auto, from a machine of it; local starts one on this machine.",
    )
    gpus: float = Field(1.0, gt=0, le=1, description="Share of a GPU for each cell: 0.25 puts four on one.")


class SlurmConfig(ExecutorConfig):
    """What each job of the array asks for besides `--threads` CPU cores. The rest is read from sbatch's own environment
    variables, such as SBATCH_QOS and SBATCH_MEM_PER_NODE."""

    account: str | None = Field(None, min_length=1, description="Account to charge.")
    partition: str | None = Field(None, min_length=1, description="Partition, or several by commas.")
    time: str = Field(
        "4:00:00",
        min_length=1,
        description="Time limit of a job, as sbatch takes it; a longer cell goes on in the job's next run.",
    )
    gpus: str | None = Field(
        None,
        min_length=1,
        description="GPUs of each cell, as many as --gpus-per-cell: a number, a type, or both, as a100:1.  "
        "[default: none]",
    )
