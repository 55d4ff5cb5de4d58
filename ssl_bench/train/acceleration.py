"""An `Execution` applied to a method's networks: in training they compute in bf16, as (N, H, W, C), compiled.

Networks alone are touched, each as a whole: what one gives is float32 again, and autocast ends with it. So no loss,
target, perturbation or metric works in less than float32, whatever a method or a task does outside of its networks.
Evaluation runs them plainly: what is scored is what `ssl-bench predict` and `export` give.
"""

import os
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import nn

from ssl_bench.errors import in_a_line, without_places
from ssl_bench.method import Method
from ssl_bench.recipe import Execution


class Accelerated:
    """The forward pass of a method's network, in place of its own while the method is in training mode."""

    def __init__(
        self, method: Method, name: str, network: nn.Module, execution: Execution, device: torch.device
    ) -> None:
        self.name = name
        self.failure: str | None = None
        """Why the network is not compiled; None where it is, or was not asked to be."""
        self._is_training = lambda: method.training
        self._plain: Callable[..., Any] = network.forward
        self._compiled: Callable[..., Any] | None = None
        self._bf16 = execution.precision == "bf16"
        self._device = device.type

    def compile(self, backend: str | Callable[..., Any]) -> None:
        """Compile at the first call. In one piece, so that where it fails nothing has been computed yet."""
        self._compiled = torch.compile(self._plain, fullgraph=True, dynamic=False, backend=backend)

    def __call__(self, *inputs: Any, **named: Any) -> Any:
        """As the network's own forward pass; floating-point results are float32 at least."""
        if not self._is_training():
            return self._plain(*inputs, **named)
        with torch.autocast(self._device, torch.bfloat16, enabled=self._bf16):
            outputs = self._run(*inputs, **named)
        return in_float32(outputs) if self._bf16 else outputs

    def _run(self, *inputs: Any, **named: Any) -> Any:
        if self._compiled is not None:
            try:
                return self._compiled(*inputs, **named)
            except torch.OutOfMemoryError:
                raise
            except Exception as error:
                # Compilers raise whatever they like; a fault of the network itself shows again below.
                self._compiled = None
                self.failure = without_places(in_a_line(getattr(error, "inner_exception", error)))[:200]
                print(f"network '{self.name}' is not compiled, and runs as it is: {self.failure}", flush=True)
        return self._plain(*inputs, **named)


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
    networks = []
    for name, network in _networks(method):
        accelerated = Accelerated(method, name, network, execution, device)
        if execution.compile:
            accelerated.compile(backend)
        network.forward = accelerated
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
