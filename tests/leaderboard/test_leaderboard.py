"""Tables are pure functions of records: exact text, what may share a column, names that try to break out."""

import copy
import itertools
import json
import random
import re
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token
from written import hyperparameter_table, main_table, read_board, read_entries, render, terminal

from ssl_bench.errors import DataError
from ssl_bench.leaderboard.documents.tables import value_text
from ssl_bench.leaderboard.formats.markdown import escape, formula
from ssl_bench.leaderboard.reading.grouping import make_tables
from ssl_bench.published import ClaimSpec
from ssl_bench.store.record import Record

MIOU = {"name": "miou", "symbol": "mIoU", "unit": "%", "higher_is_better": True, "digits": 2}
PSNR = {"name": "psnr", "symbol": "PSNR", "unit": "dB", "higher_is_better": True, "digits": 2}
TASKS = {
    "segmentation": ("Semantic Segmentation", 1, MIOU),
    "denoising": ("Real Image Denoising", 2, PSNR),
    "matting": ("Portrait Image Matting", 3, PSNR),
    "night": ("Night Image Enhancement", 4, PSNR),
}
METHODS = {
    "supervised": ("SupOnly", 10, "baseline", ""),
    "mt": ("MT", 20, "ssl", "Tarvainen, A., Valpola, H.: Mean teachers. In: NeurIPS (2017)"),
    "s4l": ("S4L", 30, "ssl", "Zhai, X. et al.: S4L. In: ICCV (2019)"),
    "advssl": ("AdvSSL", 40, "ssl", "Hung, W.C. et al.: Adversarial learning. In: BMVC (2018)"),
    "gct": ("GCT", 50, "ssl", "Ke, Z. et al.: Guided collaborative training. In: ECCV (2020)"),
    "full": ("Full", 90, "upper_bound", ""),
}
SYMBOLS = {
    "mt": [["lambda_mt", r"\lambda_{MT}"], ["eta_mt", r"\eta_{MT}"], ["alpha_mt", r"\alpha_{MT}"]],
    "s4l": [["lambda_s4l", r"\lambda_{S4L}"]],
    "advssl": [["lambda_labeled", r"\lambda_{Adv}^l"], ["lambda_unlabeled", r"\lambda_{Adv}^u"]],
    "gct": [
        ["lambda_fc", r"\lambda_{fc}"],
        ["lambda_dc", r"\lambda_{dc}"],
        ["eta_dc", r"\eta_{dc}"],
        ["xi", r"\xi"],
    ],
}
FILES = {
    *(
        "README.md",
        "leaderboard.md",
        "comparison.md",
        "metrics.md",
        "efficiency.md",
        "cost.md",
        "reported.md",
        "hyperparameters.md",
        "runs.csv",
    ),
}
Change = dict[str, Any]


def make(task: str, method: str, seed: int, score: float | None, **changes: Any) -> Change:
    """A record as a worker writes it. `changes`: dotted paths, with `__` for the dot."""
    task_title, task_position, metric = TASKS[task]
    title, position, role, reference = METHODS[method]
    full = role == "upper_bound"
    record: Change = {
        "schema": 1,
        "cell": {
            "id": f"{task}-{method}-{seed}",
            "task": task,
            "dataset": "synthetic",
            "data": "d0d0d0d0d0d0",
            "backbone": "unet-small",
            "method": method,
            "seed": seed,
            "tier": "lite",
            "threads": 1,
            "split": {
                "source": "all" if full else "1/8",
                "seed": 0,
                "hash": "a11a11a11a11" if full else "18e18e18e18e",
                "labeled": 64 if full else 8,
                "unlabeled": 0 if full else 56,
            },
        },
        "config": {"recipe": {"iterations": 600, "crop": 64}, "method": {}},
        "describe": {
            "task": {
                "title": task_title,
                "position": task_position,
                "kind": "regression",
                "metrics": [dict(metric), {"name": "other", "symbol": "Other"}],
            },
            "method": {
                "title": title,
                "position": position,
                "role": role,
                "labels": "all" if full else "split",
                "reference": reference,
                "symbols": SYMBOLS.get(method, []),
            },
        },
        "providers": dict.fromkeys(("task", "dataset", "backbone", "method"), "ssl-bench 0.1.0"),
        "metrics": {metric["name"]: score, "other": 1.0},
        "cost": {"seconds": 10.0 + seed, "parameters": 1_234_567},
        "provenance": {"device": "A processor"},
    }
    for path, value in changes.items():
        *parents, last = path.split("__")
        section = record
        for name in parents:
            section = section[name]
        section[last] = value
    # As it comes back from disk: keys sorted, and so no order of fields to rely on.
    return json.loads(json.dumps(record, sort_keys=True))


SCORES = {
    "supervised": {
        "segmentation": (60.0, 61.0, 62.0),
        "denoising": (30.0, 30.3, 30.6),
        "matting": (25.0, 26.0, 27.0),
        "night": (18.0, 18.4, 18.8),
    },
    "mt": {
        "segmentation": (63.0, 65.0, 67.0),
        "denoising": (30.0, 30.1, 30.2),
        "matting": (26.5, 26.5, 26.5),
        "night": (18.4, 18.4, 18.4),
    },
    "full": {
        "segmentation": (75.0, 75.5, 76.0),
        "denoising": (33.0, 33.0, 33.0),
        "matting": (28.0, 29.0, 30.0),
        "night": (20.0, 20.0, 20.6),
    },
}


