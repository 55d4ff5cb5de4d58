"""Padding holds nothing to learn: its pixels are changed, and what a method learns by has to stay.

The networks see one pixel at a time here, so that nothing but the method can carry what lies under padding to where an
image is. What its own modules make of more than a pixel, as a critic or a head that tells rotations does, is theirs: on
the second pass they give what they gave on the first.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ssl_bench.backbone import TaskNetwork
from ssl_bench.method import Batch
from ssl_bench.testing.losses import labels_under_void_pixels_are_not_read
from ssl_bench.testing.toys import build_toy, rest_batch_norm
from ssl_bench.testing.trial import Terms, Trial, differing_term

MARGIN = 8
"""Padding as near to an image as this, px, stays as it is: blurs and changes of size may reach it from there."""
SHIFTS = (24, 40)
"""How far to the left padding is filled from in either pass, px: further than any row's padding is wide."""
ROUNDING = 1e-5
"""No more than this share of a term comes from sums in another order."""


def what_lies_under_padding_is_not_read(trial: Trial) -> str | None:
    """Look whether other pixels under padding make another loss."""
    if labels_under_void_pixels_are_not_read(trial):  # Which was said.
        return None
    batch = trial.stream().batch(0)
    calls: Calls = {}
    one, other = (_terms(trial, _refilled(batch, shift), calls) for shift in SHIFTS)
    if name := differing_term(one, other, ROUNDING):
        return (
            f"term '{name}' depends on what lies under padding, where there is no image: take means, quantiles and "
            "gates over valid pixels alone (`masked_mean(error, batch.unlabeled_valid)`), and mix, flip or cut that "
            "mask as the images are"
        )
    return None


class Call(NamedTuple):
    """What a module was given, and what it gave."""

    inputs: tuple[Any, ...]
    output: Any


Calls = dict[str, list[Call]]
"""By name of a module, its calls in order."""


def _refilled(batch: Batch, shift: int) -> Batch:
    """With padding that repeats pixels of its row, so that the largest and smallest of a row's are the image's own."""
    near = F.max_pool2d(batch.valid.float(), 2 * MARGIN + 1, stride=1, padding=MARGIN) > 0
    return replace(batch, images=torch.where(near, batch.images, batch.images.roll(shift, -1)))


def _terms(trial: Trial, batch: Batch, calls: Calls) -> list[Terms]:
    """Terms of a batch. `calls`: of the method's own modules in the first pass, which fills it."""
    method = rest_batch_norm(build_toy(trial.spec, trial.kind, kernel=1))
    made: Calls = {}
    for name, module in _own_modules(method):
        made[name] = []
        module.register_forward_hook(partial(_replay, made[name], deque(calls.get(name, ()))))
    terms = trial.terms(batch, method)
    calls |= made
    return terms


def _own_modules(module: nn.Module, prefix: str = "") -> Iterator[tuple[str, nn.Module]]:
    """All that is no task network and lies in none."""
    for name, child in module.named_children():
        if not isinstance(child, TaskNetwork):
            yield f"{prefix}{name}", child
            yield from _own_modules(child, f"{prefix}{name}.")


def _replay(
    made: list[Call], first: deque[Call], module: nn.Module, inputs: tuple[Any, ...], output: Any
) -> Any:
    """A forward hook: what the module gave in the first pass, where it has carried a difference to another pixel."""
    made.append(Call(tuple(map(_copied, inputs)), _copied(output)))
    if not first or not _has_carried(before := first.popleft(), made[-1]):
        return None
    # The gradient, by which some losses are made, is the module's own.
    return before.output + (output - output.detach()) if isinstance(output, Tensor) else before.output


def _has_carried(before: Call, now: Call) -> bool:
    if not isinstance(now.output, Tensor) or now.output.shape != before.output.shape:
        return not isinstance(now.output, Tensor)
    differs = now.output != before.output
    if not differs.any() or differs.dim() != 4:
        return bool(differs.any())
    given = torch.zeros_like(differs[:, :1])
    for one, other in zip(before.inputs, now.inputs, strict=False):
        if isinstance(one, Tensor):
            if one.shape[::2] != differs.shape[::2] or one.shape[3:] != differs.shape[3:]:
                return True
            given |= (one != other).any(1, keepdim=True)
    return bool((differs & ~given).any())


def _copied(value: Any) -> Any:
    """What may be changed in place later on."""
    return value.detach().clone() if isinstance(value, Tensor) else value
