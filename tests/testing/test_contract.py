"""The public contract checks: everything registered passes, and broken plugins are caught."""

import gc
import random
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from types import FunctionType, ModuleType
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from conftest import Said
from pydantic import ConfigDict
from torch import Tensor, nn
from torch.nn import functional as F

from ssl_bench.hookspecs import hookimpl
from ssl_bench.method import Batch, Losses, Method, Player, Progress
from ssl_bench.recipe import Kind
from ssl_bench.registry.loading import load_registry
from ssl_bench.specs import Found, MethodConfig, MethodSpec, Ratio, resolve
from ssl_bench.task import Strength, masked_mean
from ssl_bench.testing import TOYS, ToyStream, check_method, check_task, contract_tests, find_subjects
from ssl_bench.testing.findings import Check, NotChecked, Subject
from ssl_bench.testing.toys import ToyProbe
from ssl_bench.testing.trial import Trial
from ssl_bench.toolbox.gates import confidence
from ssl_bench.toolbox.mixing import draw_boxes, mix
from ssl_bench.world.part import Draws
from ssl_bench_plugins.methods.fixmatch import FixMatch
from ssl_bench_plugins.methods.mean_teacher import MeanTeacher
from ssl_bench_plugins.methods.supervised import Supervised

REGISTRY = load_registry()
Command = Callable[..., Said]
MT = REGISTRY.method("mt")


@pytest.mark.filterwarnings("error:.*not checked:UserWarning")
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


def test_what_tiers_say_can_be_taken() -> None:
    class Tuned(MT.config):  # type: ignore[name-defined,misc]
        tier_defaults: ClassVar = {"lite": {"night": Found({"lambda_mt": -1})}}

    class Misspelt(MT.config):  # type: ignore[name-defined,misc]
        tier_defaults: ClassVar = {"light": {}}

    (finding,) = check_method(replace(MT, config=Tuned), "regression")
    assert "tier_defaults of night in tier lite: lambda_mt: Input should be greater than or equal" in finding
    assert "name tier 'light'" in check_method(replace(MT, config=Misspelt), "regression")[0]
    night = REGISTRY.task("night")
    assert "labels of tier smoke are 'few'" in check_task(replace(night, labels={"smoke": "few"}))[0]
    assert check_task(replace(night, labels={"smoke": "4", "lite": "1/8", "paper": "all"})) == []


@pytest.mark.parametrize("name", REGISTRY.entries["tasks"])
def test_every_task_keeps_its_contract(name: str) -> None:
    assert check_task(REGISTRY.task(name)) == []


@pytest.mark.parametrize("name", REGISTRY.entries["tasks"])
def test_a_perturbation_that_moves_pixels_is_caught(name: str) -> None:
    spec = REGISTRY.task(name)

    class Flips(resolve(spec.task)):  # type: ignore[misc]
        def perturb(self, images: Tensor, draws: Draws, strength: Strength = "weak") -> Tensor:
            seen = super().perturb(images, draws, strength)
            return torch.where(draws.rand(len(images), 1, 1, 1) < 0.5, seen.flip(-1), seen)

    (finding,) = check_task(replace(spec, task=Flips))
    assert "perturb moves pixels where it is weak" in finding


class ConsistencyWithoutGradient(MeanTeacher):
    """The classic slip: both predictions are read from the no-grad output, and training goes on without a word."""

    def losses(self, batch: Batch, progress: Progress) -> Iterator[Losses]:
        for losses in super().losses(batch, progress):
            student = dict(losses["student"])
            yield {"student": {**student, "consistency": student["consistency"].detach()}}


class PseudoLossWithoutGradient(FixMatch):
    def losses(self, batch: Batch, progress: Progress) -> Iterator[Losses]:
        for losses in super().losses(batch, progress):
            student = dict(losses["student"])
            yield {"student": {**student, "pseudo": student["pseudo"].detach()}}


class TeacherWithoutPlayer(MeanTeacher):
    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.teacher.requires_grad_(True)


