"""An `Execution` applied to a method's networks: in training they compute in bf16, as (N, H, W, C), compiled.

Networks alone are touched, each as a whole: what one gives is float32 again, and autocast ends with it. So no loss,
target, perturbation or metric works in less than float32, whatever a method or a task does outside of its networks.
Evaluation runs them plainly: what is scored is what `ssl-bench predict` and `export` give.
"""

import os
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
import torch._functorch.config as functorch
from torch import nn

from ssl_bench.backbone import TaskNetwork
from ssl_bench.errors import in_a_line, without_places
from ssl_bench.method import Method
from ssl_bench.recipe import Execution

PASSES = ("forward", "features", "from_features")
"""Functions of a network that a method may call; only a task network that shows its features has all three."""


class Accelerated:
    """The passes of a method's network, in place of its own while the method is in training mode."""

    def __init__(
        self, method: Method, name: str, network: nn.Module, execution: Execution, device: torch.device
    ) -> None:
        self.name = name
        self.failure: str | None = None
        """Why the network is not compiled; None where it is, or was not asked to be."""
        self._is_training = lambda: method.training
        passes = PASSES if isinstance(network, TaskNetwork) and network.has_features else PASSES[:1]
        self._plain: dict[str, Callable[..., Any]] = {each: getattr(network, each) for each in passes}
        self._compiled: dict[str, Callable[..., Any]] = {}
        self._bf16 = execution.precision == "bf16"
        self._device = device.type

    def compile(self, backend: str | Callable[..., Any]) -> None:
        """Compile each pass at its first call. In one piece, so that where it fails nothing has been computed yet."""
        self._compiled = {
            name: torch.compile(plain, fullgraph=True, dynamic=False, backend=backend)
            for name, plain in self._plain.items()
        }

    def take_over(self, network: nn.Module) -> None:
        """Put its passes in the place of the network's own."""
        for name in self._plain:
            setattr(network, name, partial(self.run, name))

    def run(self, name: str, *inputs: Any, **named: Any) -> Any:
        """As the network's own pass of that name; floating-point results are float32 at least."""
        if not self._is_training():
            return self._plain[name](*inputs, **named)
        with torch.autocast(self._device, torch.bfloat16, enabled=self._bf16):
            outputs = self._run(name, *inputs, **named)
        return in_float32(outputs) if self._bf16 else outputs

    def _run(self, name: str, *inputs: Any, **named: Any) -> Any:
        if name in self._compiled:
            try:
                return self._compiled[name](*inputs, **named)
            except torch.OutOfMemoryError:
                raise
            except Exception as error:
                # Compilers raise whatever they like; a fault of the network itself shows again below.
                self._compiled = {}
                self.failure = without_places(in_a_line(getattr(error, "inner_exception", error)))[:200]
                print(f"network '{self.name}' is not compiled, and runs as it is: {self.failure}", flush=True)
        return self._plain[name](*inputs, **named)


def accelerate(
    method: Method,
    execution: Execution,
    device: torch.device,
    backend: str | Callable[..., Any] = "inductor",
) -> list[Accelerated]:
    """Apply an execution to all networks of a method on its device, before its optimisers are made; nothing is
    changed for the plain form. `backend`: of torch.compile."""
    if execution.channels_last:
        method.to(memory_format=torch.channels_last)
    if execution.precision == "fp32" and not execution.compile:
        return []
    if execution.compile and device.type == "cpu":
        # The compiler's own workers would take the cores of other cells.
        os.environ.setdefault("TORCHINDUCTOR_COMPILE_THREADS", str(torch.get_num_threads()))
    if execution.compile:
        # What was compiled for one player, and kept on disk, may overwrite what the gradient of a further one needs.
        functorch.donated_buffer = False
    networks = []
    for name, network in _networks(method):
        accelerated = Accelerated(method, name, network, execution, device)
        if execution.compile:
            accelerated.compile(backend)
        accelerated.take_over(network)
        networks.append(accelerated)
    return networks


def in_float32(outputs: Any) -> Any:
    """Tensors of lower precision to float32, also within tuples, lists and mappings; all else as it is."""
    if isinstance(outputs, torch.Tensor):
        lower = outputs.is_floating_point() and outputs.element_size() < 4
        return outputs.float() if lower else outputs
    if isinstance(outputs, dict):
        return {key: in_float32(value) for key, value in outputs.items()}
    if isinstance(outputs, tuple | list):
        parts = [in_float32(value) for value in outputs]
        return type(outputs)(*parts) if hasattr(outputs, "_fields") else type(outputs)(parts)
    return outputs


def _networks(parent: nn.Module, prefix: str = "") -> Iterator[tuple[str, nn.Module]]:
    """Modules that a method calls: its own, and those in lists and mappings of its own."""
    for name, child in parent.named_children():
        if isinstance(child, nn.ModuleList | nn.ModuleDict):
            yield from _networks(child, f"{prefix}{name}.")
        else:
            yield prefix + name, child
