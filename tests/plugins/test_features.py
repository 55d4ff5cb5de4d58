"""Where a network's encoder ends: its features, and the way from them to logits."""

import copy
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from ssl_bench.backbone import TaskNetwork
from ssl_bench.errors import PluginError
from ssl_bench.hookspecs import hookimpl
from ssl_bench.plan.plan import Request, make_plan
from ssl_bench.recipe import Execution
from ssl_bench.registry.loading import load_registry
from ssl_bench.specs import BackboneSpec, resolve
from ssl_bench.testing.parts import backbone_checks
from ssl_bench.train.acceleration import accelerate
from ssl_bench.world.forwards import Forwards
from ssl_bench_plugins.backbones.dhdn import DHDN
from ssl_bench_plugins.backbones.dpt import DPT
from ssl_bench_plugins.backbones.smp import DECODERS, SmpNetwork

REGISTRY = load_registry()
SMALL = "mobilenetv3_small_050"
DILATED = ("deeplabv3", "deeplabv3plus", "pan")
NAMES = [
    "unet-small",
    "hdrnet",
    "dhdn",
    "dpt-of-14-px",
    "dpt-of-16-px",
    "deeplabv2/resnet18",
    "deeplabv2-os8/resnet18",
    *(
        f"{decoder}/{'mobilenet_v2' if decoder in DILATED else SMALL}"
        for decoder in DECODERS
        if decoder != "dpt"
    ),
]


def build(name: str, out_channels: int = 3) -> nn.Module:
    """The network of a name, the largest families in a narrow form."""
    torch.manual_seed(0)
    if name == "dhdn":
        return DHDN(3, out_channels, widths=(4, 8, 16, 32))
    if name.startswith("dpt-of"):
        encoder = "tu-vit_small_patch14_reg4_dinov2" if "14" in name else "tu-vit_small_patch16_224"
        narrow = {"embed_dim": 24, "num_heads": 2, "dynamic_img_size": True, "encoder_weights": None}
        model = DPT(encoder_name=encoder, in_channels=3, classes=out_channels, **narrow)
        return SmpNetwork(model, encoder, 3)
    made: nn.Module = resolve(REGISTRY.backbone(name).backbone)(name, 3, out_channels)
    return made


def test_every_built_in_family_says_that_it_has_them() -> None:
    assert all(spec.has_features for spec in REGISTRY.sorted("backbones"))


@pytest.mark.parametrize("name", NAMES)
def test_the_forward_pass_is_features_and_what_they_make(name: str) -> None:
    network = TaskNetwork(build(name), in_channels=3, residual=True).eval()
    images = torch.rand(2, 3, *((130, 140) if name.startswith("pan") else (45, 70)))
    channels = network.feature_channels()
    with torch.no_grad():
        features = network.features(images)
        kept = [level.clone() for level in features]
        logits = network(images)
        assert torch.equal(network.from_features(features, images), logits)
        assert all(torch.equal(*pair) for pair in zip(kept, features, strict=True))
        assert [level.shape[1] for level in features] == channels
        assert all(len(level) == 2 and level.dim() == 4 for level in features)
        # The deepest one comes last, and counts.
        assert features[-1].shape[-1] == min(level.shape[-1] for level in features)
        for layer in network.network.head.modules():
            if isinstance(layer, nn.Conv2d):  # One that starts at zero hides all.
                layer.reset_parameters()
        again = network(images)
        changed = network.from_features(
            [*features[:-1], features[-1] + torch.randn_like(features[-1])], images
        )
        assert not torch.equal(changed, again)


@pytest.mark.parametrize("name", NAMES)
def test_a_decoder_without_its_encoder(name: str) -> None:
    whole = TaskNetwork(build(name), in_channels=3, residual=False)
    images = torch.rand(2, 3, *((128, 128) if name.startswith("pan") else (64, 96)))
    with torch.no_grad():
        features = whole.eval().features(images)
    decoder = copy.deepcopy(whole).shed_encoder()
    with torch.no_grad():
        assert torch.equal(decoder.from_features(features, images), whole.from_features(features, images))
    decoder.train()
    decoder.from_features(features, images).square().mean().backward()
    # Nothing is kept that nobody trains, but for what the decoder itself never reads.
    idle = [key for key, parameter in decoder.named_parameters() if parameter.grad is None]
    assert not idle, idle
    assert len([*decoder.parameters()]) < len([*whole.parameters()])