def example() -> list[Change]:
    return [
        make(task, method, seed, score)
        for method, tasks in SCORES.items()
        for task, scores in tasks.items()
        for seed, score in enumerate(scores)
    ]


def grids(text: str) -> list[list[list[str]]]:
    """The tables of a Markdown text as cells, rules left out, split at bars that are not escaped."""
    tables: list[list[list[str]]] = [[]]
    for line in text.splitlines():
        if line.startswith("|"):
            cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
            if not all(re.fullmatch(r":?-{2,}:?", cell) for cell in cells):
                tables[-1].append(cells)
        elif tables[-1]:
            tables.append([])
    return [table for table in tables if table]


def scores(text: str) -> list[list[list[str]]]:
    """The tables of scores alone."""
    others = ("share of the gap", "time, parameters", "trials")
    return [grid for grid in grids(text) if grid[0][0] == "Methods" and grid[1][1] not in others]


def titles(text: str) -> list[str]:
    return [line[3:] for line in text.splitlines() if line.startswith("## Tier")]


def test_main_table_of_two_methods_and_an_upper_bound_is_exact() -> None:
    # Means and sample deviations worked by hand: 60, 61, 62 is 61 ± 1; 20, 20, 20.6 is 20.2 ± sqrt(0.24 / 2).
    # Bold where a gain stands: 3, 4, 5 is 4 ± 4.303 * 1 / sqrt(3), which is 4 ± 2.48. The upper bound is never bold.
    expected = """\
## Tier lite, labels 1/8

| Methods | | Semantic Segmentation, mIoU (%) ↑ | Real Image Denoising, PSNR (dB) ↑ | Portrait Image Matting, PSNR (dB) ↑ | Night Image Enhancement, PSNR (dB) ↑ |
|:--|:--|:--|:--|:--|:--|
| SupOnly | score | 61.00 ± 1.00 (n=3) | 30.30 ± 0.30 (n=3) | 26.00 ± 1.00 (n=3) | 18.40 ± 0.40 (n=3) |
| MT [1] | score | **65.00 ± 2.00** (n=3, +4.00) | 30.10 ± 0.10 (n=3, -0.20) | 26.50 ± 0.00 (n=3, +0.50) | 18.40 ± 0.00 (n=3, +0.00) |
| Full | score | 75.50 ± 0.50 (n=3, +14.50) | 33.00 ± 0.00 (n=3, +2.70) | 29.00 ± 1.00 (n=3, +3.00) | 20.20 ± 0.35 (n=3, +1.80) |

- Semantic Segmentation (8 labels, n = 3 on one split, seeds alone): all labels add 14.50 mIoU [13.26, 15.74], so labels are what is missing. MT gains 4.00 [1.52, 6.48] over SupOnly.
- Real Image Denoising (8 labels, n = 3 on one split, seeds alone): all labels add 2.70 dB [1.95, 3.45], so labels are what is missing. MT cannot be told from SupOnly.
- Portrait Image Matting (8 labels, n = 3 on one split, seeds alone): all labels add 3.00 dB [3.00, 3.00], so labels are what is missing. MT cannot be told from SupOnly.
- Night Image Enhancement (8 labels, n = 3 on one split, seeds alone): all labels add 1.80 dB [1.30, 2.30], so labels are what is missing. MT cannot be told from SupOnly.

Share of the gap from SupOnly to Full that is closed without the labels:

| Methods | | Semantic Segmentation | Real Image Denoising | Portrait Image Matting | Night Image Enhancement |
|:--|:--|:--|:--|:--|:--|
| MT [1] | share of the gap | +28 % | -7 % | +17 % | +0 % |

Settings:

| Task | Metric | Data | Labels | Labelled | Unlabelled | Test images | Split | Network | Recipe | Threads |
|:--|:--|:--|:--|:--|:--|:--|:--|:--|:--|:--|
| Semantic Segmentation | mIoU (%) ↑ | synthetic `d0d0d0d0d0d0` | 1/8 | 8 | 56 | - | `18e18e18e18e`, seed 0 | `unet-small` | 600 iterations `2c5914` | 1 |
| Real Image Denoising | PSNR (dB) ↑ | synthetic `d0d0d0d0d0d0` | 1/8 | 8 | 56 | - | `18e18e18e18e`, seed 0 | `unet-small` | 600 iterations `2c5914` | 1 |
| Portrait Image Matting | PSNR (dB) ↑ | synthetic `d0d0d0d0d0d0` | 1/8 | 8 | 56 | - | `18e18e18e18e`, seed 0 | `unet-small` | 600 iterations `2c5914` | 1 |
| Night Image Enhancement | PSNR (dB) ↑ | synthetic `d0d0d0d0d0d0` | 1/8 | 8 | 56 | - | `18e18e18e18e`, seed 0 | `unet-small` | 600 iterations `2c5914` | 1 |

Cost, as time of the fastest run and size of the deployed network:

| Methods | | Semantic Segmentation | Real Image Denoising | Portrait Image Matting | Night Image Enhancement |
|:--|:--|:--|:--|:--|:--|
| SupOnly | time, parameters | 10.0 s, 1.23 M | 10.0 s, 1.23 M | 10.0 s, 1.23 M | 10.0 s, 1.23 M |
| MT [1] | time, parameters | 10.0 s, 1.23 M | 10.0 s, 1.23 M | 10.0 s, 1.23 M | 10.0 s, 1.23 M |
| Full | time, parameters | 10.0 s, 1.23 M | 10.0 s, 1.23 M | 10.0 s, 1.23 M | 10.0 s, 1.23 M |

## Notes

- Scores: mean ± sample standard deviation over n runs.
- In bold, or with a star: methods that are better than the baseline at 95 %, over the pairs of split and seed that both have, and than which no method with at least as many runs is better at 95 %; never from a single run.
- Of these over seeds alone, for scores of single images are not known, and so not of other images: MT, Semantic Segmentation.
- Signed figures: difference to SupOnly, over the seeds that both have.
- Full: an upper bound, which does not compete for bold.
- Shares of the gap: given where there is one, the 95 % interval of the difference between its two ends leaving out zero. A single run has no interval; its share is no more than a hint.
- Full: trained on every label of the training set, whatever the split.
- What ranks is the score after the last iteration, never the best one of a run, which would be a choice made on test data.
- How many settings were tried before these runs: not stated.
- Made from 36 records.
- Hardware: A processor.
- Versions: ssl-bench 0.1.0.

## References

1. Tarvainen, A., Valpola, H.: Mean teachers. In: NeurIPS (2017)
"""  # noqa: E501
    text = main_table(example())
    # Padding is for the eye of whoever reads the source: compared below, for one line.
    assert re.sub(r"-{2,}", "--", re.sub(r" *\| *", "|", text)) == re.sub(r" *\| *", "|", expected)
    assert text.splitlines()[2].startswith("| Methods   |       | Semantic Segmentation, mIoU (%) ↑   ")


