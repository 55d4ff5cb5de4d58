"""Contract checks for tasks and methods, one's own and other people's.

    from ssl_bench.testing import check_method
    assert not check_method(SPEC)          # a list of sentences, empty where all is well

Methods are checked on two toy tasks, one of each kind, with small networks that hold no normalisation layer and
perturbations that are the same in every run: nothing but the method itself can carry what unlabelled images tell.
"""

import copy
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property, partial
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ssl_bench.backbone import TaskNetwork
from ssl_bench.cell import resolve_config
from ssl_bench.errors import SslBenchError
from ssl_bench.method import Batch, Method
from ssl_bench.recipe import OptimizerSettings, Recipe
from ssl_bench.specs import Kind, MethodSpec, Metric, TaskSpec, resolve
from ssl_bench.task import DenseTarget, Metrics, Scores, Strength, Target, Task, masked_mean
from ssl_bench.trainer import Trainer, check_players

STEPS, LABELED, UNLABELED = 8, 2, 3
HEIGHT, WIDTH = 40, 72
"""Not square, and large enough that a detector or critic of stride 32 has a map and not a single number."""
RECIPE = Recipe(
    iterations=STEPS,
    epochs=STEPS,
    labeled_rows=LABELED,
    unlabeled_rows=UNLABELED,
    crop=16,
    optimizer=OptimizerSettings(name="sgd", learning_rate=0.1, momentum=0.5),
)


class ToyClassification(Task):
    """Three classes by brightness."""

    kind: ClassVar[Kind] = "classification"
    out_channels = 3

    def loss(self, logits: Tensor, target: Target) -> Tensor:
        """Cross-entropy over valid pixels."""
        return masked_mean(F.cross_entropy(logits, target.value, reduction="none")[:, None], target.valid)

    def activate(self, logits: Tensor) -> Tensor:
        """Softmax."""
        return logits.float().softmax(1)

    def encode(self, target: Target) -> DenseTarget:
        """One-hot."""
        dense = F.one_hot(target.value, self.out_channels).movedim(-1, 1).float()
        return DenseTarget(dense * target.valid, target.valid)

    def decode(self, prediction: Tensor) -> Tensor:
        """The likeliest class."""
        return prediction.argmax(1)

    def perturb(self, images: Tensor, generator: torch.Generator, strength: Strength = "weak") -> Tensor:
        """Noise that is the same in every run, as the generator is: it cannot make a difference between two."""
        return (images + 0.2 * torch.rand(images.shape, generator=generator)).clamp(0, 1)

    def metrics(self) -> Metrics:
        """Mean error, enough for a check."""
        return _ToyMetrics(self)

    def picture(self, value: np.ndarray) -> np.ndarray:
        """Grey levels."""
        return np.repeat(value.reshape(*value.shape[:2], 1), 3, 2).astype(np.uint8)


class ToyRegression(ToyClassification):
    """The mean of the channels."""

    kind: ClassVar[Kind] = "regression"
    out_channels = 1

    def loss(self, logits: Tensor, target: Target) -> Tensor:
        """Mean squared error over valid pixels."""
        return masked_mean((logits - target.value) ** 2, target.valid)

    def activate(self, logits: Tensor) -> Tensor:
        """The image as it is."""
        return logits.float()

    def encode(self, target: Target) -> DenseTarget:
        """The image itself."""
        return DenseTarget(target.value * target.valid, target.valid)

    def decode(self, prediction: Tensor) -> Tensor:
        """Clamped."""
        return prediction.clamp(0, 1)


class _ToyMetrics:
    def __init__(self, task: Task) -> None:
        self.task = task
        self.errors: list[float] = []

    def update(
        self, prediction: Tensor, target: Target, unknown: Tensor | None = None
    ) -> Mapping[str, float | list[int] | None]:
        self.errors.append((prediction - self.task.encode(target).value).abs().mean().item())
        return {"error": self.errors[-1]}

    def compute(self) -> Scores:
        return {"error": sum(self.errors) / len(self.errors)}


TOYS: Mapping[Kind, type[Task]] = {"classification": ToyClassification, "regression": ToyRegression}


def toy_spec(kind: Kind) -> TaskSpec:
    """The toy task of a kind as a plugin would describe it."""
    return TaskSpec(
        name=f"toy-{kind}",
        title=f"Toy {kind}",
        kind=kind,
        task=TOYS[kind],
        metrics=(Metric(name="error", symbol="error", higher_is_better=False),),
        recipes={"smoke": RECIPE},
        backbones={"smoke": "toy"},
    )


