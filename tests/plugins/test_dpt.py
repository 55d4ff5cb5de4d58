"""DPT over vision transformers whose patches are no power of two."""

from pathlib import Path
from typing import Any

import pytest
import timm
import torch

from ssl_bench.backbone import TaskNetwork
from ssl_bench.plan.weights import Weights
from ssl_bench.registry.loading import load_registry
from ssl_bench_plugins.backbones.dpt import DPT
from ssl_bench_plugins.backbones.smp import SmpNetwork, build

DINO = "vit_small_patch14_dinov2"


def small(encoder: str, **settings: Any) -> SmpNetwork:
    """A narrow transformer of the family, at random."""
    torch.manual_seed(0)
    narrow = {"embed_dim": 24, "num_heads": 2, "dynamic_img_size": True, "encoder_weights": None}
    model = DPT(encoder_name=f"tu-{encoder}", in_channels=3, classes=2, **narrow, **settings)
    return SmpNetwork(model, f"tu-{encoder}", 3)


@pytest.mark.parametrize("encoder", [DINO, "vit_small_patch14_reg4_dinov2", "eva02_tiny_patch14_224"])
def test_patches_of_14_px(encoder: str) -> None:
    network = small(encoder).eval()
    assert network.stride == 28
    for size in ((28, 56), (84, 28)):
        assert network(torch.rand(1, 3, *size)).shape == (1, 2, *size)
    maps = network.encoder(torch.rand(1, 3, 56, 84))[0]
    assert [tuple(one.shape[-2:]) for one in maps] == [(4, 6)] * 4
    scaled = [block(one) for block, one in zip(network.model.decoder.reassemble_blocks, maps, strict=True)]
    assert [tuple(one.shape[-2:]) for one in scaled] == [(16, 24), (8, 12), (4, 6), (2, 3)]


def test_images_of_any_size() -> None:
    network = TaskNetwork(small(DINO), in_channels=3, residual=False).eval()
    assert network(torch.rand(1, 3, 45, 61)).shape == (1, 2, 45, 61)
    network(torch.rand(1, 3, 45, 61)).sum().backward()
    learnt = [parameter.grad for parameter in network.network.encoder.model.blocks.parameters()]
    assert all(gradient.isfinite().all() and gradient.any() for gradient in learnt)


def test_where_smp_s_decoder_fits_it_is_smp_s() -> None:
    network = small("vit_small_patch16_224").eval()
    assert network.stride == 32
    images = torch.rand(1, 3, 32, 64)
    model = network.model
    expected = model.segmentation_head(model.decoder(*model.encoder(images)))
    assert torch.equal(network(images), expected)


def test_by_name_and_from_weights(tmp_path: Path) -> None:
    registry, name = load_registry(), "eva02_tiny_patch14_224"
    registry.check_backbone(f"dpt/{DINO}")
    file = tmp_path / "weights.pth"
    stored = timm.create_model(name).state_dict()
    torch.save(stored, file)
    network = build(f"dpt/{name}", 3, 2)
    Weights("sha256:", str(file)).load(registry.backbone(f"dpt/{name}"), network, name)
    loaded = network.encoder.state_dict()
    for key in ("pos_embed", "patch_embed.proj.weight", "blocks.11.mlp.fc2.weight"):
        assert torch.equal(loaded[f"model.{key}"], stored[key])
