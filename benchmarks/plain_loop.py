"""Mean Teacher, FixMatch and CPS in one file of plain PyTorch, as for one paper: the peer of `benchmarks/peer.py`.

    python -m benchmarks.plain_loop FOLDER --task segmentation --method mt --seed 0 --iterations 120

Each loop is a generator, a step a `next`, so that steps can be timed. Networks are bare smp and torch modules; of
ssl-bench there are the small U-Net and the random changes of images (perturbations, boxes), so that the work is the
same. Left out, as in most such files: padding counts in unlabelled losses, nothing is saved on the way, and one network
is scored, by one metric.
"""

import argparse
import copy
import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import segmentation_models_pytorch as smp
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset, RandomSampler
from torchvision.transforms.v2 import functional as tv

from ssl_bench.recipe import Kind
from ssl_bench.toolbox.mixing import BoxLaw, draw_boxes
from ssl_bench.world.part import Draws
from ssl_bench_plugins.backbones.unet_small import SmallUNet
from ssl_bench_tasks.denoising import Denoising
from ssl_bench_tasks.segmentation import Segmentation

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
VOID = 255
Step = dict[str, float]
Batch = tuple[Tensor, Tensor, Tensor]
"""Labelled images, their targets (ids (B, H, W) or images), unlabelled images."""