class TeacherAmongThePlayers(TeacherWithoutPlayer):
    """Its average is taken, and its consistency's gradient as well."""

    def players(self) -> Mapping[str, Player]:
        return {"student": Player(nn.ModuleList([self.student, self.teacher]))}

    def losses(self, batch: Batch, progress: Progress) -> Iterator[Losses]:
        views = self.task.perturb(batch.unlabeled_images, progress.draws)
        rows = torch.cat([batch.labeled_images, views])
        logits = progress.forward(self.student, rows, batch.labeled)
        labeled, unlabeled = logits.tensor_split([batch.labeled])
        error = masked_mean((unlabeled - self.teacher(views)).square(), batch.unlabeled_valid)
        yield {"student": {"task": self.task.loss(labeled, batch.targets), "consistency": error}}


class StateOutside(Supervised):
    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.calls = 0

    def after_step(self, progress: Progress) -> None:
        self.calls += 1

    def losses(self, batch: Batch, progress: Progress) -> Iterator[Losses]:
        for losses in super().losses(batch, progress):
            yield {"model": {"task": losses["model"]["task"] / (1 + self.calls)}}


class StateOfTheClass(Supervised):
    """What one cell does depends on the cells before it in the process."""

    steps = 0

    def after_step(self, progress: Progress) -> None:
        StateOfTheClass.steps += 1

    def losses(self, batch: Batch, progress: Progress) -> Iterator[Losses]:
        for losses in super().losses(batch, progress):
            yield {"model": {"task": losses["model"]["task"] / (1 + self.steps)}}


class Weighed(Supervised):
    """Its loss times a draw."""

    draw: ClassVar[Callable[[], float]]

    def losses(self, batch: Batch, progress: Progress) -> Iterator[Losses]:
        for losses in super().losses(batch, progress):
            yield {"model": {"task": losses["model"]["task"] * type(self).draw()}}


class OwnGenerator(Weighed):
    draw = torch.Generator().seed


class PythonsGenerator(Weighed):
    draw = random.random


class NumpysGenerator(Weighed):
    draw = np.random.random


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


class NotFiniteInLowPrecision(Supervised):
    """The logarithm of what a sure network leaves to the other classes: 0 in bf16, and not in float32."""

    def losses(self, batch: Batch, progress: Progress) -> Iterator[Losses]:
        logits = self.model(batch.labeled_images)
        doubt = 1 - (1 - 1e-4 * logits.square().clamp(max=1) - 1e-5 * torch.ones_like(logits)).to(
            logits.dtype
        )
        doubted = masked_mean(doubt.log(), batch.targets.valid)
        yield {"model": {"task": self.task.loss(logits, batch.targets), "doubt": -1e-3 * doubted}}


class MixesPrecisions(Supervised):
    def losses(self, batch: Batch, progress: Progress) -> Iterator[Losses]:
        value, valid = self.task.encode(batch.targets)
        error = torch.lerp(self.model(batch.labeled_images), value, 0.5).square()
        yield {"model": {"task": masked_mean(error, valid)}}


class ReadsAbsentTargets(MeanTeacher):
    def losses(self, batch: Batch, progress: Progress) -> Iterator[Losses]:
        everything = self.task.encode(batch.targets).value
        for row, image in enumerate(batch.images):
            yield {"student": {"leak": (self.student(image[None]) - everything[row]).abs().mean()}}


class ReadsVoidLabels(Supervised):
    def losses(self, batch: Batch, progress: Progress) -> Iterator[Losses]:
        yield {"model": {"task": F.cross_entropy(self.model(batch.labeled_images), batch.targets.value)}}


class LearnsFromPadding(MeanTeacher):
    """A plain mean, of all pixels there are."""

    def consistent(self, prediction: Tensor, target: Tensor, batch: Batch, progress: Progress) -> Tensor:
        return (prediction - target).square().mean()

    def losses(self, batch: Batch, progress: Progress) -> Iterator[Losses]:
        rows = torch.cat([batch.labeled_images, self.seen(batch.unlabeled_images, progress)])
        logits = progress.forward(self.student, rows, batch.labeled)
        labeled, unlabeled = logits.tensor_split([batch.labeled])
        with torch.no_grad():
            target = self.task.activate(self.teacher(batch.unlabeled_images))
        error = self.consistent(self.task.activate(unlabeled), target, batch, progress)
        yield {"student": {"task": self.task.loss(labeled, batch.targets), "consistency": error}}

    def seen(self, images: Tensor, progress: Progress) -> Tensor:
        return self.task.perturb(images, progress.draws)


