"""S4L against its equation, on square and other images."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ssl_bench.backbone import TaskNetwork
from ssl_bench.method import Batch, Progress
from ssl_bench.plan.settings import resolve_config
from ssl_bench.recipe import Kind
from ssl_bench.registry.loading import load_registry
from ssl_bench.task import Target
from ssl_bench.testing import TOYS
from ssl_bench.testing.toys import ToyNetwork, toy_spec
from ssl_bench.world.part import Draws
from ssl_bench_plugins.methods.paper_configs import S4LConfig
from ssl_bench_plugins.methods.s4l import S4L

LABELED, ROWS = 3, 8


class NetworkWithHead(ToyNetwork):
    @property
    def head(self) -> nn.Module:
        return self[-1]


def make(kind: Kind = "classification", **settings: Any) -> S4L:
    task = TOYS[kind]()

    def build_network(index: int = 0, backbone: str | None = None) -> TaskNetwork:
        torch.manual_seed(index)
        layers = NetworkWithHead(nn.Conv2d(3, 6, 3, padding=1), nn.Tanh(), nn.Conv2d(6, task.out_channels, 1))
        return TaskNetwork(layers, in_channels=3, residual=False)

    method = S4L(task, S4LConfig(**settings), build_network).train()
    # Without batch statistics each row stands for itself, so passes of any grouping can be compared.
    for index in (1, 4):
        method.rotation_head[index] = nn.Identity()
    return method


def make_batch(kind: Kind, height: int, width: int) -> Batch:
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(ROWS, 3, height, width, generator=generator)
    valid = torch.ones(ROWS, 1, height, width, dtype=torch.bool)
    known = valid[:LABELED].clone()
    known[0, :, 2:9, 1:6] = False
    known[1, :, :5] = False
    value: Tensor
    if kind == "classification":
        value = torch.randint(0, 3, (LABELED, height, width), generator=generator) * known[:, 0]
    else:
        value = torch.rand(LABELED, 1, height, width, generator=generator) * known
    return Batch(images, valid, Target(value, known))


def deepest(method: S4L, image: Tensor, turn: int) -> Tensor:
    """What comes before the last layer."""
    (features,) = method.model.features(torch.rot90(image, turn, (2, 3)))
    assert features.shape[1] == 6
    return features


def progress() -> Progress:
    return Progress(0, 10, 1.0, Draws(torch.Generator().manual_seed(3)))


@pytest.mark.parametrize("kind", TOYS)
@pytest.mark.parametrize("size", [(16, 16), (12, 20)])
@pytest.mark.parametrize("head_input", ["output", "features"])
def test_losses_equal_the_equation_row_by_row(kind: Kind, size: tuple[int, int], head_input: str) -> None:
    method = make(kind, lambda_s4l=0.7, w_rot=0.3, head_input=head_input)
    batch = make_batch(kind, *size)
    (losses,) = method.losses(batch, progress())
    turns = progress().draws.randint(1, 4, ROWS).tolist()
    assert set(turns) == {1, 2, 3}
    # One row and one pixel at a time.
    votes, errors = [], []
    for row in range(ROWS):
        for turn in (0, turns[row]):
            logits = method.model(torch.rot90(batch.images[row : row + 1], turn, (2, 3)))
            read = logits if head_input == "output" else deepest(method, batch.images[row : row + 1], turn)
            votes.append(F.cross_entropy(method.rotation_head(read), torch.tensor([turn])))
            if row < LABELED and turn:
                value, valid = (torch.rot90(part[row], turn, (-2, -1)) for part in batch.targets)
                if kind == "classification":
                    pixels = F.cross_entropy(
                        logits[0].movedim(0, -1)[valid[0]], value[valid[0]], reduction="none"
                    )
                else:
                    pixels = (logits[0] - value)[valid] ** 2
                errors.append(pixels)
    assert losses["model"]["rotation"].item() == pytest.approx(
        0.7 * torch.stack(votes).mean().item(), rel=1e-5
    )
    assert losses["model"]["rotated_task"].item() == pytest.approx(
        0.3 * torch.cat(errors).mean().item(), rel=1e-5
    )
    task = method.task.loss(method.model(batch.labeled_images), batch.targets)
    assert losses["model"]["task"].item() == pytest.approx(task.item(), rel=1e-5)


def test_what_the_head_reads_follows_the_kind_of_task_and_old_names_stay() -> None:
    spec = load_registry().method("s4l")
    classes, pictures = (resolve_config(toy_spec(kind), spec, {}) for kind in TOYS)
    assert isinstance(classes, S4LConfig)
    assert isinstance(pictures, S4LConfig)
    assert (classes.head_input, pictures.head_input) == ("output", "features")
    # The old form is stored as it was, and read back as what it is.
    assert classes.stored() == {"lambda_s4l": 0.1, "w_rot": 0.1}
    assert spec.config(**classes.stored()) == classes
    assert pictures.stored() == {"lambda_s4l": 1.0, "w_rot": 0.1, "head_input": "features"}
    old = resolve_config(toy_spec("regression"), spec, {"head_input": "output"})
    assert old.stored() == {"lambda_s4l": 1.0, "w_rot": 0.1}
    assert spec.config(**old.stored()) == old


def test_of_features_the_picture_need_not_tell_the_turn() -> None:
    """The gradient of the votes reaches the layer that makes the picture only where the head reads it."""
    for head_input, reached in (("output", True), ("features", False)):
        method = make("regression", head_input=head_input)
        (losses,) = method.losses(make_batch("regression", 12, 20), progress())
        losses["model"]["rotation"].backward()
        last, first = method.model.network.head, method.model.network[0]
        assert (last.weight.grad is not None) == reached
        assert first.weight.grad.abs().sum() > 0


@pytest.mark.parametrize(("size", "passes"), [((16, 16), [(16, 16)]), ((12, 20), [(12, 20), (20, 12)])])
def test_one_forward_pass_per_shape(size: tuple[int, int], passes: list[tuple[int, int]]) -> None:
    method, shapes = make(), []
    method.model.register_forward_hook(lambda _, __, output: shapes.append(tuple(output.shape)))
    (losses,) = method.losses(make_batch("classification", *size), progress())
    assert [shape[-2:] for shape in shapes] == passes
    assert sum(shape[0] for shape in shapes) == 2 * ROWS
    sum(losses["model"].values()).backward()
    assert all(parameter.grad is not None for parameter in method.parameters())


def test_labels_under_void_change_nothing() -> None:
    method, batch = make(), make_batch("classification", 12, 20)
    other = torch.where(batch.targets.valid[:, 0], batch.targets.value, 2)
    assert not torch.equal(other, batch.targets.value)
    changed = Batch(batch.images, batch.valid, Target(other, batch.targets.valid))
    (first,), (second,) = (list(method.losses(b, progress())) for b in (batch, changed))
    assert all(torch.equal(first["model"][name], second["model"][name]) for name in first["model"])


def test_a_head_s_learning_rate_is_the_task_network_s() -> None:
    method = make()
    player = method.players()["model"]
    head = list(method.model.network.head.parameters())
    assert [id(parameter) for parameter in player.head_parameters()] == [id(parameter) for parameter in head]
    assert len(player.parameters()) == len(list(method.parameters()))


def test_the_rotation_head_tells_four_turns_from_any_size() -> None:
    head = make().rotation_head
    for size in ((8, 8), (13, 30)):
        assert head(torch.rand(2, 3, *size)).shape == (2, 4)
