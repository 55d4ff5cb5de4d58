"""What tables say stands: pooled splits, control and variants, bold, labels that are not missing, sentences."""

import csv
import itertools
import re
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
import scipy.stats
from test_formats import Parsed
from test_leaderboard import METHODS, Change, example, grids, make, scores, titles
from written import check_one_table, main_table, make_report, read_board, read_entries, render, terminal

from ssl_bench.errors import UsageError
from ssl_bench.leaderboard import Choice
from ssl_bench.leaderboard.documents.verdicts import verdict
from ssl_bench.leaderboard.formats.markdown import plain
from ssl_bench.leaderboard.model import plain_text
from ssl_bench.leaderboard.reading.grouping import make_tables

NOISE = (0.0, 0.3, -0.2, 0.1, -0.2)
METHODS.setdefault("plain", ("Control", 95, "control", ""))
METHODS.setdefault("frozen", ("SupOnly, frozen", 12, "baseline", ""))


def split(seed: int, labels: str = "4", count: int = 4) -> dict[str, Any]:
    return {
        "cell__split": {
            "source": labels,
            "seed": seed,
            "hash": f"h{labels.replace('/', '')}s{seed}",
            "labeled": count,
            "unlabeled": 128 - count,
        }
    }


def crossed(means: Mapping[str, float], splits: int = 3, seeds: int = 5, **changes: Any) -> list[Change]:
    """Methods about their means, each over all splits and seeds; an upper bound over seeds alone."""
    found = []
    for place, (method, mean) in enumerate(means.items()):
        full = METHODS[method][2] == "upper_bound"
        for k, s in itertools.product(range(1 if full else splits), range(seeds)):
            own = NOISE[(s + place + k * place) % 5] + NOISE[(2 * k + place) % 5]
            given = {} if full else split(k)
            found.append(make("night", method, s, mean + own, **{**given, **changes}))
    return found


def sentence(records: Sequence[Change]) -> str:
    (section,) = read_board(records).sections
    return plain_text(verdict(section, 0))


def row(records: Sequence[Change], title: str) -> str:
    (grid,) = scores(main_table(records))
    (found,) = (line[2] for line in grid if line[0].split(" [")[0] == title)
    return found


def best(records: Sequence[Change]) -> dict[str, str]:
    """The flag in the table of scores as CSV."""
    text = render(records, ["csv"])["leaderboard/tier-lite-labels-4-scores.csv"]
    lines = csv.DictReader(text.splitlines())
    return {line["Methods"]: line["Night Image Enhancement: best"] for line in lines}


MEANS = {"supervised": 18.0, "plain": 19.0, "mt": 19.0, "gct": 22.0, "s4l": 15.0, "full": 25.0}


def test_splits_that_one_procedure_drew_share_a_column() -> None:
    records = crossed({"supervised": 18.0, "mt": 20.0, "full": 25.0})
    text = main_table(records)
    assert titles(text) == ["Tier lite, labels 4"]
    values = [record["metrics"]["psnr"] for record in records if record["cell"]["method"] == "supervised"]
    assert row(records, "SupOnly") == f"{np.mean(values):.2f} ± {np.std(values, ddof=1):.2f} (n=15)"
    assert "(n=5, +" in row(records, "Full")
    assert "at n=" not in row(records, "Full")
    assert "n = 15: 5 seeds x 3 splits (split seeds 0, 1, 2)." in text
    settings = next(grid for grid in grids(text) if grid[0][0] == "Task")
    assert settings[1][settings[0].index("Split")] == "3 splits, seeds 0, 1, 2"
    check_one_table(records)


