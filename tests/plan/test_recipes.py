"""What a recipe says beside budget and optimiser: who shares a forward pass, and what of a network is frozen."""

import copy
import io
import itertools
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import timm
import torch
from conftest import Said
from torch import Tensor, nn
from written import render

from ssl_bench.backbone import TaskNetwork
from ssl_bench.errors import PluginError, UsageError
from ssl_bench.method import Batch, Losses, Method, Player, Progress
from ssl_bench.plan.cell import Cell
from ssl_bench.plan.order import Order
from ssl_bench.plan.plan import Request, make_plan
from ssl_bench.plan.settings import resolve_config
from ssl_bench.recipe import LATER, Execution, Forward, Kind, OptimizerSettings, Recipe, flat, in_words
from ssl_bench.registry.loading import load_registry
from ssl_bench.seeds import digest
from ssl_bench.specs import BackboneSpec, resolve
from ssl_bench.store.results import ResultStore, read_records
from ssl_bench.task import DenseTarget, Target
from ssl_bench.testing import TOYS, ToyStream
from ssl_bench.testing.parts import backbone_checks
from ssl_bench.testing.toys import RECIPE, ToyNetwork, toy_spec
from ssl_bench.train.trainer import Trainer
from ssl_bench.use.trained import load_trained
from ssl_bench.worker.worker import run_cell
from ssl_bench.world.batch_norm import synchronise
from ssl_bench.world.forwards import Forwards
from ssl_bench.world.part import Draws
from ssl_bench_plugins.backbones.unet_small import SmallUNet
from ssl_bench_plugins.methods import flaw_detector

REGISTRY = load_registry()
LABELED, ROWS, SIDE = 2, 6, 40
VARIANTS: list[tuple[str, dict[str, Any]]] = [
    *((spec.name, {}) for spec in REGISTRY.sorted("methods") if spec.uses_unlabeled),
    ("gct", {"low_memory": True}),
    ("gct", {"constraints_on": "all"}),
]
Command = Callable[..., Said]