APPENDIX = """\
Methods||Semantic Segmentation|Real Image Denoising|Portrait Image Matting|Night Image Enhancement
MT [1]|$\\lambda_{MT}$|1.00|1.00|1.00|1.00
|$\\eta_{MT}$|3|5|5|5
|$\\alpha_{MT}$|0.99|0.99|0.99|0.99
S4L [2]|$\\lambda_{S4L}$|0.10|1.00|1.00|1.00
AdvSSL [3]|$\\lambda_{Adv}^l$|0.01|0.001|0.01|0.001
|$\\lambda_{Adv}^u$|0.001|0.001|0.01|0.001
GCT [4]|$\\lambda_{fc}$|1.00|0.10|1.00|0.10
|$\\lambda_{dc}$|100|1.00|100|1.00
|$\\eta_{dc}$|3|5|5|5
|$\\xi$|0.40|0.60|0.40|0.60"""
DEFAULTS: dict[str, dict[str, tuple[float, float, float, float]]] = {
    "supervised": {},
    "mt": {"lambda_mt": (1.0,) * 4, "eta_mt": (3.0, 5.0, 5.0, 5.0), "alpha_mt": (0.99,) * 4},
    "s4l": {"lambda_s4l": (0.1, 1.0, 1.0, 1.0)},
    "advssl": {
        "lambda_labeled": (0.01, 0.001, 0.01, 0.001),
        "lambda_unlabeled": (0.001, 0.001, 0.01, 0.001),
    },
    "gct": {
        "lambda_fc": (1.0, 0.1, 1.0, 0.1),
        "lambda_dc": (100.0, 1.0, 100.0, 1.0),
        "eta_dc": (3.0, 5.0, 5.0, 5.0),
        "xi": (0.4, 0.6, 0.4, 0.6),
    },
    "full": {},
}


def defaults() -> list[Change]:
    return [
        make(task, method, seed, 50.0, config__method={name: v[i] for name, v in fields.items()})
        for method, fields in DEFAULTS.items()
        for i, task in enumerate(TASKS)
        for seed in range(2)
    ]


def test_hyperparameter_table_equals_the_appendix() -> None:
    assert grids(hyperparameter_table(defaults())) == [[line.split("|") for line in APPENDIX.splitlines()]]


@pytest.mark.parametrize(
    ("value", "latex", "text"),
    [
        (1.0, r"\lambda", "1.00"),
        (100.0, r"\lambda", "100"),
        (1234.6, r"\lambda", "1235"),
        (99.5, r"\lambda", "99.50"),
        (0.01, r"\lambda", "0.01"),
        (0.005, r"\lambda", "0.005"),
        (0.0, r"\lambda", "0.000"),
        (5.0, r"\eta_{MT}", "5"),
        (0.0, r"\eta_{MT}", "0"),
        (2.5, r"\eta_{MT}", "2.50"),
        (0.999, r"\alpha", "0.999"),
        (0.0001, r"\lambda", "0.0001"),
        (None, r"\lambda", "-"),
        ("soft|hard", r"\tau", "soft|hard"),
        (True, r"\tau", "true"),
    ],
)
def test_values_are_formatted_by_rule(value: Any, latex: str, text: str) -> None:
    assert value_text(value, latex) == text