class Normalized(nn.Module):
    """A network on images in [0, 1]; restoration adds what it gives to its input."""

    def __init__(
        self, network: nn.Module, mean: Sequence[float], std: Sequence[float], residual: bool
    ) -> None:
        super().__init__()
        self.network, self.residual = network, residual
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) to (B, O, H, W)."""
        output: Tensor = self.network((images - self.mean) / self.std)
        return images + output if self.residual else output


@dataclass
class Training:
    """What a loop needs."""

    kind: Kind
    networks: list[nn.Module]
    batches: Iterator[Batch]
    perturb: Callable[[Tensor, str], Tensor]
    """Images and a strength, `weak` or `strong`."""
    boxes: Callable[[Tensor, BoxLaw], Tensor]
    """Boxes (B, 1, H, W) bool to paste between rows."""
    iterations: int
    learning_rate: float
    epoch: float
    """Iterations."""

    def loss(self, logits: Tensor, target: Tensor) -> Tensor:
        """Of labelled rows."""
        if self.kind == "classification":
            return F.cross_entropy(logits, target, ignore_index=VOID)
        return F.mse_loss(logits, target)

    def activate(self, logits: Tensor) -> Tensor:
        """Logits to a prediction."""
        return logits.softmax(1) if self.kind == "classification" else logits

    def optimizer(self, network: nn.Module) -> tuple[Any, Any]:
        """Adam, and a polynomial decay."""
        optimizer = torch.optim.Adam(network.parameters(), lr=self.learning_rate)
        decay = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: (1 - step / self.iterations) ** 0.9)
        return optimizer, decay

    def ramp_up(self, step: int, epochs: float) -> float:
        """exp(-5 (1 - t / t0)^2)."""
        return math.exp(-5 * (1 - min(step, epochs * self.epoch) / (epochs * self.epoch)) ** 2)


def swap(rows: Tensor, boxes: Tensor) -> Tensor:
    """Rows 2i and 2i + 1 mixed with each other."""
    partners = rows.view(-1, 2, *rows.shape[1:]).flip(1).view_as(rows)
    return torch.where(boxes, partners, rows)


@torch.no_grad()
def average(teacher: nn.Module, student: nn.Module, step: int, alpha: float, buffers: bool) -> None:
    """Move a teacher towards its student."""
    alpha = min(1 - 1 / (step + 1), alpha)
    for old, new in zip(teacher.parameters(), student.parameters(), strict=True):
        old.mul_(alpha).add_(new, alpha=1 - alpha)
    if buffers:
        for old, new in zip(teacher.buffers(), student.buffers(), strict=True):
            if old.is_floating_point():
                old.mul_(alpha).add_(new, alpha=1 - alpha)
            else:
                old.copy_(new)


def mean_teacher(training: Training) -> Iterator[Step]:
    """Its last network is the one to score. Without an average of BatchNorm's statistics, which follow the teacher's
    own batches."""
    student, teacher = training.networks[0], copy.deepcopy(training.networks[0]).requires_grad_(False)
    training.networks.append(teacher)
    optimizer, scheduler = training.optimizer(student)
    classes = training.kind == "classification"
    noise, length = ("strong", 3) if classes else ("weak", 5)
    for step, (labeled, target, unlabeled) in enumerate(training.batches):
        logits = student(torch.cat([labeled, training.perturb(unlabeled, noise)]))
        supervised = training.loss(logits[: len(labeled)], target)
        with torch.no_grad():
            expected = training.activate(teacher(training.perturb(unlabeled, noise)))
        consistency = F.mse_loss(training.activate(logits[len(labeled) :]), expected)
        consistency = training.ramp_up(step, length) * consistency
        optimizer.zero_grad()
        (supervised + consistency).backward()
        optimizer.step()
        scheduler.step()
        average(teacher, student, step, 0.99, buffers=False)
        yield {"task": supervised.item(), "consistency": consistency.item()}


def fixmatch(training: Training) -> Iterator[Step]:
    """By UniMatch V2's form: the teacher is an average, in evaluation mode, BatchNorm's statistics included."""
    student, teacher = training.networks[0], copy.deepcopy(training.networks[0]).requires_grad_(False).eval()
    training.networks.append(teacher)
    optimizer, scheduler = training.optimizer(student)
    for step, (labeled, target, unlabeled) in enumerate(training.batches):
        weak = [unlabeled]
        if training.kind == "regression":
            weak = [training.perturb(unlabeled, "weak") for _ in range(2)]
        strong = training.perturb(unlabeled, "strong")
        boxes = training.boxes(unlabeled, "aspect")
        with torch.no_grad():
            expected = [training.activate(teacher(view)) for view in weak]
        logits = student(torch.cat([labeled, swap(strong, boxes)]))
        supervised = training.loss(logits[: len(labeled)], target)
        wanted = swap(expected[0], boxes)
        if training.kind == "classification":
            sure, classes = wanted.max(1)
            keep = sure >= 0.95
            error = F.cross_entropy(logits[len(labeled) :], classes, reduction="none")
        else:
            difference = (expected[0] - expected[1]).abs().mean(1, keepdim=True)
            share = 0.5 + 0.5 * step / training.iterations
            limit = torch.quantile(difference.flatten(1), share, dim=1)
            keep = swap(difference <= limit.view(-1, 1, 1, 1), boxes)
            error = (logits[len(labeled) :] - wanted).abs().mean(1, keepdim=True)
        pseudo = (error * keep).mean()
        optimizer.zero_grad()
        (supervised + pseudo).backward()
        optimizer.step()
        scheduler.step()
        average(teacher, student, step, 0.996, buffers=True)
        yield {"task": supervised.item(), "pseudo": pseudo.item(), "kept": keep.float().mean().item()}


def cps(training: Training) -> Iterator[Step]:
    """Two networks; classes without CutMix, pictures with it. The first one is scored."""
    steppers = [training.optimizer(network) for network in training.networks]
    classes = training.kind == "classification"
    for step, (labeled, target, unlabeled) in enumerate(training.batches):
        wanted, weight = [], 1.5
        images = torch.cat([labeled, unlabeled])
        if not classes:
            boxes, weight = training.boxes(unlabeled, "toggle"), training.ramp_up(step, 5)
            with torch.no_grad():
                wanted = [swap(network(unlabeled), boxes) for network in training.networks]
            images = torch.cat([labeled, swap(unlabeled, boxes)])
        logits = [network(images) for network in training.networks]
        found: Step = {}
        total = torch.zeros(())
        for index, own in enumerate(logits):
            supervised = training.loss(own[: len(labeled)], target)
            if classes:
                exchange = weight * F.cross_entropy(own, logits[1 - index].detach().argmax(1))
            else:
                exchange = weight * F.l1_loss(own[len(labeled) :], wanted[1 - index])
            total = total + supervised + exchange
            name = ("first", "second")[index]
            found |= {f"{name} task": supervised.item(), f"{name} exchange": exchange.item()}
        for optimizer, _ in steppers:
            optimizer.zero_grad()
        total.backward()
        for optimizer, scheduler in steppers:
            optimizer.step()
            scheduler.step()
        yield found


LOOPS: dict[str, Callable[[Training], Iterator[Step]]] = {
    "mt": mean_teacher,
    "fixmatch": fixmatch,
    "cps": cps,
}
SCORED = {"mt": -1, "fixmatch": -1, "cps": 0}


class Pairs(Dataset[tuple[Tensor, Tensor]]):
    """Random crops of `input/` and `target/` in a folder."""

    def __init__(
        self, folder: Path, names: Sequence[str], kind: Kind, crop: int, scale: tuple[float, float]
    ) -> None:
        self.folder, self.names, self.kind, self.crop, self.scale = folder, names, kind, crop, scale

    def __len__(self) -> int:
        """Pictures."""
        return len(self.names)

    def open(self, name: str) -> tuple[Tensor, Tensor]:
        """A whole picture (3, H, W) in [0, 1], and its target."""
        image = tv.to_dtype(
            tv.pil_to_tensor(Image.open(self.folder / "input" / name)), torch.float32, scale=True
        )
        target = tv.pil_to_tensor(Image.open(self.folder / "target" / name))
        return image, target if self.kind == "classification" else tv.to_dtype(
            target, torch.float32, scale=True
        )

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        """Rescaled, cropped and perhaps mirrored."""
        image, target = self.open(self.names[index])
        scale = math.exp(np.random.uniform(*np.log(self.scale)))
        if scale != 1:
            size = [max(self.crop, round(side * scale)) for side in image.shape[1:]]
            image, target = tv.resize(image, size), tv.resize(target, size, tv.InterpolationMode.NEAREST)
        top, left = (np.random.randint(side - self.crop + 1) for side in image.shape[1:])
        image, target = (tv.crop(each, top, left, self.crop, self.crop) for each in (image, target))
        if np.random.rand() < 0.5:
            image, target = tv.horizontal_flip(image), tv.horizontal_flip(target)
        return image, target[0].long() if self.kind == "classification" else target


def batches_of(labeled: Pairs, unlabeled: Pairs, rows: int, iterations: int) -> Iterator[Batch]:
    """Half labelled, half not."""
    loaders = [
        DataLoader(part, rows, sampler=RandomSampler(part, num_samples=rows * iterations))
        for part in (labeled, unlabeled)
    ]
    for (images, targets), (others, _) in zip(*loaders, strict=True):
        yield images, targets, others


@torch.no_grad()
def score(network: nn.Module, data: Pairs, classes: int) -> float:
    """Mean IoU, or PSNR in dB."""
    network.eval()
    confusion, decibels = torch.zeros(classes, classes), []
    for name in data.names:
        image, target = data.open(name)
        output = network(image[None])[0]
        if data.kind == "classification":
            known = target[0] != VOID
            places = target[0][known].long() * classes + output.argmax(0)[known]
            confusion += torch.bincount(places, minlength=classes**2).view(classes, classes)
        else:
            decibels.append(-10 * math.log10(F.mse_loss(output.clamp(0, 1), target).item()))
    if decibels:
        return float(np.mean(decibels))
    union = confusion.sum(0) + confusion.sum(1) - confusion.diag()
    return float((confusion.diag() / union)[union > 0].mean())


def changes(task: Segmentation | Denoising, generator: torch.Generator) -> tuple[Any, Any]:
    """`perturb` and `boxes` of a Training."""
    draws = Draws(generator)
    return (
        lambda images, strength: task.perturb(images, draws, strength),
        lambda images, law: draw_boxes(law, draws, images),
    )


def train(
    folder: Path, task: str, method: str, seed: int, iterations: int, classes: int, labels: int
) -> float:
    """A whole run; the score on the test pictures."""
    torch.manual_seed(seed)
    np.random.seed(seed)
    made: Segmentation | Denoising
    if task == "segmentation":
        kind, made, crop, scale, rate, epochs = (
            "classification",
            Segmentation(("",) * classes),
            96,
            (0.8, 1.25),
            1e-3,
            20,
        )
        build: Callable[[], nn.Module] = partial(
            smp.FPN, "tu-tf_efficientnet_lite0", encoder_weights=None, classes=classes
        )
    else:
        kind, made, crop, scale, rate, epochs = "regression", Denoising(), 64, (1.0, 1.0), 5e-3, 40
        build = partial(SmallUNet, 3, 3)
    networks: list[nn.Module] = [
        Normalized(build(), MEAN, STD, made.residual) for _ in range(1 + (method == "cps"))
    ]
    parts = {
        part: sorted(path.name for path in (folder / part / "input").iterdir()) for part in ("train", "test")
    }
    names = np.random.permutation(parts["train"]).tolist()
    data = partial(Pairs, kind=kind, crop=crop, scale=scale)
    labeled, unlabeled = (data(folder / "train", own) for own in (names[:labels], names[labels:]))
    perturb, boxes = changes(made, torch.Generator().manual_seed(seed))
    batches = batches_of(labeled, unlabeled, 2, iterations)
    training = Training(
        kind,
        networks,
        batches,
        perturb,
        boxes,
        iterations,
        rate,
        iterations / epochs,  # type: ignore[arg-type]
    )
    for step, losses in enumerate(LOOPS[method](training)):
        if step % 20 == 0:
            print(step, {name: round(value, 4) for name, value in losses.items()})
    return score(networks[SCORED[method]], data(folder / "test", parts["test"]), classes)


def main() -> None:
    """One run, its score to a file."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--task", choices=("segmentation", "denoising"), required=True)
    parser.add_argument("--method", choices=sorted(LOOPS), required=True)
    for name, default in (("seed", 0), ("iterations", 120), ("classes", 5), ("labels", 4)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--out", type=Path, default=Path("score.json"))
    options = vars(parser.parse_args())
    out = options.pop("out")
    out.write_text(json.dumps({"score": train(**options)}))


if __name__ == "__main__":
    main()
