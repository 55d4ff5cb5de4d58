"""A server that has imported what cells need: importing torch, timm and smp costs up to 10 s a process."""

import multiprocessing
import os
import signal
from collections.abc import Iterable
from multiprocessing import forkserver, resource_tracker
from multiprocessing.context import BaseContext

from ssl_bench.machine.search_path import SafeEnvironment
from ssl_bench.machine.signals import hold_signals


def start_fork_server(modules: Iterable[str]) -> BaseContext:
    """Have the server of this process import a worker and `modules`, unless it runs; what starts processes from it.

    It imports while this process goes on, and must not touch a device.
    """
    # One thread per library in the server: pools started there would not survive the fork.
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    os.environ["SSL_BENCH_PRELOAD"] = ",".join(modules)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["ssl_bench.machine.preload", "ssl_bench.worker.worker"])
    # First, since the start of multiprocessing's own helper lets through what is held.
    resource_tracker.ensure_running()
    # Ctrl-C reaches the server too. `preload` lets it through, once it ends the server without a traceback.
    with hold_signals(signal.SIGINT, signal.SIGHUP), SafeEnvironment():
        forkserver.ensure_running()
    return context
