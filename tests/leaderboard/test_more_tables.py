"""Tables beside the leaderboard: all metrics, cost, and scores against the number of labels. Values by hand."""

from typing import Any

import pytest
from test_leaderboard import METHODS, Change, example, grids, make
from written import read_entries, render

from ssl_bench.leaderboard.documents.cost import duration
from ssl_bench.leaderboard.documents.efficiency import labels_needed, make_series

METHODS.setdefault("plain", ("Control", 95, "control", ""))
METHODS.setdefault("frozen", ("SupOnly, frozen", 12, "baseline", ""))


def at(task: str, method: str, seed: int, score: float | None, labels: int, **changes: Any) -> Change:
    """A record of a nested split."""
    split = {
        "source": str(labels),
        "seed": 0,
        "hash": f"split{labels}",
        "labeled": labels,
        "unlabeled": 128 - labels,
    }
    if method == "full":
        split |= {"source": "all"}
    return make(task, method, seed, score, **{"cell__split": split, **changes})


def test_every_metric_of_a_task_stands_in_its_table() -> None:
    metrics = [
        {"name": "psnr", "symbol": "PSNR", "unit": "dB"},
        {"name": "mae", "symbol": "MAE", "higher_is_better": False, "digits": 3},
    ]
    records = [
        make("night", method, seed, psnr, describe__task__metrics=metrics,
             metrics={"psnr": psnr, "mae": mae, "iou/cat": 100 * mae})
        for method, runs in {"supervised": ((10.0, 0.5), (12.0, 0.6)), "mt": ((11.0, 0.3), (14.0, 0.41))}.items()
        for seed, (psnr, mae) in enumerate(runs)
    ]  # fmt: skip
    main, details = grids(render(records)["metrics.md"])
    assert main == [
        ["Methods", "PSNR (dB) ↑", "MAE ↓"],
        ["SupOnly", "11.00 ± 1.41 (n=2)", "0.550 ± 0.071 (n=2)"],
        # 1 and 2 are 1.5 ± 6.4; 0.20 and 0.19 are 0.195 ± 0.064.
        ["MT [1]", "12.50 ± 2.12 (n=2, +1.50)", "**0.355 ± 0.078** (n=2, -0.195)"],
    ]
    assert details == [
        ["Score", "SupOnly", "MT [1]"],
        ["iou/cat", "55.00 ± 7.07 (n=2)", "35.50 ± 7.78 (n=2)"],
    ]


def test_every_metric_is_compared_with_what_the_first_one_is() -> None:
    metrics = [{"name": "psnr", "symbol": "PSNR"}, {"name": "mae", "symbol": "MAE"}]
    means = {"supervised": 10.0, "frozen": 13.0, "plain": 11.0, "mt": 15.0}
    records = [
        make("night", method, seed, score + seed / 10, describe__task__metrics=metrics,
             metrics={"psnr": score + seed / 10, "mae": 2 * score + seed / 10})
        for method, score in means.items()
        for seed in range(2)
    ]  # fmt: skip

    def shown(without: str) -> dict[str, list[str]]:
        found = [
            {**record, "metrics": {"psnr": record["metrics"]["psnr"]}}
            if record["cell"]["method"] == without
            else record
            for record in records
        ]
        main = grids(render(found)["metrics.md"])[0]
        return {line[0].split(" [")[0]: line[1:] for line in main[1:]}

    assert shown("")["MT"] == [
        "**15.05 ± 0.07** (n=2, +5.00, +4.00 over control)",
        "**30.05 ± 0.07** (n=2, +10.00, +8.00 over control)",
    ]
    # By a metric that the baseline has no score of nothing is a gain, and no other row takes its place.
    assert shown("supervised")["MT"][1] == "30.05 ± 0.07 (n=2, +8.00 over control)"
    assert shown("supervised")["SupOnly, frozen"][1] == "26.05 ± 0.07 (n=2, +4.00 over control)"
    assert shown("plain")["MT"][1] == "30.05 ± 0.07 (n=2, +10.00)"


def test_cost_is_whole_or_missing() -> None:
    cost = {"seconds": 3600.0, "peak_memory_bytes": 3 * 2**29, "images_seen": 64_000, "parameters": 2e6,
            "seconds_per_step": 0.0123, "images_per_second": 650.4, "peak_resident_bytes": 2**30,
            "gpu_energy_joules": 9000.0, "inference_flops": 64_389_120, "inference_side": 32}  # fmt: skip
    records = [make("night", "mt", 0, 18.0, cost=cost)]
    # The second shared the machine with others.
    slow = {"seconds": 7e3, "seconds_per_step": 0.05, "images_per_second": 160.0}
    records.append(make("night", "mt", 1, 18.0, cost=cost | slow))
    records.append(make("night", "mt", 2, 18.0, cost={"parameters_trained": 4e6}, provenance={}))
    (grid,) = grids(render(records)["cost.md"])
    assert dict(zip(*grid, strict=True)) == {
        "Methods": "MT [1]",
        "Runs": "3",
        "Time of a run": "60.0 min",
        "Hours in all": "-",
        "Time of a step": "12.3 ms",
        "Images per second": "650",
        "GPU memory": "1.50 GiB",
        "Process memory": "1.00 GiB",
        "GPU energy": "2.5 Wh",
        "Images seen": "64,000",
        "Parameters": "2.00 M",
        "Trained": "4.00 M",
        "FLOPs per image": "0.0644 G at 32 px",
        "Hardware": "A processor",
    }
    assert [duration(seconds) for seconds in (9, 119.96, 120, 7199, 7200)] == [
        *("9.0 s", "120.0 s", "2.0 min", "120.0 min", "2.0 h"),
    ]


