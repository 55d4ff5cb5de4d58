"""What data sets, backbones, executors and trackers promise."""

import copy
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch
from torch import nn
from torch.nn.parameter import is_lazy

from ssl_bench.backbone import TaskNetwork
from ssl_bench.data.folders import FolderDataset
from ssl_bench.data.reader import TargetKind
from ssl_bench.data.splits import LabelSplit
from ssl_bench.dataset import VOID, Dataset
from ssl_bench.errors import DataError, UsageError, first_line
from ssl_bench.executor import Executor, Wanted
from ssl_bench.plan.cell import Cell
from ssl_bench.registry.registry import Registry
from ssl_bench.specs import BackboneSpec, DatasetSpec, ExecutorSpec, TrackerSpec, make_task, resolve
from ssl_bench.testing.findings import Check
from ssl_bench.tracker import Tracker

DEPTHS = (np.uint8, np.uint16, np.float32)
"""Of images, and of targets that are pictures."""


def dataset_checks(spec: DatasetSpec, registry: Registry) -> Iterator[Check]:
    """The checks of a data set: of its pictures where it is made in memory, of its layout where it lies in folders."""
    kind: type[Dataset] = resolve(spec.dataset)
    yield "its task is there", lambda: _task_fault(spec, registry)
    if spec.needs_path:
        yield "it tells what it looks for", lambda: _layout_fault(kind)
        return
    dataset = kind.open(None)
    yield "training and test are apart", lambda: _roles_fault(dataset)
    yield "pictures are as the task has them", lambda: _pictures_fault(dataset, spec, registry)
    yield "it is the same every time", lambda: _repetition_fault(dataset, kind.open(None))


def _task_fault(spec: DatasetSpec, registry: Registry) -> None:
    registry.task(spec.task)  # Raises, with a suggestion.


def _layout_fault(kind: type[Dataset]) -> str | None:
    if not kind.layout:
        return "`layout` is empty: say in words which folders hold what, for error messages"
    if issubclass(kind, FolderDataset) and (fault := _folders_fault(kind)):
        return fault
    with tempfile.TemporaryDirectory() as folder:
        if kind.recognises(Path(folder)):
            return "it recognises an empty folder; look for folders of its own (`marks`)"
        try:
            kind.open(Path(folder))
        except DataError:
            return None
        return "an empty folder can be opened; raise DataError, saying what is missing and where"


def _folders_fault(kind: type[FolderDataset]) -> str | None:
    """What of a layout's folders can never be found, or be read as what they hold."""
    wanted, targets = get_args(TargetKind), getattr(kind, "targets_are", "")
    if targets not in wanted:
        return f"`targets_are` is '{targets}'; it is one of {', '.join(wanted)}"
    marks, train = getattr(kind, "marks", ()), getattr(kind, "train_files", ())
    if not marks or not all(isinstance(names, tuple) for names in marks):
        return '`marks` are to be tuples of folders by which the layout is known, `(("input", "target"),)`'
    if not isinstance(train, tuple) or not train:
        return "`train_files` is to be a tuple of Files, `(Files(images=...),)`"
    tested = kind.test_files or kind.validation_files or kind.test_lists or kind.holds_out
    if not tested and kind.beside is FolderDataset.beside:
        return "it has no test set: name `test_files`, or state `holds_out = True`"
    return None


def _roles_fault(dataset: Dataset) -> str | None:
    names = [*dataset.train, *dataset.unlabeled, *dataset.test]
    if not dataset.train or not dataset.test:
        return "it has no training or no test images"
    if len(set(names)) < len(names):
        return "an image stands twice among `train`, `unlabeled` and `test`"
    return None


