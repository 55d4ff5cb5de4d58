"""Machines of a cluster, and how many cells they carry. Knows nothing of the cluster's software."""

from collections.abc import Sequence
from dataclasses import dataclass

from ssl_bench import UsageError, Wanted


@dataclass(frozen=True)
class Node:
    """One machine: all that it has, whoever uses it now."""

    name: str
    cpus: float
    gpus: float
    id: str = ""

    def room(self, cores: int, gpus: float) -> int:
        """Cells that it carries at a time."""
        if gpus == 0:
            by_gpu = self.cpus
        elif gpus < 1:
            # Shares of a GPU cannot be split over two: on each GPU as many as fit.
            by_gpu = int(self.gpus) * int(1 / gpus + 1e-6)
        else:
            by_gpu = self.gpus // gpus
        return int(min(self.cpus // cores, by_gpu))


def place(wanted: Wanted, *, gpu: bool) -> str:
    """The device of a cell where it runs, whose GPUs are numbered from 0 there: `cpu`, `cuda:0`, `cuda:0,1`."""
    return f"cuda:{','.join(map(str, range(wanted.processes)))}" if gpu else "cpu"


def gpu_share(wanted: Wanted, share: float, *, asked: bool, nodes: Sequence[Node]) -> float:
    """What a cell takes of a GPU, or how many, and 0 on the CPU. `asked`: a GPU is asked for by hand.

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
    elif wanted.processes > 1:
        if share < 1:
            raise UsageError(
                f"--gpus-per-cell {wanted.processes} and {share:g} of a GPU contradict each other; leave one out"
            )
        share = float(wanted.processes)
    if not any(node.room(wanted.cores, share) for node in nodes):
        needs = f"{wanted.cores} CPU core{'s' * (wanted.cores > 1)}" + (
            f" and {share:g} GPU{'s' * (share > 1)}" if share else ""
        )
        there = "; ".join(f"{node.name}: {node.cpus:g} CPU cores, {node.gpus:g} GPUs" for node in nodes)
        cure = (
            "take --devices cpu, or a larger cluster"
            if share
            else "take fewer --threads, or a larger cluster"
        )
        raise UsageError(f"no node has what a cell needs, {needs} (there is {there or 'no node'}); {cure}")
    return share


def total_room(nodes: Sequence[Node], wanted: Wanted, gpus: float) -> int:
    """Cells at a time over all nodes, at most what the command asks for."""
    room = sum(node.room(wanted.cores, gpus) for node in nodes)
    return room if wanted.jobs is None else min(room, wanted.jobs)
