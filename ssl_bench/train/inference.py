"""How networks compute where their predictions count."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def exact_inference() -> Iterator[None]:
    """Without gradients, and in whole float32: elsewhere convolutions on a GPU may round to 10 bits of mantissa.

    A score is then one of the weights, and hardly of the kind of GPU.
    """
    convolutions = torch.backends.cudnn
    before = convolutions.allow_tf32
    convolutions.allow_tf32 = False
    try:
        with torch.inference_mode():
            yield
    finally:
        convolutions.allow_tf32 = before
