"""Statistics against known distributions, other implementations, and values worked by hand."""

import itertools
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import scipy.stats
from test_leaderboard import METHODS, Change, grids, make
from written import render

from ssl_bench.significance.comparison import Difference, Sample, compare
from ssl_bench.significance.images import image_scores, resampled
from ssl_bench.significance.ranks import holm, places, rank_ranges
from ssl_bench.significance.seeds import further_seeds

METHODS.setdefault("plain", ("Control", 95, "control", ""))


def sample(scores: np.ndarray, counts: np.ndarray) -> Sample:
    """Of mean scores over images: `scores` (seeds, images)."""
    size = scores.shape[1]
    return Sample(
        {("a", str(seed)): float(row.mean()) for seed, row in enumerate(scores)},
        {("a", str(seed)): counts @ row / size for seed, row in enumerate(scores)},
        size,
    )


@pytest.mark.parametrize("seeds", [3, 8])
@pytest.mark.parametrize("spread", [(1.0, 0.0, 0.1), (0.0, 2.0, 1.0), (0.3, 1.0, 1.0)])
def test_intervals_cover_at_their_level(seeds: int, spread: tuple[float, float, float]) -> None:
    # Of seeds, of images and of both, in turn. 400 repetitions: the rate has a standard error of 1.1 %.
    random, images, repetitions, truth = np.random.default_rng(7), 30, 400, 0.5
    counts = np.concatenate(list(resampled([str(i) for i in range(images)], 200)))
    hits = 0
    for _ in range(repetitions):
        parts = zip(spread, [(seeds, 1), (1, images), (seeds, images)], strict=True)
        effect = sum(random.normal(0, deviation, shape) for deviation, shape in parts)
        # What both methods share, however large, changes nothing.
        shared = random.normal(0, 5, (1, images)) + random.normal(0, 5, (seeds, 1))
        found = compare(sample(shared + effect + truth, counts), sample(shared, counts))
        assert found is not None
        low, high = found.interval
        hits += low <= truth <= high
    assert 0.915 <= hits / repetitions <= 0.985


@pytest.mark.parametrize(("runs", "images", "of_runs"), [(3, 40, 4.0), (3, 40, 1.0), (8, 3, 0.25)])
def test_intervals_cover_where_one_source_has_few_draws(runs: int, images: int, of_runs: float) -> None:
    # `of_runs`: how much of the variance of the mean the runs bring for one of the images. 1500 repetitions: the rate
    # has a standard error of 0.6 %.
    random, repetitions = np.random.default_rng(2), 1500
    counts = np.concatenate(list(resampled([str(i) for i in range(images)], 200)))
    hits = 0
    for _ in range(repetitions):
        gains = random.normal(0, (of_runs * runs) ** 0.5, (runs, 1)) + random.normal(
            0, images**0.5, (1, images)
        )
        found = compare(sample(gains, counts), sample(np.zeros((runs, images)), counts))
        assert found is not None
        low, high = found.interval
        hits += low <= 0 <= high
    assert 0.94 <= hits / repetitions <= 0.985


def test_no_source_of_doubt_makes_a_difference_surer() -> None:
    random = np.random.default_rng(0)
    for _ in range(200):
        size, images = random.integers(2, 20), int(random.integers(2, 60))
        counts = np.concatenate(list(resampled([str(i) for i in range(images)], 50)))
        gains = random.normal(0, random.exponential(), (size, 1)) + random.normal(
            random.normal(), random.exponential(), (1, images)
        )
        first, second = sample(gains, counts), sample(np.zeros((size, images)), counts)
        found, of_runs = compare(first, second), compare(replace(first, replicates={}), second)
        assert found is not None
        assert of_runs is not None
        assert of_runs.image_variance == 0 < found.image_variance
        for alone in (of_runs, replace(found, run_variance=0.0)):
            assert found.interval[0] <= alone.interval[0] <= alone.interval[1] <= found.interval[1]
            assert found.p_value >= alone.p_value
        assert found.stands == (found.p_value < 0.05)


