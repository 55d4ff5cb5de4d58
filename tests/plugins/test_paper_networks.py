"""DeepLab-v2, DHDN and HDRNet: sizes against the papers' tables, pixels where they belong, and that they learn."""

import itertools
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from ssl_bench.backbone import TaskNetwork
from ssl_bench.errors import UsageError
from ssl_bench.registry.loading import load_registry
from ssl_bench.specs import resolve
from ssl_bench_plugins.backbones import deeplabv2
from ssl_bench_plugins.backbones.deeplabv2 import DeepLabV2, set_multi_grid
from ssl_bench_plugins.backbones.dhdn import DHDN
from ssl_bench_plugins.backbones.hdrnet import BINS, CELLS, Guide, HDRNet, RowNorm, slice_grid

SMALL_WIDTHS = (4, 8, 16, 32)


def parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def flops(network: nn.Module, side: int, device: str = "cpu") -> int:
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network.eval()(torch.zeros(1, 3, side, side, device=device))
    return counter.get_total_flops()


def convolution(in_channels: int, out_channels: int, size: int, bias: bool = True) -> int:
    return out_channels * (in_channels * size**2 + bias)


def test_registered_by_name() -> None:
    registry = load_registry()
    assert (
        registry.backbone("deeplabv2").name == registry.backbone("deeplabv2-os8/resnet50").name == "deeplabv2"
    )
    assert registry.backbone("unet/resnet18").name == "smp"
    for name in ("dhdn", "hdrnet"):
        assert registry.backbone(name).name == name
    registry.check_backbone("deeplabv2/mobilenetv3_small_100")
    for name, words in {
        "deeplabv2/resnet81": "did you mean 'resnet18'",
        "deeplabv2/densenet121": "'deeplabv2/densenet121' cannot be built",
        "deeplabv3": "did you mean 'deeplabv3/resnet50'",
    }.items():
        with pytest.raises(UsageError, match=words):
            registry.check_backbone(name)


def test_tier_paper_uses_them() -> None:
    registry = load_registry()
    assert [registry.task(spec.name).backbones["paper"] for spec in registry.sorted("tasks")] == [
        "deeplabv2",
        "dhdn",
        "unet/resnet50",
        "hdrnet",
    ]


# DeepLab-v2


def test_deeplab_has_the_size_of_its_table() -> None:
    with torch.device("meta"):
        network = deeplabv2.build("deeplabv2", 3, 21)
    # torchvision's ResNet-101 has 44,549,160 parameters, 2,049,000 of them in its classifier of 1,000 classes.
    assert parameters(network) == 44_549_160 - 2_049_000 + 4 * convolution(2048, 21, 3)


