"""Imported by a fork server: the modules named in $SSL_BENCH_PRELOAD. One that fails is left to the cell it is for."""

import contextlib
import importlib
import os

for _name in os.environ.get("SSL_BENCH_PRELOAD", "").split(","):
    if _name:
        with contextlib.suppress(Exception):
            importlib.import_module(_name)
