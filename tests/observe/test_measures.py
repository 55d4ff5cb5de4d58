"""The observer's measures against references written another way."""

import numpy as np
import pytest
from scipy import stats

from ssl_bench.observe import measures

RNG = np.random.default_rng(3)


def test_calibration_is_that_of_bins_taken_one_by_one() -> None:
    confidence = np.append(RNG.random(500), [0.0, 1.0, 1 / 15, 2 / 15])
    right = np.append(RNG.random(500), [0, 0, 1, 1]) < confidence
    expected = 0.0
    for low, high in zip(np.arange(15) / 15, np.arange(1, 16) / 15, strict=True):
        inside = (confidence > low) & (confidence <= high) | ((low == 0) & (confidence == 0))
        if inside.any():
            expected += inside.mean() * abs(right[inside].mean() - confidence[inside].mean())
    rows = measures.reliability(confidence, right)
    assert measures.calibration_error(rows) == pytest.approx(expected, abs=1e-12)
    assert sum(share for share, _, _ in rows) == pytest.approx(1)
    assert measures.calibration_error([]) is None
    # By hand: all pixels at 0.8, of which half are right.
    by_hand = measures.reliability(np.full(4, 0.8), np.array([1, 1, 0, 0], bool))
    assert by_hand == [(1.0, pytest.approx(0.8), 0.5)]
    assert measures.calibration_error(by_hand) == pytest.approx(0.3)


def test_area_under_roc_is_the_chance_over_all_pairs() -> None:
    score, positive = RNG.integers(0, 6, 80).astype(float), RNG.random(80) < 0.3
    over = score[positive][:, None] - score[~positive][None]
    expected = ((over > 0) + 0.5 * (over == 0)).mean()
    assert measures.area_under_roc(score, positive) == pytest.approx(expected, abs=1e-12)
    test = stats.mannwhitneyu(score[positive], score[~positive])
    assert measures.area_under_roc(score, positive) == pytest.approx(test.statistic / over.size)
    assert measures.area_under_roc(score, np.ones(80, bool)) is None


def test_rank_correlation_is_scipys() -> None:
    first, second = RNG.integers(0, 9, 60).astype(float), RNG.random(60)
    assert measures.rank_correlation(first, second) == pytest.approx(stats.spearmanr(first, second).statistic)
    assert measures.rank_correlation(first, np.ones(60)) is None


def test_distance_to_a_boundary_is_that_of_all_pairs_and_padding_is_none() -> None:
    label = RNG.integers(0, 2, (4, 5)).repeat(3, 0).repeat(3, 1)
    inside = np.ones(label.shape, bool)
    inside[:, :2] = False
    edge = []
    for y, x in np.ndindex(label.shape):
        for other in ((y + 1, x), (y - 1, x), (y, x + 1), (y, x - 1)):
            there = 0 <= other[0] < label.shape[0] and 0 <= other[1] < label.shape[1]
            if there and inside[y, x] and inside[other] and label[y, x] != label[other]:
                edge.append((y, x))
    expected = [[min(np.hypot(y - a, x - b) for a, b in edge) for x in range(15)] for y in range(12)]
    assert np.allclose(measures.boundary_distance(label, inside), expected)
    assert np.isinf(measures.boundary_distance(np.zeros((3, 3), int), np.ones((3, 3), bool))).all()


def test_errors_by_distance_recall_and_psnr_by_hand() -> None:
    wrong = np.array([1, 0, 1, 0], bool)
    assert measures.by_distance(np.array([0.0, 1.9, 2.0, np.inf]), wrong) == [
        (0.0, 0.5, 0.5),
        (2.0, 0.25, 1.0),
        (16.0, 0.25, 0.0),
    ]
    found = measures.recall(np.array([0, 0, 2, 2]), np.array([1, 0, 1, 1], bool), 3)
    assert found == [0.5, None, 1.0]
    assert measures.psnr(np.array([0.01, 0.01])) == pytest.approx(20)
    assert measures.psnr(np.zeros(3)) == 100
    assert measures.psnr(np.zeros(0)) is None
    assert measures.accuracy(np.array([1, 0], bool)) == 50
