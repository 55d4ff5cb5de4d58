"""A batch in parts: what is drawn, which rows, gradients, plans, and memory that runs out."""

import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from conftest import Said
from torch import Tensor, nn
from toyruns import build, learnt, variants
from trees import save

from ssl_bench.dataset import GuardedDataset
from ssl_bench.errors import CellError, PluginError, UsageError
from ssl_bench.hookspecs import hookimpl
from ssl_bench.machine.devices import count_slots, group_devices, one_by_one
from ssl_bench.plan.order import Order
from ssl_bench.plan.plan import Request, make_plan
from ssl_bench.recipe import Execution, Forward, Recipe
from ssl_bench.registry.loading import load_registry
from ssl_bench.specs import BackboneSpec
from ssl_bench.store.record import Record, parse_record
from ssl_bench.store.results import ResultStore
from ssl_bench.train.batches import BatchStream
from ssl_bench.worker.build import open_cell_data
from ssl_bench.worker.worker import run_cell
from ssl_bench.world.part import WHOLE, Draws, Part

CPU = torch.device("cpu")
LABELED, UNLABELED = 4, 8
SETTINGS = [f"night.{x}" for x in ("crop=32", "iterations=4", "labeled_rows=4", "unlabeled_rows=4")]


def ask(draws: Draws, parts: int) -> list[Tensor]:
    """Numbers for all rows, for labelled, and for unlabelled ones; more than once."""
    labeled, unlabeled = LABELED // parts, UNLABELED // parts
    return [
        draws.randint(1, 4, labeled + unlabeled),
        draws.randn(unlabeled, 3, 5, 5),
        draws.rand(labeled, 2),
        draws.randn(unlabeled, 3, 5, 5),
    ]


@pytest.mark.parametrize("parts", [2, 4])
@pytest.mark.parametrize("one_process", [True, False])
def test_what_is_drawn_does_not_depend_on_parts(parts: int, one_process: bool) -> None:
    whole = ask(Draws(torch.Generator().manual_seed(3)), 1)
    generator, shared = torch.Generator().manual_seed(3), list[Tensor]()
    kinds = (LABELED // parts, UNLABELED // parts)
    found = []
    for part in WHOLE.split(parts):
        mine = generator if one_process else torch.Generator().manual_seed(3)
        found.append(ask(Draws(mine, part, kinds, shared if one_process else None), parts))
    both = [one[0].split(kinds) for one in found]
    assert torch.equal(torch.cat([one[0] for one in both] + [one[1] for one in both]), whole[0])
    for number in range(1, len(whole)):
        assert torch.equal(torch.cat([one[number] for one in found]), whole[number])


def test_draws_that_depend_on_more_than_rows_are_a_fault_of_the_method() -> None:
    generator, shared = torch.Generator(), list[Tensor]()
    first, second = (Draws(generator, part, (2, 2), shared) for part in WHOLE.split(2))
    first.rand(2)
    with pytest.raises(PluginError, match="number of its rows alone"):
        second.rand(3)


def test_parts_of_parts_are_the_rows_of_the_whole() -> None:
    parts = [inner for outer in WHOLE.split(2) for inner in outer.split(3)]
    assert parts == WHOLE.split(6)
    assert [row for part in parts for row in range(12)[part.rows(12)]] == list(range(12))


def tree(root: Path, trained: int = 12, tested: int = 3) -> Path:
    """Night pictures in a folder, of different sizes."""
    generator = np.random.default_rng(0)
    for folder, count in (("", trained), ("test/", tested)):
        for number in range(count):
            picture = generator.integers(0, 255, (34 + number % 3, 36, 3), np.uint8)
            save(root / f"{folder}input/{number}.png", picture // 3)
            save(root / f"{folder}target/{number}.png", picture)
    return root


def tiny_order(root: Path, registry: Any, method: str = "mt", **request: Any) -> Order:
    arguments: dict[str, Any] = {
        "tasks": "night",
        "methods": method,
        "data": [f"night={root}"],
        "labels": ("1/2",),
        "settings": SETTINGS,
    }
    return make_plan(registry, Request(**{"control": False, **arguments, **request})).orders[0]


def test_the_data_order_does_not_depend_on_processes(tmp_path: Path) -> None:
    registry = load_registry()
    order = tiny_order(tree(tmp_path), registry)
    cell = order.cell
    data = GuardedDataset(open_cell_data(order, registry), cell.split.labeled)
    recipe = Recipe.model_validate({**cell.recipe, "scale": (0.5, 1.5)})

    def stream(part: Part) -> BatchStream:
        return BatchStream(
            data, cell.split, recipe, "regression", seed=0, uses_unlabeled=True, device=CPU, part=part
        )

    for step in (0, 5):
        whole = stream(WHOLE).batch(step)
        for part in WHOLE.split(2):
            mine, same = stream(part).batch(step), whole.split(2)[part.index]
            assert mine.labeled == 2
            assert len(mine.images) == 4
            for one, other in zip(
                (mine.images, mine.valid, *mine.targets),
                (same.images, same.valid, *same.targets),
                strict=True,
            ):
                assert torch.equal(one, other)


@pytest.mark.parametrize(
    ("task", "method", "settings", "forward"),
    [
        (task, method, settings, forward)
        for task, method, settings in variants()
        for forward in ("joint", "separate")
        if forward == "joint" or load_registry().method(method).uses_unlabeled
    ],
)
def test_micro_batches_change_nothing_but_rounding(
    task: str, method: str, settings: dict[str, Any], forward: Forward
) -> None:
    """Without BatchNorm, and with as many valid pixels in every part; nor do passes of labelled rows alone."""
    registry = load_registry()
    whole, parts = (
        learnt(
            build(task, method, registry, norm=False, **settings),
            task,
            void=False,
            parts=parts,
            forward="joint" if parts == 1 else forward,
        )
        for parts in (1, 2)
    )
    assert list(whole) == list(parts)
    for name, value in whole.items():
        torch.testing.assert_close(
            parts[name], value, rtol=2e-4, atol=2e-5, msg=lambda text, name=name: f"{name}: {text}"
        )


def test_generators_of_all_parts_advance_together() -> None:
    registry = load_registry()
    method = build("night", "gct", registry, norm=False, low_memory=True)
    calls = []
    method.first.register_forward_hook(lambda *_: calls.append("first"))
    method.second.register_forward_hook(lambda *_: calls.append("second"))
    method.detector.register_forward_hook(lambda *_: calls.append("F"))
    learnt(method, "night", void=False, parts=2)
    one_part = ["first", "F", "second", "F"]
    turns = [*one_part, "first", "F", *one_part, "first", "F", *["second", "F"] * 2, *["F", "F"] * 2]
    assert calls[: len(turns)] == turns


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            {"gpus_per_cell": 3},
            ["--micro-batches 1 x --gpus-per-cell 3", "4 labelled and 6 unlabelled", "in 1, 2 equal"],
        ),
        (
            {"gpus_per_cell": 2, "micro_batches": 2},
            ["--micro-batches 2 x --gpus-per-cell 2", "in 1, 2 equal"],
        ),
    ],
)
def test_rows_that_cannot_be_divided_are_told_before_anything_runs(
    options: dict[str, int], words: list[str]
) -> None:
    settings = ("night.labeled_rows=4", "night.unlabeled_rows=6")
    request = Request(tasks="night", methods="mt", control=False, settings=settings, **options)
    with pytest.raises(UsageError) as error:
        make_plan(load_registry(), request)
    assert all(word in str(error.value) for word in words)
    assert "\n" not in str(error.value)


