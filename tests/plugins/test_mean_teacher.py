"""Mean Teacher against its equations, worked out independently."""

import copy
import math

import pytest
import torch
from torch import nn

from ssl_bench.backbone import TaskNetwork
from ssl_bench.method import Progress
from ssl_bench.testing import ToyClassification, ToyStream
from ssl_bench.toolbox.ema import update_average
from ssl_bench.world.part import Draws
from ssl_bench_plugins.methods.configs import MeanTeacherConfig
from ssl_bench_plugins.methods.mean_teacher import MeanTeacher

PROGRESS = Progress(4, 100, 10.0, Draws(torch.Generator().manual_seed(0)))


class Still(ToyClassification):
    """No perturbation, so that both views are the image itself."""

    def perturb(self, images, draws, strength="weak"):  # type: ignore[no-untyped-def]
        return images


def method(**settings: object) -> MeanTeacher:
    def build_network(index: int = 0, backbone: str | None = None) -> TaskNetwork:
        torch.manual_seed(index)
        layers = nn.Sequential(
            nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 3, 1)
        )
        return TaskNetwork(layers, in_channels=3, residual=False)

    made = MeanTeacher(Still(), MeanTeacherConfig(**settings), build_network)
    with torch.no_grad():
        for parameter in made.teacher.parameters():
            parameter.mul_(1.1)
    return made.train()


@pytest.mark.parametrize("space", ["probabilities", "logits"])
def test_losses_equal_the_equation(space: str) -> None:
    made, batch = method(space=space, lambda_mt=2.0, eta_mt=3), ToyStream("classification").batch(0)
    student, teacher = copy.deepcopy(made.student), copy.deepcopy(made.teacher)
    (losses,) = made.losses(batch, PROGRESS)
    logits = student(batch.images)
    target = teacher(batch.unlabeled_images)
    unlabeled = logits[len(batch.targets.value) :]
    if space == "probabilities":
        unlabeled, target = unlabeled.softmax(1), target.softmax(1)
    weight = 2.0 * math.exp(-5 * (1 - 4 / 30) ** 2)
    valid = batch.unlabeled_valid.expand_as(unlabeled)
    expected = weight * ((unlabeled - target.detach()) ** 2)[valid].mean()
    assert torch.allclose(losses["student"]["consistency"], expected)
    task = made.task.loss(logits[: len(batch.targets.value)], batch.targets)
    assert torch.allclose(losses["student"]["task"], task)


def test_no_gradient_reaches_the_teacher_and_one_reaches_the_student() -> None:
    made = method()
    (losses,) = made.losses(ToyStream("classification").batch(0), PROGRESS)
    losses["student"]["consistency"].backward()
    assert all(parameter.grad is None for parameter in made.teacher.parameters())
    assert any(parameter.grad.abs().sum() > 0 for parameter in made.student.parameters())


def test_the_first_update_copies_and_later_ones_average() -> None:
    made = method(alpha_mt=0.9)
    made.after_step(Progress(0, 100, 10.0, Draws(torch.Generator())))
    for old, new in zip(made.teacher.parameters(), made.student.parameters(), strict=True):
        assert torch.equal(old, new)
    before = [parameter.clone() for parameter in made.teacher.parameters()]
    with torch.no_grad():
        for parameter in made.student.parameters():
            parameter.add_(1.0)
    made.after_step(Progress(3, 100, 10.0, Draws(torch.Generator())))  # a = min(1 - 1/4, 0.9)
    for old, new, student in zip(before, made.teacher.parameters(), made.student.parameters(), strict=True):
        assert torch.allclose(new, 0.75 * old + 0.25 * student)


def test_running_statistics_of_the_teacher_change_by_the_average_alone() -> None:
    made = method()
    norm = made.teacher.network[1]
    before = norm.running_mean.clone()
    list(made.losses(ToyStream("classification").batch(0), PROGRESS))
    assert torch.equal(norm.running_mean, before)
    assert not torch.equal(made.student.network[1].running_mean, before)
    made.after_step(Progress(0, 100, 10.0, Draws(torch.Generator())))
    assert torch.equal(norm.running_mean, made.student.network[1].running_mean)


def test_views_are_perturbed_independently() -> None:
    class Noisy(ToyClassification):
        def perturb(self, images, draws, strength="weak"):  # type: ignore[no-untyped-def]
            seen.append((strength, images + draws.rand(*images.shape)))
            return seen[-1][1]

    seen: list[tuple[str, torch.Tensor]] = []
    made = method(noise="strong")
    made.task = Noisy()
    list(made.losses(ToyStream("classification").batch(0), PROGRESS))
    assert [strength for strength, _ in seen] == ["strong", "strong"]
    assert not torch.equal(seen[0][1], seen[1][1])


def test_update_average_takes_counters_as_they_are() -> None:
    average, source = nn.BatchNorm2d(2), nn.BatchNorm2d(2)
    source.num_batches_tracked += 7
    source.running_mean += 4
    update_average(average, source, 0.75)
    assert average.num_batches_tracked.item() == 7
    assert average.running_mean.tolist() == [1.0, 1.0]


def test_the_teacher_is_deployed_and_the_student_recorded_beside() -> None:
    made = method().eval()
    images = torch.rand(1, 3, 8, 8)
    assert torch.equal(made.predict(images), made.teacher(images))
    assert torch.equal(made.predict_beside()["student"](images), made.student(images))