def test_trials_of_a_search_stand_beside_the_scores() -> None:
    rate = {"learning_rate_factor": 0.316}
    records = [
        make("night", "supervised", 0, 18.0, cell__trials=4, config__method=rate),
        make("night", "mt", 0, 18.5, cell__trials=4, config__method={"lambda_mt": 0.1}),
        make("night", "mt", 0, 18.5, config__method={"lambda_mt": 0.1}),
        make("night", "mt", 0, 18.6, config__method={"lambda_mt": 1.0}),
        make("night", "gct", 0, 18.6, config__method={"xi": 0.4}),
        make("night", "gct", 0, 18.6, config__method={"xi": 0.6}, describe__method__variant=["paper"]),
        make("night", "full", 0, 19.0, cell__trials=0),
        # Seeds of one row that come from different searches.
        *(make("matting", "supervised", seed, 18.5, cell__trials=2 + seed) for seed in range(2)),
    ]
    text = main_table(records)
    assert [grid[1:] for grid in grids(text) if grid[1][1] == "trials"] == [
        [
            ["SupOnly", "trials", "2 or 3", "4, rate × 0.316"],
            ["MT [1]", "trials", "-", "4"],
            ["MT [1] (lambda_MT = 1)", "trials", "-", "as named"],
            ["GCT [2]", "trials", "-", "none stated"],
            ["GCT, paper [2]", "trials", "-", "as named"],
            ["Full", "trials", "-", "no settings"],
        ]
    ]
    # What the words mean is said where they stand.
    assert all(f"'{words}'" in text.lower() for words in ("none stated", "as named", "no settings"))
    assert "were tried before" not in text
    # A score on images held out of training is none of a test set.
    assert main_table([*records, make("night", "mt", 1, 99.0, cell__split__held_out=4)]) == text


def test_a_learning_rate_of_its_own_is_a_row_of_its_own() -> None:
    records = [
        make("night", "mt", 0, 18.0),
        make("night", "mt", 0, 19.0, config__method={"learning_rate_factor": 2.0}),
    ]
    assert [row[0] for row in scores(main_table(records))[0][1:]] == [
        "MT [1] (learning_rate_factor = 1)",
        "MT [1] (learning_rate_factor = 2)",
    ]


def test_equal_hyperparameters_share_a_table_and_others_do_not() -> None:
    paper = [{**r, "cell": {**r["cell"], "tier": "paper"}} for r in defaults()]
    text = hyperparameter_table([*defaults(), *paper])
    assert len(grids(text)) == 1
    assert "## Tier paper, labels 1/8\n\nThe same for: Tier lite, labels 1/8.\n" in text
    for record in paper:
        if record["cell"]["method"] == "gct":
            record["config"]["method"]["xi"] = 0.5
    first, second = grids(hyperparameter_table([*defaults(), *paper]))
    assert first[-1][1:] == [r"$\xi$", "0.50", "0.50", "0.50", "0.50"]
    assert second[-1][1:] == [r"$\xi$", "0.40", "0.60", "0.40", "0.60"]


@settings(max_examples=10)
@given(st.randoms(use_true_random=False))
def test_the_order_of_records_changes_no_byte(rng: random.Random) -> None:
    records = mixed()
    expected = render(records), terminal(records)
    rng.shuffle(records)
    assert (render(records), terminal(records)) == expected


def mixed() -> list[Change]:
    """Two tiers, three splits, two settings of a method, a copy, and one cell with two outcomes."""
    return [
        *example(),
        make("night", "mt", 0, 17.0, cell__tier="smoke"),
        make("night", "mt", 0, 17.5, cell__split__hash="0ther0ther00"),
        make("night", "mt", 0, 17.6, cell__split__source="100", cell__split__hash="100100100100"),
        make("night", "mt", 0, 17.7, config__method={"eta_mt": 7.0}),
        make("night", "mt", 0, 18.4),
        make("night", "mt", 0, 18.5),
    ]


def test_a_single_run_shows_no_deviation_and_one_method_no_bold() -> None:
    (grid,) = scores(main_table([make("matting", "mt", 0, 26.5)]))
    assert grid == [["Methods", "", "Portrait Image Matting"], ["MT [1]", "PSNR (dB) ↑", "26.50 (n=1)"]]


def test_differences_are_over_the_seeds_that_both_have() -> None:
    records = [make("night", "supervised", seed, score) for seed, score in enumerate((10.0, 20.0))]
    records += [make("night", "mt", seed, score) for seed, score in ((1, 21.0), (2, 31.0), (3, 41.0))]
    records += [make("night", "gct", 7, 50.0)]
    (grid,) = scores(main_table(records))
    assert [row[2] for row in grid[1:]] == [
        "15.00 ± 7.07 (n=2)",
        "31.00 ± 10.00 (n=3, +1.00 at n=1)",
        "50.00 (n=1)",
    ]


def test_the_share_of_the_gap_is_over_the_seeds_that_all_three_have() -> None:
    metric = [{"name": "psnr", "symbol": "SAD", "higher_is_better": False, "digits": 3}]
    runs = {
        "supervised": {0: 9.0, 1: 5.0, 2: 5.0},
        "full": {1: 2.0, 2: 2.0, 3: 0.0},
        # Of seeds 1 and 2: (1 + 2) of (3 + 3).
        "mt": {0: 0.0, 1: 4.0, 2: 3.0},
        # Worse than the baseline at the one seed in common.
        "gct": {1: 6.5},
        # None in common.
        "s4l": {0: 1.0},
    }
    records = [
        make("night", method, seed, score, describe__task__metrics=metric)
        for method, scores_of in runs.items()
        for seed, score in scores_of.items()
    ]
    share = next(grid for grid in grids(main_table(records)) if grid[1][1] == "share of the gap")
    assert share[1:] == [["MT [1]", "share of the gap", "+50 %"], ["GCT [3]", "share of the gap", "-50 %"]]


