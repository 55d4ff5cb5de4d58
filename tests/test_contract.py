"""The public contract checks: everything registered passes, and broken plugins are caught."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from ssl_bench.method import Batch, Losses, Player, Progress
from ssl_bench.registry import load_registry
from ssl_bench.specs import Kind, MethodSpec, Ratio
from ssl_bench.testing import TOYS, check_method, check_task
from ssl_bench_plugins.methods.mean_teacher import MeanTeacher
from ssl_bench_plugins.methods.supervised import Supervised

REGISTRY = load_registry()
MT = REGISTRY.method("mt")


@pytest.mark.parametrize("kind", TOYS)
@pytest.mark.parametrize("name", REGISTRY.entries["methods"])
def test_every_method_keeps_its_contract(name: str, kind: Kind) -> None:
    assert check_method(REGISTRY.method(name), kind) == []


def test_a_metric_must_say_how_images_make_up_its_score() -> None:
    task = REGISTRY.task("segmentation")
    assert isinstance(task.metrics[0].aggregate, Ratio)
    mean = replace(task, metrics=(replace(task.metrics[0], aggregate="mean"),))
    assert "does not give back metric 'miou' by its aggregate" in check_task(mean)[0]
    other = replace(task, metrics=(replace(task.metrics[0], aggregate=Ratio(part="none", whole="union")),))
    assert "does not give back metric 'miou'" in check_task(other)[0]


@pytest.mark.parametrize("name", REGISTRY.entries["tasks"])
def test_every_task_keeps_its_contract(name: str) -> None:
    assert check_task(REGISTRY.task(name)) == []


def broken(method: type, base: MethodSpec = MT) -> MethodSpec:
    return replace(base, method=method)


class ConsistencyWithoutGradient(MeanTeacher):
    """The classic slip: both predictions are read from the no-grad output, and training goes on without a word."""

    def losses(self, batch: Batch, progress: Progress) -> Iterator[Losses]:
        for losses in super().losses(batch, progress):
            student = dict(losses["student"])
            yield {"student": {**student, "consistency": student["consistency"].detach()}}


class TeacherThatLearns(MeanTeacher):
    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.teacher.requires_grad_(True)


class HiddenState(Supervised):
    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.calls = 0

    def losses(self, batch: Batch, progress: Progress) -> Iterator[Losses]:
        self.calls += 1
        for losses in super().losses(batch, progress):
            yield {"model": {"task": losses["model"]["task"] * self.calls}}


class HiddenRandomness(Supervised):
    generator = torch.Generator()

    def losses(self, batch: Batch, progress: Progress) -> Iterator[Losses]:
        for losses in super().losses(batch, progress):
            yield {"model": {"task": losses["model"]["task"] * torch.rand((), generator=self.generator)}}


class IdlePlayer(Supervised):
    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.critic = nn.Linear(2, 2)

    def players(self) -> Mapping[str, Player]:
        return {**super().players(), "critic": Player(self.critic)}


class NotFinite(Supervised):
    def losses(self, batch: Batch, progress: Progress) -> Iterator[Losses]:
        for losses in super().losses(batch, progress):
            yield {"model": {"task": losses["model"]["task"] / 0}}


class ReadsAbsentTargets(MeanTeacher):
    def losses(self, batch: Batch, progress: Progress) -> Iterator[Losses]:
        row = batch.targets.value[batch.labeled]
        yield {"student": {"leak": row.float().mean()}}


class WrongShape(Supervised):
    def predict(self, images: Tensor) -> Tensor:
        return super().predict(images)[..., :8, :8]


class LearnsInEvaluation(Supervised):
    def predict(self, images: Tensor) -> Tensor:
        self.model.network[0].bias.add_(0.1)
        return super().predict(images)


SUPERVISED = REGISTRY.method("supervised")


@pytest.mark.parametrize(
    ("spec", "sentence"),
    [
        (broken(ConsistencyWithoutGradient), "unlabelled images change nothing"),
        (replace(SUPERVISED, uses_unlabeled=True), "unlabelled images change nothing"),
        (broken(TeacherThatLearns), "belongs to no player"),
        (broken(HiddenState, SUPERVISED), "differs after a resume"),
        (broken(HiddenRandomness, SUPERVISED), "differs after a resume"),
        (broken(IdlePlayer, SUPERVISED), "player 'critic' never moves"),
        (broken(NotFinite, SUPERVISED), "loss 'model/task' is"),
        (broken(ReadsAbsentTargets), "IndexError"),
        (broken(WrongShape, SUPERVISED), r"shape \(1, 3, 8, 8\)"),
        (broken(LearnsInEvaluation, SUPERVISED), "changes weights or buffers"),
    ],
    ids=lambda value: getattr(getattr(value, "method", None), "__name__", None),
)
def test_broken_methods_are_caught(spec: MethodSpec, sentence: str) -> None:
    assert any(__import__("re").search(sentence, finding) for finding in check_method(spec, "classification"))