class MixesAllButTheMask(LearnsFromPadding):
    """The mask is that of the images before they were mixed."""

    def seen(self, images: Tensor, progress: Progress) -> Tensor:
        self.boxes = draw_boxes("half", progress.draws, images)
        return mix(super().seen(images, progress), self.boxes)

    def consistent(self, prediction: Tensor, target: Tensor, batch: Batch, progress: Progress) -> Tensor:
        error = (prediction - mix(target, self.boxes)).square()
        return masked_mean(error, batch.unlabeled_valid)


class IsSureOfPadding(LearnsFromPadding):
    """Its weight is the teacher's confidence, wherever it is sure."""

    def consistent(self, prediction: Tensor, target: Tensor, batch: Batch, progress: Progress) -> Tensor:
        error = (prediction - target).square()
        return confidence(target).mean() * masked_mean(error, batch.unlabeled_valid)


class ProjectsPadding(LearnsFromPadding):
    """A head of its own, which sees one pixel at a time."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        head = [nn.Conv2d(self.task.out_channels, 4, 1), nn.BatchNorm2d(4), nn.LeakyReLU(0.2, inplace=True)]
        self.head = nn.Sequential(*head, nn.Conv2d(4, 1, 1))

    def players(self) -> Mapping[str, Player]:
        return {"student": Player(nn.ModuleList([self.student, self.head]))}

    def consistent(self, prediction: Tensor, target: Tensor, batch: Batch, progress: Progress) -> Tensor:
        error = masked_mean((prediction - target).square(), batch.unlabeled_valid)
        return error + self.head(prediction).square().mean()


class JudgesWholeImages(ProjectsPadding):
    """No fault: what a head makes of a whole image is the head's own affair."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        layers = [nn.Conv2d(3, 4, 3, 2), nn.BatchNorm2d(4), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
        self.head = nn.Sequential(*layers, nn.Linear(4, 1))

    def consistent(self, prediction: Tensor, target: Tensor, batch: Batch, progress: Progress) -> Tensor:
        views = self.seen(batch.unlabeled_images, progress)
        return super().consistent(prediction, target, batch, progress) + self.head(views).square().mean()


class CallsItsNetworks(LearnsFromPadding):
    def losses(self, batch: Batch, progress: Progress) -> Iterator[Losses]:
        logits = self.student(self.seen(batch.unlabeled_images, progress))
        with torch.no_grad():
            target = self.task.activate(self.teacher(batch.unlabeled_images))
        error = masked_mean((self.task.activate(logits) - target).square(), batch.unlabeled_valid)
        task = self.task.loss(self.student(batch.labeled_images), batch.targets)
        yield {"student": {"task": task, "consistency": error}}


class WrongShape(Supervised):
    def predict(self, images: Tensor) -> Tensor:
        return super().predict(images)[..., :8, :8]


class ActivatesForItself(Supervised):
    def predict(self, images: Tensor) -> Tensor:
        return self.task.activate(super().predict(images))


class LearnsInEvaluation(Supervised):
    def predict(self, images: Tensor) -> Tensor:
        self.model.network[0].bias.add_(0.1)
        return super().predict(images)


class ReturnsItsLosses(Supervised):
    def losses(self, batch: Batch, progress: Progress) -> Any:
        return next(iter(super().losses(batch, progress)))


class NamesNoPlayer(Supervised):
    def losses(self, batch: Batch, progress: Progress) -> Iterator[Losses]:
        for losses in super().losses(batch, progress):
            yield {"student": losses["model"]}


class ForgetsTheMean(Supervised):
    def losses(self, batch: Batch, progress: Progress) -> Iterator[Losses]:
        yield {"model": {"task": self.model(batch.labeled_images)}}


class Raises(Supervised):
    def losses(self, batch: Batch, progress: Progress) -> Iterator[Losses]:
        yield {"model": {"task": self.modle(batch.labeled_images)}}


class SumsOverRows(Supervised):
    """Twice the rows, twice the loss."""

    def losses(self, batch: Batch, progress: Progress) -> Iterator[Losses]:
        for losses in super().losses(batch, progress):
            yield {"model": {"task": losses["model"]["task"] * len(batch.images)}}