def test_rows_of_one_kind_alone_are_divided_where_a_method_takes_no_others() -> None:
    settings = ("night.labeled_rows=4", "night.unlabeled_rows=6")
    request = Request(tasks="night", methods="supervised", settings=settings, gpus_per_cell=4)
    assert make_plan(load_registry(), request).cells[0].execution == Execution(processes=4)


@pytest.mark.parametrize(
    ("method", "options", "settings", "words"),
    [
        (
            "cutmix",
            {"micro_batches": 2},
            (),
            ["2 labelled and 2 unlabelled", "2 unlabelled ones at a time, in 1 "],
        ),
        (
            "fixmatch",
            {"gpus_per_cell": 4},
            (4,),
            ["4 labelled and 4 unlabelled", "ones at a time, in 1, 2 equal"],
        ),
        (
            "cps",
            {},
            (3,),
            ["night.unlabeled_rows=3", "takes unlabelled rows 2 at a time", "to a multiple of 2"],
        ),
    ],
)
def test_rows_that_are_mixed_with_each_other_are_not_parted(
    method: str, options: dict[str, int], settings: tuple[int, ...], words: list[str]
) -> None:
    fields = [f"night.{kind}_rows={rows}" for rows in settings or (2,) for kind in ("labeled", "unlabeled")]
    request = Request(tasks="night", methods=method, control=False, settings=fields, **options)
    with pytest.raises(UsageError) as error:
        make_plan(load_registry(), request)
    assert all(word in str(error.value) for word in words)
    assert "\n" not in str(error.value)
    unmixed = Request(
        tasks="night",
        methods=method,
        control=False,
        settings=[*fields, f"{method}.mix=none"],
        **options,
    )
    assert len(make_plan(load_registry(), unmixed).cells) == 1


def test_settings_that_need_classes_are_refused_for_pictures() -> None:
    for setting, word in (
        ("fixmatch.gate=confidence", "set gate=agreement"),
        ("fixmatch.weak=none", "set weak=weak"),
        ("unimatch.weak=none", "set weak=weak"),
        ("unimatch2.gate=confidence", "set gate=agreement"),
        ("prevmatch.gate=confidence", "set gate=spread"),
        ("cutmix.gate=rate", "set gate=none"),
        ("st.target=hard", "set target=soft"),
        ("bank.weak=none", "set weak=weak"),
    ):
        method = setting.partition(".")[0]
        with pytest.raises(UsageError, match=f"^night.{method}: .*{word}"):
            make_plan(
                load_registry(), Request(tasks="night", methods=method, control=False, settings=[setting])
            )


