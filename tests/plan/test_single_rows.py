"""BatchNorm over one value per channel: refused with the plan, and never walked into where memory runs out."""

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from ssl_bench.errors import CellError, UsageError
from ssl_bench.hookspecs import hookimpl
from ssl_bench.plan.order import Order
from ssl_bench.plan.plan import Request, make_plan
from ssl_bench.registry.loading import load_registry
from ssl_bench.specs import BackboneSpec
from ssl_bench.store.results import ResultStore
from ssl_bench.worker.worker import run_cell

SETTINGS = ("night.crop=32", "night.iterations=1", "night.labeled_rows=4", "night.unlabeled_rows=4")


class Pooled(nn.Module):
    """A network with BatchNorm on its whole image at once, or at a stride; one row may be all that fits in memory."""

    def __init__(self, size: int | None, channels: int, fits: int) -> None:
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(1) if size is None else nn.AvgPool2d(size)
        self.norm, self.head, self.fits = nn.BatchNorm2d(3), nn.Conv2d(3, channels, 1), fits

    def forward(self, images: Tensor) -> Tensor:
        if self.training and len(images) > self.fits:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        logits: Tensor = self.head(images + self.norm(self.pool(images)).mean((2, 3), keepdim=True))
        return logits


def registry_with(size: int | None = None, fits: int = 99) -> Any:
    spec = BackboneSpec(
        name="pooled",
        backbone=lambda name, in_channels, out_channels: Pooled(size, out_channels, fits),
    )
    return load_registry([SimpleNamespace(__name__="pooled", provide_backbones=hookimpl(lambda: [spec]))])


def planned(registry: Any, *settings: str, methods: str = "supervised", micro_batches: int = 1) -> Order:
    request = Request(
        tasks="night",
        methods=methods,
        control=False,
        backbones="pooled",
        settings=[*SETTINGS, *settings],
        micro_batches=micro_batches,
    )
    return make_plan(registry, request).orders[0]


def test_one_row_is_refused_with_its_cure() -> None:
    registry = registry_with()
    with pytest.raises(
        UsageError,
        match=re.escape(
            "night · supervised · 2 labels · seed 0: a BatchNorm layer of 'pooled' gets one value per channel in "
            "training, from one image of 32 x 32 px at a time; take --micro-batches below 4, or set "
            "night.labeled_rows and .unlabeled_rows to 8 or more"
        ),
    ):
        planned(registry, micro_batches=4)
    with pytest.raises(UsageError, match=r"; set night.labeled_rows and .unlabeled_rows to 2 or more"):
        planned(registry, "night.labeled_rows=1")
    # Its teacher sees the unlabelled rows alone.
    with pytest.raises(UsageError, match="night · mt"):
        planned(registry, "night.unlabeled_rows=1", methods="mt")
    planned(registry, micro_batches=2)
    # Either network of it sees all rows at once.
    planned(registry, methods="gct", micro_batches=4)


def test_a_small_crop_leaves_one_value_too() -> None:
    registry = registry_with(size=32)
    with pytest.raises(UsageError, match="from one image of 32 x 32 px at a time"):
        planned(registry, "night.labeled_rows=1")
    planned(registry, "night.labeled_rows=1", "night.crop=64")


def test_networks_of_others(tmp_path: Path) -> None:
    registry = load_registry()
    settings = [*SETTINGS, "night.labeled_rows=1"]
    with pytest.raises(UsageError, match=r"a BatchNorm layer of 'pan/resnet18'"):
        make_plan(
            registry,
            Request(tasks="night", methods="supervised", backbones="pan/resnet18", settings=settings),
        )
    make_plan(registry, Request(tasks="night", methods="supervised", settings=settings))


def test_memory_that_runs_out_does_not_lead_there(tmp_path: Path) -> None:
    registry = registry_with(fits=1)
    folder = ResultStore(tmp_path).stage(planned(registry)).path
    with pytest.raises(CellError, match=r"does not fit in memory.*\(micro-batches: 2\)"):
        run_cell(folder, torch.device("cpu"), registry)
    # Four parts of one row would fit, and serve where no layer minds.
    other = registry_with(size=8, fits=1)
    folder = ResultStore(tmp_path / "other").stage(planned(other)).path
    run_cell(folder, torch.device("cpu"), other)
    assert (folder / "result.json").exists()


def test_a_layer_of_a_methods_own_is_named_with_the_cure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = registry_with()
    folder = ResultStore(tmp_path).stage(planned(registry)).path
    monkeypatch.setattr(Pooled, "forward", lambda self, images: self.norm(images[:1, :, :1, :1]))
    with pytest.raises(CellError, match="a BatchNorm layer gets one value per channel in training"):
        run_cell(folder, torch.device("cpu"), registry)