class Normalised(Supervised):
    """Its predictions go through BatchNorm."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.norm = nn.BatchNorm2d(self.task.out_channels)

    def players(self) -> Mapping[str, Player]:
        return {"model": Player(nn.ModuleList([self.model, self.norm]))}

    def losses(self, batch: Batch, progress: Progress) -> Iterator[Losses]:
        yield {"model": {"task": self.task.loss(self.norm(self.model(batch.labeled_images)), batch.targets)}}


class SumsOverNormalisedRows(Normalised):
    """BatchNorm is no excuse."""

    def losses(self, batch: Batch, progress: Progress) -> Iterator[Losses]:
        for losses in super().losses(batch, progress):
            yield {"model": {"task": losses["model"]["task"] * len(batch.images)}}


class NeverRests(Normalised):
    """Without running statistics, so that it always goes by those of its batch."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.norm = nn.BatchNorm2d(self.task.out_channels, track_running_stats=False)


class IsSetToLearn(Normalised):
    """Goes back to training mode in each step."""

    def losses(self, batch: Batch, progress: Progress) -> Iterator[Losses]:
        self.norm.train()
        yield from super().losses(batch, progress)
        self.norm.eval()


class OneDrawForAll(Supervised):
    """Every process has a row of its own, and so a number of its own."""

    def losses(self, batch: Batch, progress: Progress) -> Iterator[Losses]:
        noisy = batch.labeled_images * progress.draws.rand(1, 1, 1, 1)
        yield {"model": {"task": self.task.loss(self.model(noisy), batch.targets)}}


class AsksWhoLooks(MeanTeacher):
    def losses(self, batch: Batch, progress: Progress) -> Iterator[Losses]:
        self.watched = getattr(self, "watched", False) or progress.observe._looking
        for losses in super().losses(batch, progress):
            task = losses["student"]["task"] * (2 if self.watched else 1)
            yield {"student": {**losses["student"], "task": task}}


class SeeksTheObserver(MeanTeacher):
    """Goes through all that the program holds for whoever has labels of unlabelled images, and learns from them."""

    @staticmethod
    def found() -> Iterator[Tensor]:
        for each in gc.get_referrers(ToyProbe):
            if type(each) is ToyProbe:
                yield each.truth(0).value.float()

    def losses(self, batch: Batch, progress: Progress) -> Iterator[Losses]:
        bent = sum((value.mean() for value in self.found()), torch.zeros(()))
        for losses in super().losses(batch, progress):
            yield {"student": {**losses["student"], "task": losses["student"]["task"] * (1 + bent)}}


class SeeksThroughWhatItIsGiven(MeanTeacher):
    """The same, in all that hangs on what it is handed, and in whoever called it."""

    seen: ClassVar[list[Tensor]] = []

    def losses(self, batch: Batch, progress: Progress) -> Iterator[Losses]:
        frame = sys._getframe(1)
        waiting: list[Any] = [self.__dict__, vars(batch), vars(progress)]
        while frame is not None and frame.f_code.co_name != "observe":
            waiting.append(frame.f_locals)
            frame = frame.f_back  # type: ignore[assignment]
        waiting += [frame.f_locals] if frame is not None else []
        known: set[int] = set()
        while waiting:
            each = waiting.pop()
            if id(each) in known or isinstance(each, type | ModuleType | FunctionType):
                continue
            known.add(id(each))
            if isinstance(each, Tensor):
                self.seen.append(each)
            elif isinstance(each, dict):
                waiting += each.values()
            elif isinstance(each, list | tuple | set):
                waiting += each
            elif hasattr(each, "__dict__"):
                waiting.append(vars(each))
        return super().losses(batch, progress)


def test_a_method_finds_no_label_of_an_observer_in_all_that_it_can_reach() -> None:
    spec = replace(MT, method=SeeksThroughWhatItIsGiven)
    for kind in TOYS:
        SeeksThroughWhatItIsGiven.seen.clear()
        Trial(spec, kind).observed()
        truth, found = ToyProbe(kind).truth(0), SeeksThroughWhatItIsGiven.seen
        assert any(torch.equal(each, ToyProbe(kind).batch(0).images) for each in found)
        assert not any(torch.equal(each, part) for each in found for part in truth if part is truth.value)


class Unwritable(MethodConfig):
    model_config = ConfigDict(arbitrary_types_allowed=True)
    device: torch.device = torch.device("cpu")


