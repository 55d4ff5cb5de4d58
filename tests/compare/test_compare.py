"""Outputs of several methods side by side: which cells, which images, where the boxes lie, and what is written."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import Said
from PIL import Image
from test_cli import assert_one_line
from test_leaderboard import Change, make

from ssl_bench.compare.choice import Comparison, Finished, choose_images, image_scores
from ssl_bench.compare.choice import choose_cells as choose
from ssl_bench.compare.figure import RED, caption_of, class_colours, draw_figure
from ssl_bench.compare.gallery import make_galleries
from ssl_bench.compare.outputs import Outputs, Row, make_outputs
from ssl_bench.compare.regions import Box, difference, find_boxes
from ssl_bench.errors import UsageError
from ssl_bench.plan.plan import Request, make_plan
from ssl_bench.plan.text_forms import split_outside
from ssl_bench.plan.variants import pick_variants
from ssl_bench.registry.loading import load_registry
from ssl_bench.specs import make_task
from ssl_bench.store.results import ResultStore, record_files
from ssl_bench.worker.worker import run_cell

Command = Callable[..., Said]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Cells of two methods on two tasks, trained for a few steps on the embedded data."""
    registry, root = load_registry(), tmp_path_factory.mktemp("runs")
    for task in ("segmentation", "night"):
        settings = [f"{task}.iterations=3", f"{task}.crop=32"]
        for order in make_plan(
            registry,
            Request(
                tasks=task,
                methods="supervised,mt",
                control=False,
                settings=settings,
                backbones="unet-small",
                labels=("1/8",),
            ),
        ).orders:
            run_cell(ResultStore(root).stage(order).path, torch.device("cpu"), registry)
    return root


def choose_cells(finished: Finished, task: str, methods: str = "", like: tuple[str, ...] = ()) -> Comparison:
    registry = load_registry()
    variants = pick_variants(registry, split_outside(methods)) if methods else ()
    (chosen,) = choose(finished, [registry.task(task)], variants, like)
    return chosen


def store(folder: Path, *records: Change) -> Finished:
    """Records with weights beside them, as far as the choice of cells looks."""
    for number, record in enumerate(records):
        (folder / str(number)).mkdir()
        (folder / str(number) / "result.json").write_text(json.dumps(record))
        (folder / str(number) / "weights.pt").touch()
    return Finished(record_files(folder))


def test_figures_show_every_method_and_say_what_they_are(
    command: Command, runs: Path, tmp_path: Path
) -> None:
    said = command("compare", "--runs", runs, "--out", tmp_path, "--count", 2, "--methods", "mt,supervised")
    assert said.status == 0, said.err
    names = sorted(path.name for path in tmp_path.iterdir())
    for name, task in zip(names, ("night", "segmentation"), strict=True):
        stem = f"{task}_synthetic_1_8_smoke_random0_unet_small_supervised_mt"
        assert re.fullmatch(rf"{stem}_[0-9a-f]{{8}}\.png", name)
    with Image.open(tmp_path / names[1]) as figure:
        pixels, info = np.asarray(figure), figure.info
    # Four columns of 216 px and what lies between: input, label, SupOnly, MT.
    assert figure.width == 4 * 216 + 3 * 8 + 2 * 14
    caption = info["Description"]
    assert caption in said.out
    assert said.out.endswith(f"stand where `ssl-bench leaderboard {runs}` writes them\n")
    for words in (
        "Semantic Segmentation. Comparisons on synthetic data with 16 labelled and 112 unlabelled images",
        "tier smoke, training seed 0, last iteration.",
        "Images: 2 of 40 test images, drawn at random (seed 0).",
        "Red boxes: where the methods' outputs differ most",
        "Below the methods: mIoU (%) of the image.",
    ):
        assert words in caption
    assert [cell.split("-")[4] for cell in info["ssl-bench cells"].splitlines()] == ["small", "small"]
    assert ["-supervised-" in cell for cell in info["ssl-bench cells"].splitlines()] == [True, False]
    # A row has the same boxes in every column.
    red = (pixels == RED).all(2)
    columns = [red[:, 14 + place * 224 : 14 + place * 224 + 216] for place in range(4)]
    assert columns[0].any()
    assert all((columns[0] == column).all() for column in columns[1:])
    again = command("compare", "--runs", runs, "--out", tmp_path / "again", "--task", "night", "--count", 2)
    assert again.status == 0
    assert (tmp_path / "again" / names[0]).read_bytes() == (tmp_path / names[0]).read_bytes()
    # Of other methods, or of more images: another file.
    for more in (("--methods", "mt"), ("--count", 3)):
        command(
            "compare", "--runs", runs, "--out", tmp_path / "again", "--task", "night", "--count", 2, *more
        )
    assert len([*(tmp_path / "again").iterdir()]) == 3
    assert (tmp_path / "again" / names[0]).read_bytes() == (tmp_path / names[0]).read_bytes()


