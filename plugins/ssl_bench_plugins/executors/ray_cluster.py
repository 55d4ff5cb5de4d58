"""Joining a Ray cluster, and asking what it has."""

import contextlib
import importlib
import logging
import os
import platform
import secrets
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import ray
from ray._private import ray_constants
from ray.exceptions import GetTimeoutError, RayError, RayTaskError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

import ssl_bench
from ssl_bench import SafeEnvironment, UsageError, cores, in_a_line, missing_message
from ssl_bench_plugins.executors.nodes import Node
from ssl_bench_plugins.executors.ray_node import look_around

PATIENCE = 120.0
"""Seconds in which a node must answer."""
LOSS = 40.0
"""Seconds in which Ray notices that a node is lost."""


def connect(address: str) -> Callable[[], None]:
    """Join the cluster, or start one for `local`; what is given leaves it again. UsageError where there is none."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # as Ray asks for, in a warning
    own: dict[str, Any] = {"num_cpus": cores(), "include_dashboard": False} if address == "local" else {}
    handler = signal.getsignal(signal.SIGTERM)
    with contextlib.ExitStack() as stack:
        if address == "local":
            stack.enter_context(closed_to_others())
        try:
            # Ray has its workers import from the folder in which it is called: from one that holds no module.
            with SafeEnvironment(), contextlib.chdir(Path(Path.cwd().anchor)):
                ray.init(address=address, logging_level=logging.ERROR, log_to_driver=False, **own)
        except Exception as error:  # Ray raises plain ones, too, as for a node that takes long to start.
            raise UsageError(
                f"--ray-address {address}: no Ray cluster can be joined there ({in_a_line(error)}); start one with "
                "`ray start --head`, or leave the option out"
            ) from error
        finally:
            # Ray takes SIGTERM for itself.
            signal.signal(signal.SIGTERM, handler)
        stack.callback(ray.shutdown)
        return stack.pop_all().close


@contextlib.contextmanager
def closed_to_others() -> Iterator[None]:
    """A cluster that is started meanwhile listens on this machine alone, and to whoever knows its token.

    Whoever reaches a Ray cluster runs code on it. Older versions of Ray know no token, and do without.
    """
    settings = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}  # Ray's name for it, on Linux as well.
    if "RAY_AUTH_MODE" not in os.environ:  # Else the user has seen to it.
        settings |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    before = {name: os.environ.get(name) for name in settings}
    several = ray_constants.ENABLE_RAY_CLUSTER
    os.environ.update(settings)
    # Both have been read from the environment when Ray was imported.
    ray_constants.ENABLE_RAY_CLUSTER = False
    _read_settings()
    try:
        yield
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = several
        for name, value in before.items():
            os.environ.pop(name, None)
            os.environ.update({name: value} if value is not None else {})
        _read_settings()


def _read_settings() -> None:
    """Have Ray look into the environment again, as its own `ray.init` does where it turns tokens on."""
    importlib.import_module("ray._raylet").Config.initialize("")


def nodes() -> list[Node]:
    """The machines of the cluster that are alive."""
    alive = (node for node in ray.nodes() if node["Alive"])
    return [
        Node(
            node["NodeManagerHostname"],
            node["Resources"].get("CPU", 0.0),
            node["Resources"].get("GPU", 0.0),
            node["NodeID"],
        )
        for node in alive
    ]


def on(node: str, what: Any, **options: Any) -> Any:
    """A function or an actor for one machine, which takes nothing of what cells need."""
    strategy = NodeAffinitySchedulingStrategy(node, soft=False)
    return ray.remote(what).options(num_cpus=0, scheduling_strategy=strategy, **options)


def check_nodes(there: Sequence[Node], paths: Sequence[str], mark: Path) -> bool:
    """Whether all these machines see the file `mark`, and so the parent's disk.

    Raises UsageError for one that lacks ssl-bench, has another version of it, or lacks one of the user's `paths`.
    """
    shared = True
    looks = [on(node.id, look_around).remote(paths, str(Path.cwd()), str(mark)) for node in there]
    for node, look in zip(there, looks, strict=True):
        try:
            missing, sees, version = ray.get(look, timeout=PATIENCE)
        except GetTimeoutError as error:
            raise UsageError(f"Ray node {node.name} does not answer; take it out of the cluster") from error
        except RayError as error:
            # Ray goes on listing a machine that was lost for some seconds.
            if not isinstance(error, RayTaskError) and _leaves(node):
                continue
            why = in_a_line(error)
            raise UsageError(
                f"Ray node {node.name} cannot run ssl-bench ({why}); install it there"
            ) from error
        if missing:
            raise UsageError(missing_message(missing, f"Ray node {node.name}"))
        if version != ssl_bench.__version__:
            raise UsageError(
                f"Ray node {node.name} has ssl-bench {version}, and {platform.node()} has {ssl_bench.__version__}; "
                "install the same on both"
            )
        shared = shared and sees
    return shared


def _leaves(node: Node) -> bool:
    """Whether Ray soon takes a machine that could not be asked for lost."""
    deadline = time.monotonic() + LOSS
    while time.monotonic() < deadline:
        if node.id not in {one.id for one in nodes()}:
            return True
        time.sleep(0.5)
    return False