def test_a_gap_that_may_be_nothing_has_no_shares() -> None:
    def shown(full: tuple[float, ...]) -> str:
        runs = {"supervised": (18.0, 18.4, 18.8), "mt": (17.0, 17.1, 17.2), "full": full}
        return main_table(
            make("night", method, seed, score)
            for method, found in runs.items()
            for seed, score in enumerate(found)
        )

    # Differences of 0.6, 0.2 and -0.2: better in the mean, and no more than that.
    assert "share of the gap" not in shown((18.6,) * 3)
    # -1.3 of 1.0, whose interval over seeds is ± 0.25.
    assert "| -130 % " in shown((18.9, 19.4, 19.9))
    # A single run has no interval.
    assert "| -200 % " in shown((18.5,))


def test_without_a_gap_there_is_no_share_of_it() -> None:
    methods = (("supervised", 20.0), ("mt", 21.0), ("full", 20.0))
    text = main_table([make("night", method, 0, score) for method, score in methods])
    assert "share of the gap" not in text.lower()


def test_lower_is_better_where_the_metric_says_so() -> None:
    metric = [{"name": "psnr", "symbol": "SAD", "higher_is_better": False, "digits": 3}]
    records = [
        make("night", method, seed, score, describe__task__metrics=metric)
        for method, score in (("supervised", 2.0), ("mt", 1.5))
        for seed, score in enumerate((score, score + 0.01))
    ]
    (grid,) = scores(main_table(records))
    assert grid[1:] == [
        ["SupOnly", "SAD ↓", "2.005 ± 0.007 (n=2)"],
        ["MT [1]", "SAD ↓", "**1.505 ± 0.007** (n=2, -0.500)"],
    ]
    assert "MT gains 0.500 [0.500, 0.500] over SupOnly" in main_table(records)


def test_scores_that_do_not_exist_are_dashes() -> None:
    records = [
        make("night", "supervised", 0, None),
        make("night", "mt", 0, 18.0),
        make("matting", "mt", 0, 20.0),
    ]
    (grid,) = scores(main_table(records))
    assert [row[2:] for row in grid[1:]] == [["-", "-"], ["20.00 (n=1)", "18.00 (n=1)"]]


@pytest.mark.parametrize(
    ("path", "value", "named"),
    [
        ("cell__split__hash", "0ther0ther00", "split 0ther0ther00"),
        ("cell__tier", "smoke", "Tier smoke"),
        ("cell__dataset", "camvid", "camvid"),
        ("cell__data", "e1e1e1e1e1e1", "data e1e1e1e1e1e1"),
        ("cell__backbone", "unet/resnet18", "unet/resnet18"),
        ("cell__pretrained", "published", "weights published"),
        ("cell__threads", 2, "2 threads"),
        ("cell__execution", {"precision": "bf16", "channels_last": True}, "channels last, bf16 execution"),
        ("config__recipe", {"iterations": 900, "crop": 64}, "900 iterations"),
        ("config__recipe", {"iterations": 600, "crop": 96}, "recipe"),
        ("providers__task", "ssl-bench 0.2.0", "ssl-bench 0.2.0"),
    ],
)
def test_what_differs_makes_two_tables(path: str, value: Any, named: str) -> None:
    records = [make("night", "mt", seed, 18.0 + seed) for seed in range(2)]
    records += [make("night", "supervised", 0, 30.0, **{path: value})]
    text = main_table(records)
    assert sorted(row[2] for grid in scores(text) for row in grid[1:]) == [
        "18.50 ± 0.71 (n=2)",
        "30.00 (n=1)",
    ]
    assert len(scores(text)) == len(set(titles(text))) == 2
    assert any(named in title for title in titles(text))


def test_a_split_is_known_by_its_content_and_not_by_what_was_asked_for() -> None:
    listed = {"source": "list.txt", "seed": 5, "hash": "18e18e18e18e", "labeled": 8, "unlabeled": 56}
    records = [make("night", "supervised", 0, 18.0), make("night", "mt", 0, 19.0, cell__split=listed)]
    (grid,) = scores(main_table(records))
    assert grid[2][2] == "19.00 (n=1, +1.00)"


def test_the_upper_bound_stands_in_the_table_of_every_split() -> None:
    records = [make("night", "full", 0, 25.0)]
    for labels in ("1/4", "1/16", "100", "1/8"):
        records.append(make("night", "mt", 0, 19.0, cell__split__source=labels, cell__split__hash=labels * 4))
    text = main_table(records)
    assert titles(text) == [f"Tier lite, labels {labels}" for labels in ("1/16", "1/8", "1/4", "100")]
    assert [[row[2] for row in grid[1:]] for grid in scores(text)] == [["19.00 (n=1)", "25.00 (n=1)"]] * 4
    assert titles(main_table(records[:1])) == ["Tier lite, labels all"]
    elsewhere = make("night", "full", 0, 25.0, cell__backbone="hdrnet")
    assert (
        sum("Full" in row[0] for grid in scores(main_table([*records[1:], elsewhere])) for row in grid) == 1
    )


