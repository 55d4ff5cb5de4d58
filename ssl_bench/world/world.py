"""Several processes for one cell: who they are, and what they tell each other."""

import datetime
import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor
from torch._utils import _flatten_dense_tensors, _unflatten_dense_tensors

from ssl_bench.world.part import Part

Value = TypeVar("Value")

PATIENCE = datetime.timedelta(minutes=30)
"""How long one process waits for another: longer than the slowest evaluation keeps one busy."""


@dataclass(frozen=True)
class World:
    """The processes of one cell, and which of them this is. All call the same things in the same order."""

    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        """Whether this process writes what the cell leaves behind."""
        return self.rank == 0

    @property
    def part(self) -> Part:
        """The share of a batch that this process takes."""
        return Part(self.rank, self.size)

    def any(self, here: bool) -> bool:
        """Whether something is so in any process. Hosts wait for each other, their devices do not."""
        if self.size == 1:
            return here
        said = torch.tensor(int(here))
        dist.all_reduce(said, dist.ReduceOp.MAX)
        return bool(said)

    def gather(self, value: Value) -> list[Value]:
        """What each process has, in the order of their ranks: anything that can be pickled."""
        if self.size == 1:
            return [value]
        values: list[Value | None] = [None] * self.size
        dist.all_gather_object(values, value)
        return values  # type: ignore[return-value]

    def average(self, tensors: Sequence[Tensor | None]) -> list[Tensor | None]:
        """The mean over all processes of tensors of one device; None where there is none, in all processes alike."""
        if self.size == 1:
            return list(tensors)
        averaged = list(tensors)
        for dtype in dict.fromkeys(tensor.dtype for tensor in tensors if tensor is not None):
            places = [place for place, one in enumerate(tensors) if one is not None and one.dtype == dtype]
            chosen = [tensors[place] for place in places]
            flat = _flatten_dense_tensors(chosen)
            dist.all_reduce(flat)
            flat /= self.size
            for place, tensor in zip(places, _unflatten_dense_tensors(flat, chosen), strict=True):
                averaged[place] = tensor
        return averaged


ALONE = World()
_stepping = ALONE


@contextmanager
def stepping(world: World) -> Iterator[None]:
    """While it lasts, means are taken over what all of these processes hold."""
    global _stepping
    before, _stepping = _stepping, world
    try:
        yield
    finally:
        _stepping = before


def mean_over_processes(count: Tensor) -> Tensor:
    """The mean over the processes that take a training step together, without gradient; elsewhere `count` itself."""
    if _stepping.size == 1:
        return count
    total = count.detach().clone()
    dist.all_reduce(total)
    return total / _stepping.size


class _Total(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, tensor: Tensor) -> Tensor:
        whole = tensor.clone()
        dist.all_reduce(whole)
        return whole

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> Tensor:
        # Every process's loss depends on what each of them put in.
        return total(gradient)


def total(tensor: Tensor) -> Tensor:
    """The sum over all processes, through which gradients flow back to each of them."""
    return _Total.apply(tensor.contiguous())


def join(device: torch.device) -> World:
    """Meet the other processes, which torchrun's environment variables name. Call `leave` in the end."""
    if device.type == "cuda":
        torch.cuda.set_device(device)
    # They are all on this machine: a host name may not resolve, and no other machine has anything to say here.
    loopback = [name for _, name in socket.if_nameindex() if name.startswith("lo")]
    if loopback:
        os.environ.setdefault("GLOO_SOCKET_IFNAME", loopback[0])
        os.environ.setdefault("NCCL_SOCKET_IFNAME", f"={loopback[0]}")
    dist.init_process_group("cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo", timeout=PATIENCE)
    return World(dist.get_rank(), dist.get_world_size())


def leave() -> None:
    """End the group of processes that `join` began."""
    if dist.is_initialized():
        dist.destroy_process_group()