def test_panels_hold_what_the_cells_predict(runs: Path) -> None:
    registry, finished = load_registry(), Finished(record_files(runs))
    comparison = choose_cells(finished, "segmentation")
    outputs = make_outputs(comparison, registry, "gain", 3)
    ids = [row.name for row in outputs.rows]
    low, high = (image_scores(one.entry) for one in comparison.shown)
    gains = {name: high[name] - low[name] for name in low if name in high}
    assert ids == sorted(gains, key=lambda name: -gains[name])[:3]
    from ssl_bench.use.trained import load_trained
    from ssl_bench.worker.build import open_cell_data

    trained = load_trained(comparison.shown[1].folder, registry)
    data = open_cell_data(trained.order, registry)
    assert np.array_equal(
        outputs.rows[0].outputs[1], outputs.task.picture(trained.predict(data.image(ids[0])))
    )
    assert np.array_equal(outputs.rows[0].label, outputs.task.picture(data.target(ids[0])))
    assert outputs.rows[0].scores == (low[ids[0]], high[ids[0]])
    # What is not scored has a colour in the legend where a label shown has such pixels.
    assert outputs.void == any((data.target(name) == 255).any() for name in ids)
    names = {void: [name for _, name in class_colours(replace(outputs, void=void))] for void in (True, False)}
    assert names == {True: [*outputs.task.classes, "not scored"], False: [*outputs.task.classes]}
    text = draw_figure(outputs, "Of 40 test images the 3 with the largest gain").size
    assert text[0] == 4 * 216 + 3 * 8 + 2 * 14


def test_galleries_embed_pictures_within_a_budget(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    registry, finished = load_registry(), Finished(record_files(runs))
    galleries, problems = make_galleries(finished, registry, 2)
    assert problems == []
    assert [gallery.title for gallery in galleries] == ["Semantic Segmentation", "Night Image Enhancement"]
    first = galleries[0]
    assert [panel.title for panel in first.pictures[0].panels] == ["Input", "Label", "SupOnly", "MT"]
    assert (first.left, first.right) == (2, 3)
    assert (first.pictures[0].width, first.pictures[0].height) == (112, 96)
    assert first.classes[0] == ("#000000", "background")
    assert first.note.endswith(" Numbers: mIoU (%) of the image.")
    assert all(panel.score for panel in first.pictures[0].panels[2:])
    assert not galleries[1].classes
    assert all(panel.uri.startswith("data:image/png;base64,") for panel in first.pictures[0].panels)
    monkeypatch.setattr("ssl_bench.compare.gallery.BUDGET", 2 * 150_000)
    small = make_galleries(finished, registry, 2)[0][1]
    assert sum(len(panel.uri) for picture in small.pictures for panel in picture.panels) <= 150_000
    monkeypatch.setattr("ssl_bench.compare.gallery.BUDGET", 100)
    assert "too large for a page" in make_galleries(finished, registry, 1)[1][0]
    monkeypatch.undo()

    def unscored(*arguments: Any) -> Outputs:
        outputs = make_outputs(*arguments)
        return replace(outputs, rows=tuple(replace(row, scores=(None, None)) for row in outputs.rows))

    monkeypatch.setattr("ssl_bench.compare.gallery.make_outputs", unscored)
    first = make_galleries(finished, registry, 1)[0][0]
    assert "Numbers" not in first.note
    assert not any(panel.score for panel in first.pictures[0].panels)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ["--methods", "supervised,gct"],
            ["no finished cell of method 'gct' for task", "(finished: mt, supervised)"],
        ),
        (["--methods", "mtt"], ["unknown method 'mtt'", "did you mean 'mt'?"]),
        (["--task", "matting"], ["no finished cell of task 'matting' has its weights at hand"]),
        (["--like", "nothing"], ["--like nothing: no finished cell"]),
        (
            ["--task", "night", "--methods", "mt", "--choose", "gain"],
            ["--choose gain: a gain is of one method over another", "MT alone", "name two by --methods"],
        ),
        (["--runs", "/no/such/folder"], ["no finished cells with weights below /no/such/folder"]),
    ],
)
def test_what_cannot_be_shown_is_said_in_one_line(
    command: Command, runs: Path, arguments: list[str], words: list[str]
) -> None:
    assert_one_line(command("compare", "--runs", runs, *arguments), 2, *words)