@pytest.mark.parametrize(
    "other",
    [
        split(7, "8", 8),
        split(7, "list.txt"),
        {"cell__split": {**split(0)["cell__split"], "hash": "another"}},
        {**split(7), "cell__data": "e1e1e1e1e1e1"},
    ],
    ids=["count", "list", "two splits of one seed", "data"],
)
def test_what_is_no_draw_of_one_procedure_stays_apart(other: Change) -> None:
    records = crossed({"supervised": 18.0, "mt": 20.0})
    stray = make("night", "mt", 0, 30.0, **other)
    tables = make_tables(read_entries([*records, stray])[0])
    assert len(tables) > 1
    assert all(
        {entry.score for entry in column.entries} == {30.0}
        for table in tables
        for column in table.columns
        if any(entry.score == 30.0 for entry in column.entries)
    )
    with pytest.raises(UsageError, match=r"differ in (split|data)"):
        check_one_table([*records, stray])


def test_methods_are_compared_on_the_pairs_that_both_have() -> None:
    records = [make("night", "supervised", s, 10.0 * k + s, **split(k)) for k in range(3) for s in range(2)]
    records += [make("night", "mt", s, 10.0 * k + s + 1.0 + k, **split(k)) for k in (0, 2) for s in range(2)]
    records.append(make("night", "mt", 7, 99.0, **split(1)))
    # Gains of 1 and 3 over the splits 0 and 2, two seeds each.
    assert row(records, "MT").endswith("(n=5, +2.00 at n=4)")
    differences = grids(render(records)["comparison.md"])[1]
    assert differences[1][2].endswith("(n=4, seeds alone)")


def test_over_one_split_and_over_crossed_runs_intervals_are_those_of_the_arithmetic() -> None:
    gains = np.array([[1.0, 1.2, 0.9], [1.3, 1.1, 1.4], [0.8, 1.0, 1.1]])
    records = [
        make("night", method, s, 10.0 + 5 * k + s + gain * gains[k, s], **split(k))
        for method, gain in (("supervised", 0.0), ("mt", 1.0))
        for k in range(3)
        for s in range(3)
    ]

    def interval(found: Sequence[Change]) -> str:
        return grids(render(found)["comparison.md"])[1][1][2]

    one = scipy.stats.ttest_1samp(gains[0], 0).confidence_interval()
    alone = [record for record in records if record["cell"]["split"]["seed"] == 0]
    assert f"[{one.low:+.2f}, {one.high:+.2f}]** (n=3" in interval(alone)
    # Splits differ (p = 0.16), seeds do not: the means of the splits, with two degrees of freedom.
    means = scipy.stats.ttest_1samp(gains.mean(1), 0).confidence_interval()
    assert f"[{means.low:+.2f}, {means.high:+.2f}]** (n=9" in interval(records)


def test_the_control_stands_beside_the_baseline_and_never_competes() -> None:
    records = crossed(MEANS)
    (grid,) = scores(main_table(records))
    assert [line[0].split(" [")[0] for line in grid[1:]] == ["SupOnly", "Control", "MT", "S4L", "GCT", "Full"]
    assert row(records, "GCT").startswith("**")
    assert "over control" in row(records, "GCT")
    assert "over control" not in row(records, "Control") + row(records, "Full") + row(records, "SupOnly")
    # As good as the control: its gain over the baseline is not its own.
    assert not row(records, "MT").startswith("**")
    labels, ranks, over_baseline, over_control, _ = grids(render(records)["comparison.md"])
    assert labels[1][3] == "yes"
    assert [line[0].split(" [")[0] for line in ranks[1:]] == ["SupOnly", "MT", "S4L", "GCT"]
    assert [line[2] for line in ranks[1:]] == ["3", "2", "4", "1"]
    assert [line[0].split(" [")[0] for line in over_baseline[1:]] == ["Control", "MT", "S4L", "GCT", "Full"]
    assert [line[0].split(" [")[0] for line in over_control[1:]] == ["MT", "S4L", "GCT"]
    assert all(line[2].endswith("(n=15, seeds alone)") for line in over_control[1:])
    without = [record for record in records if record["cell"]["method"] != "plain"]
    assert row(without, "MT").startswith("1")
    assert "gains" in sentence(without)
    assert not [name for name in render(without) if "control" in render(without)[name].split("## How to")[0]]


