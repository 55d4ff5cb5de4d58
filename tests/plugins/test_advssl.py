"""AdvSSL against its equations."""

from typing import Any

import pytest
import torch
from torch import nn

from ssl_bench.backbone import TaskNetwork
from ssl_bench.method import Batch, Progress
from ssl_bench.recipe import Kind, Recipe
from ssl_bench.task import Target
from ssl_bench.testing import TOYS
from ssl_bench.train.trainer import Trainer
from ssl_bench.world.part import Draws
from ssl_bench_plugins.methods.advssl import AdvSSL, Critic
from ssl_bench_plugins.methods.paper_configs import AdvSSLConfig

LABELED, ROWS, HEIGHT, WIDTH = 2, 5, 24, 19
PROGRESS = Progress(3, 10, 1.0, Draws(torch.Generator().manual_seed(0)))


def make(kind: Kind = "classification", **settings: Any) -> AdvSSL:
    task = TOYS[kind]()

    def build_network(index: int = 0, backbone: str | None = None) -> TaskNetwork:
        torch.manual_seed(index)
        layers = nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), nn.Tanh(), nn.Conv2d(6, task.out_channels, 1))
        return TaskNetwork(layers, in_channels=3, residual=False)

    method = AdvSSL(task, AdvSSLConfig(**settings), build_network).train()
    with torch.no_grad():
        method.critic.layers[-1].weight *= 20  # verdicts that differ
    return method


def make_batch(kind: Kind = "classification") -> Batch:
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(ROWS, 3, HEIGHT, WIDTH, generator=generator)
    valid = torch.ones(ROWS, 1, HEIGHT, WIDTH, dtype=torch.bool)
    valid[3, :, 15:] = False
    known = valid[:LABELED].clone()
    known[0, :, 2:12] = False
    if kind == "classification":
        value = torch.randint(0, 3, (LABELED, HEIGHT, WIDTH), generator=generator) * known[:, 0]
    else:
        value = torch.rand(LABELED, 1, HEIGHT, WIDTH, generator=generator) * known
    return Batch(images, valid, Target(value, known))


@pytest.mark.parametrize("kind", TOYS)
def test_losses_equal_the_equations(kind: Kind) -> None:
    method, batch = make(kind, lambda_adv_l=0.3, lambda_adv_u=0.2), make_batch(kind)
    (losses,) = method.losses(batch, PROGRESS)
    valid = torch.cat([batch.targets.valid, batch.valid[LABELED:]])
    logits = method.model(batch.images)
    prediction = logits.softmax(1) if kind == "classification" else logits
    fake = method.critic(prediction * valid).sigmoid()
    if kind == "classification":
        label = torch.stack([batch.targets.value == c for c in range(3)], 1) * batch.targets.valid
    else:
        label = batch.targets.value * batch.targets.valid
    real = method.critic(label.float()).sigmoid()
    labeled, unlabeled = valid[:LABELED], valid[LABELED:]
    expected = {
        "model/task": method.task.loss(logits[:LABELED], batch.targets),
        "model/adversarial_labeled": -0.3 * fake[:LABELED][labeled].log().mean(),
        "model/adversarial_unlabeled": -0.2 * fake[LABELED:][unlabeled].log().mean(),
        "critic/fake": -(1 - fake[valid]).log().mean() / 2,
        "critic/real": -real[labeled].log().mean() / 2,
    }
    found = {f"{player}/{name}": term for player, terms in losses.items() for name, term in terms.items()}
    assert list(found) == list(expected)
    for name, term in expected.items():
        assert found[name].item() == pytest.approx(term.item(), rel=1e-4), name


class OneBatch:
    def batch(self, step: int) -> Batch:
        return make_batch()


def after_one_step(**settings: Any) -> AdvSSL:
    method = make(**settings)
    Trainer(method, Recipe(iterations=20), OneBatch(), seed=0).step(0)
    return method


def test_the_critic_has_no_gradient_from_the_model_s_loss() -> None:
    weak, strong = after_one_step(), after_one_step(lambda_adv_l=9.0, lambda_adv_u=9.0)
    same = zip(weak.critic.parameters(), strong.critic.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in same)
    apart = zip(weak.model.parameters(), strong.model.parameters(), strict=True)
    assert not any(torch.equal(a, b) for a, b in apart)


@pytest.mark.parametrize("kind", TOYS)
def test_labels_under_void_change_nothing(kind: Kind) -> None:
    method, batch = make(kind), make_batch(kind)
    known = batch.targets.valid[:, 0] if kind == "classification" else batch.targets.valid
    other = torch.where(known, batch.targets.value, 1)
    assert not torch.equal(other, batch.targets.value)
    changed = Batch(batch.images, batch.valid, Target(other, batch.targets.valid))
    (first,), (second,) = (list(method.losses(b, PROGRESS)) for b in (batch, changed))
    for player, terms in first.items():
        assert all(torch.equal(term, second[player][name]) for name, term in terms.items())


def test_the_critic_is_the_paper_s() -> None:
    critic, sizes = Critic(21), []
    for layer in critic.layers:
        if isinstance(layer, nn.Conv2d):
            assert layer.kernel_size == (4, 4)
            layer.register_forward_hook(lambda _, __, output: sizes.append(tuple(output.shape[1:])))
    assert critic(torch.rand(1, 21, 321, 50)).shape == (1, 1, 321, 50)
    assert sizes == [(64, 161, 25), (128, 81, 13), (256, 41, 7), (512, 21, 4), (1, 11, 2)]
    assert (
        sum(isinstance(layer, nn.LeakyReLU) and layer.negative_slope == 0.2 for layer in critic.layers) == 4
    )


def test_the_critic_brings_its_own_optimizer() -> None:
    players = make().players()
    assert players["model"].optimizer is None
    optimizer = players["critic"].optimizer
    assert optimizer is not None
    assert (optimizer.name, optimizer.learning_rate, optimizer.betas) == ("adam", 1e-4, (0.9, 0.99))