def _pictures_fault(dataset: Dataset, spec: DatasetSpec, registry: Registry) -> str | None:
    task = make_task(registry.task(spec.task), dataset.classes, dataset.channels)
    for name in (dataset.train[0], dataset.test[0]):
        image, target = dataset.image(name), dataset.target(name)
        if image.dtype not in DEPTHS or image.ndim != 3 or image.shape[2] != task.in_channels:
            return (
                f"image '{name}' is {image.shape} {image.dtype}, not (H, W, {task.in_channels}) uint8, uint16 or "
                "float32; state other channels in `channels`"
            )
        if image.dtype.kind == "f" and (image.min() < 0 or image.max() > 1):
            return f"image '{name}' leaves [0, 1]"
        wanted = image.shape[:2] if task.kind == "classification" else (*image.shape[:2], task.out_channels)
        if target.shape != wanted:
            return f"target '{name}' is {target.shape}, not {wanted}"
        if task.kind == "classification":
            wrong = sorted({*np.unique(target).tolist()} - {*range(task.out_channels), VOID})
            if wrong:
                return f"target '{name}' holds class {wrong[0]}, and there are {task.out_channels}"
        elif target.dtype not in DEPTHS:
            return (
                f"target '{name}' is of {target.dtype}, not uint8, uint16 or float32: integers are taken for shares of "
                "their type's largest number"
            )
        elif target.dtype.kind == "f" and (target.min() < 0 or target.max() > 1):
            return f"target '{name}' leaves [0, 1]"
    return None


def _repetition_fault(first: Dataset, second: Dataset) -> str | None:
    if first.fingerprint() != second.fingerprint():
        return "its fingerprint changes from one opening to the next; hash the content and nothing else"
    for name in (first.train[-1], first.train[0], first.test[0]):
        pairs = ((first.image(name), second.image(name)), (first.target(name), second.target(name)))
        if not all(np.array_equal(one, other) for one, other in pairs):
            return f"'{name}' differs from one opening to the next; draw it from a seed made of its name"
    return None


def backbone_checks(spec: BackboneSpec, name: str) -> Iterator[Check]:
    """The checks of the network called `name`."""
    build = resolve(spec.backbone)

    def network(seed: int) -> nn.Module:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            made: nn.Module = build(name, 3, 5)
            return made

    first = network(0)
    images = torch.rand(2, 3, 70, 90, generator=torch.Generator().manual_seed(0))

    def its_parameters_are_there_at_once() -> str | None:
        for key, value in (*first.named_parameters(), *first.named_buffers()):
            if is_lazy(value):
                return (
                    f"'{key}' is made in the first forward pass, after its optimiser: give its layer the size"
                )
        return None

    def its_start_is_the_seeds() -> str | None:
        again, other = network(0).state_dict(), network(1).state_dict()
        state = first.state_dict()
        if any(not torch.equal(value, again[key]) for key, value in state.items()):
            return "two networks of one seed differ: initialise from torch's generator alone"
        if all(torch.equal(value, other[key]) for key, value in state.items()):
            return "networks of two seeds are equal: does it seed a generator of its own?"
        return None

    def logits_have_the_images_size() -> str | None:
        wrapped = TaskNetwork(first, in_channels=3, residual=False).eval()
        with torch.no_grad():
            shape = tuple(wrapped(images).shape)
        if shape != (2, 5, 70, 90):
            return f"it gives {shape} for images of 70 x 90, not (2, 5, 70, 90); has it a `stride`?"
        return None

    def every_parameter_learns() -> str | None:
        wrapped = TaskNetwork(first, in_channels=3, residual=False).train()
        wrapped(images).square().mean().backward()
        for key, parameter in first.named_parameters():
            if parameter.requires_grad and parameter.grad is None:
                return f"no gradient reaches '{key}': it is not used, or detached on the way"
        return None

    def its_encoder_is_there() -> str | None:
        if spec.has_encoder and not isinstance(getattr(first, "encoder", None), nn.Module):
            return "`BackboneSpec.has_encoder` is set, and the network has no module `encoder`"
        return None

    def its_features_make_its_logits() -> str | None:
        if not spec.has_features:
            return None
        wrapped = TaskNetwork(network(0), in_channels=3, residual=False).eval()
        if not wrapped.has_features:
            return "`BackboneSpec.has_features` is set, and the network has no `features` and `from_features`"
        with torch.no_grad():
            features = wrapped.features(images)
            before = [level.clone() for level in features]
            logits = wrapped.from_features(features, images)
            if any(not torch.equal(*pair) for pair in zip(before, features, strict=True)):
                return (
                    "`from_features` changes what it is given; let no layer in it work in place on a feature"
                )
            if not torch.equal(logits, wrapped(images)):
                return "`from_features(features(inputs), inputs)` is not what `forward` gives"
        wrapped.shed_encoder()
        with torch.no_grad():
            if not torch.equal(logits, wrapped.from_features(features, images)):
                return "`from_features` needs a part that `encoding` names; name what `features` alone runs"
        return None

    def it_can_be_copied() -> str | None:
        other = network(1).eval()
        try:
            fresh = network(0)  # As methods copy it; what a pass computes is replaced in it.
            copied = copy.deepcopy(fresh).eval()
        except Exception as error:
            return (
                f"copy.deepcopy fails, by which methods make teachers ({first_line(error)}); keep no computed tensor "
                "as an attribute: of weight_norm and spectral_norm take those in torch.nn.utils.parametrizations"
            )
        before = {key: value.clone() for key, value in fresh.state_dict().items()}
        copied.load_state_dict(other.state_dict())
        with torch.no_grad():
            wanted, given = (
                TaskNetwork(one, in_channels=3, residual=False)(images) for one in (other, copied)
            )
        if any(not torch.equal(value, before[key]) for key, value in fresh.state_dict().items()):
            return "what is loaded into a copy changes the network itself: they share parameters or buffers"
        if not torch.equal(wanted, given):
            return (
                "a copy with the state of another network does not give what that one gives: hooks and attributes must "
                "go by the module that they are called with, and all that counts stand in its state"
            )
        return None

    def it_is_finite_under_bf16() -> str | None:
        wrapped = TaskNetwork(first, in_channels=3, residual=False).eval()
        with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
            return None if wrapped(images).isfinite().all() else "its logits are not finite under autocast"

    for check in (
        its_parameters_are_there_at_once,
        its_start_is_the_seeds,
        logits_have_the_images_size,
        it_can_be_copied,
        every_parameter_learns,
        its_encoder_is_there,
        its_features_make_its_logits,
        it_is_finite_under_bf16,
    ):
        yield check.__name__.replace("_", " "), check