def test_what_else_has_the_baselines_role_stands_beside_the_control_too() -> None:
    means = {"supervised": 18.0, "frozen": 22.0, "plain": 19.0, "mt": 19.0, "full": 25.0}
    _, _, _, over_control, _ = grids(render(crossed(means))["comparison.md"])
    assert [line[0].split(" [")[0] for line in over_control[1:]] == ["SupOnly, frozen", "MT"]
    # What decides its bold.
    assert over_control[1][2].startswith("**+")
    assert row(crossed(means), "SupOnly, frozen").startswith("**")


def test_bold_is_for_what_stands_and_no_method_with_as_many_runs_beats() -> None:
    records = crossed({"supervised": 18.0, "mt": 20.0, "gct": 22.0, "full": 25.0})
    assert [row(records, name).startswith("**") for name in ("SupOnly", "MT", "GCT", "Full")] == [
        False, False, True, False,
    ]  # fmt: skip
    # Fewer runs, higher scores: it stands beside what has more, and does not take its place.
    fewer = [
        record for record in records if record["cell"]["method"] != "gct" or record["cell"]["seed"] in (0, 1)
    ]
    assert [row(fewer, name).startswith("**") for name in ("MT", "GCT")] == [True, True]
    ranks = grids(render(fewer)["comparison.md"])[1]
    assert {line[0].split(" [")[0]: line[2] for line in ranks[1:]}["MT"].startswith("1")
    # A single run is nothing, however good.
    single = [record for record in fewer if record["cell"]["method"] != "gct"]
    single.append(make("night", "gct", 0, 90.0, **split(0)))
    assert [row(single, name).startswith("**") for name in ("MT", "GCT")] == [True, False]


def test_further_runs_of_the_baseline_take_nobodys_place() -> None:
    means = {"supervised": 18.0, "plain": 19.0, "mt": 20.0, "gct": 22.0, "s4l": 15.0, "full": 25.0}

    def ranks(records: Sequence[Change]) -> dict[str, str]:
        found = grids(render(records)["comparison.md"])[1]
        return {line[0].split(" [")[0]: line[2] for line in found[1:]}

    records = crossed(means)
    placed = {"SupOnly": "3", "MT": "2", "S4L": "4", "GCT": "1"}
    assert ranks(records) == placed
    # Two more draws of the labelled images, of the baseline alone: comparisons are over common pairs all the same.
    further = [make("night", "supervised", 0, 18.0 + k / 9, **split(k)) for k in (3, 4)]
    assert ranks([*records, *further]) == placed
    # Of a method they void what it loses to methods, and nothing between it and the baseline.
    further = [make("night", "mt", 0, 20.0 + k / 9, **split(k)) for k in (3, 4)]
    assert ranks([*records, *further]) == {**placed, "MT": "1-2", "GCT": "1-2"}
    fewer = [r for r in records if r["cell"]["method"] != "supervised" or r["cell"]["seed"] in (0, 1)]
    assert ranks(fewer) == placed


def test_where_labels_are_not_what_is_missing_nobody_is_ranked() -> None:
    records = crossed({"supervised": 18.0, "mt": 20.0, "gct": 22.0, "full": 18.0})
    files = render(records, ("md", "csv", "tex", "html"))
    assert not [cell for line in scores(main_table(records))[0] for cell in line if "**" in cell]
    assert "<strong>" not in files["comparison.html"] + files["leaderboard.html"]
    assert r"\textbf" not in "".join(text for name, text in files.items() if name.endswith(".tex"))
    assert not [line for line in terminal(records).splitlines() if " *" in line]
    said = "labels are not what is missing here, and no method is ranked."
    assert sentence(records).endswith(said)
    for name in ("README.md", "leaderboard.md", "leaderboard.html"):
        assert said in files[name]
    assert said in " ".join(terminal(records).split())
    for name in (
        "leaderboard/tier-lite-labels-4-scores.tex",
        "comparison/tier-lite-labels-4-differences.tex",
    ):
        (caption,) = (line for line in files[name].splitlines() if line.startswith(r"\caption"))
        assert said in caption
        assert "4 labelled, 124 unlabelled images" in caption
        assert "n = 15: 5 seeds x 3 splits (split seeds 0, 1, 2)" in caption
    assert said in make_report([("", record) for record in records])
    labels, differences = (grids(files["comparison.md"])[place] for place in (0, 1))
    assert labels[1][3] == "no"
    assert "rank" not in {line[1] for line in differences[1:]}
    assert best(records) == {"SupOnly": "0", "MT": "0", "GCT": "0", "Full": "0"}
    assert best(crossed({"supervised": 18.0, "mt": 20.0, "full": 22.0})) == {
        "SupOnly": "0",
        "MT": "1",
        "Full": "0",
    }
    worse = crossed({"supervised": 18.0, "mt": 20.0, "full": 10.0})
    assert "all labels add -8" in sentence(worse)
    assert sentence(worse).endswith(said)


