"""Encoders of segmentation-models-pytorch and timm, by one name."""

from collections.abc import Callable

import segmentation_models_pytorch as smp
import timm
import torch
from torch import nn

from ssl_bench import IMAGENET, Statistics, UsageError, first_line, suggestion

COPIES = "timm-"
"""Names of smp's own copies of timm's networks, which it keeps beside timm itself."""
HALF = Statistics((0.5,) * 3, (0.5,) * 3)
OTHER_STATISTICS = {
    "dpn": Statistics((124 / 255, 117 / 255, 104 / 255), (1 / (0.0167 * 255),) * 3),
    "inception": HALF,
    "xception": HALF,
}
"""Beginnings of smp's own encoders that were not trained on ImageNet's statistics; as in the `mean` and `std` of smp
0.4's `pretrained_settings` (segmentation_models_pytorch/encoders/dpn.py, inceptionv4.py, xception.py)."""


def encoder_name(encoder: str, backbone: str, *, timm_only: bool = False) -> str:
    """The encoder's name as smp wants it: timm's get `tu-`, and where both have one it is smp's.

    UsageError, naming `backbone`, with a suggestion where there is none.
    """
    plain = encoder.removeprefix("tu-")
    if encoder.startswith(COPIES):
        raise UsageError(
            f"encoder '{encoder}' in backbone '{backbone}' is smp's copy of a network of timm's: it takes the weights "
            f"and computes something else from them; name timm's own, '{timm_name(encoder)}'"
        )
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


def timm_name(copy: str) -> str:
    """Name, in timm, of the network that smp's copy of it takes the weights of."""
    plain = copy.removeprefix(COPIES)
    # smp's "efficientnet-b0" has the weights that were converted from TensorFlow.
    return f"tf_{plain.replace('-', '_')}" if plain.startswith("efficientnet") else plain


def statistics_of(encoder: str) -> Statistics:
    """Mean and deviation of the images that an encoder, named as by `encoder_name`, was pretrained on.

    timm states them with each network; without a word it is taken to be ImageNet's.
    """
    if not encoder.startswith("tu-"):
        return next((own for start, own in OTHER_STATISTICS.items() if encoder.startswith(start)), IMAGENET)
    try:
        config = timm.get_pretrained_cfg(encoder.removeprefix("tu-"))
    except RuntimeError:  # A tag that timm does not know; there are no weights of it either.
        config = None
    return IMAGENET if config is None else Statistics(tuple(config.mean), tuple(config.std))
