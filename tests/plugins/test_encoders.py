"""Encoders are fed as they were trained: features equal timm's own after timm's own preprocessing."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from conftest import Said
from PIL import Image
from safetensors.torch import save_file
from timm.models._manipulate import adapt_input_conv
from torch import nn

from ssl_bench.backbone import IMAGENET, TaskNetwork
from ssl_bench.errors import UsageError
from ssl_bench.plan.weights import SCRATCH, Weights
from ssl_bench.registry.loading import load_registry
from ssl_bench.specs import resolve
from ssl_bench_plugins.backbones import packaged_weights
from ssl_bench_plugins.backbones.encoder_weights import load
from ssl_bench_plugins.backbones.encoders import statistics_of

REGISTRY = load_registry()
SIDE = 96
LITE = "tf_efficientnet_lite0"


def network_of(name: str, weights: Weights) -> TaskNetwork:
    spec = REGISTRY.backbone(name)
    bare = resolve(spec.backbone)(name, 3, 2)
    weights.load(spec, bare, name)
    return TaskNetwork(bare, in_channels=3, residual=False).eval()


def timm_pipeline(model: nn.Module, encoder: str, picture: Image.Image) -> torch.Tensor:
    """What timm's own evaluation gives the model."""
    config = timm.data.resolve_data_config(pretrained_cfg=timm.get_pretrained_cfg(encoder).to_dict())
    transform = timm.data.create_transform(**{**config, "input_size": (3, SIDE, SIDE), "crop_pct": 1.0})
    return transform(picture)[None]


@pytest.fixture(scope="module")
def picture() -> Image.Image:
    pixels = np.random.default_rng(3).integers(0, 256, (SIDE, SIDE, 3), np.uint8)
    return Image.fromarray(pixels)