def test_no_bound_is_a_negative_zero() -> None:
    runs = {"supervised": (18.0, 18.4, 18.8), "mt": (18.0, 18.4 + 1e-9, 18.8)}
    records = [
        make("night", name, seed, score) for name, found in runs.items() for seed, score in enumerate(found)
    ]
    text = render(records)["comparison.md"]
    assert grids(text)[1][1][2] == "+0.00 [+0.00, +0.00] (n=3, seeds alone)"
    assert "-0.00" not in text
    assert "each one for itself, but for columns in which nobody is ranked." in text


def test_what_is_not_known_of_the_labels_is_said_to_be() -> None:
    without = crossed({"supervised": 18.0, "mt": 22.0})
    assert "not known from these runs, for no run has all of them" in sentence(without)
    assert "MT gains" in sentence(without)
    one = [*without, make("night", "full", 0, 25.0, cell__split__hash="all")]
    one = [record for record in one if record["cell"]["method"] != "full" or record["cell"]["seed"] == 0]
    single = [record for record in one if record["cell"]["split"]["seed"] == 0]
    assert "not known from these runs, for there are too few runs with all of them" in sentence(single)


def test_columns_that_rank_nobody_take_no_part_in_borda() -> None:
    records = crossed({"supervised": 18.0, "mt": 20.0, "gct": 22.0, "full": 18.0})
    for record in crossed({"supervised": 18.0, "mt": 22.0, "gct": 20.0, "full": 30.0}):
        describe, metrics = record["describe"], {"psnr": record["metrics"]["psnr"]}
        task = {**describe["task"], "title": "Portrait Image Matting", "position": 3}
        cell = {**record["cell"], "task": "matting"}
        records.append({**record, "cell": cell, "describe": {**describe, "task": task}, "metrics": metrics})
    ranks = grids(render(records)["comparison.md"])[1]
    assert [line[3] for line in ranks[1:]] == ["not ranked"] * 3
    assert [line[-1] for line in ranks[1:]] == ["0 (3)", "2 (1)", "1 (2)"]


def test_a_single_run_promises_nothing() -> None:
    records = crossed(MEANS, splits=1, seeds=1)
    said = sentence(records)
    assert said == (
        "Night Image Enhancement (4 labels, n = 1): a single run of each: nothing can be told apart, nor is it known "
        "whether labels are what is missing; further seeds would tell."
    )
    shown = terminal(records)
    assert " ".join(shown.split()).endswith(said)
    assert "gains" not in shown + main_table(records).split("## Notes")[0]
    assert " *" not in shown


