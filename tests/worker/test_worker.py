"""A cell in its folder: records, resumes, failures. In this process, on a few steps of real tasks."""

import importlib
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from conftest import Said
from PIL import Image
from written import render

from ssl_bench.errors import CellError, UsageError
from ssl_bench.machine.files import read_json, write_json
from ssl_bench.machine.lock import Lock
from ssl_bench.plan.cell import Cell
from ssl_bench.plan.order import Order
from ssl_bench.plan.plan import Request, make_plan
from ssl_bench.registry.loading import load_registry
from ssl_bench.run.lines import Whole, ended
from ssl_bench.run.loop import forget
from ssl_bench.store.outcomes import Outcome
from ssl_bench.store.record import Record
from ssl_bench.store.results import ResultStore, same
from ssl_bench.worker.attempt import Interrupted
from ssl_bench.worker.provenance import method_code
from ssl_bench.worker.worker import run_cell
from ssl_bench_plugins.methods.mean_teacher import MeanTeacher

REGISTRY = load_registry()
CPU = torch.device("cpu")
STEPS = 6


def orders(tasks: str = "segmentation", methods: str = "mt", **request: object) -> tuple[Order, ...]:
    settings = [
        f"{task}.{field}" for task in tasks.split(",") for field in (f"iterations={STEPS}", "crop=32")
    ]
    arguments = {
        "tasks": tasks,
        "methods": methods,
        "settings": settings,
        "backbones": "unet-small",
    } | request
    return make_plan(REGISTRY, Request(**{"control": False, **arguments})).orders  # type: ignore[arg-type]


def cells(tasks: str = "segmentation", methods: str = "mt", **request: object) -> tuple[Cell, ...]:
    return tuple(order.cell for order in orders(tasks, methods, **request))


def finish(order: Order, root: Path, stop: Callable[[int], bool] = lambda step: False) -> Record:
    """Run a cell, stopping after each step for which `stop` says so, until it is finished."""
    store = ResultStore(root)
    folder = store.stage(order).path
    signals = Countdown(stop)
    while True:
        try:
            run_cell(folder, CPU, REGISTRY, signals)
            break
        except Interrupted:
            continue
    record = store.finished(order.cell)
    assert record is not None
    return record


class Countdown(list):
    """A list of signals that looks filled at the looks chosen: before every step, and before every test image."""

    looks = 0

    def __init__(self, stop: Callable[[int], bool]) -> None:
        super().__init__()
        self.stop = stop

    def __bool__(self) -> bool:
        self.looks += 1
        return self.stop(self.looks)


@pytest.mark.parametrize(("task", "backbone"), [("segmentation", "unet-small"), ("matting", "")])
def test_interruptions_do_not_change_the_record(tmp_path: Path, task: str, backbone: str) -> None:
    settings = [f"{task}.iterations={STEPS}", f"{task}.crop=32", f"{task}.evaluations=2"]
    (order,) = orders(task, settings=settings, backbones=backbone)
    straight = finish(order, tmp_path / "straight")
    # After 2 steps, twice in the evaluation half-way, twice in the last one.
    broken = finish(order, tmp_path / "broken", stop=lambda look: look in (3, 6, 20, 70, 90))
    assert same(straight, broken)
    assert straight.provenance.resumed_at == []
    assert broken.provenance.resumed_at == [2, 3, STEPS]
    assert same(straight, finish(order, tmp_path / "again"))


def test_what_a_record_holds(tmp_path: Path) -> None:
    (order,) = orders()
    cell, record = order.cell, finish(order, tmp_path)
    assert record.cell.id == cell.id
    assert record.cell.split.hash == cell.split.hash
    assert 0 < record.metrics["miou"] < 100
    assert set(record.beside) == {"student"}
    assert set(record.curves) == {"student/task", "student/consistency"}
    assert len(record.per_image["ids"]) == len(record.per_image["miou"]) == 40
    assert record.evaluations[-1] == {"step": STEPS, "metrics": record.metrics}
    assert record.cost.images_seen == STEPS * 4
    assert record.cost.parameters == record.cost.parameters_trained > 300_000
    assert record.config.method["eta_mt"] == 3
    assert record.config.recipe["crop"] == 32
    folder = ResultStore(tmp_path).folder(cell).path
    assert sorted(path.name for path in folder.iterdir()) == ["cell.json", "result.json", "weights.pt"]


