"""Pretrained weights that networks start from: what was asked for, and whether it can be had. Torch-free until then.

The engine knows no library: a `BackboneSpec` says where its weights come from and how they are loaded.
"""

import hashlib
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ssl_bench.errors import CellError, UsageError
from ssl_bench.plan.cell import Cell
from ssl_bench.plan.order import Order
from ssl_bench.registry.registry import Registry
from ssl_bench.specs import BackboneSpec, resolve

if TYPE_CHECKING:
    from torch import nn

PUBLISHED = "published"


@dataclass(frozen=True)
class Weights:
    """Where a cell's networks start."""

    identity: str = ""
    """Empty: from scratch; `published`: from what the backbone's provider has; else `sha256:` and a file's hash."""
    path: str | None = None
    """The file on this machine."""

    def load(self, spec: BackboneSpec, network: "nn.Module", name: str) -> None:
        """Into a freshly built network, where it takes any. UsageError where they cannot be had or do not fit."""
        if self.identity and spec.load_weights is not None:
            file = Path(self.path) if self.path is not None else resolve(spec.find_weights)(name)
            resolve(spec.load_weights)(network, file)

    def check_file(self) -> None:
        """CellError unless the file is still the one that the run was planned with."""
        if self.path is None:
            return
        try:
            same = file_identity(Path(self.path)) == self.identity
        except OSError as error:
            raise CellError(f"{self.path}: the weights cannot be read ({error.strerror})") from error
        if not same:
            raise CellError(f"{self.path}: the weights have changed since the run was planned; run it again")


SCRATCH = Weights()


def wanted_weights(pretrained: bool | None, file: Path | None) -> Weights:
    """What `--pretrained` and `--weights` ask for: published weights unless they say otherwise. UsageError where they
    contradict."""
    if file is None:
        return SCRATCH if pretrained is False else Weights(PUBLISHED)
    if pretrained is False:
        raise UsageError("--no-pretrained and --weights contradict each other; leave one out")
    path = file.absolute()
    try:
        return Weights(file_identity(path), str(path))
    except OSError as error:
        raise UsageError(f"--weights {file}: cannot be read ({error.strerror}); check the path") from error


def file_identity(path: Path) -> str:
    """`sha256:` and the start of the content's hash. Raises OSError."""
    with path.open("rb") as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()[:16]}"


def weights_for(weights: Weights, registry: Registry, names: Iterable[str]) -> Weights:
    """The weights, or none where no network of these names takes any."""
    return weights if any(registry.backbone(name).load_weights is not None for name in names) else SCRATCH


def check_asked(explicit: bool, cells: Collection[Cell]) -> None:
    """UsageError where the command line asks for pretrained weights and no network of the command takes any."""
    if explicit and cells and not any(cell.pretrained for cell in cells):
        names = ", ".join(dict.fromkeys(cell.backbone for cell in cells))
        raise UsageError(
            f"pretrained weights are asked for, and no network here takes any ({names}); name another by --backbones"
        )


def check_weights(registry: Registry, orders: Iterable[Order], report: Callable[[str], None]) -> None:
    """Find, download and load once the weights that the cells start from. UsageError before any compute.

    `report` is told each backbone's name before its weights are looked for.
    """
    seen = set()
    for order in orders:
        cell = order.cell
        if not cell.pretrained:
            continue
        weights = Weights(cell.pretrained, order.weights)
        names = [cell.backbone, *registry.method(cell.method).config(**cell.config).backbones()]
        channels = _in_channels(cell, registry)
        for name in names:
            spec = registry.backbone(name)
            key = (name, weights, channels)
            if key not in seen and spec.load_weights is not None:
                seen.add(key)
                report(name)
                weights.load(spec, resolve(spec.backbone)(name, channels, 2), name)


def check_channels(registry: Registry, cells: Iterable[Cell]) -> None:
    """UsageError for a task that adds a network's output to images of another number of channels."""
    for cell in {(cell.task, cell.channels): cell for cell in cells if not cell.channels.are_rgb}.values():
        from ssl_bench.specs import make_task

        task = make_task(registry.task(cell.task), cell.classes, cell.channels)
        if task.residual and task.in_channels != task.out_channels:
            raise UsageError(
                f"task '{cell.task}' adds what a network gives, of {task.out_channels} channels, to the image, and its "
                f"images have {task.in_channels}; name the ones to read as `bands` in data.toml"
            )


def _in_channels(cell: Cell, registry: Registry) -> int:
    from ssl_bench.specs import make_task

    return make_task(registry.task(cell.task), cell.classes, cell.channels).in_channels
