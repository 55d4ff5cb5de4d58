"""Pretrained weights of encoders: from an installed package that holds them, else smp's own on the Hugging Face Hub,
timm's for all others, or a local file.

A file is read as safetensors or by `torch.load(weights_only=True)`. It is in smp's format for an encoder of smp (that
of torchvision for its ResNets), in timm's for one of timm; a classifier in it is passed over.
"""

import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import huggingface_hub
import segmentation_models_pytorch as smp
import timm
import torch
from huggingface_hub.errors import LocalEntryNotFoundError
from segmentation_models_pytorch.encoders import TimmUniversalEncoder, TimmViTEncoder
from timm.models import load_state_dict
from torch import Tensor, nn

from ssl_bench import UsageError, first_line
from ssl_bench_plugins.backbones import packaged_weights

SECONDS = 10.0
"""How long the hub may take to answer."""
FILES = ("model.safetensors", "pytorch_model.bin")


class Encoded(Protocol):
    """A network with an encoder, named as smp does."""

    encoder: nn.Module
    encoder_name: str
    in_channels: int


def download(encoder: str) -> Path:
    """The file of an encoder's published weights: an installed package's, that in the hub's cache on this machine, or
    else the hub's.

    UsageError where there are none or they cannot be had.
    """
    packaged = packaged_weights.find(encoder)
    if packaged is not None:
        return packaged
    instead = "start from scratch by --no-pretrained, or name a file with them by --weights FILE"
    repository, revision, names = _published(encoder, instead)
    for name in names:
        with contextlib.suppress(LocalEntryNotFoundError):
            return Path(
                huggingface_hub.hf_hub_download(repository, name, revision=revision, local_files_only=True)
            )
    try:
        # Asked once before anything is fetched: the hub's client repeats a download that fails for a minute.
        found = huggingface_hub.HfApi().model_info(repository, revision=revision, timeout=SECONDS)
        there = {sibling.rfilename for sibling in found.siblings or ()}
        name = next((name for name in names if name in there), names[0])
        return Path(huggingface_hub.hf_hub_download(repository, name, revision=revision))
    except Exception as error:  # The client, its transport and the file system raise dozens of kinds.
        why = first_line(error) or type(error).__name__
        where = f"{huggingface_hub.constants.ENDPOINT}/{repository}"
        raise UsageError(
            f"the pretrained weights of encoder '{encoder}' cannot be had from {where} ({why}); {instead}"
        ) from error


def load(network: Encoded, file: Path) -> None:
    """Load an encoder's weights from a file into a freshly built network.

    Weights for three channels are spread over the channels of the network, where it has another number. UsageError for
    a file that cannot be read or is not of this encoder.
    """
    encoder = network.encoder
    try:
        stored: dict[str, Tensor] = load_state_dict(str(file), use_ema=False, weights_only=True)
        state = packaged_weights.in_timm_names(stored)
    except Exception as error:  # A file that is not whole, or of a kind of its own.
        raise _misfit(file, network, f"it cannot be read: {_short(error)}") from error
    if not state:  # Timm takes none for its own published ones, and fetches these.
        raise _misfit(file, network, "it holds no tensor")
    for name, tensor in state.items():
        if not tensor.isfinite().all():
            raise _misfit(file, network, f"{name} holds values that are not finite")
    try:
        if isinstance(encoder, TimmUniversalEncoder | TimmViTEncoder):
            loaded = _of_timm(network, state)
        else:
            loaded = smp.encoders.get_encoder(network.encoder_name, depth=encoder._depth, weights=None)
            loaded.load_state_dict(state)
            loaded.set_in_channels(network.in_channels, pretrained=True)
        encoder.load_state_dict(loaded.state_dict())
    except Exception as error:  # Whatever a loader runs into with a file that is not its own.
        raise _misfit(file, network, _short(error)) from error


def _published(encoder: str, instead: str) -> tuple[str, str | None, tuple[str, ...]]:
    """Repository on the hub, revision, and the file's possible names."""
    if not encoder.startswith("tu-"):
        settings = smp.encoders.encoders[encoder]["pretrained_settings"]
        chosen = settings.get("imagenet") or next(iter(settings.values()))
        return chosen["repo_id"], chosen["revision"], FILES[:1]
    name = encoder.removeprefix("tu-")
    try:
        config = timm.get_pretrained_cfg(name)
    except RuntimeError as error:
        raise UsageError(f"{_short(error)} Name one of {', '.join(_tags(name))}") from error
    if config is None or not config.has_weights:
        raise UsageError(f"there are no pretrained weights of encoder '{encoder}' in timm; {instead}")
    if not config.hf_hub_id:
        raise UsageError(
            f"the pretrained weights of encoder '{encoder}' are not on the hub but at {config.url}; {instead}"
        )
    return config.hf_hub_id, None, (config.hf_hub_filename,) if config.hf_hub_filename else FILES


def _tags(name: str) -> list[str]:
    return timm.list_models(f"{name.partition('.')[0]}.*", pretrained=True)


def _of_timm(network: Encoded, state: dict[str, Tensor]) -> nn.Module:
    """An encoder of timm's with the weights, by timm's own conversion of names and first layers.

    ValueError where some of it was not in the file, which timm passes over in silence: it is then as the seed has it.
    """
    kind, overlay = type(network.encoder), {"state_dict": state, "custom_load": False}
    settings = {"name": network.encoder_name.removeprefix("tu-"), "in_channels": network.in_channels}
    if kind is TimmUniversalEncoder:
        settings["depth"] = network.encoder._depth
    with torch.random.fork_rng(devices=[]), _quiet():
        torch.manual_seed(0)
        loaded: nn.Module = kind(**settings, pretrained=True, pretrained_cfg_overlay=overlay)
        torch.manual_seed(0)
        fresh = dict(kind(**settings, pretrained=False).named_parameters())
    for name, parameter in loaded.named_parameters():
        # Scales and shifts may well be what they start as; matrices and kernels are not.
        if parameter.dim() > 1 and torch.equal(parameter, fresh[name]):
            raise ValueError(f"it does not hold {name}")
    return loaded


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without timm's warning about the classifier that a file holds and an encoder has no place for."""
    logger = logging.getLogger("timm")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def _misfit(file: Path, network: Encoded, why: str) -> UsageError:
    return UsageError(
        f"{file}: no weights for encoder '{network.encoder_name}' ({why}); name another by --weights"
    )


def _short(error: Exception) -> str:
    """What is wrong in the first sentence that says so: torch opens with a line that does not."""
    text = f"no {error}" if isinstance(error, KeyError) else str(error)
    lines = [line.strip() for line in text.splitlines() if line.strip()] or [type(error).__name__]
    line = lines[1] if len(lines) > 1 and lines[0].endswith(":") else lines[0]
    return line if len(line) <= 120 else f"{line[:117]}..."
