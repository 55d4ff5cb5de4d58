"""From the host to a device without waiting for it."""

import torch
from torch import Tensor


def on_device(drawn: Tensor, device: torch.device) -> Tensor:
    """A tensor of the host on a device, which need not have finished what it is doing."""
    if device.type == "cuda":
        # From pageable memory the copy would wait for the device.
        drawn = drawn.pin_memory()
    return drawn.to(device, non_blocking=True)
