"""Variances of means over crossed splits and seeds: by hand, against other arithmetic, and by simulation."""

import itertools
from collections.abc import Sequence

import numpy as np
import pytest
import scipy.stats

from ssl_bench.significance.comparison import Difference, Sample, common_runs, compare, of_run
from ssl_bench.significance.crossed import Design, Run, design_of
from ssl_bench.significance.seeds import further_seeds


def crossed(splits: int, seeds: int) -> tuple[Run, ...]:
    return tuple((f"k{split}", f"s{seed}") for split in range(splits) for seed in range(seeds))


def mean_squares(values: np.ndarray) -> tuple[float, float, float]:
    """Of splits, seeds and the rest, of (splits, seeds) figures, as textbooks write them."""
    splits, seeds = values.shape
    mean, of_splits, of_seeds = values.mean(), values.mean(1), values.mean(0)
    rest = values - of_splits[:, None] - of_seeds[None] + mean
    return (
        float(seeds * ((of_splits - mean) ** 2).sum() / (splits - 1)),
        float(splits * ((of_seeds - mean) ** 2).sum() / (seeds - 1)),
        float((rest**2).sum() / ((splits - 1) * (seeds - 1))),
    )


def test_with_both_effects_it_is_the_sum_of_mean_squares() -> None:
    random = np.random.default_rng(0)
    values = random.normal(0, 3, (3, 1)) + random.normal(0, 3, (1, 5)) + random.normal(0, 1, (3, 5))
    split, seed, rest = mean_squares(values)
    found = Design(crossed(3, 5)).estimate(values.ravel())
    assert found.value == pytest.approx((split + seed - rest) / 15)
    below = split**2 / 2 + seed**2 / 4 + rest**2 / 8
    assert found.degrees == pytest.approx((split + seed - rest) ** 2 / below)
    assert found.of_splits == pytest.approx((split - rest) / 15)


def test_with_one_effect_it_is_that_of_the_means_of_its_levels() -> None:
    random = np.random.default_rng(1)
    values = random.normal(0, 3, (3, 1)) + random.normal(0, 1, (3, 5))
    design = Design(crossed(3, 5))
    assert [factor.name for factor in design.kept(values.ravel())] == ["split"]
    found = design.estimate(values.ravel())
    assert found.value == pytest.approx(values.mean(1).var(ddof=1) / 3)
    assert found.degrees == 2


def test_an_effect_that_is_not_found_is_pooled() -> None:
    values = np.random.default_rng(4).normal(0, 1, (3, 5))
    split, seed, rest = mean_squares(values)
    assert scipy.stats.f.sf(split / rest, 2, 8) > 0.25
    assert scipy.stats.f.sf(seed / rest, 4, 8) > 0.25
    found = Design(crossed(3, 5)).estimate(values.ravel())
    assert (found.value, found.degrees) == (pytest.approx(values.var(ddof=1) / 15), 14)
    assert found.of_splits == 0


@pytest.mark.parametrize(
    "runs",
    [crossed(1, 6), crossed(6, 1), tuple((f"k{number}", f"s{number}") for number in range(6))],
    ids=["one split", "one seed", "each its own"],
)
def test_runs_that_share_nothing_are_independent(runs: Sequence[Run]) -> None:
    values = np.random.default_rng(2).normal(0, 1, 6)
    found = Design(runs).estimate(values)
    assert (found.value, found.degrees) == (pytest.approx(values.var(ddof=1) / 6), 5)


def test_nested_and_broken_designs_stay_on_the_safe_side() -> None:
    # Seeds of their own in each split: the means of the splits.
    nested = [(f"k{split}", f"s{split}{seed}") for split in range(3) for seed in range(4)]
    values = np.repeat([0.0, 5.0, 10.0], 4) + np.tile([-0.1, 0.0, 0.0, 0.1], 3)
    found = Design(nested).estimate(values)
    assert (found.value, found.degrees) == (pytest.approx(25 / 3), 2)
    # Three of the four runs of 2 x 2: nothing is left to test an effect with, and so both count.
    corner = Design([("a", "0"), ("a", "1"), ("b", "0")])
    assert len(corner.kept(np.array([0.0, 1.0, 2.0]))) == 2
    assert corner.estimate(np.zeros(3)).value == 0
    # One run that is missing changes little.
    values = np.random.default_rng(0).normal(0, 1, 15)
    whole, less = (Design(crossed(3, 5)[:n]).estimate(values[:n]) for n in (15, 14))
    assert 0.5 < less.value / whole.value < 2