def test_tasks_with_labels_of_their_own_share_a_table() -> None:
    records = [make("segmentation", "mt", 0, 60.0), make("denoising", "mt", 0, 30.0)]
    for task, count in (("matting", "100"), ("night", "200")):
        records.append(make(task, "mt", 0, 20.0, cell__split__source=count, cell__split__hash=count))
    text = main_table(records)
    assert titles(text) == ["Tier lite, labels 1/8 and 100 and 200"]
    assert scores(text)[0][1][2:] == ["60.00 (n=1)", "30.00 (n=1)", "20.00 (n=1)", "20.00 (n=1)"]


def test_a_table_holds_one_data_set() -> None:
    records = [
        make(task, "mt", 0, score, cell__backbone=backbone, cell__dataset=dataset)
        for task, backbone, dataset, score in (
            ("segmentation", "a", "synthetic", 1.0),
            ("segmentation", "b", "synthetic", 2.0),
            ("segmentation", "c", "camvid", 3.0),
            ("night", "c", "lol", 4.0),
            ("night", "b", "synthetic", 5.0),
        )
    ]
    tables = make_tables(read_entries(records)[0])
    assert [[column.entries[0].score for column in table.columns] for table in tables] == [
        [3],
        [4],
        [1, 5],
        [2],
    ]
    assert len({table.title for table in tables}) == 4


def test_what_a_search_found_is_one_row_though_it_differs_from_task_to_task() -> None:
    def run(task: str, weight: float, trials: int | None = None) -> Change:
        record = make(task, "mt", 0, 10 * weight, config__method={"lambda_mt": weight})
        record["cell"] |= {"trials": trials} if trials else {}
        return record

    records = [run("matting", 0.5, 4), run("night", 0.1, 4), run("night", 1.0), run("segmentation", 1.0, 4)]
    (grid,) = scores(main_table(records))
    # A run of the same settings that states no trials is of the same choice.
    records.append({**run("matting", 0.5), "cell": {**records[0]["cell"], "seed": 1, "trials": None}})
    (again,) = scores(main_table(records))
    for rows in (grid, again):
        assert [row[0] for row in rows[1:]] == ["MT [1]", "MT [1] (lambda_MT = 1)"]
        # On segmentation the search found what the second row sets: these runs are of both.
        assert [row[2:] for row in rows[2:]] == [["10.00 (n=1)", "-", "10.00 (n=1)"]]
    assert [cell.split()[0] for cell in grid[1][2:]] == ["10.00", "5.00", "1.00"]
    # Two searches of one task are told apart by what they found.
    records = [run("night", 0.1, 4), run("night", 0.2, 4)]
    names = [row[0] for row in scores(main_table(records))[0][1:]]
    assert names == ["MT [1] (lambda_MT = 0.1)", "MT [1] (lambda_MT = 0.2)"]


def test_settings_of_one_method_are_rows_named_by_what_differs() -> None:
    records = []
    for xi, score in ((0.6, 20.0), (0.4, 19.0)):
        for task in ("matting", "night"):
            config = {"xi": xi, "eta_dc": 3.0 if task == "matting" else 5.0, "mode": "gct"}
            records += [make(task, "gct", seed, score + seed, config__method=config) for seed in range(2)]
    records.append(make("matting", "supervised", 0, 18.0))
    (grid,) = scores(main_table(records))
    assert [row[0] for row in grid[1:]] == ["SupOnly", "GCT [1] (xi = 0.4)", "GCT [1] (xi = 0.6)"]
    assert [row[2:] for row in grid[2:]] == [
        ["19.50 ± 0.71 (n=2, +1.00 at n=1)", "19.50 ± 0.71 (n=2)"],
        ["20.50 ± 0.71 (n=2, +2.00 at n=1)", "20.50 ± 0.71 (n=2)"],
    ]
    (grid,) = grids(hyperparameter_table(records))
    assert [row for row in grid if row[1] == r"$\xi$"] == [
        ["", r"$\xi$", "0.40", "0.40"],
        ["", r"$\xi$", "0.60", "0.60"],
    ]


def test_another_version_of_a_method_is_a_row_of_its_own() -> None:
    records = [
        make("night", "mt", 0, score, providers__method=version)
        for version, score in (("pi 1.0", 18.0), ("pi 1.1", 19.0))
    ]
    (grid,) = scores(main_table(records))
    assert [row[0] for row in grid[1:]] == ["MT [1] (provided by pi 1.0)", "MT [1] (provided by pi 1.1)"]


def test_copies_of_a_record_count_once() -> None:
    record = make("night", "mt", 0, 18.0)
    text = main_table([record, copy.deepcopy(record), {**record, "cost": {"seconds": 99.0}}])
    assert scores(text)[0][1][2] == "18.00 (n=1)"
    assert "- Made from 1 record. 2 more repeat a run and are left out.\n" in text