def test_changed_data_is_refused(runs: Path, tmp_path: Path, command: Command) -> None:
    import shutil

    shutil.copytree(runs / "cells", tmp_path / "cells")
    for path in tmp_path.glob("cells/night*/cell.json"):
        cell = json.loads(path.read_text())
        path.write_text(json.dumps({**cell, "listing": "0"}))
    said = command("compare", "--runs", tmp_path, "--task", "night")
    assert_one_line(said, 2, "the data set has changed since cell night-synthetic")


def test_cells_agree_in_all_but_the_method_and_share_a_seed(tmp_path: Path) -> None:
    finished = store(
        tmp_path,
        *(make("night", "supervised", seed, 17.0) for seed in (10, 2, 3)),
        *(make("night", "mt", seed, 18.0) for seed in (10, 3)),
        make("night", "gct", 3, 18.0, config__method={"xi": 0.4}),
        make("night", "gct", 3, 18.5, config__method={"xi": 0.6}, cell__id="night-gct-other"),
        make("night", "full", 3, 19.0),
    )
    shown = choose_cells(finished, "night").shown
    assert [(one.title, one.entry.seed) for one in shown] == [
        *(("SupOnly", "3"), ("MT", "3"), ("GCT (xi = 0.4)", "3"), ("GCT (xi = 0.6)", "3")),
    ]
    bounded = choose_cells(finished, "night", "full,mt")
    assert [one.title for one in bounded.shown] == ["MT", "Full"]
    assert (bounded.baseline.title, bounded.challenger.title) == ("MT", "Full")
    # By number, not by spelling.
    assert [one.entry.seed for one in choose_cells(finished, "night", "supervised,mt").shown] == [
        "3",
        "3",
    ]


def test_variants_are_told_apart(tmp_path: Path) -> None:
    registry = load_registry()
    plans = {
        name: make_plan(
            registry, Request(tasks="night", methods=methods, control=False, settings=settings)
        ).cells[0]
        for name, methods, settings in (
            ("plain", "mt", ()),
            ("of-weight-0", "mt:lambda_mt=0", ()),
            ("slow", "mt:eta_mt=3", ("mt.alpha_mt=0.5",)),
        )
    }
    finished = store(
        tmp_path,
        make("night", "supervised", 0, 17.0, cell__tier="smoke"),
        *(
            make("night", "mt", 0, 18.0, cell__tier="smoke", cell__id=name, config__method=dict(cell.config))
            for name, cell in plans.items()
        ),
    )

    def chosen(methods: str) -> list[tuple[str, str]]:
        return [(one.entry.id, one.title) for one in choose_cells(finished, "night", methods).shown]

    assert chosen("mt") == [("plain", "MT")]
    assert chosen("mt:lambda_mt=0.0") == [("of-weight-0", "MT (lambda_mt=0.0)")]
    # What `--set` made of the rest does not matter, where no cell is without it.
    assert chosen("mt:eta_mt=3") == [("slow", "MT (eta_mt=3)")]
    assert [name for name, _ in chosen("mt,mt:lambda_mt=0")] == ["of-weight-0", "plain"]
    assert len(choose_cells(finished, "night").shown) == 4
    with pytest.raises(UsageError, match="no finished cell of method 'mt:lambda_mt=2' for task 'night'"):
        choose_cells(finished, "night", "supervised,mt:lambda_mt=2")


def test_pictures_are_of_one_split_where_tables_average_over_several(tmp_path: Path) -> None:
    records = [
        make("night", method, 0, 17.0, cell__id=f"{seed}-{method}", cell__split__seed=seed,
             cell__split__hash=f"split{seed}")
        for seed in range(2)
        for method in ("supervised", "mt")
    ]  # fmt: skip
    finished = store(tmp_path, *records)
    with pytest.raises(
        UsageError, match=r"differ in split: split0 \(1/8\) and split1 \(1/8\); choose by --like"
    ):
        choose_cells(finished, "night")
    assert [one.entry.id for one in choose_cells(finished, "night", like=["1-mt"]).shown] == [
        "1-supervised",
        "1-mt",
    ]


