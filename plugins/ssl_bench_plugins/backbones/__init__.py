"""Built-in backbones. Torch-free."""

from collections.abc import Iterable

from ssl_bench.hookspecs import hookimpl
from ssl_bench.specs import BackboneSpec

_SMP = "ssl_bench_plugins.backbones.smp"


@hookimpl
def provide_backbones() -> Iterable[BackboneSpec]:
    """A small fast network, and every decoder of segmentation-models-pytorch on every encoder it accepts."""
    return [
        BackboneSpec(
            name="unet-small",
            title="4 levels, 16 to 96 channels, 0.34 M parameters",
            backbone="ssl_bench_plugins.backbones.unet_small:build",
        ),
        BackboneSpec(
            name="smp",
            title="DECODER/ENCODER, e.g. unet/resnet50: any smp decoder on any smp or timm encoder",
            backbone=f"{_SMP}:build",
            matches=lambda name: name.count("/") == 1,
            validate=f"{_SMP}:validate",
        ),
    ]
