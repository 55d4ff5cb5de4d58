"""The audit's page is what the committed records give, and its numbers what they say."""

import argparse
from pathlib import Path
from typing import Any

import pytest

from benchmarks import audit
from benchmarks.audit.baselines import one_seed, starved_baseline
from benchmarks.audit.on_test import best_epoch, chosen_teacher
from benchmarks.audit.rows import overlapping_lists, pool_from_the_same_place
from benchmarks.audit.runs import Collection, common, difference
from ssl_bench.store.record import Record

METRIC = {"name": "psnr", "symbol": "PSNR", "unit": "dB", "higher_is_better": True, "digits": 2}


def record(method: str, score: float, split: int, seed: int = 0, **more: Any) -> Record:
    looked = more.pop("looked", [score])
    return Record.of(
        {
            "schema": 1,
            "cell": {
                "id": "a",
                "task": "night",
                "dataset": more.pop("dataset", "synthetic"),
                "method": method,
                "tier": "lite",
                "seed": seed,
                "split": {"seed": split},
            },
            "metrics": {"psnr": score},
            "evaluations": [{"step": k, "metrics": {"psnr": each}} for k, each in enumerate(looked)],
            "beside": {"student": {"psnr": score + more.pop("student", 0.0)}},
            "describe": {
                "task": {"title": "Night", "position": 4, "kind": "regression", "metrics": [METRIC]},
                "data": {"title": more.pop("title", "")},
            },
            "config": {
                "recipe": {"evaluations": 1, "iterations": 300, "optimizer": {}} | more.pop("recipe", {}),
                "method": more.pop("settings", {}),
            },
            **more,
        }
    )


def plain(method: str, scores: list[float], **more: Any) -> list[Record]:
    return [record(method, score, split, **more) for split, score in enumerate(scores)]


def test_the_committed_page_is_made_of_the_committed_records() -> None:
    made = audit.page(argparse.Namespace(runs=[]))
    assert (Path(audit.ROOT) / audit.PAGE).read_text(encoding="utf-8") == made, (
        "run `python -m benchmarks audit --write`"
    )


def test_the_best_look_is_compared_with_the_last() -> None:
    usual = plain("supervised", [1.0] * 9)
    looking = {"evaluations": 20}
    runs = [record("supervised", 10.0, k, recipe=looking, looked=[9.0, 11.0 + k, 10.0]) for k in range(3)]
    (row,) = best_epoch(Collection(usual + runs)).rows
    assert (row.runs, row.honest, row.habit, row.words.unit) == (3, 10.0, 12.0, "dB")
    assert row.adds.mean == pytest.approx(2.0)


def test_a_starved_baseline_makes_gains() -> None:
    starved = {"iterations": 43}
    runs = plain("supervised", [10.0, 11.0, 12.0]) + plain("control", [10.5, 11.5, 12.5])
    runs += plain("supervised", [8.0, 9.0, 10.0], recipe=starved)
    (row,) = starved_baseline(Collection(runs)).rows
    assert (row.honest, row.habit) == (0.5, 2.5)
    assert row.adds.stands


def test_the_better_of_two_networks_is_never_the_worse() -> None:
    runs = plain("fixmatch", [10.0, 11.0], student=0.5, settings={"lambda_fm": 1.0}) + plain(
        "control", [10.0, 11.0], student=-0.5
    )
    better = {row.what: row.adds.mean for row in chosen_teacher(Collection(runs)).rows}
    assert better == {"FixMatch": 0.5, "Control": 0.0}


def test_lists_and_seeds_are_told_apart() -> None:
    runs = [
        record("supervised", list_ + seed, split, seed)
        for split, list_ in enumerate((10.0, 20.0, 30.0))
        for seed in (0, 1)
    ]
    (sentence,) = overlapping_lists(Collection(runs)).further
    assert (
        "by 10.00 dB (standard deviation) with the list of labelled images, by 0.71 with the seed" in sentence
    )


def test_single_runs_with_the_other_sign_are_counted() -> None:
    base = [record("supervised", 10.0, split, seed) for split in range(3) for seed in range(5)]
    gains = [-1.0, *[1.0] * 14]
    control = [
        record("control", 10.0 + gain, one.cell.split.seed or 0, one.cell.seed or 0)
        for gain, one in zip(gains, base, strict=True)
    ]
    (sentence,) = one_seed(Collection(base + control)).further
    assert "from -1.00 dB to +1.00 dB, 1 of 15 with the other sign" in sentence


def test_runs_are_told_by_data_settings_and_recipe() -> None:
    runs = plain("mt", [1.0], settings={"lambda_mt": 1.0}) + plain("mt", [2.0], settings={"lambda_mt": 0.1})
    runs += plain("mt", [3.0], settings={"lambda_mt": 1.0}, dataset="centre")
    found = Collection(runs)
    assert found.runs("night", "mt", settings={"lambda_mt": 1.0}) == {("0", "0"): 1.0}
    assert found.runs("night", "mt", dataset="centre") == {("0", "0"): 3.0}
    assert difference(found.runs("night", "mt"), {}) is None
    assert list(common({("0", "0"): 1.0}, {("0", "0"): 2.0, ("1", "0"): 3.0})) == [(1.0, 2.0)]


def test_a_pool_from_elsewhere_is_no_pool_from_here() -> None:
    runs = plain("control", [10.0, 11.0, 12.5])
    runs += plain("control", [8.0, 9.0, 10.0], title="synthetic, unlabelled camera:1")
    (row,) = pool_from_the_same_place(Collection(runs)).rows
    assert (row.what, row.runs, row.honest) == ("Control; pool by another camera", 3, 9.0)
    assert row.adds.mean == pytest.approx(13 / 6)