@pytest.mark.parametrize("missing", [0, 2])
@pytest.mark.parametrize(
    ("effects", "low", "high"),
    [((0.0, 0.0), 0.93, 0.98), ((0.0, 0.4), 0.93, 0.98), ((0.4, 0.0), 0.91, 0.97), ((1.0, 0.0), 0.885, 0.96),
     ((1.0, 0.4), 0.9, 0.97), ((3.0, 1.0), 0.9, 0.97)],
)  # fmt: skip
def test_intervals_over_crossed_runs_cover(
    effects: tuple[float, float], low: float, high: float, missing: int
) -> None:
    # 5 seeds x 3 splits, 1500 repetitions: the rate has a standard error of 0.6 %.
    random, splits, seeds, repetitions = np.random.default_rng(3), 3, 5, 1500
    of_splits, of_seeds = effects
    hits = 0
    for _ in range(repetitions):
        values = random.normal(0, of_splits, (splits, 1)) + random.normal(0, of_seeds, (1, seeds))
        values = (values + random.normal(0, 1, (splits, seeds))).ravel()
        there = np.sort(random.permutation(15)[missing:])
        found = design_of(tuple(crossed(splits, seeds)[place] for place in there)).estimate(values[there])
        width = scipy.special.stdtrit(found.degrees, 0.975) * found.value**0.5
        hits += abs(values[there].mean()) <= width
    assert low <= hits / repetitions <= high


def uneven(*counts: int) -> tuple[Run, ...]:
    return tuple((f"k{split}", f"s{seed}") for split, count in enumerate(counts) for seed in range(count))


@pytest.mark.parametrize("counts", [(5, 5, 5, 1, 1), (5, 5, 5, 1, 1, 1, 1, 1)], ids=["17 runs", "20 runs"])
@pytest.mark.parametrize("shared", [(), ("seed",)], ids=["own", "shared"])
@pytest.mark.parametrize("effects", [(7.0, 0.6), (1.0, 0.3), (0.0, 1.0)])
def test_intervals_cover_where_splits_have_unlike_numbers_of_runs(
    counts: tuple[int, ...], shared: tuple[str, ...], effects: tuple[float, float]
) -> None:
    # 1000 repetitions: the rate has a standard error of 0.7 %. With each run counting alike it is 89 to 91 % where
    # splits matter most.
    random, runs, repetitions = np.random.default_rng(1), uneven(*counts), 1000
    splits, seeds = (np.array([int(name[1:]) for name in names]) for names in zip(*runs, strict=True))
    design = design_of(runs)
    hits = 0
    for _ in range(repetitions):
        values = random.normal(0, effects[0], len(counts))[splits] + random.normal(0, effects[1], 5)[seeds]
        values += random.normal(0, 1, len(runs))
        found = design.estimate(values, shared)
        width = scipy.special.stdtrit(found.degrees, 0.975) * found.value**0.5
        hits += abs(design.weights @ values) <= width
    assert 0.93 <= hits / repetitions <= 0.985


def test_splits_count_alike_however_many_runs_they_have() -> None:
    runs = uneven(3, 1, 2)
    gains = dict(zip(runs, (1.0, 2.0, 3.0, 5.0, 7.0, 9.0), strict=True))
    found = compare(Sample(gains, {}), Sample(dict.fromkeys(runs, 0.0), {}))
    assert found is not None
    # Means of 2, 5 and 8.
    assert found.mean == pytest.approx(5.0)
    design = Design(runs)
    (split, _) = design.factors
    assert design.variance(np.array(list(gains.values())), (split,)) == pytest.approx(9 / 3)
    assert design.variance(np.array(list(gains.values())), ()) == pytest.approx(
        np.var(list(gains.values()), ddof=1) * (3 * (1 / 9) ** 2 + (1 / 3) ** 2 + 2 * (1 / 6) ** 2)
    )


def test_pairs_are_splits_and_seeds_and_a_run_for_all_splits_serves_each() -> None:
    own = {run: float(place) for place, run in enumerate(crossed(3, 2))}
    everywhere: dict[Run, float] = {(None, "s0"): 10.0, (None, "s1"): 20.0, (None, "s9"): 0.0}
    assert common_runs(own, everywhere) == sorted(own)
    assert of_run(everywhere, ("k2", "s1")) == 20.0
    assert common_runs(everywhere, {(None, "s1"): 1.0}) == [(None, "s1")]
    assert common_runs(own, {("k0", "s1"): 1.0, ("k7", "s0"): 1.0}, everywhere) == [("k0", "s1")]
    assert common_runs(own, {}) == []
    found = compare(Sample(everywhere, {}), Sample(own, {}))
    assert found is not None
    assert (found.runs, found.splits, found.seeds) == (6, 3, 2)
    assert found.mean == 15 - 2.5