@pytest.mark.parametrize(
    ("score", "labels"),
    [(10.0, 16), (12.0, 32), (14.0, 64), (9.9, None), (14.1, None), (10.5, 16 * 4**0.125)],
)
def test_labels_needed_by_hand(score: float, labels: float | None) -> None:
    # Four points for twice a doubling: half of them is one doubling.
    curve = [(64, 14.0), (16, 10.0)]
    needed = labels_needed(curve, score, higher_is_better=True)
    assert needed == (labels if labels is None else pytest.approx(labels))
    mirrored = [(count, -value) for count, value in curve]
    assert labels_needed(mirrored, -score, higher_is_better=False) == needed


def test_a_curve_that_falls_counts_where_it_first_reaches_the_score() -> None:
    curve = [(10, 1.0), (20, 3.0), (40, 2.0), (80, 4.0)]
    assert labels_needed(curve, 2.5, higher_is_better=True) == pytest.approx(10 * 2**0.75)
    assert labels_needed(curve, 3.5, higher_is_better=True) == pytest.approx(40 * 2**0.75)
    assert labels_needed([], 1.0, higher_is_better=True) is None


def runs() -> list[Change]:
    curve = {16: (10.0, 11.0), 32: (12.0, 13.0), 64: (14.0, 15.0)}
    records = [
        at("night", "supervised", seed, s, n) for n, pair in curve.items() for seed, s in enumerate(pair)
    ]
    # Over seed 1 alone, as good as the 13 of 32 labels; then beyond the range; then below it.
    records += [at("night", "mt", 1, 13.0, 16), at("night", "mt", 0, 19.0, 32), at("night", "mt", 0, 5.0, 64)]
    return [*records, at("night", "full", 0, 20.0, 128)]


def test_scores_against_labels_and_labels_saved() -> None:
    table, saved = grids(render(runs())["efficiency.md"])
    assert table == [
        ["Methods", "PSNR (dB) ↑", "16 labels", "32 labels", "64 labels", "128 labels"],
        ["SupOnly", "score", "10.50 ± 0.71 (n=2)", "12.50 ± 0.71 (n=2)", "14.50 ± 0.71 (n=2)", "-"],
        ["MT [1]", "score", "13.00 (n=1)", "19.00 (n=1)", "5.00 (n=1)", "-"],
        ["Full", "score", "-", "-", "-", "20.00 (n=1)"],
    ]
    assert saved[1:] == [["MT [1]", "labels needed (saved)", "32 (+16)", "-", "-", "-"]]


def test_only_nested_splits_of_one_seed_and_setting_make_a_curve() -> None:
    listed = at("night", "mt", 0, 18.0, 40, cell__split__source="list.txt")
    records = [at("night", "mt", 0, 13.0, 16), listed]
    records.append(at("night", "mt", 0, 13.0, 32, cell__split__seed=1))
    records.append(at("night", "mt", 0, 13.0, 32, cell__backbone="hdrnet"))
    records.append(at("night", "full", 0, 13.0, 128))
    assert make_series(read_entries(records)[0]) == []
    assert grids(render(records)["efficiency.md"]) == []
    found = make_series(read_entries([*records, at("night", "mt", 0, 13.0, 32)])[0])
    assert [(one.title, one.counts) for one in found] == [
        ("Night Image Enhancement, tier lite", (16, 32, 128))
    ]


def test_nested_splits_of_several_seeds_make_one_curve() -> None:
    def drawn(method: str, score: float, labels: int, split: int) -> Change:
        record = at("night", method, 0, score, labels)
        record["cell"]["split"] |= {"seed": split, "hash": f"split{labels}s{split}"}
        return record

    records = [
        *(drawn("supervised", 10.0 + split + labels / 16, labels, split) for labels in (16, 32) for split in (0, 1)),
        # On split 1 as good as the baseline's 13 at 32 labels; of a split that has one number of labels, left out.
        drawn("mt", 13.0, 16, 1),
        drawn("mt", 99.0, 16, 7),
        at("night", "full", 0, 20.0, 128),
    ]  # fmt: skip
    (series,) = make_series(read_entries(records)[0])
    assert series.counts == (16, 32, 128)
    table, saved = grids(render(records)["efficiency.md"])
    assert table[1][2:4] == ["11.50 ± 0.71 (n=2)", "12.50 ± 0.71 (n=2)"]
    assert table[2][2] == "13.00 (n=1)"
    assert saved[1] == ["MT [1]", "labels needed (saved)", "32 (+16)", "-", "-"]


def test_series_that_differ_have_titles_that_do() -> None:
    other = [at("night", "mt", 0, 13.0, n, cell__backbone="hdrnet") for n in (16, 32)]
    titles = [one.title for one in make_series(read_entries([*runs(), *other])[0])]
    assert len(set(titles)) == 2
    assert any("hdrnet" in title for title in titles)


def test_without_runs_nothing_is_shown() -> None:
    pages = {name: text for name, text in render([]).items() if name.endswith(".md")}
    assert all("No finished runs yet." in text for name, text in pages.items() if name != "README.md")
    assert "No task here was run with several numbers of labels" in render(example())["efficiency.md"]