def test_records_of_one_run_with_other_scores_are_named() -> None:
    one = make("night", "mt", 0, 18.0)
    others = [make("night", "mt", 0, 18.5), make("night", "mt", 1, 18.0)]
    assert read_board([one, *others]).unlike == ("night-mt-0",)
    said = "1 run here has several records that differ in scores, and chance says which of them is shown: "
    assert f"- {said}{escape('night-mt-0')}; name a folder with one of each.\n" in main_table([one, *others])
    # The score that ranks is not the only one.
    assert read_board([one, make("night", "mt", 0, 18.0, metrics__other=2.0)]).unlike == ("night-mt-0",)
    many = [make("night", "mt", seed, score) for seed in range(5) for score in (18.0, 18.5)]
    text = main_table(many)
    ids = ", ".join(escape(f"night-mt-{seed}") for seed in range(3))
    assert (
        f"- 5 runs here have several records that differ in scores, and chance says which of them is shown: {ids};"
        in text
    )


def test_records_of_one_run_that_agree_are_not_named() -> None:
    one = make("night", "mt", 0, 18.0)
    # One of an earlier version lacks a metric.
    earlier = make("night", "mt", 0, 18.0, metrics={"psnr": 18.0})
    for records in itertools.permutations(
        [one, make("night", "mt", 0, 18.0, cost={"seconds": 99.0}), earlier]
    ):
        assert read_board(records).unlike == ()
        assert "differ in scores" not in main_table(records)


def test_references_are_numbered_as_they_are_first_cited() -> None:
    shared = METHODS["gct"][3]
    records = [make("night", "gct", 0, 20.0), make("night", "s4l", 0, 19.0)]
    records += [
        make("night", "mt", 0, 18.0, describe__method__reference=shared),
        make("night", "supervised", 0, 17.0),
    ]
    text = main_table(records)
    assert [row[0] for row in scores(text)[0]] == ["Methods", "SupOnly", "MT [1]", "S4L [2]", "GCT [1]"]
    assert text.endswith(f"## References\n\n1. {shared}\n2. {METHODS['s4l'][3]}\n")


HOSTILE = "a|b `c` [x](javascript:1) <img src=x>\n## *H* | _e_ \\| \x1b[31m\u202e$1$ ~~z~~ &amp;"


def parsed(text: str) -> list[Token]:
    """Tokens of a Markdown text by a parser of its own, those inside lines included."""
    tokens = MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(text)
    return [inner for token in tokens for inner in (token, *(token.children or ()))]


def test_no_name_breaks_out_of_its_cell() -> None:
    paths = (
        "describe__task__title",
        "describe__method__title",
        "describe__method__reference",
        "cell__dataset",
        "cell__split__source",
        "cell__backbone",
        "cell__pretrained",
        "cell__split__hash",
        "provenance__device",
        "providers__method",
    )
    changes: dict[str, Any] = {**dict.fromkeys(paths, HOSTILE), "cell__execution": {HOSTILE: HOSTILE}}
    metric = [{"name": "psnr", "symbol": HOSTILE, "unit": HOSTILE}]
    # A subscript stays a subscript in a formula.
    symbols = [["eta_mt", HOSTILE.replace("_e_", "")]]
    records = [
        make("night", "mt", 0, 18.0, config__method={"eta_mt": value, HOSTILE: value},
             describe__task__metrics=metric, describe__method__symbols=symbols, **changes)
        for value in (1.0, HOSTILE)
    ]  # fmt: skip
    texts = render(records)
    assert not set(texts["runs.csv"]) & {"\x1b", "\u202e"}
    for text in (text for name, text in texts.items() if name.endswith(".md")):
        assert "<" not in text
        assert not set(text) & {"\x1b", "\u202e"}
        kinds = {token.type for token in parsed(text)}
        assert not kinds & {"html_inline", "html_block", "em_open", "s_open", "image", "code_block", "fence"}
        links = [token.attrs["href"] for token in parsed(text) if token.type == "link_open"]
        assert set(links) <= set(texts)
        spans = [token.content for token in parsed(text) if token.type == "code_inline"]
        assert all(re.fullmatch(r"[\w -]+", span) for span in spans)
        assert [len(row) for grid in grids(text) for row in grid] == [
            len(grid[0]) for grid in grids(text) for _ in grid
        ]
    assert [len(grid[0]) for grid in grids(texts["leaderboard.md"])] == [3, 11, 3]
    headings = [line for line in texts["leaderboard.md"].splitlines() if line.startswith("#")]
    assert [heading[:10] for heading in headings] == ["# Leaderbo", "## Tier li", "## Notes", "## Referen"]
    shown = terminal(records)
    assert not set(shown) & {"\x1b", "\u202e"}
    assert HOSTILE.split()[0] in shown


def test_no_unit_or_tier_breaks_out_of_a_sentence() -> None:
    claim = ClaimSpec(
        name="c", title="Net", task="night", metric="psnr", dataset="synthetic", scores={"Sup": {"1/8": 20.0}},
        labeled={"1/8": 8}, source="s", split="s", selection="s", backbone="unet-small", tier="paper",
        methods={"Sup": "supervised"},
    )  # fmt: skip
    metric = [{"name": "psnr", "symbol": HOSTILE, "unit": HOSTILE}]
    changes = {"describe__task__metrics": metric, "cell__tier": HOSTILE}
    records = [
        make("night", method, seed, score + seed, **changes)
        for method, score in (("supervised", 18.0), ("mt", 19.0), ("full", 25.0))
        for seed in range(3)
    ]
    files = render(records, claims=[claim])
    assert "all labels add 7.00" in files["leaderboard.md"]
    assert "none: tier" in files["reported.md"]
    for name in ("README.md", "leaderboard.md", "reported.md"):
        assert not set(files[name]) & set("<\x1b\u202e")
        kinds = {token.type for token in parsed(files[name])}
        assert not kinds & {"html_inline", "html_block", "em_open", "s_open", "image"}
        links = [token.attrs["href"] for token in parsed(files[name]) if token.type == "link_open"]
        assert set(links) <= set(files)