def test_one_run_for_all_splits_shows_no_spread_of_its_own() -> None:
    own = {run: float(place) for place, run in enumerate(crossed(3, 1))}
    everywhere: dict[Run, float] = {(None, "s0"): 10.0}
    # The three gains differ by the baseline alone.
    assert compare(Sample(everywhere, {}), Sample(own, {})) is None
    assert compare(Sample(own, {}), Sample(everywhere, {})) is None
    assert compare(Sample(dict.fromkeys(own, 10.0), {}), Sample(own, {})) is not None


def test_what_a_run_has_by_chance_is_in_the_gain_of_each_split() -> None:
    runs, random = crossed(3, 3), np.random.default_rng(2)
    own = dict(zip(runs, random.normal(0, 1, 9), strict=True))
    everywhere: dict[Run, float] = {(None, f"s{seed}"): 10.0 for seed in range(3)}
    gains = np.array([10.0 - own[run] for run in runs])
    assert design_of(runs).kept(gains) == (), "no test would find it"
    found = compare(Sample(everywhere, {}), Sample(own, {}))
    assert found is not None
    assert found.degrees == 2
    assert found.run_variance == pytest.approx(gains.reshape(3, 3).mean(0).var(ddof=1) / 3)
    # With runs of its own in each split it has none in common.
    alone = compare(Sample(dict.fromkeys(runs, 10.0), {}), Sample(own, {}))
    assert alone is not None
    assert alone.degrees == 8


def test_intervals_of_a_run_for_all_splits_cover() -> None:
    # 3 x 3, 400 repetitions: the rate has a standard error of 1.1 %. Taken as nine draws it is 90 %.
    random, runs, repetitions = np.random.default_rng(0), crossed(3, 3), 400
    hits = 0
    for _ in range(repetitions):
        own = dict(zip(runs, random.normal(0, 1, 9), strict=True))
        everywhere: dict[Run, float] = {(None, f"s{seed}"): random.normal(0, 1) for seed in range(3)}
        found = compare(Sample(everywhere, {}), Sample(own, {}))
        assert found is not None
        low, high = found.interval
        hits += low <= 0 <= high
    assert hits / repetitions >= 0.93


def test_images_count_beside_crossed_runs() -> None:
    # Images alone differ: whatever the design, the interval is that over images.
    random = np.random.default_rng(5)
    gain = random.normal(0, 1, 40)
    counts = random.multinomial(40, [1 / 40] * 40, 2000)
    runs = crossed(3, 4)
    first = Sample({run: float(gain.mean()) for run in runs}, dict.fromkeys(runs, counts @ gain / 40), 40)
    second = Sample(dict.fromkeys(runs, 0.0), {run: np.zeros(2000) for run in runs}, 40)
    found = compare(first, second)
    assert found is not None
    assert found.run_variance == pytest.approx(0, abs=1e-20)
    assert found.image_variance == pytest.approx(gain.var(ddof=1) / 40, rel=0.1)


def test_a_single_test_image_asks_for_images() -> None:
    runs = crossed(1, 4)
    samples = [
        Sample({run: base + place / 10 for place, run in enumerate(order)}, {}, 1)
        for base, order in ((0.0, runs), (5.0, runs[::-1]))
    ]
    found = compare(*samples)
    assert found is not None
    assert (found.images, found.image_variance) == (1, 0.0)
    assert found.stands
    assert further_seeds(found) == "images"


def test_further_seeds_where_splits_differ() -> None:
    # What splits leave open no seed closes; without it, seeds bring three runs each.
    stuck = Difference(1.0, 15, 0, 1.0, 0.0, 2.0, 5, 3, 0.9)
    assert further_seeds(stuck) == "splits"
    free = further_seeds(Difference(1.0, 15, 0, 0.3, 0.0, 14.0, 5, 3))
    alone = further_seeds(Difference(1.0, 5, 0, 0.3, 0.0))
    assert isinstance(free, int)
    assert isinstance(alone, int)
    assert 0 < free < alone
    # Over one seed, further runs are further splits.
    assert further_seeds(Difference(1.0, 5, 0, 0.3, 0.0, 4.0, 1, 5)) == alone


def test_the_order_of_runs_changes_nothing() -> None:
    values = dict(zip(crossed(2, 3), (1.0, 2.0, 4.0, 3.0, 3.5, 7.0), strict=True))
    zero = dict.fromkeys(values, 0.0)
    found = {
        compare(Sample(dict(order), {}), Sample(zero, {}))
        for order in itertools.islice(itertools.permutations(values.items()), 20)
    }
    assert len(found) == 1