def test_the_command_line_takes_both(command: Callable[..., Said]) -> None:
    arguments = ("plan", "--tasks", "night", "--methods", "mt", "--devices", "cpu")
    plain, parted = command(*arguments), command(*arguments, "--gpus-per-cell", 2)
    assert plain.status == parted.status == 0
    assert plain.out != parted.out
    wrong = command(*arguments, "--gpus-per-cell", 3)
    assert wrong.status == 2
    assert len(wrong.err.splitlines()) == 1


def test_cells_get_groups_of_devices() -> None:
    four = [f"cuda:{number}" for number in range(4)]
    assert group_devices(four, 1) == four
    assert group_devices(four, 2) == ["cuda:0,1", "cuda:2,3"]
    assert group_devices(four[1:], 2) == ["cuda:1,2"]
    assert group_devices(["cpu"], 2) == ["cpu"]
    with pytest.raises(UsageError, match="--gpus-per-cell 8: only 4 GPUs"):
        group_devices(four, 8)
    assert one_by_one("cuda:2,3", 2) == ["cuda:2", "cuda:3"]
    assert one_by_one("cuda:2", 1) == ["cuda:2"]
    assert one_by_one("cpu", 2) == ["cpu", "cpu"]
    assert count_slots(group_devices(four, 2), 2, None) == 2


class Narrow(nn.Module):
    """A network that fits no more than so many rows into memory, after so many calls in training."""

    def __init__(self, rows: int, after: int, seconds: float, channels: int) -> None:
        super().__init__()
        self.rows, self.after, self.seconds, self.calls = rows, after, seconds, 0
        self.head = nn.Conv2d(3, channels, 3, padding=1)

    def forward(self, images: Tensor) -> Tensor:
        self.calls += self.training
        time.sleep(self.seconds * self.training)
        if self.training and self.calls > self.after and len(images) > self.rows:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 1.00 GiB.\nMore words.")
        logits: Tensor = self.head(images)
        return logits


def narrow_registry(rows: int, after: int = 0, seconds: float = 0.0) -> Any:
    def build_narrow(name: str, in_channels: int, out_channels: int) -> nn.Module:
        return Narrow(rows, after, seconds, out_channels)

    spec = BackboneSpec(name="narrow", title="Narrow", backbone=build_narrow)
    return load_registry([SimpleNamespace(__name__="narrow", provide_backbones=hookimpl(lambda: [spec]))])


def ended(order: Order, root: Path, registry: Any) -> Record:
    folder = ResultStore(root).stage(order).path
    run_cell(folder, CPU, registry)
    assert sorted(path.name for path in folder.iterdir()) == ["cell.json", "result.json", "weights.pt"]
    return parse_record(folder / "result.json")


def test_a_cell_that_does_not_fit_takes_smaller_parts_and_says_so(tmp_path: Path) -> None:
    data = tree(tmp_path / "data")
    # A student sees eight rows, four labelled ones and four others.
    registry = narrow_registry(rows=3)
    order = tiny_order(data, registry, backbones="narrow")
    short = ended(order, tmp_path / "short", registry)
    reduced = [{"step": 0, "micro_batches": 2}, {"step": 0, "micro_batches": 4}]
    assert short.provenance.micro_batches == {"asked": 1, "used": 4, "reduced": reduced}

    asked = tiny_order(data, registry, backbones="narrow", micro_batches=4)
    enough = ended(asked, tmp_path / "asked", registry)
    assert "micro_batches" not in enough.provenance.to_json()
    for part in ("metrics", "per_image", "curves", "beside"):
        assert getattr(short, part) == getattr(enough, part)


def test_memory_that_runs_out_parts_no_pair(tmp_path: Path) -> None:
    registry = narrow_registry(rows=3)
    order = tiny_order(tree(tmp_path / "data"), registry, "fixmatch", backbones="narrow")
    folder = ResultStore(tmp_path / "out").stage(order).path
    with pytest.raises(CellError, match=r"not even the fewest rows at a time \(micro-batches: 2\)"):
        run_cell(folder, CPU, registry)


def test_memory_that_runs_out_later_costs_no_more_than_a_checkpoint(tmp_path: Path) -> None:
    registry = narrow_registry(rows=4, after=3)
    order = tiny_order(tree(tmp_path / "data"), registry, backbones="narrow", checkpoint_seconds=0.0)
    record = ended(order, tmp_path / "out", registry)
    assert record.provenance.micro_batches["reduced"] == [{"step": 3, "micro_batches": 2}]
    assert record.provenance.resumed_at == [3]


def test_a_row_that_does_not_fit_fails_in_one_line(tmp_path: Path) -> None:
    registry = narrow_registry(rows=0)
    folder = (
        ResultStore(tmp_path / "out")
        .stage(tiny_order(tree(tmp_path / "data"), registry, backbones="narrow"))
        .path
    )
    with pytest.raises(CellError) as error:
        run_cell(folder, CPU, registry)
    assert "step 0 does not fit in memory" in str(error.value)
    assert "night.crop below 32" in str(error.value)
    assert "\n" not in str(error.value)
    assert not (folder / "memory.json").exists()
