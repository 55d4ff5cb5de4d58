"""Built-in executors: this machine, Ray and Slurm. Torch-free."""

from collections.abc import Iterable

from ssl_bench import ExecutorSpec, hookimpl
from ssl_bench_plugins.executors.configs import RayConfig, SlurmConfig


@hookimpl
def provide_executors() -> Iterable[ExecutorSpec]:
    """This machine, and two ways to others."""
    return [
        ExecutorSpec(
            name="local",
            title="this machine's GPUs, or its CPU cores",
            executor="ssl_bench_plugins.executors.local:LocalExecutor",
            position=1,
        ),
        ExecutorSpec(
            name="ray",
            title="a Ray cluster, or this machine through Ray (extra: ray)",
            executor="ssl_bench_plugins.executors.ray:RayExecutor",
            config=RayConfig,
            install="pip install 'ssl-bench[ray]'",
            position=2,
        ),
        ExecutorSpec(
            name="slurm",
            title="a Slurm job array (extra: slurm)",
            executor="ssl_bench_plugins.executors.slurm:SlurmExecutor",
            config=SlurmConfig,
            install="pip install 'ssl-bench[slurm]'",
            position=3,
        ),
    ]