class ToyStream:
    """Random batches as a function of the step; unlabelled images have a seed of their own."""

    def __init__(self, kind: Kind, unlabeled_seed: int = 0, *, uses_unlabeled: bool = True) -> None:
        self.kind, self.unlabeled_seed = kind, unlabeled_seed
        self.unlabeled = UNLABELED if uses_unlabeled else 0

    def batch(self, step: int) -> Batch:
        """A batch with a void strip in every label."""
        own = torch.Generator().manual_seed(1000 + step)
        other = torch.Generator().manual_seed(self.unlabeled_seed * 7919 + step)
        labeled = torch.rand(LABELED, 3, HEIGHT, WIDTH, generator=own)
        unlabeled = torch.rand(self.unlabeled, 3, HEIGHT, WIDTH, generator=other)
        mean = labeled.mean(1, keepdim=True)
        valid = torch.ones(LABELED, 1, HEIGHT, WIDTH, dtype=torch.bool)
        valid[:, :, :2] = False
        ids = (mean[:, 0] * 3).long().clamp(0, 2) * valid[:, 0]
        target = Target(ids if self.kind == "classification" else mean, valid)
        images = torch.cat([labeled, unlabeled])
        return Batch(images, torch.ones_like(images[:, :1], dtype=torch.bool), target)


def build_toy(spec: MethodSpec, kind: Kind, seed: int = 0) -> Method:
    """The method on the toy task of a kind."""
    task = TOYS[kind]()

    def build_network(index: int = 0, backbone: str | None = None) -> TaskNetwork:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed * 101 + index)
            network = nn.Sequential(
                nn.Conv2d(3, 8, 3, padding=1), nn.Tanh(), nn.Conv2d(8, task.out_channels, 1)
            )
        return TaskNetwork(network, in_channels=3, residual=False)

    torch.manual_seed(seed)
    method: Method = resolve(spec.method)(task, resolve_config(toy_spec(kind), spec, {}), build_network)
    return method.train()


def train_toy(
    spec: MethodSpec, kind: Kind, *, unlabeled_seed: int = 0, resume_at: int | None = None
) -> Method:
    """Train on the toy task; with `resume_at`, through a saved state and a freshly built method."""
    stream: Any = ToyStream(kind, unlabeled_seed, uses_unlabeled=spec.uses_unlabeled)
    trainer = Trainer(build_toy(spec, kind), RECIPE, stream, seed=0)
    for step in range(STEPS):
        if step == resume_at:
            buffer = io.BytesIO()
            torch.save(trainer.state_dict(), buffer)
            buffer.seek(0)
            trainer = Trainer(build_toy(spec, kind, seed=1), RECIPE, stream, seed=0)
            trainer.load_state_dict(torch.load(buffer, weights_only=True))
        trainer.step(step)
    return trainer.method