def test_a_truncated_checkpoint_starts_over(tmp_path: Path) -> None:
    (order,) = orders()
    straight = finish(order, tmp_path / "straight")
    folder = ResultStore(tmp_path / "broken").stage(order).path
    (folder / "checkpoint.pt").write_bytes(b"PK\x03\x04 not a checkpoint")
    run_cell(folder, CPU, REGISTRY)
    assert same(straight, Record.of(json.loads((folder / "result.json").read_text())))


def test_the_same_seed_gives_every_method_the_same_start(tmp_path: Path) -> None:
    from ssl_bench.worker.build import build_method

    supervised, mt, other = (
        build_method(cell, REGISTRY, ("a", "b"))
        for cell in (*cells(methods="supervised,mt"), *cells(methods="mt", seeds=(1,)))
    )
    for first, second, third in zip(
        supervised.deployed.parameters(), mt.deployed.parameters(), other.deployed.parameters(), strict=True
    ):
        assert torch.equal(first, second)
        assert first.dim() == 1 or not torch.equal(first, third)


def test_folder_names_are_safe_and_identity_is_by_content() -> None:
    (order,), (again,) = orders(), cells()
    cell = order.cell
    assert cell.id == again.id
    assert order == Order.from_json(json.loads(json.dumps(order.to_json())))
    ids = {
        cell.id,
        *(c.id for c in cells(methods="supervised")),
        *(c.id for c in cells(seeds=(1,))),
        *(c.id for c in cells(labels=("1/4",))),
        *(c.id for c in cells(split_seeds=(1,))),
        *(c.id for c in cells(threads=2)),
        *(c.id for c in cells(settings=["mt.alpha_mt=0.5"])),
        *(c.id for c in cells(backbones="unet/resnet18")),
        *(c.id for c in cells("night")),
    }
    assert len(ids) == 9
    assert not any(set(name) & set('/\\ :*?"<>|') or name.startswith(".") for name in ids)


def test_the_upper_bound_is_one_cell_for_all_splits() -> None:
    both = cells(methods="full", labels=("1/8,1/4",))
    assert len(both) == 1
    assert len(both[0].split.labeled) == 128
    assert both[0].split.source == "all"


def test_the_code_of_a_method_is_that_of_the_toolbox_that_it_uses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def code(changed: str, more: str = "MORE = 1") -> str:
        """Of Mean Teacher, where a module has a line more."""
        module = importlib.import_module(changed)
        other = tmp_path / f"{changed}.py"
        other.write_bytes(Path(str(module.__file__)).read_bytes() + f"{more}\n".encode())
        method_code.cache_clear()
        with monkeypatch.context() as patched:
            patched.setattr(module, "__file__", str(other))
            return method_code(MeanTeacher)

    method_code.cache_clear()
    as_it_is = method_code(MeanTeacher)
    try:
        assert code(MeanTeacher.__module__) != as_it_is
        assert code("ssl_bench.toolbox.ema") != as_it_is
        assert code(MeanTeacher.__module__, '"""What is said of it."""  # And more.') == as_it_is
        assert code("ssl_bench.toolbox.mixing") == as_it_is
        assert code("ssl_bench.method") == as_it_is, "versions of the project tell what else there is"
    finally:
        method_code.cache_clear()