def executor_checks(spec: ExecutorSpec) -> Iterator[Check]:
    """The checks of an executor that need no device and no cluster."""
    kind = resolve(spec.executor)

    def nothing_to_do_is_done_at_once() -> str | None:
        if not isinstance(kind, type) or not issubclass(kind, Executor):
            return f"{kind!r} is no subclass of ssl_bench.executor.Executor"
        try:
            executor = kind(Wanted(devices="cpu"), spec.config())
        except UsageError:
            return None  # A cluster that is not here; a command would end with this, before any compute.
        except TypeError as error:
            return str(error)  # One of the methods that it must have is missing.
        for at_once in (False, True):
            executor.stop([], at_once=at_once)
        executor.close()
        if not executor.grace >= 0:
            return f"its grace is {executor.grace}: jobs would be ended before they can save"
        return None

    yield "nothing to do is done at once", nothing_to_do_is_done_at_once


def tracker_checks(spec: TrackerSpec) -> Iterator[Check]:
    """The checks of a tracker: it follows a short run, and the same run resumed."""
    kind = resolve(spec.tracker)

    def follow(folder: Path, start: int, *, search: bool = False) -> None:
        tracker: Tracker = kind()
        cell = _coordinates(search)
        tracker.start(folder, cell, start)
        for step in range(start + 1, start + 3):
            tracker.step(step, {"model/task": 0.5})
        tracker.evaluation(start + 2, {"score": 1.0, "missing": None})
        tracker.end({"cell": cell, "metrics": {"score": 1.0, "missing": None}})

    def it_follows_a_run_and_its_resume() -> str | None:
        if not isinstance(kind, type) or not issubclass(kind, Tracker):
            return f"{kind!r} is no subclass of ssl_bench.tracker.Tracker"
        with tempfile.TemporaryDirectory() as folder:
            follow(Path(folder), 0)
            follow(Path(folder), 2)
        with tempfile.TemporaryDirectory() as folder:
            follow(Path(folder), 0, search=True)
        return None

    yield "it follows a run and its resume", it_follows_a_run_and_its_resume


def _coordinates(search: bool) -> dict[str, Any]:
    """Coordinates of a cell, as a tracker is given them."""
    names = ("toy", "another")
    split = LabelSplit("1/2", 0, labeled=names, unlabeled=(), held_out=names if search else ())
    cell = Cell(
        task="toy",
        dataset="toy",
        data="0" * 16,
        split=split,
        backbone="toy",
        method="toy",
        seed=0,
        tier="smoke",
        recipe={},
        config={},
        threads=1,
        providers={},
        describe={},
    )
    return cell.coordinates()
