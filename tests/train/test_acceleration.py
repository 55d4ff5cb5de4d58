"""bf16, channels last and compilation: the loss curves of plain float32, and nothing outside of networks is touched."""

from functools import cache
from typing import Any

import pytest
import torch
import torch._functorch.config as functorch
from torch import Tensor, nn

from ssl_bench.backbone import TaskNetwork
from ssl_bench.method import Method
from ssl_bench.plan.settings import resolve_config
from ssl_bench.recipe import PLAIN, Execution, Kind, OptimizerSettings
from ssl_bench.registry.loading import load_registry
from ssl_bench.specs import resolve
from ssl_bench.task import Target, Task
from ssl_bench.testing.toys import RECIPE, TOYS, ToyStream, build_toy, toy_spec
from ssl_bench.train.acceleration import accelerate, in_float32
from ssl_bench.train.trainer import Trainer
from ssl_bench_plugins.backbones.unet_small import SmallUNet

CPU = torch.device("cpu")
REGISTRY = load_registry()
METHODS = ("supervised", "mt", "s4l", "advssl", "gct")
KINDS: tuple[Kind, ...] = ("classification", "regression")
OTHERS = [spec for spec in REGISTRY.sorted("methods") if spec.name not in (*METHODS, "full")]
COMPILED: list[tuple[str, Kind]] = [
    *((name, kind) for kind in KINDS for name in METHODS),
    # Networks of the others are not made otherwise for the other kind.
    *((spec.name, KINDS[bool(spec.unsupported(toy_spec(KINDS[0])))]) for spec in OTHERS),
]
STEPS = {name: 2 if name == "gct" else 3 for name in METHODS}
# From a rate at which GCT's choices between two predictions do not hang on the last digit.
SLOW = RECIPE.model_copy(
    update={"optimizer": OptimizerSettings(name="sgd", learning_rate=0.01, momentum=0.5)}
)
TOLERANCES = {"bf16": 0.02, "channels_last": 2e-3}
"""Largest difference of a loss term to plain float32's over the first steps, as a share of the step's sum of terms."""


def broken(graph: Any, inputs: Any) -> Any:
    raise RuntimeError("no compiler was found\nand a second line")


def built(name: str, kind: Kind, task: Task | None = None) -> Method:
    """The method with small U-Nets, batch normalisation included."""
    toy, spec = task or TOYS[kind](), REGISTRY.method(name)

    def build_network(index: int = 0, backbone: str | None = None) -> TaskNetwork:
        torch.manual_seed(index)
        return TaskNetwork(SmallUNet(3, toy.out_channels), in_channels=3, residual=False)

    torch.manual_seed(0)
    method: Method = resolve(spec.method)(toy, resolve_config(toy_spec(kind), spec, {}), build_network)
    return method.train()


def curve(method: Method, kind: Kind, steps: int) -> list[dict[str, float]]:
    trainer = Trainer(method, SLOW, ToyStream(kind), seed=0)
    return [{name: term.item() for name, term in trainer.step(step).items()} for step in range(steps)]


@cache
def plain(name: str, kind: Kind) -> list[dict[str, float]]:
    return curve(built(name, kind), kind, STEPS[name])


def apart(first: list[dict[str, float]], second: list[dict[str, float]]) -> float:
    return max(
        abs(mine[name] - theirs[name]) / sum(map(abs, theirs.values()))
        for mine, theirs in zip(first, second, strict=True)
        for name in theirs
    )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize(
    ("form", "execution"),
    [("bf16", Execution(precision="bf16")), ("channels_last", Execution(channels_last=True))],
)
def test_loss_curves_are_those_of_plain_float32(
    name: str, kind: Kind, form: str, execution: Execution
) -> None:
    method = built(name, kind)
    accelerate(method, execution, CPU)
    difference = apart(curve(method, kind, STEPS[name]), plain(name, kind))
    assert difference <= TOLERANCES[form]
    assert difference > 0, "the switch does nothing"


@pytest.mark.parametrize(("name", "kind"), COMPILED)
def test_compiled_networks_learn_the_same(name: str, kind: Kind) -> None:
    """Each pass of each network is one graph, without a break: else it would not be compiled, and say so."""
    torch._dynamo.reset()
    spec = REGISTRY.method(name)
    methods = [build_toy(spec, kind) for _ in range(2)]
    networks = accelerate(methods[0], Execution(compile=True), CPU, backend="eager")
    first, second = (curve(method, kind, steps=2) for method in methods)
    assert [network.failure for network in networks] == [None] * len(networks)
    assert all(network._compiled for network in networks)
    # The same operations, traced: not a digit differs.
    assert first == second


class Watchful(Task):
    """A toy task that looks at everything it is given."""

    def __init__(self, task: Task) -> None:
        self.kind, self._task = task.kind, task  # type: ignore[misc]
        self.calls: set[str] = set()

    def _seen(self, name: str, *tensors: Tensor) -> None:
        self.calls.add(name)
        assert not torch.is_autocast_enabled("cpu"), name
        assert all(tensor.dtype == torch.float32 for tensor in tensors), name

    @property
    def out_channels(self) -> int:
        return self._task.out_channels

    def loss(self, logits: Tensor, target: Target) -> Tensor:
        self._seen("loss", logits)
        return self._task.loss(logits, target)

    def activate(self, logits: Tensor) -> Tensor:
        self._seen("activate", logits)
        return self._task.activate(logits)

    def encode(self, target: Target) -> Any:
        self._seen("encode")
        return self._task.encode(target)

    def perturb(self, images: Tensor, *draws: Any) -> Tensor:
        self._seen("perturb", images)
        return self._task.perturb(images, *draws)

    def decode(self, prediction: Tensor) -> Tensor:
        raise NotImplementedError

    def metrics(self) -> Any:
        raise NotImplementedError

    def picture(self, value: Any) -> Any:
        raise NotImplementedError


