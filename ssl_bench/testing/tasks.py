"""What a task promises, tried on random logits and labels with void pixels."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any, get_args

import numpy as np
import torch

from ssl_bench.data.splits import is_number
from ssl_bench.recipe import Kind
from ssl_bench.significance.images import image_scores
from ssl_bench.specs import TaskSpec, make_task
from ssl_bench.task import Scores, Target
from ssl_bench.testing.findings import Check
from ssl_bench.testing.toys import HEIGHT, WIDTH
from ssl_bench.world.part import Draws, Part


def task_checks(spec: TaskSpec) -> Iterator[Check]:
    """The checks of a task."""
    task = make_task(spec, ("zero", "one", "two") if spec.kind == "classification" else ())
    generator = torch.Generator().manual_seed(0)
    channels = task.out_channels
    logits = torch.randn(2, channels, HEIGHT, WIDTH, generator=generator)
    valid = torch.rand(2, 1, HEIGHT, WIDTH, generator=generator) > 0.2
    value = torch.rand(2, channels, HEIGHT, WIDTH, generator=generator)
    if spec.kind == "classification":
        value = value.argmax(1) * valid[:, 0]
    target = Target(value, valid)

    def shapes() -> str | None:
        if spec.kind not in get_args(Kind):
            return f"its kind is '{spec.kind}'; it is one of {', '.join(get_args(Kind))}"
        if task.kind != spec.kind:
            return f"its spec says {spec.kind}, its class {task.kind}"
        dense, prediction = task.encode(target), task.activate(logits)
        if dense.value.shape != prediction.shape or prediction.dtype != torch.float32:
            return f"encode gives {tuple(dense.value.shape)}, activate {tuple(prediction.shape)} {prediction.dtype}"
        if bool((dense.value * ~dense.valid).any()) or dense.value.min() < 0 or dense.value.max() > 1:
            return "encode must lie in [0, 1] and be 0 where the label is not valid"
        if task.residual and task.in_channels != channels:
            return f"residual adds the input, of {task.in_channels} channels, to logits of {channels}"
        return None

    def the_loss_teaches() -> str | None:
        asked = logits.clone().requires_grad_()
        loss = task.loss(asked, target)
        if loss.dim() or not loss.isfinite():
            return f"the loss is {loss.tolist()}, no finite scalar; take the mean over valid pixels"
        gradient = torch.autograd.grad(loss, asked, allow_unused=True)[0] if loss.requires_grad else None
        if gradient is None or not gradient.any() or not gradient.isfinite().all():
            return "the loss has no finite gradient with respect to the logits: is something detached in it?"
        return None

    def void_is_inert() -> str | None:
        other = torch.where(valid if value.dim() == 4 else valid[:, 0], value, 1 if value.dim() == 3 else 0.5)
        if not torch.equal(task.loss(logits, target), task.loss(logits, Target(other, valid))):
            return "the loss depends on labels under void pixels; multiply by `valid`, or use `masked_mean`"
        nothing = Target(value, torch.zeros_like(valid))
        if task.loss(logits, nothing).item() != 0:
            return "the loss of a batch of void pixels is not 0; `masked_mean` gives that"
        return None

    def bf16() -> str | None:
        low = logits.bfloat16()
        if task.activate(low).dtype != torch.float32:
            return f"activate gives {task.activate(low).dtype} for bf16 logits; cast to float32 first"
        return None if task.loss(low, target).isfinite() else "the loss of bf16 logits is not finite"

    def perturbation() -> str | None:
        images = torch.rand(2, task.in_channels, HEIGHT, WIDTH, generator=generator)
        for strength in ("none", "weak", "strong"):
            first, second = (
                task.perturb(images, Draws(torch.Generator().manual_seed(1)), strength) for _ in range(2)
            )
            if not torch.equal(first, second):
                return "perturb draws from elsewhere than `draws`"
            if first.shape != images.shape or first.min() < 0 or first.max() > 1:
                return "perturb must keep the shape and the range [0, 1]"
            halves = (
                task.perturb(rows, Draws(torch.Generator().manual_seed(1), Part(index, 2)), strength)
                for index, rows in enumerate(images.split(1))
            )
            if not torch.allclose(torch.cat([*halves]), first, atol=1e-6):
                return "a row's perturbation depends on the rows beside it, and so on the number of processes"
        return None

    def perturbed_pixels_stay_in_place() -> str | None:
        # One quarter of an image is changed, its mean is not, and that is where the perturbed image has to change; a
        # box may hide it, and then nothing changes.
        rows, tall, wide = 16, HEIGHT // 2, WIDTH // 2
        images = torch.rand(rows, task.in_channels, HEIGHT, WIDTH, generator=generator)
        changed = images.clone()
        changed[..., :tall, :wide] = 1 - changed[..., :tall, :wide]
        for strength in ("weak", "strong"):
            one, other = (
                task.perturb(each, Draws(torch.Generator().manual_seed(1)), strength)
                for each in (images, changed)
            )
            moved = (one - other).abs().mean(1)
            stayed = moved[:, :tall, :wide].mean((1, 2))
            elsewhere = 4 * moved.mean((1, 2)) - stayed
            if bool(((elsewhere > stayed) & (elsewhere > 0.05)).any()):
                return (
                    f"perturb moves pixels where it is {strength}: what changes in one quarter of an image comes out "
                    "in another, where the label does not fit; leave flips and turns to the crops"
                )
        return None

    def scores() -> str | None:
        metrics, first, second = task.metrics(), task.metrics(), task.metrics()
        images: list[Mapping[str, Any]] = []
        for row, share in enumerate((first, second)):
            for each in (metrics, share):
                image = each.update(
                    task.activate(logits[row : row + 1]), Target(value[row : row + 1], valid[row : row + 1])
                )
            images.append(image)
        missing = [metric.name for metric in spec.metrics if metric.name not in metrics.compute()]
        if missing:
            return f"metrics are declared but not computed: {', '.join(missing)}"
        second.merge(first)
        if second.compute() != metrics.compute():
            return "scores depend on how images are shared out between two metrics that `merge`"
        return _aggregates(spec, metrics.compute(), images)

    def files() -> str | None:
        stored = task.stored(task.activate(logits[:1]))
        if stored.shape[:2] != (HEIGHT, WIDTH) or task.to_file(stored).size != (WIDTH, HEIGHT):
            return f"a prediction of {HEIGHT} rows of {WIDTH} pixels is not stored as such: {stored.shape}"
        if spec.kind == "classification" and not np.array_equal(np.asarray(task.to_file(stored)), stored):
            return "the file of a mask does not hold its class ids"
        return None

    def recipes() -> str | None:
        if others := {type(recipe).__name__ for recipe in spec.recipes.values()} - {spec.recipe.__name__}:
            return (
                f"recipes of its tiers are {spec.recipe.__name__} and {others.pop()}; let them be of one type"
            )
        if lacking := [tier for tier in spec.recipes if tier not in spec.backbones]:
            return f"tier {lacking[0]} has a recipe and no backbone; name one in `backbones`"
        for recipe in spec.recipes.values():
            task.prepare(recipe, iter(()))
        return None

    def labels_of_tiers() -> str | None:
        for tier, labels in spec.labels.items():
            if tier not in spec.recipes:
                return f"labels are stated for tier '{tier}', of which there is no recipe"
            if labels != "all" and not is_number(labels):
                return f"labels of tier {tier} are '{labels}'; state a fraction (1/8), a count (100) or all"
        return None

    for check in (
        recipes,
        labels_of_tiers,
        shapes,
        the_loss_teaches,
        void_is_inert,
        bf16,
        perturbation,
        perturbed_pixels_stay_in_place,
        scores,
        files,
    ):
        yield check.__name__.replace("_", " "), check


def _aggregates(spec: TaskSpec, scores: Scores, images: Sequence[Mapping[str, Any]]) -> str | None:
    per_image = {name: [image.get(name) for image in images] for image in images for name in image}
    for metric in spec.metrics:
        score, stated = scores[metric.name], metric.aggregate
        if score is None or (stated == "mean" and metric.name not in per_image):
            continue
        fields = stated if isinstance(stated, str) else asdict(stated)
        if image_scores(per_image, metric.name, score, fields) is None:
            return (
                f"what is recorded of single images does not give back metric '{metric.name}' by its aggregate; "
                "state a Ratio of figures that `update` returns, or let it be the mean of the images' scores"
            )
    return None