@pytest.mark.parametrize(
    "name", ["unet-small", "hdrnet", "dpt-of-14-px", "deeplabv2/resnet18", f"fpn/{SMALL}"]
)
def test_compiled_halves_are_the_same_and_learn(name: str) -> None:
    torch._dynamo.reset()
    images = torch.rand(2, 3, 45, 70)

    class Halves(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = TaskNetwork(build(name), in_channels=3, residual=False)

    plain, compiled = Halves(), Halves()
    (network,) = accelerate(compiled, Execution(compile=True), torch.device("cpu"), backend="eager")  # type: ignore[arg-type]
    for method in (plain, compiled):
        torch.manual_seed(1)
        method.train()
        model = method.model
        logits = model.from_features([level * 0.5 for level in model.features(images)], images)
        logits.square().mean().backward()
    assert network.failure is None
    assert network._compiled
    for one, other in zip(plain.parameters(), compiled.parameters(), strict=True):
        assert (one.grad is None) == (other.grad is None)
        assert one.grad is None or torch.equal(one.grad, other.grad)  # type: ignore[arg-type]
    assert torch.equal(plain.eval().model(images), compiled.eval().model(images))


def test_halves_in_bf16_give_float32() -> None:
    class Halves(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = TaskNetwork(build("unet-small"), in_channels=3, residual=False)

    method = Halves().train()
    accelerate(method, Execution(precision="bf16"), torch.device("cpu"))  # type: ignore[arg-type]
    images = torch.rand(2, 3, 16, 16)
    features = method.model.features(images)
    exact = TaskNetwork(build("unet-small"), in_channels=3, residual=False).train().features(images)
    assert all(level.dtype == torch.float32 for level in features)
    assert not torch.equal(features[-1], exact[-1])
    assert method.model.from_features(features, images).dtype == torch.float32


@pytest.mark.parametrize(("mode", "passes"), [("joint", [5]), ("separate", [2, 3])])
def test_halves_share_a_pass_as_the_recipe_has_it(mode: Any, passes: list[int]) -> None:
    network = TaskNetwork(build("unet-small"), in_channels=3, residual=False).train()
    seen: list[tuple[str, int]] = []
    network.network.encoder[0].register_forward_hook(
        lambda _, given, __: seen.append(("features", len(given[0])))
    )
    network.network.head.register_forward_hook(lambda _, given, __: seen.append(("logits", len(given[0]))))
    images, forward = torch.rand(5, 3, 16, 16), Forwards(mode)
    features = forward.features(network, images, 2)
    logits = forward.from_features(network, features, images, 2)
    assert seen == [(name, rows) for name in ("features", "logits") for rows in passes]
    assert forward.used
    parts = [images] if mode == "joint" else [images[:2], images[2:]]
    expected = torch.cat([network(part) for part in parts])
    torch.testing.assert_close(logits, expected, rtol=0, atol=0)


class Plain(nn.Module):
    """A network that shows no features."""

    def __init__(self, out_channels: int = 5) -> None:
        super().__init__()
        self.head = nn.Conv2d(3, out_channels, 3, padding=1)

    def forward(self, inputs: Tensor) -> Tensor:
        logits: Tensor = self.head(inputs)
        return logits


def test_a_network_without_them_says_so() -> None:
    network = TaskNetwork(Plain(), in_channels=3, residual=False)
    assert not network.has_features
    for call in (
        network.feature_channels,
        network.shed_encoder,
        lambda: network.features(torch.rand(1, 3, 8, 8)),
    ):
        with pytest.raises(
            PluginError, match=r"Plain has no `features` and `from_features`; .*`without_features`"
        ):
            call()


class Wrong(Plain):
    encoding = ()

    def features(self, inputs: Tensor) -> list[Tensor]:
        return [inputs]

    def from_features(self, features: list[Tensor], inputs: Tensor) -> Tensor:
        logits: Tensor = self.head(features[0].relu())
        return logits


class InPlace(Wrong):
    def from_features(self, features: list[Tensor], inputs: Tensor) -> Tensor:
        logits: Tensor = self.head(features[0].relu_())
        return logits


class Cut(Wrong):
    encoding = ("head",)

    def from_features(self, features: list[Tensor], inputs: Tensor) -> Tensor:
        logits: Tensor = self.head(features[0])
        return logits


@pytest.mark.parametrize(
    ("network", "words"),
    [
        (Plain, "the network has no `features`"),
        (Wrong, "is not what `forward` gives"),
        (InPlace, "changes what it is given"),
        (Cut, "needs a part that `encoding` names"),
    ],
)
def test_the_check_of_a_backbone_looks_at_them(network: type[Plain], words: str) -> None:
    spec = BackboneSpec(name="n", backbone=lambda name, inputs, outputs: network(outputs), has_features=True)
    (found,) = [sentence for _, check in backbone_checks(spec, "n") if (sentence := check())]
    assert words in found


def registry_with_plain() -> Any:
    spec = BackboneSpec(name="plain", backbone=lambda name, inputs, outputs: Plain(outputs))
    return load_registry([SimpleNamespace(__name__="plain", provide_backbones=hookimpl(lambda: [spec]))])


def test_what_needs_them_is_skipped_in_the_plan_with_the_reason() -> None:
    plan = make_plan(
        registry_with_plain(), Request(tasks="night", methods="mt,s4l", control=False, backbones="plain")
    )
    assert [cell.method for cell in plan.cells] == ["mt"]
    (skipped,) = plan.skipped
    assert skipped.title == "night · s4l"
    assert skipped.reason == (
        "network 'plain' shows no features: s4l.head_input=features reads them; name another by --backbones, or set "
        "s4l.head_input=output"
    )
    request = Request(
        tasks="night", methods="s4l", control=False, backbones="plain", settings=("s4l.head_input=output",)
    )
    assert len(make_plan(registry_with_plain(), request).cells) == 1