class Trial:
    """The runs that the checks of one method on one kind of task look at, each made once."""

    def __init__(self, spec: MethodSpec, kind: Kind) -> None:
        self.spec, self.kind = spec, kind

    @cached_property
    def fresh(self) -> Method:
        """Untrained."""
        return build_toy(self.spec, self.kind)

    @cached_property
    def trained(self) -> Method:
        """Trained from first to last step."""
        return train_toy(self.spec, self.kind)

    @cached_property
    def resumed(self) -> Method:
        """Trained with a resume half-way."""
        return train_toy(self.spec, self.kind, resume_at=STEPS // 2)

    @cached_property
    def elsewhere(self) -> Method:
        """Trained on other unlabelled images."""
        return train_toy(self.spec, self.kind, unlabeled_seed=1)


def _every_parameter_has_one_player(trial: Trial) -> str | None:
    check_players(trial.fresh, trial.fresh.players())
    return None


def _every_term_is_finite(trial: Trial) -> str | None:
    _ = trial.trained  # The trainer raises, naming the term.
    return None


def _every_player_moves(trial: Trial) -> str | None:
    after = trial.trained.players()
    for name, player in trial.fresh.players().items():
        pairs = zip(player.parameters(), after[name].parameters(), strict=True)
        if all(torch.equal(old, new) for old, new in pairs):
            return f"player '{name}' never moves: no term of `losses` reaches its parameters"
    return None


def _a_resume_is_exact(trial: Trial) -> str | None:
    resumed = trial.resumed.state_dict()
    for name, value in trial.trained.state_dict().items():
        if not torch.equal(value, resumed[name]):
            return (
                f"'{name}' differs after a resume: state is kept outside modules and buffers, "
                "or a draw comes from another generator than torch's or `progress.generator`"
            )
    return None


def _unlabeled_images_matter(trial: Trial) -> str | None:
    if not trial.spec.uses_unlabeled:
        return None
    probe = ToyStream(trial.kind).batch(STEPS).labeled_images
    fresh, trained, elsewhere = trial.fresh, trial.trained, trial.elsewhere
    with torch.no_grad():
        learnt = trained.predict(probe)
        moved = (learnt - fresh.predict(probe)).abs().max()
        apart = (learnt - elsewhere.predict(probe)).abs().max()
    if apart <= 1e-6 * moved:
        return (
            "unlabelled images change nothing that is learnt: does the unsupervised loss carry a gradient, or is "
            "it computed from the teacher's output alone? (declare uses_unlabeled=False if this is meant)"
        )
    return None


def _predictions_have_the_right_shape(trial: Trial) -> str | None:
    method = build_toy(trial.spec, trial.kind).eval()
    images = torch.rand(1, 3, 19, 13)
    state = copy.deepcopy(method.state_dict())
    with torch.no_grad():
        for name, predict in {"predict": method.predict, **method.predict_beside()}.items():
            shape = tuple(predict(images).shape)
            if shape != (1, method.task.out_channels, 19, 13):
                return f"{name} gives shape {shape} for an image of 19 x 13, not (1, O, 19, 13)"
    if any(not torch.equal(value, state[name]) for name, value in method.state_dict().items()):
        return "predict changes weights or buffers in evaluation mode"
    return None


def _settings_can_be_written(trial: Trial) -> str | None:
    config = resolve_config(toy_spec(trial.kind), trial.spec, {})
    again = trial.spec.config(**json.loads(json.dumps(config.model_dump(mode="json"))))
    return None if again == config else "the settings are not the same after a round trip through JSON"


METHOD_CHECKS: tuple[Callable[[Trial], str | None], ...] = (
    _settings_can_be_written,
    _predictions_have_the_right_shape,
    _every_parameter_has_one_player,
    _every_term_is_finite,
    _every_player_moves,
    _a_resume_is_exact,
    _unlabeled_images_matter,
)


def check_method(spec: MethodSpec, kind: Kind) -> list[str]:
    """What is wrong with a method on tasks of a kind: one sentence per fault, none where all is well."""
    if spec.unsupported(toy_spec(kind)) is not None:
        return []
    trial = Trial(spec, kind)
    return list(_findings((check.__name__, partial(check, trial)) for check in METHOD_CHECKS))


def check_task(spec: TaskSpec) -> list[str]:
    """What is wrong with a task, tried on random logits and labels with void pixels."""
    task: Task = resolve(spec.task)(("zero", "one", "two") if spec.kind == "classification" else ())
    generator = torch.Generator().manual_seed(0)
    channels = task.out_channels
    logits = torch.randn(2, channels, HEIGHT, WIDTH, generator=generator)
    valid = torch.rand(2, 1, HEIGHT, WIDTH, generator=generator) > 0.2
    value = torch.rand(2, channels, HEIGHT, WIDTH, generator=generator)
    if spec.kind == "classification":
        value = value.argmax(1) * valid[:, 0]
    target = Target(value, valid)

    def shapes() -> str | None:
        dense, prediction = task.encode(target), task.activate(logits)
        if dense.value.shape != prediction.shape or prediction.dtype != torch.float32:
            return f"encode gives {tuple(dense.value.shape)}, activate {tuple(prediction.shape)} {prediction.dtype}"
        if bool((dense.value * ~dense.valid).any()) or dense.value.min() < 0 or dense.value.max() > 1:
            return "encode must lie in [0, 1] and be 0 where the label is not valid"
        return None

    def void_is_inert() -> str | None:
        other = torch.where(valid if value.dim() == 4 else valid[:, 0], value, 1 if value.dim() == 3 else 0.5)
        if not torch.equal(task.loss(logits, target), task.loss(logits, Target(other, valid))):
            return "the loss depends on labels under void pixels"
        nothing = Target(value, torch.zeros_like(valid))
        return (
            None if task.loss(logits, nothing).item() == 0 else "the loss of a batch of void pixels is not 0"
        )

    def perturbation() -> str | None:
        images = torch.rand(2, task.in_channels, HEIGHT, WIDTH, generator=generator)
        for strength in ("none", "weak", "strong"):
            first, second = (
                task.perturb(images, torch.Generator().manual_seed(1), strength) for _ in range(2)
            )
            if not torch.equal(first, second):
                return "perturb draws from another generator than the one it is given"
            if first.shape != images.shape or first.min() < 0 or first.max() > 1:
                return "perturb must keep the shape and the range [0, 1]"
        return None

    def scores() -> str | None:
        metrics = task.metrics()
        for row in range(2):
            metrics.update(
                task.activate(logits[row : row + 1]), Target(value[row : row + 1], valid[row : row + 1])
            )
        missing = [metric.name for metric in spec.metrics if metric.name not in metrics.compute()]
        return f"metrics are declared but not computed: {', '.join(missing)}" if missing else None

    checks = (shapes, void_is_inert, perturbation, scores)
    return list(_findings((check.__name__, check) for check in checks))


def _findings(checks: Iterable[tuple[str, Callable[[], str | None]]]) -> Iterator[str]:
    for name, check in checks:
        title = name.strip("_").replace("_", " ")
        try:
            sentence = check()
        except Exception as error:
            known = isinstance(error, SslBenchError)
            sentence = str(error) if known else f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
            yield f"{title}: {sentence}"
            return  # What comes after would fail for the same reason.
        if sentence:
            yield f"{title}: {sentence}"