def test_one_test_image_asks_for_images_and_never_for_seeds() -> None:
    def with_images(count: int) -> list[Change]:
        records = crossed({"supervised": 18.0, "mt": 18.1, "gct": 22.0})
        ids = [f"i{number}" for number in range(count)]
        return [
            {**record, "per_image": {"ids": ids, "psnr": [record["metrics"]["psnr"]] * count}}
            for record in records
        ]

    files = render(with_images(1))
    _, differences, seeds = grids(files["comparison.md"])
    assert all(line[2].endswith("(n=15, one image)") for line in differences[1:])
    assert {line[2] for line in seeds[1:]} == {"more images"}
    assert sentence(with_images(1)).endswith("seeds alone, and only more images would tell of others.")
    single = [r for r in with_images(1) if r["cell"]["seed"] == 0 and r["cell"]["split"]["seed"] == 0]
    assert "more test images would tell." in sentence(single)
    settings = next(grid for grid in grids(files["leaderboard.md"]) if grid[0][0] == "Task")
    assert settings[1][settings[0].index("Test images")] == "1"
    assert "4 labelled, 124 unlabelled, 1 test image," in files["README.md"]
    assert "one image" not in grids(render(with_images(20))["comparison.md"])[1][1][2]
    assert "4 labelled, 124 unlabelled, 20 test images," in render(with_images(20))["README.md"]


def test_what_speaks_for_one_seed_is_said_to() -> None:
    def shown(seeds: int, splits: int) -> set[str]:
        records = crossed({"supervised": 18.0, "mt": 18.1}, splits, seeds)
        return {line[2].partition("] ")[2] for line in grids(render(records)["comparison.md"])[1][1:]}

    assert shown(1, 3) == {"(n=3, one seed, splits alone)"}
    assert shown(3, 1) == {"(n=3, seeds alone)"}
    assert shown(2, 2) == {"(n=4, seeds alone)"}
    assert "'One seed'" in render(crossed({"supervised": 18.0, "mt": 18.1}))["comparison.md"]


def test_what_speaks_for_seeds_alone_is_said_to() -> None:
    random, ids = np.random.default_rng(3), [f"i{number}" for number in range(8)]
    images, gains = random.normal(30, 4, 8), random.normal(1, 3, 8)

    def runs(method: str, share: float, known: int) -> list[Change]:
        """`known`: from which seed on scores of single images are."""
        found = []
        for seed in range(4):
            values = images + share * gains + seed + random.normal(0, 0.01, 8)
            per_image = {"ids": ids, "psnr": values.tolist()} if seed >= known else {}
            found.append(make("night", method, seed, float(values.mean()), per_image=per_image))
        return found

    def shown(baseline: int, mt: int) -> tuple[str, str, str]:
        records = [*runs("supervised", 0, baseline), *runs("mt", 1, mt), *runs("gct", 0.5, 0)]
        files = render(records)
        differences = grids(files["comparison.md"])[1]
        return differences[1][2], sentence(records), files["leaderboard.md"]

    # A gain that images make and break: seeds alone would have it stand, and a run that lacks them hides none of them.
    for baseline, mt in ((0, 0), (1, 0), (3, 0), (1, 2)):
        difference, said, table = shown(baseline, mt)
        assert difference.startswith("+")
        assert "**" not in difference
        assert "alone" not in difference
        assert "MT and GCT cannot be told from SupOnly" in said
        assert "alone" not in said + table
    difference, said, table = shown(0, 4)
    assert difference.startswith("**+")
    assert difference.endswith("(n=4, seeds alone)")
    assert said.startswith(
        "Night Image Enhancement (8 labels, 8 test images, n = 4 on one split, seeds alone for MT): "
    )
    assert "of other images: MT, Night Image Enhancement." in table
    assert "n = 4 on one split, seeds alone): " in shown(4, 0)[1]