def test_what_to_choose_by_is_said_once_for_all_tasks(tmp_path: Path) -> None:
    tasks = ("night", "segmentation")
    finished = store(
        tmp_path,
        *(
            make(task, "supervised", 0, 17.0, cell__id=f"{task}-{seed}", cell__split__seed=seed,
                 cell__split__hash=f"split{seed}")
            for task in tasks
            for seed in range(2)
        ),
    )  # fmt: skip
    registry = load_registry()
    specs = [registry.task(task) for task in tasks]
    differ = r"of task '{0}' differ in split: split0 \(1/8\) and split1 \(1/8\)"
    cure = "--like {0}-0 or --like {0}-1"
    words = (
        f"finished cells {differ.format('night')} and {differ.format('segmentation')}; choose by --like CELL for each, "
        f"such as {cure.format('night')}, and {cure.format('segmentation')}$"
    )
    with pytest.raises(UsageError, match=words):
        choose(finished, specs)
    chosen = choose(finished, specs, like=["night-1", "segmentation-0"])
    assert [one.shown[0].entry.id for one in chosen] == ["night-1", "segmentation-0"]


def test_captions_and_numbers_are_of_what_is_shown(tmp_path: Path) -> None:
    metric = [{"name": "mae", "symbol": "MAE", "higher_is_better": False, "digits": 4}]
    finished = store(
        tmp_path,
        *(
            make("night", method, 0, 1.0, describe__task__metrics=metric)
            | {"per_image": {"ids": ["a", "b"], "mae": [0.0123, None]}}
            for method in ("supervised", "full")
        ),
    )
    comparison = choose_cells(finished, "night", "supervised,full")
    blank = np.zeros((8, 8, 3), np.uint8)
    found = [image_scores(one.entry) for one in comparison.shown]
    rows = tuple(
        Row(
            name,
            blank,
            blank,
            (blank, blank),
            tuple(scores.get(name) for scores in found),
            (),
        )
        for name in ("a", "b")
    )
    spec = load_registry().task("night")
    outputs = Outputs(comparison, make_task(spec, ()), rows, 40, void=False)
    caption = caption_of(outputs, "random", 0)
    assert (
        "with 8 labelled and 56 unlabelled images (Full: 64 labelled and 0 unlabelled); unet-small" in caption
    )
    assert "Below the methods: MAE of the image." in caption
    assert [outputs.score_texts(row) for row in rows] == [["0.0123", "0.0123"], ["", ""]]
    (tmp_path / "full").mkdir()
    bound = store(tmp_path / "full", make("night", "full", 0, 1.0))
    alone = replace(outputs, comparison=choose_cells(bound, "night"))
    assert "with 64 labelled and 0 unlabelled images; unet-small" in caption_of(alone, "random", 0)
    # What one line of numbers takes is there where a number is.
    unscored = replace(outputs, rows=rows[1:])
    assert "Below the methods" not in caption_of(unscored, "random", 0)
    heights = [draw_figure(replace(each, rows=each.rows[:1]), "").height for each in (outputs, unscored)]
    assert heights[0] > heights[1]


def test_cells_to_choose_by_differ_in_what_is_named(tmp_path: Path) -> None:
    changes: list[dict[str, Any]] = [
        {},
        {"cell__pretrained": {"published": "0123"}},
        {"cell__backbone": "unet/resnet18"},
    ]
    records = [
        make("night", "supervised", 0, 17.0, cell__id=name, **other)
        for name, other in zip("abc", changes, strict=True)
    ]
    with pytest.raises(UsageError, match=r"differ in network: .* --like [ab] or --like c$"):
        choose_cells(store(tmp_path, *records), "night")


