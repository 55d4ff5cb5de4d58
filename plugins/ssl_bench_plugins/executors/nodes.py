"""Machines of a cluster, and how many cells they carry. Knows nothing of the cluster's software."""

from collections.abc import Sequence
from dataclasses import dataclass

from ssl_bench.errors import UsageError
from ssl_bench.executor import Wanted


@dataclass(frozen=True)
class Node:
    """One machine: all that it has, whoever uses it now."""

    name: str
    cpus: float
    gpus: float
    id: str = ""

    def room(self, threads: int, gpus: float) -> int:
        """Cells that it carries at a time."""
        # Shares of a GPU cannot be split over two: on each GPU as many as fit.
        by_gpu = int(self.gpus) * int(1 / gpus + 1e-6) if gpus else self.cpus
        return int(min(self.cpus // threads, by_gpu))


def gpu_share(wanted: Wanted, share: float, *, asked: bool, nodes: Sequence[Node]) -> float:
    """What a cell takes of a GPU, 0 on the CPU. `asked`: the share was given by hand, and so a GPU is asked for.

    Raises UsageError where a cell does not fit on any node, so that nobody waits for what never comes.
    """
    if wanted.devices not in ("auto", "cpu", "cuda"):
        raise UsageError(
            f"--devices {wanted.devices}: a cluster chooses its GPUs itself; say auto, cpu or cuda"
        )
    if wanted.devices == "cpu":
        if asked:
            raise UsageError("--devices cpu and a share of a GPU contradict each other; leave one out")
        share = 0.0
    elif wanted.devices == "auto" and not asked and not any(node.gpus for node in nodes):
        share = 0.0
    if not any(node.room(wanted.threads, share) for node in nodes):
        needs = f"{wanted.threads} CPU core{'s' * (wanted.threads > 1)}" + (
            f" and {share:g} GPU" if share else ""
        )
        there = "; ".join(f"{node.name}: {node.cpus:g} CPU cores, {node.gpus:g} GPUs" for node in nodes)
        cure = "--devices cpu or a larger cluster" if share else "--threads or a larger cluster"
        raise UsageError(f"no node has what a cell needs, {needs} (there is {there or 'no node'}); {cure}")
    return share


def total_room(nodes: Sequence[Node], wanted: Wanted, gpus: float) -> int:
    """Cells at a time over all nodes, at most what the command asks for."""
    room = sum(node.room(wanted.threads, gpus) for node in nodes)
    return room if wanted.jobs is None else min(room, wanted.jobs)