@pytest.mark.parametrize(
    ("name", "rates", "aspp"),
    [
        ("deeplabv2/resnet50", (2, 4, 8), (6, 12, 18, 24)),
        ("deeplabv2-os8/resnet50", (4, 8, 16), (12, 24, 36, 48)),
    ],
)
def test_deeplab_dilations_follow_the_output_stride(name: str, rates: tuple, aspp: tuple) -> None:
    with torch.device("meta"):
        network = deeplabv2.build(name, 3, 5)
    blocks = [network.encoder.get_submodule(f"layer4.{index}.conv2") for index in range(3)]
    assert (
        tuple(block.dilation[0] for block in blocks) == rates == tuple(block.padding[0] for block in blocks)
    )
    assert tuple(branch.dilation[0] for branch in network.head.branches) == aspp
    stride = network.output_stride
    features = network.encoder.to_empty(device="cpu")(torch.zeros(1, 3, 33, 65))[-1]
    assert features.shape == (1, 2048, 32 // stride + 1, 64 // stride + 1)


def test_deeplab_flops_of_the_classifier() -> None:
    network = DeepLabV2("resnet18", 3, 21)
    rest = DeepLabV2("resnet18", 3, 21)
    rest.head = nn.Conv2d(512, 21, 1)  # 33 = 2 * 16 + 1 px: 3 x 3 features
    difference = flops(network, 33) - flops(rest, 33)
    assert difference == 2 * 9 * 512 * 21 * (4 * 9 - 1)


def test_all_four_branches_count() -> None:
    network = DeepLabV2("resnet18", 3, 2).eval()
    features = torch.randn(1, 512, 5, 5)
    parts = [branch(features) for branch in network.head.branches]
    assert torch.allclose(network.head(features), torch.stack(parts).sum(0), atol=1e-6)
    assert all(part.std() > 0 for part in parts)


@pytest.mark.parametrize("size", [(33, 49), (40, 31), (64, 80)])
def test_deeplab_puts_every_logit_over_its_pixel(size: tuple[int, int]) -> None:
    """An encoder that reads every 16th pixel of a ramp, and a classifier that passes it on: the ramp comes back."""
    network = DeepLabV2("resnet18", 2, 2)
    network.encoder.forward = lambda images: [images[..., ::16, ::16]]  # type: ignore[method-assign]
    network.head = nn.Identity()  # type: ignore[assignment]
    ramps = torch.stack(torch.meshgrid(*(torch.arange(float(side)) for side in size), indexing="ij"))[None]
    out = network(ramps)
    assert out.shape == ramps.shape
    inside = [(side - 1) // 16 * 16 + 1 for side in size]  # beyond the last full cell the edge is repeated
    assert torch.allclose(out[..., : inside[0], : inside[1]], ramps[..., : inside[0], : inside[1]], atol=1e-4)
    assert (out - ramps).abs().max() < 16


def test_deeplab_over_patches() -> None:
    network = DeepLabV2("tu-convnext_atto", 3, 2)
    assert network.patches
    network.encoder.forward = lambda images: [F.avg_pool2d(images, 16)]  # type: ignore[method-assign]
    network.head = nn.Identity()  # type: ignore[assignment]
    ramp = torch.arange(60.0).expand(1, 3, 50, 60)
    out = network(ramp)
    assert torch.allclose(out[..., 8:40], ramp[..., 8:40], atol=1e-4)


def test_an_encoder_without_dilation() -> None:
    with pytest.raises(ValueError, match="no dilated"):
        set_multi_grid(nn.Sequential(nn.Conv2d(3, 4, 3)), (1, 2, 4))


# DHDN


def dense_block(channels: int) -> list[tuple[int, int, int]]:
    half = channels // 2
    return [(channels, half, 3), (channels + half, half, 3), (2 * channels, channels, 3)]


def dhdn_table() -> list[tuple[int, int, int, int]]:
    """(in, out, kernel, level): the network by hand."""
    table = [(3, 128, 1, 0)]
    for level, width in enumerate((128, 256, 512, 1024)):
        if level:
            table.append((width // 2, width, 1, level))
        table += [(*row, level) for row in 2 * dense_block(width)]
    for level, width in ((2, 512), (1, 256), (0, 128)):
        table.append((4 * width, 4 * width, 1, level + 1))  # 4 w channels come up, the shuffle leaves w
        table += [(*row, level) for row in 2 * dense_block(2 * width)]
    return [*table, (256, 3, 1, 0)]


def test_dhdn_has_the_size_of_its_table() -> None:
    """168.2 M is also the figure of later comparisons (RDUNet, IEEE Access 2021)."""
    with torch.device("meta"):
        network = DHDN(3, 3)
    table = dhdn_table()
    assert parameters(network) == sum(convolution(*row[:3]) + 1 for row in table) == 168_195_125
    side = 64
    expected = sum(2 * a * b * k**2 * (side >> level) ** 2 for a, b, k, level in table)
    assert flops(network, side, "meta") == expected


def test_dhdn_starts_as_the_identity_of_a_residual_task() -> None:
    network = TaskNetwork(DHDN(3, 3, SMALL_WIDTHS), in_channels=3, residual=True).eval()
    images = torch.rand(1, 3, 13, 21)
    assert network.stride == 8
    assert torch.equal(network(images), images)


def test_dhdn_has_no_seam_at_odd_sizes() -> None:
    """Its view reaches 132 px and the pooling a little further: what is cut off beyond that changes nothing."""
    torch.manual_seed(0)
    network = TaskNetwork(DHDN(3, 3, (2, 4, 8, 16)), in_channels=3, residual=False).eval()
    whole = torch.rand(1, 3, 320, 9)
    with torch.no_grad():
        assert torch.allclose(network(whole)[:, :, :100], network(whole[:, :, :253])[:, :, :100], atol=1e-6)


# HDRNet


def hdrnet_table() -> list[tuple[int, int, int, int, int]]:
    """(in, out, kernel, side of the output, 1 where a bias or the shift of a norm is added): the paper's table 1."""
    splat = [(3, 8, 3, 128, 1), (8, 16, 3, 64, 1), (16, 32, 3, 32, 1), (32, 64, 3, 16, 1)]
    local = [(64, 64, 3, 16, 1), (64, 64, 3, 16, 0)]
    everywhere = [
        (64, 64, 3, 8, 1),
        (64, 64, 3, 4, 1),
        (1024, 256, 1, 1, 1),
        (256, 128, 1, 1, 1),
        (128, 64, 1, 1, 1),
    ]
    return [*splat, *local, *everywhere, (64, 96, 1, 16, 1)]


def test_hdrnet_has_the_size_of_its_table() -> None:
    network = HDRNet(3, 3)
    guide = 3 * 3 + 3 + 2 * 3 * 16 + 3 + 1
    assert (
        parameters(network) == sum(convolution(a, b, k, bool(s)) for a, b, k, _, s in hdrnet_table()) + guide
    )
    assert parameters(network) == 482_080  # as published comparisons have it
    assert network.grid(torch.zeros(2, 3, 20, 30)).shape == (2, 12, BINS, CELLS, CELLS)
    per_pixel = 2 * (3 * 3 + 3)  # the guide's two convolutions
    expected = sum(2 * a * b * k**2 * side**2 for a, b, k, side, _ in hdrnet_table()) + per_pixel * 40**2
    assert flops(network, 40) == expected


def naive_slice(grid: Tensor, guide: Tensor) -> Tensor:
    """The paper's formula: tent weights over all cells, the border cells reaching outwards."""
    batch, channels, *depths = grid.shape
    height, width = guide.shape[1:]
    out = torch.zeros(batch, channels, height, width, dtype=torch.float64)
    for b, y, x in itertools.product(range(batch), range(height), range(width)):
        place = (float(guide[b, y, x]), (y + 0.5) / height, (x + 0.5) / width)
        weight = torch.ones((), dtype=torch.float64)
        for at, cells in zip(place, depths, strict=True):
            centre = min(max(at * cells - 0.5, 0), cells - 1)
            tent = (1 - (torch.arange(cells) - centre).abs()).clamp_min(0).double()
            weight = weight[..., None] * tent
        out[b, :, y, x] = (grid[b].double() * weight).sum((1, 2, 3))
    return out


@pytest.mark.parametrize("size", [(1, 1), (7, 13), (20, 9)])
def test_slicing_is_the_paper_s_formula(size: tuple[int, int]) -> None:
    generator = torch.Generator().manual_seed(1)
    grid = torch.randn(2, 3, 4, 5, 6, generator=generator)
    guide = torch.rand(2, *size, generator=generator)
    guide[:, 0, 0] = torch.tensor([0.0, 1.0])
    assert torch.allclose(slice_grid(grid, guide).double(), naive_slice(grid, guide), atol=1e-5)


def test_slicing_keeps_a_ramp_at_any_size() -> None:
    """A grid whose cells hold their own centre in x gives that place back, without a seam."""
    ramp = (torch.arange(CELLS) + 0.5).div(CELLS).expand(1, 1, BINS, CELLS, CELLS)
    for width in (33, 101, 257):
        out = slice_grid(ramp, torch.rand(1, 3, width))
        place = (torch.arange(width) + 0.5) / width
        expected = place.clamp(0.5 / CELLS, 1 - 0.5 / CELLS)
        assert torch.allclose(out, expected.expand(1, 1, 3, width), atol=1e-6)


def test_slicing_has_the_gradient_of_its_formula() -> None:
    generator = torch.Generator().manual_seed(2)
    grid = torch.randn(1, 2, 3, 3, 3, generator=generator, dtype=torch.float64, requires_grad=True)
    # Away from the knots of the tents, where there is no derivative.
    guide = (torch.rand(1, 4, 3, generator=generator, dtype=torch.float64) * 0.2 + 0.2).requires_grad_(True)
    assert torch.autograd.gradcheck(slice_grid, (grid, guide))


def test_hdrnet_applies_an_affine_transform_of_colours() -> None:
    network = HDRNet(3, 3)
    transform = torch.randn(3, 4)
    with torch.no_grad():
        network.head.weight.zero_()
        # (out, in + 1) of every bin
        network.head.bias.copy_(transform.reshape(-1, 1).expand(-1, BINS).reshape(-1))
    images = torch.rand(2, 3, 11, 17)
    expected = torch.einsum("oi,bihw->bohw", transform[:, :3], images) + transform[:, 3:, None]
    task_network = TaskNetwork(network, in_channels=3, residual=False)  # which normalises
    assert torch.allclose(task_network(images), expected, atol=1e-5)


def test_the_guide_starts_as_the_mean_of_the_image() -> None:
    images = torch.rand(1, 3, 8, 8)
    assert torch.allclose(Guide(3)(images), images.mean(1), atol=2e-3)


@pytest.mark.parametrize("size", [(5, 8), (64, 48), (300, 257)])
def test_hdrnet_takes_any_size(size: tuple[int, int]) -> None:
    network = HDRNet(3, 2).eval()
    assert network(torch.rand(1, 3, *size)).shape == (1, 2, *size)


def test_hdrnet_trains_on_one_image_at_a_time() -> None:
    norm = RowNorm(4)
    rows = torch.randn(1, 4)
    assert torch.equal(norm(rows), norm.eval()(rows))
    network = HDRNet(3, 3)
    network(torch.rand(1, 3, 16, 16)).sum().backward()
    assert network.head.weight.grad is not None


# All of them


@pytest.mark.parametrize(
    ("make", "rate", "steps", "factor"),
    [
        (lambda: DeepLabV2("tu-mobilenetv3_small_050", 3, 3), 3e-4, 16, 20),
        (lambda: DHDN(3, 3, (8, 16, 32, 64)), 3e-3, 25, 20),
        (lambda: HDRNet(3, 3), 3e-3, 25, 50),
    ],
    ids=["deeplabv2", "dhdn", "hdrnet"],
)
def test_overfits_four_images(make: Callable[[], nn.Module], rate: float, steps: int, factor: float) -> None:
    """And begins twice the same: nothing is drawn or added in an order that changes between runs."""

    def train(steps: int) -> list[float]:
        torch.manual_seed(3)
        images = F.interpolate(torch.rand(4, 3, 2, 2), (33, 33), mode="bilinear")
        target = images.flip(1).sqrt()
        network = TaskNetwork(make(), in_channels=3, residual=False).train()
        optimizer = torch.optim.Adam(network.parameters(), lr=rate)
        history = []
        for _ in range(steps):
            loss = (network(images) - target).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            history.append(loss.item())
        return history

    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        losses, again = train(steps), train(4)
    finally:
        torch.use_deterministic_algorithms(False)
    assert losses[-1] * factor < losses[0]
    assert losses[:4] == again


@pytest.mark.parametrize("name", ["deeplabv2/resnet18", "hdrnet"])
def test_the_head_is_what_a_recipe_multiplies(name: str) -> None:
    network = resolve(load_registry().backbone(name).backbone)(name, 3, 3)
    residual = TaskNetwork(network, in_channels=3, residual=True)
    assert isinstance(network.head, nn.Module)
    assert len(list(network.head.parameters())) > 0
    if name == "hdrnet":
        images = torch.rand(1, 3, 20, 20)
        assert torch.equal(residual.eval()(images), images)