class PlainTierDefaults(MethodConfig):
    tier_defaults: ClassVar = {"smoke": {"regression": {"weight": 0.3}}}


class MisspeltKind(MethodConfig):
    kind_defaults: ClassVar = {"regresion": {"learning_rate_factor": 0.3}}


class MisspeltTask(MethodConfig):
    task_defaults: ClassVar = {
        "mating": {"learning_rate_factor": 0.3},
        "depth": {"learning_rate_factor": 0.1},
    }


class CountsForLater(Supervised):
    """Its counter matters long after a trial has ended."""

    waited = 0

    def after_step(self, progress: Progress) -> None:
        super().after_step(progress)
        self.waited += 1


SUPERVISED = REGISTRY.method("supervised")
FAULTS: list[tuple[type[Method] | MethodSpec, str]] = [
    (
        TeacherWithoutPlayer,
        "parameter 'teacher.* requires grad but belongs to no player; give it to one, or call",
    ),
    (IdlePlayer, "player 'critic' never moves: no term of `losses` reaches its parameters"),
    (
        ConsistencyWithoutGradient,
        "unlabelled images change nothing that is learnt: does the unsupervised loss carry",
    ),
    (replace(REGISTRY.method("control"), role="ssl"), "unlabelled images change nothing"),
    (
        TeacherAmongThePlayers,
        r"'teacher.*' is a moving average and a parameter of player 'student'.*requires_grad_",
    ),
    (StateOutside, "differs after a resume: state outside modules and buffers is lost then"),
    (CountsForLater, "'waited' differs after a resume: state outside modules and buffers is lost then"),
    (
        replace(SUPERVISED, config=PlainTierDefaults),
        "tier_defaults of regression in tier smoke are no Found: write Found",
    ),
    (StateOfTheClass, "differs when the same run is repeated in one process.*state that outlives the method"),
    (OwnGenerator, "differs when the same run is repeated in one process: a generator of its own"),
    (PythonsGenerator, "depends on the global generator of Python's `random` or of NumPy"),
    (NumpysGenerator, "depends on the global generator of Python's `random` or of NumPy"),
    (AsksWhoLooks, "differs when somebody observes: `losses` keeps something outside modules"),
    (SeeksTheObserver, "depends on labels of unlabelled images that an observer alone may hold"),
    (SumsOverRows, "depends on the number of processes: a loss is to be a mean over rows"),
    (SumsOverNormalisedRows, "depends on the number of processes: a loss is to be a mean over rows"),
    (OneDrawForAll, "depends on the number of processes: .* is to be drawn for each row"),
    (NotFinite, "loss 'model/task' is inf at step 0: is there a division, root or logarithm without a floor"),
    (
        NotFiniteInLowPrecision,
        "loss 'model/doubt' is inf at step 0 under autocast: compute it from `task.activate`",
    ),
    (MixesPrecisions, "raises under autocast .*: cast to float32 where precisions meet"),
    (
        ReadsAbsentTargets,
        "reads targets of unlabelled images, which no batch holds: .* the 2 labelled rows alone",
    ),
    (
        ReadsVoidLabels,
        "term 'model/task' depends on labels of void pixels, which nobody gave: use `task.loss`",
    ),
    (LearnsFromPadding, "term 'student/consistency' depends on what lies under padding, .*: take means"),
    (MixesAllButTheMask, "depends on what lies under padding, .*mix, flip or cut that mask as the images"),
    (IsSureOfPadding, "term 'student/consistency' depends on what lies under padding"),
    (ProjectsPadding, "term 'student/consistency' depends on what lies under padding"),
    (
        CallsItsNetworks,
        r"calls its networks itself, so that a recipe with forward=separate stops it.*`progress\.forward\(",
    ),
    (LearnsInEvaluation, "evaluation changes 'model.network.0.bias': `predict` must only read"),
    (replace(SUPERVISED, config=Unwritable), "the settings do not survive JSON .*; give fields plain types"),
    (ActivatesForItself, "predict gives probabilities, and `task.activate` would be applied to them again"),
    (
        replace(SUPERVISED, config=MisspeltKind),
        "kind_defaults name 'regresion'; kinds are classification, regr",
    ),
    (
        replace(SUPERVISED, config=MisspeltTask),
        "task_defaults name 'mating', which no task is called, .*'matting'",
    ),
    (WrongShape, r"predict gives shape \(1, 3, 8, 8\)"),
    (ReturnsItsLosses, "`losses` must yield {player: {term: loss}}; was it returned"),
    (NamesNoPlayer, "`losses` names player 'student', which `players` does not have: model"),
    (ForgetsTheMean, "term 'model/task' is no scalar tensor; take the mean"),
    (Raises, r"has no attribute 'modle' \(test_contract.py, line \d+\)"),
]