@pytest.fixture
def made_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Statistics that no real encoder has."""
    known = timm.get_pretrained_cfg

    def config(name: str) -> Any:
        return replace(known(name), mean=(0.1, 0.2, 0.3), std=(0.4, 0.7, 0.9))

    monkeypatch.setattr(timm, "get_pretrained_cfg", config)


@pytest.mark.parametrize(
    ("decoder", "encoder"),
    [
        ("fpn", LITE),  # 0.5 and 0.5
        ("unet", "tu-resnet18"),  # ImageNet's
        ("unet", "mobilevit_xxs"),  # 0 and 1
        ("dpt", "vit_tiny_patch16_224"),  # 0.5 and 0.5, a transformer
        ("unet", "mobilenetv3_small_050"),
    ],
)
def test_features_equal_those_of_timm(
    decoder: str, encoder: str, picture: Image.Image, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    plain = encoder.removeprefix("tu-")
    if plain == "mobilenetv3_small_050":
        request.getfixturevalue("made_up")
    torch.manual_seed(5)
    options = {"dynamic_img_size": True} if decoder == "dpt" else {}
    model = timm.create_model(plain, **options).eval()
    if plain == LITE:
        path = packaged_weights.find(f"tu-{LITE}")
        assert path is not None
        stored = torch.load(path, weights_only=True)
        model.load_state_dict(packaged_weights.in_timm_names(stored))
        network = network_of(f"{decoder}/{encoder}", Weights("published"))
    else:
        save_file(model.state_dict(), tmp_path / "w.safetensors")
        weights = Weights("sha256:", str(tmp_path / "w.safetensors"))
        network = network_of(f"{decoder}/{encoder}", weights)
    images = torch.from_numpy(np.asarray(picture).copy()).permute(2, 0, 1)[None] / 255
    with torch.no_grad():
        ours = network.network.encoder(network.normalize(images))
        inputs = timm_pipeline(model, plain, picture)
        if decoder == "dpt":
            (ours, _), theirs = ours, model.forward_intermediates(inputs, intermediates_only=True)
            pairs = [(ours[-1], theirs[-1])]
        else:
            theirs = model.forward_intermediates(inputs, intermediates_only=True)
            shapes = {tuple(feature.shape): feature for feature in theirs}
            pairs = [(one, shapes[tuple(one.shape)]) for one in ours if tuple(one.shape) in shapes]
    assert len(pairs) >= (1 if decoder == "dpt" else 4)
    for one, other in pairs:
        assert other.abs().max() > 1e-3
        assert (one - other).abs().max() <= 1e-5 * max(1.0, float(other.abs().max()))


@pytest.mark.parametrize("channels", [1, 2, 4, 5, 8])
@pytest.mark.parametrize(
    ("name", "plain"),
    [(f"fpn/{LITE}", LITE), ("unet/tu-resnet18", "resnet18"), ("unet/resnet18", "resnet18")],
)
def test_a_first_layer_takes_other_channels_as_timm_adapts_it(
    name: str, plain: str, channels: int, tmp_path: Path
) -> None:
    model = timm.create_model(plain)
    save_file(model.state_dict(), tmp_path / "w.safetensors")
    spec = REGISTRY.backbone(name)
    bare = resolve(spec.backbone)(name, channels, 2)
    Weights("sha256:", str(tmp_path / "w.safetensors")).load(spec, bare, name)
    first = next(module for module in bare.encoder.modules() if isinstance(module, nn.Conv2d))
    stored = next(module for module in model.modules() if isinstance(module, nn.Conv2d))
    assert first.in_channels == channels
    assert torch.allclose(first.weight, adapt_input_conv(channels, stored.weight), atol=1e-7)
    # And the statistics that the encoder is fed with go on with the bands.
    network = TaskNetwork(bare, in_channels=channels, residual=False)
    assert network.normalize(torch.zeros(1, channels, 4, 4)).shape == (1, channels, 4, 4)


def test_statistics_are_those_that_an_encoder_states() -> None:
    half = ((0.5,) * 3, (0.5,) * 3)
    assert statistics_of(f"tu-{LITE}") == half
    assert statistics_of("tu-vit_base_patch16_clip_224.openai").mean[0] == pytest.approx(0.4815, abs=1e-4)
    assert statistics_of("tu-vit_base_patch16_siglip_224") == half
    assert statistics_of("tu-beit_base_patch16_224") == half
    assert statistics_of("inceptionv4") == statistics_of("xception") == half
    assert statistics_of("resnet18") == statistics_of("mit_b0") == IMAGENET
    # More channels than three repeat them.
    mean, _ = statistics_of("tu-vit_base_patch16_clip_224.openai").tensors(4)
    assert mean.flatten()[3] == mean.flatten()[0]


@pytest.mark.parametrize(
    ("copy", "own"),
    [
        ("timm-tf_efficientnet_lite0", LITE),
        ("timm-efficientnet-b0", "tf_efficientnet_b0"),
        ("timm-skresnet18", "skresnet18"),
    ],
)
def test_copies_that_compute_something_else_are_refused(
    command: Callable[..., Said], copy: str, own: str
) -> None:
    said = command(
        "plan", "--tasks", "segmentation", "--methods", "supervised", "--backbones", f"unet/{copy}"
    )
    assert said.status == 2
    assert said.err.count("\n") == 1
    assert f"name timm's own, '{own}'" in said.err


def test_packaged_weights_are_pinned_and_fit_strictly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = packaged_weights.find(f"tu-{LITE}")
    assert path is not None
    state = packaged_weights.in_timm_names(torch.load(path, weights_only=True))
    timm.create_model(LITE).load_state_dict(state)
    # In timm's own names, once more, they are left alone.
    assert packaged_weights.in_timm_names(state).keys() == state.keys()
    assert packaged_weights.find("tu-resnet18") is None

    own = packaged_weights.PACKAGED[f"tu-{LITE}"]
    other = replace(own, sha256=hashlib.sha256(b"another file").hexdigest())
    monkeypatch.setitem(packaged_weights.PACKAGED, "tu-other", other)
    with pytest.raises(UsageError, match=r"not the weights that version 0\.1\.0 has; install it again"):
        packaged_weights.find("tu-other")
    monkeypatch.setitem(packaged_weights.PACKAGED, "tu-gone", replace(own, distribution="there-is-none"))
    assert packaged_weights.find("tu-gone") is None


def test_a_file_without_a_tensor_is_not_taken_for_published_weights(tmp_path: Path) -> None:
    torch.save({}, tmp_path / "none.pth")
    network = network_of("unet/mobilenetv3_small_050", SCRATCH).network
    with pytest.raises(UsageError, match=r"none\.pth: no weights .*it holds no tensor"):
        load(network, tmp_path / "none.pth")


def test_weights_that_are_not_numbers_are_refused(tmp_path: Path) -> None:
    model = timm.create_model("mobilenetv3_small_050")
    state = dict(model.state_dict())
    state["conv_stem.weight"] = torch.full_like(state["conv_stem.weight"], torch.nan)
    save_file(state, tmp_path / "nan.safetensors")
    network = network_of("unet/mobilenetv3_small_050", SCRATCH).network
    with pytest.raises(
        UsageError, match=r"nan\.safetensors.*conv_stem\.weight holds values that are not finite"
    ):
        load(network, tmp_path / "nan.safetensors")
