"""Imported by a fork server, first: the modules named in $SSL_BENCH_PRELOAD. One that fails is left to the cell it is
for. Until the server is ready, Ctrl-C ends it without a word; afterwards the server passes it over."""

import contextlib
import importlib
import os
import signal

# By CUDA itself, a module that asks for a GPU when it is imported would spoil it for all processes forked from here.
os.environ.setdefault("PYTORCH_NVML_BASED_CUDA_CHECK", "1")
signal.signal(signal.SIGINT, signal.SIG_DFL)
signal.signal(signal.SIGHUP, signal.SIG_IGN)  # Whoever started the server ends it, when its cells have saved.
signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT, signal.SIGHUP])

for _name in os.environ.get("SSL_BENCH_PRELOAD", "").split(","):
    if _name:
        with contextlib.suppress(Exception):
            importlib.import_module(_name)