@pytest.mark.parametrize(
    ("fault", "sentence"),
    FAULTS,
    ids=[getattr(fault, "__name__", sentence[:20]) for fault, sentence in FAULTS],
)
def test_broken_methods_are_caught(fault: type[Method] | MethodSpec, sentence: str) -> None:
    if isinstance(fault, type):
        fault = replace(MT if issubclass(fault, MeanTeacher) else SUPERVISED, method=fault)
    findings = check_method(fault, "classification")
    assert len(findings) == 1, findings
    assert re.search(sentence, findings[0]), findings


def test_what_a_head_makes_of_a_whole_image_with_its_padding_is_no_fault() -> None:
    assert check_method(replace(MT, method=JudgesWholeImages), "classification") == []


@pytest.mark.parametrize("method", [NeverRests, IsSetToLearn])
def test_what_cannot_be_compared_is_not_said_to_be_checked(method: type[Method]) -> None:
    spec = replace(SUPERVISED, name="uncertain", method=method)
    with pytest.warns(UserWarning, match="BatchNorm 'norm' goes by the statistics of its batch") as told:
        assert check_method(spec, "classification") == []
    (warned,) = told
    assert "method uncertain on classification: not checked: the number of processes" in str(warned.message)
    plugin = ModuleType("uncertain")
    plugin.__file__ = "uncertain.py"
    plugin.provide_methods = hookimpl(lambda: [spec])  # type: ignore[attr-defined]
    test = contract_tests(plugin)
    (subject,) = (one for one in find_subjects(plugin) if one.title.endswith("classification"))
    with pytest.raises(pytest.skip.Exception, match="not checked: the number of processes"):
        test(subject)


def test_the_command_says_what_it_has_not_checked(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def checks() -> Iterator[Check]:
        def cannot_tell() -> None:
            raise NotChecked("nobody knows")

        yield "one promise", cannot_tell
        yield "another promise", lambda: None

    uncertain = Subject("method uncertain", checks)
    monkeypatch.setattr("ssl_bench.testing.contract.named_subjects", lambda *names: [uncertain])
    said = command("check", "uncertain")
    assert said.status == 0
    assert said.out.splitlines() == [
        "part  method uncertain",
        "      not checked: one promise: nobody knows",
    ]


@pytest.mark.parametrize("kind", TOYS)
def test_toy_batches_hold_padding_of_several_sizes(kind: Kind) -> None:
    batch = ToyStream(kind).batch(0)
    counts = (~batch.valid).sum((1, 2, 3)).tolist()
    assert len({*counts}) == len(counts) == len(batch.images)
    assert all(counts)
    assert not (batch.targets.valid & ~batch.valid[: batch.labeled]).any()
    assert len(batch.images.permute(0, 2, 3, 1)[~batch.valid[:, 0]].unique()) == 1
    assert ToyStream(kind, padded=False).batch(0).valid.all()


FIXMATCH = REGISTRY.method("fixmatch")


@pytest.mark.parametrize("kind", TOYS)
def test_a_gate_that_never_opens_on_a_toy_is_no_fault_where_settings_open_it(kind: Kind) -> None:
    assert FIXMATCH.check_with
    closed = check_method(replace(FIXMATCH, check_with={}), kind)
    assert check_method(FIXMATCH, kind) == []
    if kind == "regression":  # Its gate goes by ranks, and is open.
        assert closed == []
        return
    (finding,) = closed
    assert "term 'student/pseudo' is 0 on a toy network. Does a gate never open there" in finding
    assert "state settings that open it in MethodSpec.check_with" in finding


def test_settings_that_open_a_gate_hide_no_fault() -> None:
    fault = replace(FIXMATCH, method=PseudoLossWithoutGradient)
    (finding,) = check_method(fault, "classification")
    assert "does the unsupervised loss carry a gradient" in finding