def test_rows_that_are_not_shown_are_judged_with() -> None:
    records = crossed({"supervised": 18.0, "plain": 18.5, "mt": 20.0, "gct": 22.0, "full": 18.0})
    records += [
        {
            **record,
            "cell": {**record["cell"], "task": "matting"},
            "metrics": {"psnr": record["metrics"]["psnr"]},
        }
        for record in crossed({"supervised": 18.0, "plain": 18.5, "mt": 20.0, "gct": 22.0, "full": 25.0})
    ]
    whole, part = (render(records, choice=choice) for choice in (Choice(), Choice(methods=["SupOnly", "MT"])))
    # In one column labels are not what is missing; in the other another method is better.
    for name in ("leaderboard.md", "comparison.md", "metrics.md"):
        lines = {re.sub(r" {2,}", " ", line) for line in whole[name].splitlines()}
        shown = [re.sub(r" {2,}", " ", line) for line in part[name].splitlines()]
        assert [line for line in shown if line.startswith("| MT") and line not in lines] == []
        assert not [line for line in shown if "GCT" in line or "Full [" in line]
    assert "no method is ranked" in part["leaderboard.md"]
    assert "**" not in part["leaderboard.md"]
    shown = terminal(records, Choice(methods=["SupOnly", "MT"]))
    assert not [line for line in shown.splitlines() if line.endswith("*")]
    assert "MT gains" in shown
    assert "GCT" not in shown
    assert main_table(records).count("**") == 2


def test_a_choice_of_methods_shows_the_columns_that_have_them() -> None:
    other = split(0, "8", 8)
    records = [make("night", name, 0, 18.0, **more) for name, more in
               (("supervised", split(0)), ("mt", split(0)), ("supervised", other), ("gct", other))]  # fmt: skip
    records.append(make("night", "full", 0, 25.0))
    assert titles(main_table(records)) == ["Tier lite, labels 4", "Tier lite, labels 8"]
    text = render(records, choice=Choice(methods=["mt"]))["leaderboard.md"]
    assert titles(text) == ["Tier lite, labels 4"]
    assert [line[0] for line in scores(text)[0]] == ["Methods", "MT [1]"]
    # Labels that the baseline would need are told of it, though its curve is not shown.
    records = [
        make(
            "night",
            "supervised",
            0,
            10.0 + count,
            **{"cell__split": {**split(0, str(count), count)["cell__split"]}},
        )
        for count in (4, 8)
    ]
    records.append(make("night", "mt", 0, 18.0, **split(0)))
    _, saved = grids(render(records, choice=Choice(methods=["mt"]))["efficiency.md"])
    assert saved[1:] == [["MT [1]", "labels needed (saved)", "8 (+4)", "-"]]
    check_one_table(records[::2], Choice(methods=["mt"]))


def variant(value: float, *names: str, score: float = 19.0, **more: Any) -> list[Change]:
    config = {"lambda_mt": value, "noise": "weak", **more}
    changes = {"describe__method__variant": list(names)} if names else {}
    return [make("night", "mt", seed, score + seed, config__method=config, **changes) for seed in range(2)]


def test_variants_are_rows_named_by_what_they_set() -> None:
    records = [
        *variant(1.0),
        *variant(0.0, "lambda_mt"),
        *variant(0.5, "lambda_mt"),
        *variant(14.0, "paper", score=12.0),
        *variant(2.0, "paper", "noise", score=11.0, noise="none"),
    ]
    names = ["MT", "MT, lambda_MT = 0", "MT, lambda_MT = 0.5", "MT, paper", "MT, paper, noise = none"]
    (grid,) = scores(main_table(records))
    assert [line[0] for line in grid[1:]] == [f"{name} [1]" for name in names]
    files = render(records, ("tex", "html", "csv"))
    assert r"MT, $\lambda_{MT}$ = 0~\cite{" in files["leaderboard/tier-lite-labels-1-8-scores.tex"]
    assert "MT, <i>λ<sub>MT</sub></i> = 0&nbsp;[1]" in files["leaderboard.html"]
    assert '"MT, lambda_MT = 0"' in files["leaderboard/tier-lite-labels-1-8-scores.csv"]
    shown = terminal(records)
    assert all(name in shown for name in names)
    # One way to say it twice: a variant that sets what the method has anyway.
    same = [*variant(1.0), make("night", "mt", 5, 30.0, config__method={"lambda_mt": 1.0, "noise": "weak"},
                                describe__method__variant=["lambda_mt"])]  # fmt: skip
    (grid,) = scores(main_table(same))
    assert [line[0] for line in grid[1:]] == ["MT [1]"]
    # Plain rows that differ still say so, in the same words.
    files = render([*variant(1.0), *variant(2.0)], ("tex", "html"))
    assert (
        r"MT~\cite{tarvainen2017} ($\lambda_{MT}$ = 2) &"
        in files["leaderboard/tier-lite-labels-1-8-scores.tex"]
    )
    assert "(<i>λ<sub>MT</sub></i> = 2)" in files["leaderboard.html"]
    (grid,) = scores(main_table([*variant(1.0), *variant(2.0), *variant(0.0, "lambda_mt")]))
    assert [line[0] for line in grid[1:]] == [
        "MT [1] (lambda_MT = 1)", "MT [1] (lambda_MT = 2)", "MT, lambda_MT = 0 [1]",
    ]  # fmt: skip


