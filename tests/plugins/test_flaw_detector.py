"""The flaw detector's layers against the paper's table."""

import pytest
import torch
from torch import nn

from ssl_bench.errors import UsageError
from ssl_bench.toolbox.layers import SameConv2d, draws_at_random
from ssl_bench_plugins.methods.flaw_detector import FlawDetector


@pytest.mark.parametrize(("norm", "count"), [("batch", 8_295_873), ("ibn", 8_294_017)])
def test_parameters_at_24_channels(norm: str, count: int) -> None:
    assert sum(parameter.numel() for parameter in FlawDetector(24, norm).parameters()) == count


def map_sizes(detector: FlawDetector, height: int, width: int) -> list[tuple[int, ...]]:
    sizes: list[tuple[int, ...]] = []
    for layer in detector.layers:
        if isinstance(layer, nn.Conv2d):
            layer.register_forward_hook(lambda _, __, output: sizes.append(tuple(output.shape[-2:])))
    with torch.no_grad():
        assert detector(torch.rand(2, 1, height, width), torch.rand(2, 3, height, width)).shape == (
            2,
            1,
            height,
            width,
        )
    return sizes


def test_map_sizes_at_321() -> None:
    assert map_sizes(FlawDetector(4), 321, 321) == [(n, n) for n in (161, 81, 81, 41, 41, 21, 21, 11)]


def test_variant_pads_by_one() -> None:
    sizes = map_sizes(FlawDetector(4, "ibn"), 321, 92)
    assert sizes == [(160, 46), (80, 23), (79, 22), (39, 11), (38, 10), (19, 5), (18, 4), (9, 2)]


@pytest.mark.parametrize(("height", "width"), [(8, 8), (9, 8), (8, 31), (17, 100), (64, 64)])
def test_any_input_from_8_px_trains_in_batches_of_two(height: int, width: int) -> None:
    detector = FlawDetector(5)
    flaws = detector(torch.rand(2, 2, height, width), torch.rand(2, 3, height, width))
    assert flaws.shape == (2, 1, height, width)
    flaws.square().mean().backward()
    assert all(torch.isfinite(parameter.grad).all() for parameter in detector.parameters())


def test_variant_refuses_small_inputs_in_one_line() -> None:
    with pytest.raises(UsageError, match=r"92 px or more, .* not 91 x 96") as caught:
        FlawDetector(5, "ibn")(torch.rand(2, 2, 91, 96), torch.rand(2, 3, 91, 96))
    assert "\n" not in str(caught.value)


def test_output_has_no_bound_and_is_float32_under_autocast() -> None:
    detector = FlawDetector(4)
    detector.layers[-1].bias.data.fill_(-7.0)
    with torch.autocast("cpu", torch.bfloat16):
        flaws = detector(torch.rand(2, 1, 20, 20), torch.rand(2, 3, 20, 20))
    assert flaws.dtype == torch.float32
    assert flaws.mean() < -5


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("size", [(1, 2), (7, 8), (10, 5)])
def test_same_padding_by_hand(stride: int, size: tuple[int, int]) -> None:
    layer = SameConv2d(2, 3, stride)
    images = torch.rand(1, 2, *size)
    total = [(-(-length // stride) - 1) * stride + 4 - length for length in size]
    assert total == [3 if stride == 1 or length % 2 else 2 for length in size]
    padded = nn.functional.pad(images, (1, total[1] - 1, 1, total[0] - 1))
    expected = nn.functional.conv2d(padded, layer.weight, layer.bias, stride)
    assert torch.allclose(layer(images), expected, atol=1e-6)
    assert layer(images).shape[-2:] == tuple(-(-length // stride) for length in size)


def test_random_layers_are_found() -> None:
    timm_layers = pytest.importorskip("timm.layers")
    torchvision_ops = pytest.importorskip("torchvision.ops")
    for layer in (nn.Dropout(0.1), nn.Dropout2d(0.5), nn.AlphaDropout(0.2), timm_layers.DropPath(0.1)):
        assert draws_at_random(nn.Sequential(nn.ReLU(), nn.Sequential(layer)))
    assert draws_at_random(torchvision_ops.StochasticDepth(0.1, "row"))
    assert draws_at_random(nn.MultiheadAttention(4, 2, dropout=0.1))
    for layer in (nn.Dropout(0.0), timm_layers.DropPath(0.0), nn.BatchNorm2d(3), nn.MultiheadAttention(4, 2)):
        assert not draws_at_random(nn.Sequential(layer))