def test_over_seeds_alone_it_is_the_paired_t_test() -> None:
    first, second = [1.0, 2.5, 3.0, 4.5], [0.5, 2.0, 3.5, 3.0]
    found = compare(*(Sample({("a", str(i)): v for i, v in enumerate(s)}, {}) for s in (first, second)))
    reference = scipy.stats.ttest_rel(first, second)
    assert found is not None
    assert found.images == 0
    assert found.p_value == pytest.approx(reference.pvalue)
    assert found.interval == pytest.approx(tuple(reference.confidence_interval(0.95)))


def test_the_bootstrap_of_images_has_the_variance_of_a_mean() -> None:
    images = 50
    scores = np.random.default_rng(0).normal(0, 1, images)
    counts = np.concatenate(list(resampled([str(i) for i in range(images)], 4000)))
    found = compare(sample(np.stack([scores] * 4), counts), sample(np.zeros((4, images)), counts))
    assert found is not None
    assert found.run_variance == 0
    assert found.image_variance == pytest.approx(scores.var(ddof=1) / images, rel=0.07)


def test_only_common_seeds_count_and_one_is_too_few() -> None:
    def of(**scores: float) -> Sample:
        return Sample({("a", seed): score for seed, score in scores.items()}, {})

    first = of(s0=1.0, s1=3.0, s2=9.0)
    assert compare(first, of(s2=1.0)) is None
    found = compare(first, of(s0=0.0, s1=1.0, s7=50.0))
    assert found is not None
    assert (found.mean, found.runs) == (1.5, 2)
    same = compare(first, first)
    assert same is not None
    assert (same.interval, same.p_value) == ((0.0, 0.0), 1.0)


def test_a_run_without_scores_of_images_hides_no_images() -> None:
    random, counts = (
        np.random.default_rng(5),
        np.concatenate(list(resampled([str(i) for i in range(20)], 500))),
    )
    low = random.normal(0, 1, (6, 20))
    first, second = sample(low + random.normal(1, 1, (1, 20)), counts), sample(low, counts)
    whole = compare(first, second)
    kept = {run: draws for run, draws in first.replicates.items() if run[1] != "0"}
    part = compare(replace(first, replicates=kept), second)
    none = compare(replace(first, replicates={}), second)
    assert whole is not None
    assert part is not None
    assert none is not None
    assert (whole.images, part.images, none.images) == (20, 20, 0)
    assert part.image_variance == pytest.approx(whole.image_variance, rel=0.2)
    assert part.image_variance >= whole.image_variance - 1e-12
    assert (part.mean, part.runs, part.run_variance) == (none.mean, none.runs, none.run_variance)


def test_draws_are_those_of_the_ids_and_of_a_frozen_stream() -> None:
    first = np.concatenate(list(resampled(["a", "b", "c"], 250)))
    assert first.shape == (250, 3)
    assert (first.sum(1) == 3).all()
    assert (first == np.concatenate(list(resampled(["a", "b", "c"], 250)))).all()
    assert (first != np.concatenate(list(resampled(["a", "b", "d"], 250)))).any()
    assert first[:3].tolist() == FROZEN


FROZEN = [[3, 0, 0], [1, 1, 1], [1, 1, 1]]


def test_means_of_images_leave_out_those_without_a_score() -> None:
    found = image_scores({"psnr": [10.0, None, 40.0]}, "psnr", 25.0)
    assert found is not None
    drawn = found(np.array([[1, 1, 1], [2, 1, 0], [0, 3, 0], [1, 0, 2]]))
    assert drawn[[0, 1, 3]] == pytest.approx([25.0, 10.0, 30.0])
    assert np.isnan(drawn[2])


def test_iou_of_a_set_is_not_the_mean_of_its_images() -> None:
    # Classes: 3 of 4 and 1 of 4 pixels in all, the third never occurs: (75 + 25) / 2.
    per_image = {
        "intersection": [[1, 1, 0], [2, 0, 0]],
        "union": [[1, 2, 0], [3, 2, 0]],
        "miou": [75.0, 33.3],
    }
    found = image_scores(per_image, "miou", 50.0)
    assert found is not None
    # The first image alone: 1 of 1 and 1 of 2. Twice the second: 4 of 6 and 0 of 4.
    assert found(np.array([[1, 1], [2, 0], [0, 2]])) == pytest.approx([50.0, 75.0, 100 / 3])