def test_sentences_say_who_gains_over_what() -> None:
    said = sentence(crossed(MEANS))
    size = "4 labels, n = 15 on 3 splits, seeds alone"
    assert said.startswith(f"Night Image Enhancement ({size}): all labels add 7.")
    assert "so labels are what is missing. Control gains" in said
    (gct,) = (part for part in said.split("; ") if part.startswith("GCT"))
    assert " over SupOnly and " in gct
    assert gct.endswith(" over the control")
    assert "MT gains" in said
    assert "but cannot be told from the control" in said
    assert re.search(r"; behind SupOnly: S4L by 2\.[0-9]{2}\.$", said)
    alike = sentence(crossed({"supervised": 18.0, "mt": 18.0, "gct": 18.0, "full": 25.0}))
    assert alike.endswith("MT and GCT cannot be told from SupOnly.")
    several = sentence(example()[:9])
    assert "one method alone: nothing to compare." in sentence([make("night", "mt", 0, 1.0)])
    assert "no baseline was run" in sentence([make("night", "mt", 0, 1.0), make("night", "gct", 0, 1.0)])
    assert several.startswith("Semantic Segmentation (8 labels, n = 3")


def test_a_sentence_names_the_winners_first() -> None:
    records = crossed({"supervised": 18.0, "plain": 20.0, "full": 30.0})
    for weight in range(7):
        for run in crossed({"mt": (19.0, 19.1, 19.2, 23.0, 19.3, 25.0, 22.0)[weight]}):
            records.append({**run, "config": {**run["config"], "method": {"lambda_mt": float(weight)}}})
    said = sentence(records)
    named = re.findall(r"[.;] (Control|MT \(lambda_MT = \d\)) gains", said)
    assert named == ["Control", *(f"MT (lambda_MT = {weight})" for weight in (5, 3, 6, 4))]
    assert "; 3 more gain" in said
    assert "= 5) gains 7" in said


def test_sentences_stand_in_every_format() -> None:
    records = crossed(MEANS)
    said = sentence(records)
    files = render(records, ("md", "html", "tex"))
    assert f"- {said}" in files["README.md"].replace("\\", "")
    assert f"- {said}" in files["leaderboard.md"].replace("\\", "")
    assert said in Parsed(files["leaderboard.html"]).texts["li"]
    page = make_report([("", record) for record in records])
    assert page.index(said) < page.index("<main")
    assert said in " ".join(terminal(records).split())
    assert plain(said) == said


def test_many_rows_of_crossed_runs_stay_quick() -> None:
    ids = [f"i{number}" for number in range(20)]
    records = []
    for number in range(40):
        for record in crossed({"mt": 18.0 + number / 10} if number else {"supervised": 18.0, "full": 25.0}):
            config = {"lambda_mt": float(number)}
            changed = {**record, "config": {**record["config"], "method": config}}
            records.append({**changed, "per_image": {"ids": ids, "psnr": [record["metrics"]["psnr"]] * 20}})
    start = time.process_time()
    assert "; 34 more gain." in sentence(records)
    # A millisecond for each of 780 pairs.
    assert time.process_time() - start < 20
