"""Built-in executors. Torch-free."""

from collections.abc import Iterable

from ssl_bench.hookspecs import hookimpl
from ssl_bench.specs import ExecutorSpec


@hookimpl
def provide_executors() -> Iterable[ExecutorSpec]:
    """One executor so far: this machine."""
    return [
        ExecutorSpec(
            name="local",
            title="this machine's GPUs, or its CPU cores",
            executor="ssl_bench_plugins.executors.local:LocalExecutor",
        )
    ]