def test_a_stated_aggregate_is_taken_at_its_word_and_checked() -> None:
    ratio = {"part": "hits", "whole": "all", "scale": 10.0}
    per_image = {
        "score": [1.0, 3.0],
        "hits": [1, 3],
        "all": [4, 8],
        "intersection": [[1], [1]],
        "union": [[1], [1]],
    }
    # Sums: 10 * 4 of 12.
    found = image_scores(per_image, "score", 10 / 3, ratio)
    assert found is not None
    assert found(np.array([[2, 0], [0, 2]])) == pytest.approx([2.5, 3.75])
    # The mean of the images would give 2; as a ratio it is refused, and the other way round.
    assert image_scores(per_image, "score", 2.0, ratio) is None
    assert image_scores(per_image, "score", 2.0, "mean") is not None
    assert image_scores(per_image, "score", 100.0, "mean") is None
    # A record that states nothing: mean IoU is tried, too.
    assert image_scores(per_image, "score", 100.0) is not None
    for strange in (
        "median",
        3,
        {"part": "hits"},
        {"part": [], "whole": "all", "scale": 1},
        {**ratio, "scale": "x"},
    ):
        assert image_scores(per_image, "score", 2.0, strange) is None


def test_intervals_of_mean_iou_cover_at_their_level() -> None:
    # Images of two classes whose pixels vary sixfold: the mean of the images' IoU is another number altogether.
    random, images, repetitions = np.random.default_rng(11), 60, 300
    counts = np.concatenate(list(resampled([str(i) for i in range(images)], 200)))

    def draw(size: int, seeds: int, skill: float) -> tuple[np.ndarray, np.ndarray]:
        """(seeds, images, classes): intersection and union; what an image has of a class is shared by all seeds."""
        union = shared[:size, None, :].transpose(1, 0, 2) * np.ones((seeds, 1, 1))
        hard = difficulty[:size][None, :, None]
        rate = 1 / (1 + np.exp(-(skill * union / 500 + hard + random.normal(0, 0.2, (seeds, 1, 1)))))
        return random.binomial(union.astype(int), rate), union

    def population(size: int) -> None:
        nonlocal shared, difficulty
        shared, difficulty = random.uniform(100, 600, (size, 2)).round(), random.normal(0, 1, size)

    shared = difficulty = np.empty(0)
    population(40_000)
    truth = float(np.subtract(*(_miou(*draw(40_000, 6, skill)).mean() for skill in (1.5, 1.0))))
    hits = 0
    for _ in range(repetitions):
        population(images)
        samples = []
        for skill in (1.5, 1.0):
            part, whole = draw(images, 4, skill)
            replicates, scores = {}, {}
            for seed, score in enumerate(_miou(part, whole)):
                per_image = {"i": part[seed].tolist(), "u": whole[seed].tolist()}
                found = image_scores(per_image, "miou", score, {"part": "i", "whole": "u", "scale": 100.0})
                assert found is not None
                replicates["a", str(seed)], scores["a", str(seed)] = found(counts), float(score)
            samples.append(Sample(scores, replicates, images))
        difference = compare(*samples)
        assert difference is not None
        low, high = difference.interval
        hits += low <= truth <= high
    assert 0.91 <= hits / repetitions <= 0.985


