"""Encoders of segmentation-models-pytorch and timm, by one name."""

from collections.abc import Callable

import segmentation_models_pytorch as smp
import timm
import torch
from torch import nn

from ssl_bench.errors import UsageError, first_line, suggestion


def encoder_name(encoder: str, backbone: str, *, timm_only: bool = False) -> str:
    """The encoder's name as smp wants it: timm's get `tu-`, and where both have one it is smp's.

    UsageError, naming `backbone`, with a suggestion where there is none.
    """
    plain = encoder.removeprefix("tu-")
    if not timm_only and encoder in smp.encoders.get_encoder_names():
        return encoder
    if timm.is_model(plain):
        return f"tu-{plain}"
    known = {*smp.encoders.get_encoder_names(), *timm.list_models()}
    raise UsageError(f"unknown encoder '{encoder}' in backbone '{backbone}'; {suggestion(encoder, known)}")


def try_out(name: str, build: Callable[[str, int, int], nn.Module]) -> None:
    """Build the network and let a small image, not square, through it: UsageError where that fails."""
    try:
        with torch.random.fork_rng(devices=[]), torch.inference_mode():
            network = build(name, 3, 2).eval()
            stride = getattr(network, "stride", 32)
            network(torch.zeros(1, 3, 4 * stride, 5 * stride))
    except UsageError:
        raise
    except Exception as error:
        why = first_line(error) or type(error).__name__
        raise UsageError(f"backbone '{name}' cannot be built: {why}") from error