def test_json_files_are_whole_or_absent(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    write_json(path, {"b": 1, "a": [1.5, None]})
    assert path.read_text() == '{\n "a": [\n  1.5,\n  null\n ],\n "b": 1\n}\n'
    with pytest.raises(ValueError, match="JSON"):
        write_json(path, {"a": float("nan")})
    assert read_json(path) == {"a": [1.5, None], "b": 1}
    assert [file.name for file in tmp_path.iterdir()] == ["x.json"]
    path.write_text('{"a": ')
    assert read_json(path) is None


def test_show_draws_a_finished_cell(tmp_path: Path, command: Callable[..., Said]) -> None:
    (order,) = orders(
        "segmentation", methods="gct", settings=["segmentation.iterations=2", "segmentation.crop=32"]
    )
    finish(order, tmp_path)
    said = command("show", order.cell.id[:20], "--runs", tmp_path, "--out", tmp_path / "x.png", "--count", 2)
    assert (said.status, said.err) == (0, "")
    with Image.open(tmp_path / "x.png") as sheet:
        # Of each image input, label, prediction and GCT's eight panels, four in a row.
        assert 4 * 192 < sheet.width < 5 * 192 + 5 * 8
        assert sheet.height > 2 * 3 * 128
    unfinished = command("show", tmp_path / "cells" / order.cell.id, "--runs", tmp_path / "none")
    assert unfinished.status == 0, "the folder itself is named"
    (tmp_path / "cells" / order.cell.id / "result.json").unlink()
    again = command("show", tmp_path / "cells" / order.cell.id)
    assert again.status == 2
    assert "this cell has not finished" in again.err
    missing = command("show", "night", "--runs", tmp_path)
    assert missing.status == 2
    assert missing.err.startswith("ssl-bench: no finished cell 'night'")


def test_data_root_of_the_environment(
    tmp_path: Path, command: Callable[..., Said], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("input", "target"):
        (tmp_path / "night" / name).mkdir(parents=True)
        for index in range(8):
            Image.new("RGB", (16, 16), (index, 0, 0)).save(tmp_path / "night" / name / f"{index}.png")
    monkeypatch.setenv("SSL_BENCH_DATA", str(tmp_path))
    said = command("plan", "--tasks", "night,matting", "--methods", "full", "--out", tmp_path / "out")
    assert f"night: 1 cell (0 finished), pairs ({tmp_path / 'night'})" in said.out
    assert "matting: 1 cell (0 finished), synthetic (made in memory)" in said.out


def test_predictions_that_are_not_finite_are_no_score(tmp_path: Path) -> None:
    settings = ["segmentation.iterations=1", "segmentation.optimizer.name=sgd"]
    (order,) = orders(methods="supervised", settings=[*settings, "segmentation.optimizer.learning_rate=1e38"])
    with pytest.raises(CellError, match="the prediction for test image 'test-0000' is not finite"):
        run_cell(ResultStore(tmp_path).stage(order).path, CPU, REGISTRY)


@pytest.mark.parametrize("task", ["segmentation", "matting"])
def test_a_network_that_has_given_up_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, task: str
) -> None:
    (order,) = orders(task)
    record = finish(order, tmp_path / "learns")
    assert (record.one_value, "one_value" in record.to_json()) == (False, False)

    def constant(method: MeanTeacher, images: torch.Tensor) -> torch.Tensor:
        # By less than what an image of 8 bits can show.
        noise = 0.001 * torch.rand(len(images), method.task.out_channels, *images.shape[-2:])
        return noise + 5.0 * torch.arange(method.task.out_channels)[:, None, None]

    monkeypatch.setattr(MeanTeacher, "predict", constant)
    record = finish(order, tmp_path / "constant")
    assert record.one_value
    said = ended(
        Whole(1, 0), order.cell, Outcome(order.cell.id, "finished", seconds=3), record, tmp_path / "log"
    )
    assert said.endswith(" in 3 s; its predictions show one value everywhere")
    page = render([record.to_json()], ["md"])["leaderboard.md"]
    assert "1 of 1 run: there the network's predictions show one value everywhere" in page


def test_a_cell_of_other_providers_is_refused(tmp_path: Path) -> None:
    (order,) = orders(methods="supervised")
    planned = {**order.cell.providers, "backbone": "foonet 9.9"}
    other = replace(order, cell=replace(order.cell, providers=planned))
    with pytest.raises(
        CellError, match=r"its backbone is by ssl-bench .* here, and the run was planned with foonet 9.9"
    ):
        run_cell(ResultStore(tmp_path).stage(other).path, CPU, REGISTRY)


def test_a_record_says_what_its_network_started_from(tmp_path: Path) -> None:
    settings = ["segmentation.iterations=1"]
    records = [
        finish(order, tmp_path) for order in orders(methods="supervised,mt", seeds=(0, 1), settings=settings)
    ]
    found = {(record.cell.method, record.cell.seed): record.provenance.initial_weights for record in records}
    assert found["supervised", 0] == found["mt", 0] != found["mt", 1] == found["supervised", 1]
    assert "did not start from the same weights" not in notes_of(records)
    changed = records[0].provenance.replaced(initial_weights="0" * 12)
    twin = records[0].replaced(
        provenance=changed,
        cell=records[0].cell.replaced(id="other", split=records[0].cell.split.replaced(seed=1, hash="x")),
    )
    assert "SupOnly: runs of one seed did not start from the same weights" in notes_of([*records, twin])


def test_what_memory_and_libraries_did_to_a_row_is_told(tmp_path: Path) -> None:
    first, second = (
        finish(order, tmp_path)
        for order in orders(methods="supervised", seeds=(0, 1), settings=["segmentation.iterations=1"])
    )
    assert "memory ran out" not in notes_of([first, second])
    assert "several versions" not in notes_of([first, second])
    less = second.provenance.replaced(
        micro_batches={"asked": 1, "used": 2, "reduced": []},
        packages={**second.provenance.packages, "torch": "1.0"},
    )
    page = notes_of([first, second.replaced(provenance=less)])
    assert "SupOnly, Semantic Segmentation: 1 of 2 runs: memory ran out there" in page
    assert "Runs of one row were made with several versions of torch (1.0, " in page


def notes_of(records: Sequence[Record]) -> str:
    return render([record.to_json() for record in records], ["md"])["leaderboard.md"]


def test_a_checkpoint_is_of_the_code_of_all_that_computes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[frozenset[str]] = []
    monkeypatch.setattr(
        "ssl_bench.worker.cell_run.code_version", lambda packages: seen.append(packages) or "code"
    )
    (order,) = orders(
        methods="supervised",
        backbones="unet/resnet18",
        settings=["segmentation.iterations=1"],
        pretrained=False,
    )
    finish(order, tmp_path)
    assert seen[0] >= {"ssl_bench", "ssl_bench_tasks", "ssl_bench_plugins", "segmentation_models_pytorch"}


def test_a_record_that_is_not_whole_is_made_again(tmp_path: Path) -> None:
    (order,) = orders(methods="supervised", settings=["segmentation.iterations=1"])
    cell = order.cell
    store = ResultStore(tmp_path)
    folder = store.stage(order).path
    (folder / "result.json").write_text('{"schema": 1, "cell"')
    assert store.finished(cell) is None
    run_cell(folder, CPU, REGISTRY)
    assert store.finished(cell) is not None


def test_a_record_of_another_cell_is_no_record(tmp_path: Path) -> None:
    first, other = orders(methods="supervised", settings=["segmentation.iterations=1"], seeds=(0, 1))
    store = ResultStore(tmp_path)
    content = finish(first, tmp_path).to_json()
    write_json(store.stage(other).record, content)
    assert store.is_finished(first.cell)
    assert not store.is_finished(other.cell)
    finish(other, tmp_path)
    assert store.is_finished(other.cell)


def test_no_cell_is_forgotten_where_one_is_running(tmp_path: Path) -> None:
    first, other = orders(methods="supervised", seeds=(0, 1))
    store = ResultStore(tmp_path)
    folders = [store.stage(order) for order in (first, other)]
    for folder in folders:
        folder.record.write_text("kept")
        folder.checkpoint.write_text("kept")
    lock = Lock(folders[1].path)
    assert lock.take() is None
    with pytest.raises(UsageError, match=other.cell.id):
        forget([first.cell, other.cell], store)
    assert all(
        file.read_text() == "kept" for folder in folders for file in (folder.record, folder.checkpoint)
    )
    assert [folder.lock.exists() for folder in folders] == [False, True]
    lock.release()
    forget([first.cell, other.cell], store)
    assert [folder.earlier_record.read_text() for folder in folders] == ["kept", "kept"]


def test_a_running_cell_is_not_forgotten(tmp_path: Path) -> None:
    (order,) = orders(methods="supervised")
    store = ResultStore(tmp_path)
    folder = store.stage(order).path
    (folder / "checkpoint.pt").write_bytes(b"kept")
    lock = Lock(folder)
    assert lock.take() is None
    with pytest.raises(UsageError, match="another command"):
        forget([order.cell], store)
    assert (folder / "checkpoint.pt").exists()
    lock.release()
    forget([order.cell], store)
    assert not (folder / "checkpoint.pt").exists()


def test_data_that_changed_after_the_plan_are_refused(tmp_path: Path) -> None:
    (order,) = orders(methods="supervised")
    with pytest.raises(CellError, match="has changed since the run was planned"):
        run_cell(ResultStore(tmp_path).stage(replace(order, listing="another")).path, CPU, REGISTRY)