def _miou(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    scores: np.ndarray = 100 * (part.sum(1) / whole.sum(1)).mean(-1)
    return scores


def test_groups_part_equals_as_rarely_as_they_promise() -> None:
    # Four methods that are equal: a pair is told apart in at most one of twenty repetitions, for all pairs together.
    random, repetitions = np.random.default_rng(5), 400
    wrong = 0
    for _ in range(repetitions):
        scores = random.normal(20, 1, (4, 5)) + random.normal(0, 3, (1, 5))
        samples = [Sample({("a", str(seed)): value for seed, value in enumerate(row)}, {}) for row in scores]
        found = {
            pair: compare(samples[pair[0]], samples[pair[1]]) for pair in itertools.combinations(range(4), 2)
        }
        wrong += bool(holm({pair: one.p_value for pair, one in found.items() if one is not None}))
    assert wrong / repetitions <= 0.07


def test_figures_that_do_not_give_back_the_score_are_not_used() -> None:
    assert image_scores({"psnr": [10.0, 20.0]}, "psnr", 16.0) is None
    assert image_scores({"intersection": [[1], [2, 3]], "union": "x", "m": "x"}, "m", 1.0) is None
    assert image_scores({"m": [float("nan")]}, "m", 1.0) is None
    assert image_scores({}, "m", 1.0) is None


def test_holm_by_hand() -> None:
    # 0.01 <= 0.05 / 3, 0.024 <= 0.05 / 2, 0.06 > 0.05.
    assert holm({(0, 1): 0.024, (0, 2): 0.01, (1, 2): 0.06}) == {(0, 2), (0, 1)}
    # The smallest fails, and so all do, though the last alone would not.
    assert holm({(0, 1): 0.02, (0, 2): 0.03, (1, 2): 0.04}) == set()
    assert holm({}) == set()


def test_ranks_by_hand() -> None:
    # 0 beats 2 and 3, 1 beats 3: nothing else is certain.
    assert rank_ranges([{2, 3}, {3}, set(), set()]) == [(1, 2), (1, 3), (2, 4), (3, 4)]
    assert rank_ranges([{1, 2}, {2}, set()]) == [(1, 1), (2, 2), (3, 3)]
    assert rank_ranges([set(), set(), set()]) == [(1, 3)] * 3


def test_places_by_hand() -> None:
    assert places([3.0, 0.5, 2.5]) == [1, 3, 2]
    assert places([1.0, 2.0, 2.0]) == [3, 1, 1]
    assert places([]) == []


def test_further_seeds_reach_the_power_that_they_promise() -> None:
    # From 3 seeds: mean 1, spread of a seed 1, so 0.33 is the variance of the mean.
    difference = Difference(1.0, 3, 0, 1 / 3, 0.0)
    seeds = further_seeds(difference)
    assert isinstance(seeds, int)
    total = 3 + seeds
    random = np.random.default_rng(1)
    draws = random.normal(1.0, 1.0, (4000, total))
    wins = scipy.stats.ttest_1samp(draws, 0.0, axis=1).pvalue < 0.05
    assert 0.77 <= wins.mean() <= 0.85
    fewer = scipy.stats.ttest_1samp(draws[:, :-1], 0.0, axis=1).pvalue < 0.05
    assert fewer.mean() < 0.82


def test_further_seeds_of_constructed_cases() -> None:
    assert further_seeds(Difference(10.0, 3, 0, 0.01, 0.0)) == 0
    assert further_seeds(Difference(0.0, 3, 0, 1.0, 0.0)) == "too many"
    assert further_seeds(Difference(0.001, 3, 0, 1.0, 0.0)) == "too many"
    assert further_seeds(Difference(0.5, 3, 40, 0.1, 1.0)) == "images"
    assert further_seeds(Difference(0.0, 3, 40, 0.0, 0.0)) == "the same"
    same = grids(render(records({"supervised": (18.0, 18.5), "mt": (18.0, 18.5)}))["comparison.md"])[-1]
    assert same[1][2] == "the same"
    fewer = further_seeds(Difference(2.0, 3, 40, 1.0, 0.0))
    more = further_seeds(Difference(2.0, 3, 40, 1.0, 0.2))
    assert isinstance(fewer, int)
    assert isinstance(more, int)
    assert 0 < fewer < more


def records(scores: dict[str, Sequence[float]], **changes: object) -> list[Change]:
    return [
        make("night", method, seed, score, **changes)
        for method, runs in scores.items()
        for seed, score in enumerate(runs)
    ]


def test_methods_that_cannot_be_told_apart_share_ranks() -> None:
    # GCT is clearly first; the two others differ by noise; the upper bound is not ranked.
    noise = (0.0, 0.5, -0.5, 0.0)
    runs = records(
        {
            "supervised": [18 + x for x in noise],
            "mt": [18.02 + x for x in noise[::-1]],
            "gct": [24 + x / 10 for x in noise],
            "full": [30.0] * 4,
        }
    )
    labels, ranks, differences, seeds = grids(render(runs)["comparison.md"])
    assert labels[1][2].startswith("**+12.00 [")
    assert labels[1][3] == "yes"
    assert [row[2] for row in ranks[1:]] == ["2-3", "2-3", "1"]
    assert differences[2][2].startswith("**+6.00 [")
    assert differences[2][2].endswith("]** (n=4, seeds alone)")
    assert seeds[1:] == [
        ["SupOnly and MT", "further seeds", "over 1000"],
        ["SupOnly and GCT", "further seeds", "told apart"],
        ["MT and GCT", "further seeds", "told apart"],
    ]


def test_a_single_run_is_marked_and_has_no_interval() -> None:
    runs = records({"supervised": [18.0], "mt": [24.0]})
    ranks, differences = grids(render(runs)["comparison.md"])
    assert [row[2] for row in ranks[1:]] == ["1-2 (n=1)", "1-2 (n=1)"]
    assert differences[1][2] == "+6.00 (n=1, no interval)"
    assert "- n=1: a single run, which tells nothing of its spread.\n" in render(runs)["leaderboard.md"]


def test_images_narrow_or_widen_what_seeds_tell() -> None:
    random = np.random.default_rng(3)
    ids = [f"i{number}" for number in range(40)]
    images = random.normal(0, 3, 40)
    gain = random.normal(1.0, 2.0, 40)
    runs = []
    for seed, method in itertools.product(range(3), ("supervised", "mt")):
        scores = (images + (method == "mt") * gain + random.normal(0, 0.01, 40)).tolist()
        per_image = {"ids": ids, "psnr": scores}
        runs.append({**make("night", method, seed, float(np.mean(scores))), "per_image": per_image})
    _, (_, row), _ = grids(render(runs)["comparison.md"])
    low, high = (float(x) for x in row[2].split("[")[1].split("]")[0].split(", "))
    reference = scipy.stats.ttest_1samp(gain, 0).confidence_interval()
    assert high - low == pytest.approx(reference.high - reference.low, rel=0.08)
    assert "seeds alone" not in row[2]
    # Of one method no run was scored on the images that most were scored on.
    for run in runs[1:]:
        run["per_image"]["ids"] = ids if run["cell"]["method"] == "mt" else ids[::-1]
    assert "seeds alone" not in render(runs)["comparison.md"].split("## How to")[0]
    runs[0]["per_image"]["ids"] = ids[::-1]
    assert "seeds alone" in render(runs)["comparison.md"].split("## How to")[0]


def test_borda_is_over_all_tasks_and_those_who_took_part() -> None:
    scores = {"supervised": (60.0, 18.0), "mt": (61.0, 17.0), "gct": (62.0, 19.0), "full": (90.0, 90.0)}
    runs = [
        make(task, method, 0, score)
        for method, pair in scores.items()
        for task, score in zip(("segmentation", "night"), pair, strict=True)
    ]
    runs.append(make("night", "s4l", 0, 99.0))

    def points() -> dict[str, str]:
        ranks = grids(render(runs)["comparison.md"])[1]
        assert ranks[0][-1] == "Borda points (place)"
        return {row[0].split(" ")[0]: row[-1] for row in ranks[1:]}

    assert points() == {"SupOnly": "1 (2)", "MT": "1 (2)", "S4L": "-", "GCT": "4 (1)"}
    # A further run of the baseline alone, however good, is no reason to be called better.
    runs.append(make("night", "supervised", 1, 99.0))
    assert points() == {"SupOnly": "1 (2)", "MT": "1 (2)", "S4L": "-", "GCT": "4 (1)"}
    # The control takes part, without a rank; a tie is half a point.
    runs += [make("segmentation", "plain", 0, 62.0), make("night", "plain", 0, 18.5)]
    assert points() == {
        **{"SupOnly": "1 (3)", "Control": "4.5 (2)", "MT": "1 (3)", "S4L": "-", "GCT": "5.5 (1)"}
    }
    ranks = grids(render(runs)["comparison.md"])[1]
    assert next(row[2:4] for row in ranks if row[0] == "Control") == ["not ranked"] * 2