@pytest.mark.parametrize(
    ("name", "kind"), list(zip(METHODS, [*KINDS, *KINDS, "classification"], strict=True))
)
def test_only_networks_know_of_bf16(name: str, kind: Kind) -> None:
    task = Watchful(TOYS[kind]())
    method = built(name, kind, task)
    accelerate(method, Execution(precision="bf16"), CPU)
    inside: set[tuple[str, torch.dtype]] = set()
    outside: set[torch.dtype] = set()

    def note(owner: str) -> Any:
        return lambda module, inputs, output: inside.add((owner, output.dtype))

    for owner, network in method.named_children():
        network.register_forward_hook(lambda module, inputs, output: outside.add(output.dtype))
        for module in network.modules():
            if isinstance(module, nn.Conv2d):
                module.register_forward_hook(note(owner))
    trainer = Trainer(method, SLOW, ToyStream(kind), seed=0)
    terms = trainer.step(0)
    assert inside == {(owner, torch.bfloat16) for owner, _ in method.named_children()}
    assert outside == {torch.float32}
    assert {term.dtype for term in terms.values()} == {torch.float32}
    assert all(parameter.dtype == torch.float32 for parameter in method.parameters())
    assert "loss" in task.calls
    assert ("perturb" in task.calls) == (name == "mt")


def test_evaluation_is_plain() -> None:
    images = torch.rand(2, 3, 24, 32)
    method, other = built("mt", "regression"), built("mt", "regression")
    networks = accelerate(method, Execution(precision="bf16", compile=True), CPU, backend=broken)
    for one in (method, other):
        one.eval()
    with torch.no_grad():
        assert torch.equal(method.predict(images), other.predict(images))
    assert all(network.failure is None for network in networks)


def test_a_compiled_graph_can_be_gone_through_for_one_player_after_the_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # What the compiler's disk has of a method of one player would be taken for one of several, and break it there.
    monkeypatch.setattr(functorch, "donated_buffer", True)
    accelerate(built("cps", "regression"), Execution(compile=True), CPU, "eager")
    assert not functorch.donated_buffer


def test_the_plain_form_changes_nothing() -> None:
    method = built("mt", "regression")
    assert accelerate(method, PLAIN, CPU) == []
    assert all("forward" not in vars(module) for module in method.modules())


def test_weights_are_saved_under_their_own_names() -> None:
    method, other = built("gct", "regression"), built("gct", "regression")
    accelerate(method, Execution(precision="bf16", channels_last=True, compile=True), CPU)
    state = method.state_dict()
    assert list(state) == list(other.state_dict())
    assert any(
        value.dim() == 4 and value.is_contiguous(memory_format=torch.channels_last)
        for value in state.values()
    )
    other.load_state_dict(state)
    assert all(value.is_contiguous() for value in other.state_dict().values())


def test_what_cannot_be_compiled_runs_as_it_is_and_says_so(capfd: pytest.CaptureFixture[str]) -> None:
    torch._dynamo.reset()
    method, reference = built("mt", "classification"), built("mt", "classification")
    networks = accelerate(method, Execution(compile=True), CPU, backend=broken)
    assert curve(method, "classification", 2) == curve(reference, "classification", 2)
    # Nothing was computed before it failed, so running statistics are the same.
    for name, value in reference.state_dict().items():
        assert torch.equal(value, method.state_dict()[name]), name
    said = capfd.readouterr().out
    assert [network.name for network in networks] == ["student", "teacher"]
    for network in networks:
        assert network.failure is not None
        assert "no compiler was found" in network.failure
        assert "second line" not in network.failure
        assert said.count(f"network '{network.name}' is not compiled, and runs as it is: ") == 1


def test_a_fault_of_the_network_is_not_blamed_on_the_compiler() -> None:
    torch._dynamo.reset()
    method = built("supervised", "regression")
    accelerate(method, Execution(compile=True), CPU, backend="eager")
    with pytest.raises(RuntimeError, match="size of tensor"):
        method.predict(torch.rand(1, 5, 16, 16))


def test_networks_in_lists_are_found() -> None:
    class Pair(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.both = nn.ModuleList([nn.Conv2d(3, 2, 1), nn.Conv2d(3, 2, 1)])
            self.named = nn.ModuleDict({"head": nn.Linear(3, 1)})

    networks = accelerate(Pair(), Execution(precision="bf16"), CPU)  # type: ignore[arg-type]
    assert [network.name for network in networks] == ["both.0", "both.1", "named.head"]


def test_results_in_any_form_are_float32() -> None:
    low = torch.ones(2, dtype=torch.bfloat16)
    target = in_float32(Target(low, torch.ones(2, dtype=torch.bool)))
    assert isinstance(target, Target)
    assert (target.value.dtype, target.valid.dtype) == (torch.float32, torch.bool)
    nested = in_float32({"a": [low, (low.double(), 3)], "b": None})
    assert nested["a"][0].dtype == torch.float32
    assert nested["a"][1][0].dtype == torch.float64
    assert nested["a"][1][1] == 3
    assert nested["b"] is None