def test_several_settings_are_named_and_one_is_chosen(tmp_path: Path) -> None:
    changes: dict[str, Any] = {"cell__split__hash": "0ther0ther00", "cell__split__source": "1/4"}
    records = [
        make("night", method, 0, 17.0, cell__id=f"{name}-{method}", **other)
        for name, other in (("a", {}), ("b", changes))
        for method in ("supervised", "mt")
    ]
    finished = store(tmp_path, *records, make("night", "s4l", 0, 17.0, cell__id="c", cell__tier="smoke"))
    with pytest.raises(UsageError, match=r"differ in split: 0ther0ther00 .* choose by --like CELL, such as"):
        choose_cells(finished, "night", "supervised,mt")
    shown = choose_cells(finished, "night", "supervised,mt", like=("b-m",)).shown
    assert [one.entry.id for one in shown] == ["b-supervised", "b-mt"]
    with pytest.raises(
        UsageError, match=r"no setting .* all of supervised, s4l: they differ in tier: lite and smoke"
    ):
        choose_cells(finished, "night", "supervised,s4l")


def test_a_common_seed_is_needed(tmp_path: Path) -> None:
    finished = store(tmp_path, make("night", "mt", 0, 17.0), make("night", "supervised", 1, 17.0))
    with pytest.raises(UsageError, match="no training seed in common"):
        choose_cells(finished, "night")


def test_images_are_chosen_by_the_rule_that_is_stated(tmp_path: Path) -> None:
    metric = [{"name": "mae", "symbol": "MAE", "higher_is_better": False}]
    ids = ["a", "b", "c", "d"]
    records = [
        make("night", method, 0, 1.0, describe__task__metrics=metric)
        | {"per_image": {"ids": ids, "mae": values}}
        for method, values in (("supervised", [1.0, 2.0, 3.0, 4.0]), ("mt", [0.5, 2.5, 1.0, None]))
    ]
    comparison = choose_cells(store(tmp_path, *records), "night")
    # Lower is better: gains of 0.5, -0.5 and 2.
    assert choose_images(comparison, ids, "gain", 3, 0) == ["c", "a", "b"]
    drawn = [choose_images(comparison, ids, "random", 2, seed) for seed in range(20)]
    assert all(
        two == choose_images(comparison, ids[::-1], "random", 4, seed)[:2] for seed, two in enumerate(drawn)
    )
    assert {name for two in drawn for name in two} == set(ids)
    plain = [make("night", method, 0, 1.0) for method in ("supervised", "mt")]
    (tmp_path / "plain").mkdir()
    with pytest.raises(UsageError, match="no scores of single images"):
        choose_images(choose_cells(store(tmp_path / "plain", *plain), "night"), ids, "gain", 3, 0)


def test_disagreement_by_hand() -> None:
    classes = [np.array([[0, 1, 2, 3]], np.uint8), np.array([[0, 1, 1, 0]], np.uint8)]
    valid = np.array([[True, True, True, False]])
    assert difference(classes, classes=True, valid=valid).tolist() == [[0, 0, 0.5, 0]]
    images = [np.full((1, 1, 3), value, np.uint8) for value in (0, 255)]
    assert difference(images, classes=False).tolist() == [[0.5]]
    deep = [np.full((1, 1, 1), value, np.uint16) for value in (0, 65535, 0)]
    assert difference(deep, classes=False) == pytest.approx(np.array([[np.std([0, 1, 0])]]))


def test_boxes_lie_around_what_differs() -> None:
    spread = np.zeros((100, 160))
    assert find_boxes(spread) == []
    spread[70:80, 20:30] = 1.0
    spread[30:38, 100:108] = 0.9
    spread[0, 159] = 1.0
    # A side of 0.3 of 100 px, each blob in the middle; the lone pixel is not worth a third.
    first, second = find_boxes(spread, 3)
    assert first.side == second.side == 30
    assert abs(first.left + 15 - 25) <= 1
    assert abs(first.top + 15 - 75) <= 1
    assert abs(second.left + 15 - 104) <= 1
    assert abs(second.top + 15 - 34) <= 1
    assert find_boxes(np.ones((5, 40)), 1) == [Box(0, 0, 5)]


@pytest.mark.parametrize("size", [(40, 60), (61, 33), (7, 7), (9, 200)])
def test_boxes_stay_inside_and_apart(size: tuple[int, int]) -> None:
    spread = np.random.default_rng(0).random(size)
    boxes = find_boxes(spread, 4)
    assert boxes
    for place, box in enumerate(boxes):
        assert 0 <= box.left <= size[1] - box.side
        assert 0 <= box.top <= size[0] - box.side
        for other in boxes[:place]:
            apart = max(abs(box.left - other.left), abs(box.top - other.top))
            assert apart >= box.side
