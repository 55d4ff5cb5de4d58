"""Built-in backbones, as `ssl-bench list` has them. Torch-free."""

from collections.abc import Iterable

from ssl_bench import LAST_POSITION, BackboneSpec, hookimpl

_HERE = "ssl_bench_plugins.backbones"
DEEPLAB_STRIDES = {"deeplabv2": 16, "deeplabv2-os8": 8}
"""Name of a DeepLab-v2 to its output stride."""


@hookimpl
def provide_backbones() -> Iterable[BackboneSpec]:
    """A small fast network, those of the papers, and every decoder of segmentation-models-pytorch on every encoder
    that it accepts."""
    return [
        BackboneSpec(
            name="unet-small",
            title="4 levels, 16 to 96 channels, 0.34 M parameters",
            backbone=f"{_HERE}.unet_small:build",
            has_encoder=True,
            has_features=True,
        ),
        BackboneSpec(
            name="deeplabv2",
            title="DeepLab-v2 at output stride 16, or 8 as deeplabv2-os8; on resnet101, or deeplabv2/ENCODER",
            backbone=f"{_HERE}.deeplabv2:build",
            matches=lambda name: name.count("/") < 2 and name.partition("/")[0] in DEEPLAB_STRIDES,
            validate=f"{_HERE}.deeplabv2:validate",
            find_weights=f"{_HERE}.deeplabv2:find_weights",
            load_weights=f"{_HERE}.encoder_weights:load",
            has_encoder=True,
            has_features=True,
        ),
        BackboneSpec(
            name="dhdn",
            title="DHDN, densely connected hierarchical denoiser, 168 M parameters",
            backbone=f"{_HERE}.dhdn:build",
            has_features=True,
        ),
        BackboneSpec(
            name="hdrnet",
            title="HDRNet, a bilateral grid of colour transforms, 0.5 M parameters",
            backbone=f"{_HERE}.hdrnet:build",
            has_features=True,
        ),
        BackboneSpec(
            name="smp",
            title="DECODER/ENCODER, e.g. unet/resnet50: any smp decoder on any smp or timm encoder",
            # After every family with names of its own.
            position=LAST_POSITION + 1,
            backbone=f"{_HERE}.smp:build",
            matches=lambda name: name.count("/") == 1,
            validate=f"{_HERE}.smp:validate",
            suggest=f"{_HERE}.smp:suggest",
            find_weights=f"{_HERE}.smp:find_weights",
            load_weights=f"{_HERE}.encoder_weights:load",
            has_encoder=True,
            has_features=True,
        ),
    ]
