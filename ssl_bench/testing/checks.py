"""What a method and a task promise, checked."""

import copy
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from functools import cached_property, partial

import numpy as np
import torch

from ssl_bench.cell import resolve_config
from ssl_bench.errors import SslBenchError
from ssl_bench.method import Method
from ssl_bench.specs import Kind, MethodSpec, TaskSpec, resolve
from ssl_bench.statistics.images import image_scores
from ssl_bench.task import Target, Task
from ssl_bench.testing.toys import HEIGHT, STEPS, WIDTH, ToyStream, build_toy, toy_spec, train_toy
from ssl_bench.trainer import check_players


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
        images = [
            metrics.update(
                task.activate(logits[row : row + 1]), Target(value[row : row + 1], valid[row : row + 1])
            )
            for row in range(2)
        ]
        found = metrics.compute()
        missing = [metric.name for metric in spec.metrics if metric.name not in found]
        if missing:
            return f"metrics are declared but not computed: {', '.join(missing)}"
        per_image = {name: [image.get(name) for image in images] for image in images for name in image}
        for metric in spec.metrics:
            score = found[metric.name]
            stated = metric.aggregate if metric.aggregate == "mean" else asdict(metric.aggregate)
            recorded = metric.aggregate != "mean" or metric.name in per_image
            if score is None or not recorded:
                continue
            if image_scores(per_image, metric.name, score, stated) is None:
                return (
                    f"what is recorded of single images does not give back metric '{metric.name}' by its aggregate; "
                    "state a Ratio of figures that `update` returns, or let it be the mean of the images' scores"
                )
        return None

    def files() -> str | None:
        stored = task.stored(task.activate(logits[:1]))
        if stored.shape[:2] != (HEIGHT, WIDTH) or task.to_file(stored).size != (WIDTH, HEIGHT):
            return f"a prediction of {HEIGHT} rows of {WIDTH} pixels is not stored as such: {stored.shape}"
        if spec.kind == "classification" and not np.array_equal(np.asarray(task.to_file(stored)), stored):
            return "the file of a mask does not hold its class ids"
        return None

    checks = (shapes, void_is_inert, perturbation, scores, files)
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