def test_text_is_escaped_only_where_it_must_be() -> None:
    assert escape("list_of_names.txt") == "list_of_names.txt"
    assert escape("Ours (v2), 50 % & more") == "Ours (v2), 50 % &amp; more"
    assert escape("_x_ [1] 1. a") == r"\_x\_ \[1\] 1. a"
    assert [escape(text) for text in ("1. a", "- a", "", "\n")] == [r"1\. a", r"\- a", "-", "-"]
    assert formula(r"\lambda_{Adv}^l") == r"$\lambda_{Adv}^l$"
    assert formula("a|b$`<\\") == r"$a\vert b\lt$"


def test_records_with_missing_parts_show_dashes_and_strange_ones_are_refused() -> None:
    whole = make("night", "mt", 0, 18.0)
    least = {"schema": 1, "cell": {"id": "x"}, "metrics": {}}
    contents: list[Change] = [{}, {"cell": None, "metrics": []}, least, whole]
    oddities: tuple[Any, ...] = (None, [], "x", -1e308)
    for section in whole:
        contents.append({key: value for key, value in whole.items() if key != section})
        contents += [{**whole, section: odd} for odd in oddities]
        if isinstance(whole[section], dict):
            for name in whole[section]:
                contents.append(
                    {**whole, section: {key: value for key, value in whole[section].items() if key != name}}
                )
                contents += [{**whole, section: {**whole[section], name: odd}} for odd in oddities]
    contents.append(make("night", "mt", 0, 18.0, describe__method__role="referee"))
    contents.append(make("night", "mt", 0, 18.0, describe__task__metrics="x"))
    records: list[Record] = []
    refused: list[str] = []
    for content in contents:
        try:
            records.append(Record.of(content))
        except DataError as error:
            refused.append(str(error))
    assert len(records) > 40
    assert len(refused) > 40
    assert all(re.fullmatch(r"no (whole )?record [^\n]*\([^\n]+\)", reason) for reason in refused)
    for chosen in (records, *([record] for record in records), *itertools.pairwise(records)):
        texts = render(list(chosen))
        assert set(texts) == FILES
        assert terminal(list(chosen))
    assert scores(main_table([least])) == [[["Methods", "", "-"], ["-", "-", "-"]]]


def test_nothing_to_show_is_said() -> None:
    assert "No finished runs yet." in render([])["leaderboard.md"]
    assert "No finished runs yet." in render([])["hyperparameters.md"]
    assert "from 0 records" in render([])["README.md"]
    assert terminal([]) == "No finished runs yet."


def test_index_links_to_the_files_there_are() -> None:
    files = render(example())
    assert set(re.findall(r"\]\((.+?)\)", files["README.md"])) | {"README.md"} == set(files)
    assert all(text.endswith("\n") and not text.endswith("\n\n") for text in files.values())


def test_terminal_shows_the_scores_in_a_hundred_columns() -> None:
    text = terminal(example())
    lines = text.splitlines()
    assert lines[0] == "Tier lite, labels 1/8"
    assert lines[6].split(maxsplit=1)[0] == "SupOnly"
    assert re.split(r" {2,}", lines[7].strip()) == [
        "MT", "65.00 ± 2.00 +4.00 *", "30.10 ± 0.10 -0.20", "26.50 ± 0.00 +0.50", "18.40 ± 0.00 +0.00",
    ]  # fmt: skip
    legend = "* best: its gains stand at 95 %, and nothing is better; signed: difference to the baseline; 3 seeds each"
    assert f" {legend} " in " ".join(text.split())
    assert max(map(len, lines)) <= 100
    assert "**" not in text
    assert "(n=1)" in terminal([*example(), make("night", "gct", 0, 19.0)])


def test_importing_the_leaderboard_imports_no_heavy_package() -> None:
    code = "import sys, ssl_bench.leaderboard; print(*{'torch', 'pandas', 'tabulate', 'timm'} & set(sys.modules))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == ""


def test_where_settings_agree_no_more_the_fullest_columns_meet() -> None:
    stray = make("night", "mt", 0, 17.5, cell__split__hash="000000000000")
    first, second = scores(main_table([*example(), stray]))
    assert [len(first[0]), len(second[0])] == [6, 3]
    assert second[1:] == [
        ["MT [1]", "PSNR (dB) ↑", "17.50 (n=1)"],
        ["Full", "PSNR (dB) ↑", "20.20 ± 0.35 (n=3)"],
    ]


def test_rows_of_one_method_stand_in_the_order_of_their_values() -> None:
    records = [make("night", "mt", 0, 18.0, config__method={"eta_mt": eta}) for eta in (10.0, 9.0, 100.0)]
    assert [row[0][8:-1] for row in scores(main_table(records))[0][1:]] == [
        "eta_MT = 9",
        "eta_MT = 10",
        "eta_MT = 100",
    ]