@pytest.fixture(autouse=True)
def narrow_detector(monkeypatch: pytest.MonkeyPatch) -> None:
    """No rule here depends on F's width, and the time does."""
    narrow = tuple((channels // 16, stride) for channels, stride in flaw_detector.LAYERS)
    monkeypatch.setattr(flaw_detector, "LAYERS", narrow)


def make(
    name: str, kind: Kind, layers: Callable[[int], nn.Module], frozen: Mapping[str, Any], **settings: Any
) -> Method:
    """A method on a toy task, with networks of their own seeds; predictions keep the precision of logits."""
    parent = TOYS[kind]

    class Exact(parent):  # type: ignore[misc, valid-type]
        def activate(self, logits: Tensor) -> Tensor:
            return logits.softmax(1) if kind == "classification" else logits

        def encode(self, target: Target) -> DenseTarget:
            value, valid = super().encode(target)
            return DenseTarget(value.to(next(method.parameters()).dtype), valid)

    task, spec = Exact(), REGISTRY.method(name)

    def build_network(index: int = 0, backbone: str | None = None) -> TaskNetwork:
        torch.manual_seed(index)
        return TaskNetwork(layers(task.out_channels), in_channels=3, residual=False, **frozen)

    torch.manual_seed(7)
    config = resolve_config(toy_spec(kind), spec, settings)
    method: Method = resolve(spec.method)(task, config, build_network)
    return method.train()


def plain(channels: int) -> nn.Module:
    return ToyNetwork(nn.Conv2d(3, 6, 3, padding=1), nn.Tanh(), nn.Conv2d(6, channels, 1))


def normalised(channels: int) -> nn.Module:
    return ToyNetwork(nn.Conv2d(3, 6, 3, padding=1), nn.BatchNorm2d(6), nn.Tanh(), nn.Conv2d(6, channels, 1))


def with_dropout(channels: int) -> nn.Module:
    return ToyNetwork(*normalised(channels), nn.Dropout(0.1))


def rows(kind: Kind) -> Batch:
    """Bright labelled rows and dark unlabelled ones."""
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(ROWS, 3, SIDE, SIDE, generator=generator).double() * 0.2
    images[:LABELED] += 0.7
    valid = torch.ones(ROWS, 1, SIDE, SIDE, dtype=torch.bool)
    valid[1, :, :9], valid[4, :, :, 30:] = False, False
    if kind == "classification":
        value = torch.randint(0, 3, (LABELED, SIDE, SIDE), generator=generator) * valid[:LABELED, 0]
    else:
        value = torch.rand(LABELED, 1, SIDE, SIDE, generator=generator).double() * valid[:LABELED]
    return Batch(images, valid, Target(value, valid[:LABELED]))


def step(method: Method, mode: Forward) -> dict[str, Tensor]:
    """Every term and every gradient of one iteration, without a step."""
    torch.manual_seed(1)
    progress = Progress(5, 10, 1.0, Draws(torch.Generator().manual_seed(0)), Forwards(mode))
    found = {}
    for losses in method.losses(rows(method.task.kind), progress):
        for player, terms in losses.items():
            found |= {f"{player}/{name}": term.detach() for name, term in terms.items()}
            total = torch.stack(list(terms.values())).sum()
            gradients = torch.autograd.grad(total, method.players()[player].parameters(), retain_graph=True)
            found |= {f"{player} {number}": gradient for number, gradient in enumerate(gradients)}
    return found


# Who shares a forward pass


@pytest.mark.parametrize("kind", TOYS)
@pytest.mark.parametrize(("name", "settings"), VARIANTS)
def test_joint_and_separate_passes_agree_without_batch_norm(
    name: str, settings: Mapping[str, Any], kind: Kind
) -> None:
    joint, apart = (
        step(make(name, kind, plain, {}, **settings).double(), mode) for mode in ("joint", "separate")
    )
    assert joint.keys() == apart.keys()
    for what, value in joint.items():
        torch.testing.assert_close(
            apart[what], value, rtol=1e-9, atol=1e-12, msg=lambda text, what=what: f"{what}: {text}"
        )


@pytest.mark.parametrize("kind", TOYS)
@pytest.mark.parametrize(("name", "settings"), VARIANTS)
def test_they_differ_with_it_and_not_where_it_is_frozen(
    name: str, settings: Mapping[str, Any], kind: Kind
) -> None:
    def apart(**frozen: str) -> float:
        first, second = (
            step(make(name, kind, normalised, frozen, **settings).double(), mode)
            for mode in ("joint", "separate")
        )
        return max((first[what] - second[what]).abs().max().item() for what in first if "/task" in what)

    assert apart() > 1e-3
    assert apart(batch_norm="frozen") < 1e-12


@pytest.mark.parametrize(("name", "settings", "layers"), [
    *((name, settings, normalised) for name, settings in VARIANTS),
    ("gct", {}, with_dropout),
])  # fmt: skip
def test_no_pass_of_a_task_network_holds_rows_of_both_kinds(
    name: str, settings: Mapping[str, Any], layers: Callable[[int], nn.Module]
) -> None:
    def passes(mode: Forward) -> list[set[bool]]:
        method, seen = make(name, "classification", layers, {}, **settings).double(), []
        for part in method.modules():
            if isinstance(part, TaskNetwork):
                watch(part, seen)
        step(method, mode)
        return seen

    assert {True, False} in passes("joint")
    assert {True, False} not in passes("separate")
    assert {True} in passes("separate")
    assert {False} in passes("separate")


def watch(network: TaskNetwork, seen: list[set[bool]]) -> None:
    """Note of each pass, and of each half of one, whether rows are bright."""

    def noting(run: Callable[..., Any]) -> Callable[..., Any]:
        def noted(*inputs: Any) -> Any:
            seen.append({bool(row.mean() > 0.5) for row in inputs[-1]})
            return run(*inputs)

        return noted

    for name in ("forward", "features", "from_features"):
        setattr(network, name, noting(getattr(network, name)))


class Stubborn(Method):
    """Calls its network itself."""

    def __init__(self) -> None:
        super().__init__(TOYS["regression"](), None, lambda *a, **k: None)  # type: ignore[arg-type,return-value]
        self.model = TaskNetwork(plain(1), in_channels=3, residual=False)

    @property
    def deployed(self) -> nn.Module:
        return self.model

    def players(self) -> Mapping[str, Player]:
        return {"model": Player(self.model)}

    def losses(self, batch: Batch, progress: Progress) -> Iterator[Losses]:
        yield {"model": {"size": self.model(batch.images).square().mean()}}


def test_a_method_that_calls_its_networks_itself_serves_joint_recipes_alone() -> None:
    apart = RECIPE.model_copy(update={"forward": "separate"})
    Trainer(Stubborn(), RECIPE, ToyStream("regression"), seed=0).step(0)
    Trainer(Stubborn(), apart, ToyStream("regression", uses_unlabeled=False), seed=0).step(0)
    with pytest.raises(PluginError, match=r"^forward=separate: Stubborn\.losses calls its networks itself"):
        Trainer(Stubborn(), apart, ToyStream("regression"), seed=0).step(0)


def test_rows_come_back_in_their_order() -> None:
    images = torch.rand(5, 3, 4, 4)
    for mode, labeled in itertools.product(("joint", "separate"), (0, 2, 5)):
        assert torch.equal(Forwards(mode)(nn.Identity(), images, labeled), images)  # type: ignore[arg-type]


# What is frozen


@pytest.mark.parametrize(
    "name", [spec.name for spec in REGISTRY.sorted("methods") if not spec.config().with_frozen_encoder()]
)
def test_a_frozen_encoder_stays_as_it_is_for_ever(name: str) -> None:
    uses_unlabeled = REGISTRY.method(name).uses_unlabeled
    settings = REGISTRY.method(name).check_with
    method = make(
        name, "regression", lambda channels: SmallUNet(3, channels), {"encoder": "frozen"}, **settings
    )
    networks = {key: part for key, part in method.named_modules() if isinstance(part, TaskNetwork)}
    start = {key: copy.deepcopy(part.state_dict()) for key, part in networks.items()}
    stream = ToyStream("regression", uses_unlabeled=uses_unlabeled)
    trainer = Trainer(method, RECIPE, stream, seed=0, micro_batches=2)
    # To the end, when every snapshot is taken.
    for number in range(RECIPE.iterations):
        trainer.step(number)
        method.eval()
        method.train()
    for key, part in networks.items():
        assert part.training
        assert part.network.decoder[0][1].training
        assert not any(module.training for module in part.network.encoder.modules())
        for what, value in part.state_dict().items():
            same = torch.equal(value, start[key][what])
            assert same == what.startswith("network.encoder") or what.endswith("head.bias"), (key, what)


@pytest.mark.parametrize("name", ["mt", "gct"])
def test_frozen_statistics_stay_while_scale_and_shift_learn(name: str) -> None:
    method = make(name, "regression", normalised, {"batch_norm": "frozen"})
    if name == "gct":
        before = copy.deepcopy(dict(method.named_modules())["detector"].state_dict())
    trainer = Trainer(method, RECIPE, ToyStream("regression"), seed=0)
    for number in range(3):
        trainer.step(number)
        method.eval()
        method.train()
    for key, part in method.named_modules():
        if isinstance(part, TaskNetwork):
            layer = part.network[1]
            assert not layer.training, key
            assert not layer.running_mean.any()
            assert bool((layer.running_var == 1).all())
            assert layer.num_batches_tracked == 0
            assert not bool((layer.weight == 1).all())
            assert layer.bias.any()
    if name == "gct":
        # Only task networks: F's statistics move.
        after = dict(method.named_modules())["detector"].state_dict()
        assert any(not torch.equal(after[what], before[what]) for what in before if "running_mean" in what)


def test_copies_and_processes_keep_what_is_frozen() -> None:
    network = TaskNetwork(SmallUNet(3, 2), in_channels=3, residual=False, batch_norm="frozen").train()
    assert not network.network.encoder[0][0][1].training
    for twin in (network, copy.deepcopy(network)):
        synchronise(twin)
        # Frozen statistics need nobody else's; those of a batch would ask a process group that is not there.
        twin.train()(torch.rand(2, 3, 16, 16))
    free = TaskNetwork(SmallUNet(3, 2), in_channels=3, residual=False)
    synchronise(free)
    with pytest.raises(ValueError, match="process group"):
        free(torch.rand(2, 3, 16, 16))


def test_a_network_whose_spec_is_wrong_about_its_encoder() -> None:
    with pytest.raises(PluginError, match="Sequential has no `encoder` to freeze"):
        TaskNetwork(nn.Sequential(*plain(1)), in_channels=3, residual=False, encoder="frozen")


def test_optimizer_state_of_groups_survives_a_resume() -> None:
    optimizer = OptimizerSettings(name="adam", encoder_multiplier=0.1, head_multiplier=5)
    recipe = RECIPE.model_copy(update={"optimizer": optimizer, "forward": "separate"})

    def trainer() -> Trainer:
        method = make("s4l", "regression", lambda channels: SmallUNet(3, channels), {})
        return Trainer(method, recipe, ToyStream("regression"), seed=0)

    straight, stopped, resumed = trainer(), trainer(), trainer()
    for number in range(4):
        straight.step(number)
    for number in range(2):
        stopped.step(number)
    buffer = io.BytesIO()
    torch.save(stopped.state_dict(), buffer)
    buffer.seek(0)
    resumed.load_state_dict(torch.load(buffer, weights_only=True))
    for number in range(2, 4):
        resumed.step(number)
    state, again = straight.method.state_dict(), resumed.method.state_dict()
    assert all(torch.equal(value, again[what]) for what, value in state.items())
    rates = [group["lr"] for group in straight.optimizers["model"].param_groups]
    assert [rate / rates[0] for rate in rates] == pytest.approx([1, 0.1, 5])


# What a plan says


def ordered(*settings: str, **request: Any) -> tuple[Order, ...]:
    arguments = {"tasks": "segmentation", "methods": "supervised", "settings": settings}
    return make_plan(REGISTRY, Request(**{"control": False, **arguments, **request})).orders


def planned(*settings: str, **request: Any) -> tuple[Cell, ...]:
    return tuple(order.cell for order in ordered(*settings, **request))


def test_later_fields_at_their_default_are_not_stored() -> None:
    recipe = Recipe(iterations=1)
    content = flat(recipe.model_dump(mode="json"))
    assert {name: content[name] for name in LATER} == dict(LATER)
    assert flat(recipe.stored()) == {name: value for name, value in content.items() if name not in LATER}
    (base,) = planned()
    same = planned("segmentation.forward=joint", "segmentation.optimizer.encoder_multiplier=1")
    assert [cell.id for cell in same] == [base.id]
    ids = {planned(setting)[0].id for setting in (
        "segmentation.forward=separate",
        "segmentation.batch_norm=frozen",
        "segmentation.optimizer.encoder_multiplier=0.1",
    )}  # fmt: skip
    assert len({*ids, base.id}) == 4


def test_committed_records_keep_their_ids() -> None:
    folder = Path(__file__).parents[2] / "leaderboards" / "records"
    records = list(read_records(folder))
    assert len(records) >= 24
    for record in records:
        cell, config = record.cell, record.config
        stated = {
            "trials": None,
            "pretrained": "",
            **cell.to_json(),
            "split": cell.split,
            "execution": Execution(**cell.execution),
            "recipe": Recipe.model_validate(config.recipe).stored(),
            "config": config.method,
            "providers": record.providers,
        }
        identity = Cell.__dict__["identity"].func(SimpleNamespace(**stated))
        assert cell.id.endswith(digest(identity, 10)), cell.id


ENCODER = "mobilenetv3_small_050"


@pytest.mark.parametrize(
    ("settings", "request_", "words"),
    [
        (
            ["segmentation.encoder=frozen"],
            {"backbones": "unet-small"},
            "the encoder of 'unet-small' would stay at random weights; name an",
        ),
        (
            ["segmentation.encoder=frozen"],
            {"backbones": f"unet/{ENCODER}", "pretrained": False},
            f"the encoder of 'unet/{ENCODER}' would stay at random weights; give --pretrained or --weights FILE",
        ),
        (["segmentation.encoder=frozen"], {"backbones": "hdrnet"}, "network 'hdrnet' has no part that is its enc"),
        (
            ["segmentation.encoder=frozen", "gct.second_backbone=unet-small"],
            {"backbones": f"unet/{ENCODER}", "methods": "gct", "pretrained": True},
            "the encoder of 'unet-small' would stay",
        ),
        (
            ["segmentation.optimizer.encoder_multiplier=0.1"],
            {"backbones": "dhdn"},
            "encoder_multiplier=0.1: network 'dhdn' has no part",
        ),
        (["segmentation.encoder=half"], {}, "segmentation.encoder=half: input should be 'train' or 'frozen'"),
        (
            ["gct.detector_norm=ibn", "segmentation.crop=91"],
            {"methods": "gct"},
            "segmentation.gct: detector_norm=ibn has a map of one cell, and so tells nothing, below 92 px, and the "
            "crop is 91; set detector_norm=batch or a larger crop",
        ),
    ],
)  # fmt: skip
def test_what_no_network_can_follow_is_found_with_the_plan(
    settings: list[str], request_: Mapping[str, Any], words: str
) -> None:
    with pytest.raises(UsageError) as caught:
        planned(*settings, **request_)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_they_can_follow_is_planned() -> None:
    (cell,) = planned("segmentation.encoder=frozen", backbones=f"unet/{ENCODER}", pretrained=True)
    assert cell.recipe["encoder"] == "frozen"
    assert planned("gct.detector_norm=ibn", "segmentation.crop=92", methods="gct")


@pytest.mark.parametrize(("spec", "name"), [
    (spec, name)
    for spec in REGISTRY.sorted("backbones")
    for name in ("unet-small", "hdrnet", "dhdn", "deeplabv2/resnet18", f"fpn/{ENCODER}")
    if REGISTRY.backbone(name) is spec and name != "dhdn"
])  # fmt: skip
def test_networks_have_the_encoder_that_their_spec_speaks_of(spec: BackboneSpec, name: str) -> None:
    encoder = getattr(resolve(spec.backbone)(name, 3, 2), "encoder", None)
    assert isinstance(encoder, nn.Module) == spec.has_encoder


def test_a_spec_that_speaks_of_an_encoder_that_is_not_there_is_found() -> None:
    spec = BackboneSpec(
        name="plain",
        backbone=lambda name, inputs, outputs: nn.Sequential(*plain(outputs)),
        has_encoder=True,
    )
    found = [sentence for _, check in backbone_checks(spec, "plain") if (sentence := check())]
    assert found == ["`BackboneSpec.has_encoder` is set, and the network has no module `encoder`"]


def test_words() -> None:
    recipe = Recipe(iterations=1)
    assert in_words(recipe.stored()) == ""
    settings = {"forward": "separate", "batch_norm": "frozen", "optimizer": {"encoder_multiplier": 0.1}}
    every = Recipe(iterations=1, **settings)
    assert in_words(every.stored()) == "separate forwards, BatchNorm frozen, encoder rate × 0.1"
    # A frozen encoder has no rate.
    assert in_words({**every.stored(), "encoder": "frozen"}) == (
        "separate forwards, BatchNorm frozen, encoder frozen"
    )
    # As a record of unknown origin may have it.
    assert in_words({"optimizer": 3, "forward": ["separate"], "encoder": None}) == ""


def test_plan_and_tables_say_so(command: Command) -> None:
    said = command("plan", "--tasks", "night", "--set", "night.forward=separate")
    assert said.status == 0
    assert said.out.splitlines()[0].endswith("test images, separate forwards")
    (record,) = itertools.islice(read_records(Path(__file__).parents[1] / "golden"), 1)
    for changes, words in (({"forward": "separate", "batch_norm": "frozen"}, True), ({}, False)):
        changed = json.loads(json.dumps(record.to_json()))
        changed["config"]["recipe"] |= changes
        text = render([changed])["leaderboard.md"]
        assert ("separate forwards, BatchNorm frozen" in text) == words


def test_a_cell_with_all_of_it_runs_and_predicts(tmp_path: Path) -> None:
    torch.manual_seed(7)
    stored = timm.create_model(ENCODER).state_dict()
    torch.save(stored, tmp_path / "w.pth")
    settings = ("iterations=2", "crop=32", "forward=separate", "encoder=frozen", "batch_norm=frozen")
    (order,) = ordered(
        *(f"segmentation.{setting}" for setting in settings),
        methods="mt",
        backbones=f"pspnet/{ENCODER}",
        weights=str(tmp_path / "w.pth"),
    )
    folder = ResultStore(tmp_path / "runs").stage(order).path
    run_cell(folder, torch.device("cpu"), REGISTRY)
    (record,) = read_records(tmp_path / "runs")
    assert record.config.recipe["encoder"] == "frozen"
    trained = load_trained(folder, registry=REGISTRY)
    state = trained.method.deployed.state_dict()
    (stem,) = (name for name in state if name.endswith("conv_stem.weight"))
    (mean,) = (name for name in state if name.endswith("encoder.model.bn1.running_mean"))
    assert torch.equal(state[stem], stored["conv_stem.weight"])
    assert torch.equal(state[mean], stored["bn1.running_mean"])
    assert trained.activations(torch.rand(1, 3, 40, 40)).shape[-2:] == (40, 40)
