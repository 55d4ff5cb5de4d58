"""BatchNorm over what all processes of a cell hold, as if one had the whole batch."""

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules._functions import SyncBatchNorm
from torch.overrides import TorchFunctionMode

from ssl_bench.world.world import total


def synchronise(module: nn.Module) -> None:
    """Let every BatchNorm layer in a module, trained or not, take its statistics over all processes in training.

    Parameters, buffers and their names stay what they are, and so do subclasses with a forward pass of their own.
    """
    for part in module.modules():
        if isinstance(part, nn.modules.batchnorm._BatchNorm) and not isinstance(part, _Synchronised):
            part.__class__ = type(f"Synchronised{type(part).__name__}", (_Synchronised, type(part)), {})


class _Synchronised:
    """Mixed into a BatchNorm layer. What it calls is caught, and not the layer replaced, since timm's own layers
    normalise and activate in one."""

    over_processes = True
    """Its batch is more than the rows it is given: a layer with a rule of its own for single rows looks at it."""

    def forward(self, features: Tensor) -> Tensor:
        with _Caught():
            return super().forward(features)  # type: ignore[misc]


class _Caught(TorchFunctionMode):
    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return (batch_norm if function is F.batch_norm else function)(*args, **(kwargs or {}))


def batch_norm(
    features: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """`torch.nn.functional.batch_norm` of features (B, C, ...) with, in training, the statistics of all processes.

    Gradients flow through those statistics to every process. On a GPU torch's own kernels do it.
    """
    if not training:
        return F.batch_norm(features, running_mean, running_var, weight, bias, False, momentum, eps)
    if features.is_cuda:
        if weight is None and bias is not None:
            weight = torch.ones_like(bias)  # Without one torch's kernels give a bias no gradient.
        arguments = (features, weight, bias, running_mean, running_var, eps, momentum)
        return SyncBatchNorm.apply(*arguments, dist.group.WORLD, dist.get_world_size())
    exact = features.to(torch.promote_types(features.dtype, torch.float32))
    dims = [dim for dim in range(features.dim()) if dim != 1]
    shape = [1, -1] + [1] * (features.dim() - 2)
    # Every process holds an equal part.
    count = features.numel() // features.shape[1] * dist.get_world_size()
    mean = total(exact.sum(dims)) / count
    centred = exact - mean.view(shape)
    variance = total(centred.square().sum(dims)) / count
    if running_mean is not None and running_var is not None:
        with torch.no_grad():
            running_mean.lerp_(mean.to(running_mean.dtype), momentum)
            unbiased = variance * (count / max(count - 1, 1))
            running_var.lerp_(unbiased.to(running_var.dtype), momentum)
    normal = centred * (variance + eps).rsqrt().view(shape)
    if weight is not None:
        normal = normal * weight.view(shape)
    if bias is not None:
        normal = normal + bias.view(shape)
    return normal.to(features.dtype)
