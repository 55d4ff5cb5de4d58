"""Means over folds: against the formula by hand, and how often intervals hold where the truth is known."""

import numpy as np
import pytest
from scipy import stats

from ssl_bench.significance.folds import mean_of_folds


def test_without_a_share_it_is_students_interval() -> None:
    values = [1.0, 2.0, 4.0, 3.5]
    found = mean_of_folds(values, 0.0)
    assert found is not None
    low, high = stats.t.interval(0.95, 3, np.mean(values), stats.sem(values))
    assert found.interval == pytest.approx((low, high))
    assert found.mean == pytest.approx(2.625)


def test_the_correction_of_nadeau_and_bengio() -> None:
    values = [1.0, 2.0, 4.0, 3.5, 0.5, 2.0]
    found = mean_of_folds(values, 0.2)
    assert found is not None
    assert found.variance == pytest.approx((1 / 6 + 0.2) * np.var(values, ddof=1))
    one = mean_of_folds(values, 0.2, among=1)
    many = mean_of_folds(values, 0.2, among=5)
    assert one is not None
    assert many is not None
    width = stats.t.ppf(1 - 0.025 / 5, 5) * np.sqrt(found.variance)
    assert many.interval[1] - many.mean == pytest.approx(width)
    assert many.interval[0] < one.interval[0] < one.interval[1] < many.interval[1]


def test_two_folds_show_too_little() -> None:
    assert mean_of_folds([1.0, 2.0], 0.2) is None


@pytest.mark.parametrize(("truth", "stands"), [(0.0, False), (5.0, True)])
def test_what_stands(truth: float, stands: bool) -> None:
    found = mean_of_folds([truth - 1, truth, truth + 1, truth], 0.25)
    assert found is not None
    assert found.stands is stands


def test_folds_that_share_their_images_are_covered() -> None:
    """The mean of twelve draws by six folds, repeated: a plain interval holds far less often than it says."""
    random = np.random.default_rng(0)
    plain = corrected = 0
    draws = 400
    for _ in range(draws):
        images = random.normal(0, 1, 12)
        values = []
        for _repeat in range(5):
            order = random.permutation(12).reshape(6, 2)
            # What is learnt from the other ten errs as their mean does.
            values += [images[part].mean() + images[np.setdiff1d(range(12), part)].mean() for part in order]
        one, other = mean_of_folds(values, 0.2), mean_of_folds(values, 0.0)
        assert one is not None
        assert other is not None
        corrected += one.interval[0] <= 0 <= one.interval[1]
        plain += other.interval[0] <= 0 <= other.interval[1]
    assert corrected > plain
