"""Means over folds: against the formula by hand, and how often intervals hold where the truth is known."""

from collections.abc import Callable

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


Learner = Callable[[np.ndarray, np.ndarray], np.ndarray]


class Scenes:
    """Images of 16 pixels with ten features each, whose means and noise differ from image to image."""

    def __init__(self, random: np.random.Generator) -> None:
        self.random = random
        self.truth = random.normal(size=10) / np.sqrt(10)

    def draw(self, images: int) -> tuple[np.ndarray, np.ndarray]:
        """Features (images, 16, 10) and values (images, 16)."""
        random = self.random
        features = 0.7 * random.normal(size=(images, 1, 10)) + random.normal(size=(images, 16, 10))
        noise = np.exp(random.normal(size=(images, 1)) / 2) * random.normal(size=(images, 16))
        own = 0.5 * random.normal(size=(images, 1)) + 0.3 * np.sin(2 * features[..., 0])
        return features, features @ self.truth + own + 0.7 * noise

    def ridge(self, penalty: float, luck: float) -> Learner:
        """A learner whose weights differ from run to run by `luck`, as networks do."""

        def learn(features: np.ndarray, values: np.ndarray) -> np.ndarray:
            flat = features.reshape(-1, 10)
            square = flat.T @ flat + penalty * np.eye(10)
            weights: np.ndarray = np.linalg.solve(square, flat.T @ values.ravel())
            return weights + luck * self.random.normal(size=10)

        return learn


def decibels(weights: np.ndarray, features: np.ndarray, values: np.ndarray) -> np.ndarray:
    """PSNR of each image."""
    found: np.ndarray = -10 * np.log10(((values - features @ weights) ** 2).mean(1))
    return found


@pytest.mark.parametrize(("penalties", "luck", "least"), [((1, 1), 0.15, 0.88), ((1, 60), 0.05, 0.94)])
def test_how_often_intervals_of_gains_hold(penalties: tuple[float, float], luck: float, least: float) -> None:
    """Two learners on twelve labels: the gain on other images of those that learnt from all twelve.

    An interval over the images, as if each of them were a draw of its own, is narrower and holds too seldom: networks
    of the folds share what they learn from, and a run its luck. That over the folds, corrected, holds about as often
    as it says, and less where luck is all that a single run differs from another by.
    """
    scenes = Scenes(np.random.default_rng(0))
    one, other = (scenes.ridge(penalty, luck) for penalty in penalties)
    features_of_others, values_of_others = scenes.draw(400)
    draws, hold = 300, {"folds, one repeat": 0, "folds": 0, "images": 0}
    for _ in range(draws):
        features, values = scenes.draw(12)
        gains = np.empty((2, 12))
        folds = []
        for repeat in range(2):
            for part in scenes.random.permutation(12).reshape(6, 2):
                rest = np.setdiff1d(range(12), part)
                first, second = (
                    decibels(learn(features[rest], values[rest]), features[part], values[part])
                    for learn in (one, other)
                )
                gains[repeat, part] = first - second
                folds.append(float((first - second).mean()))
        truth = np.subtract(
            *(
                decibels(learn(features, values), features_of_others, values_of_others).mean()
                for learn in (one, other)
            )
        )
        by_image = mean_of_folds(list(gains.mean(0)), 0.0)
        for name, found in (
            ("folds, one repeat", mean_of_folds(folds[:6], 0.2)),
            ("folds", mean_of_folds(folds, 0.2)),
            ("images", by_image),
        ):
            assert found is not None
            hold[name] += found.interval[0] <= truth <= found.interval[1]
    assert hold["folds, one repeat"] >= least * draws
    assert hold["folds"] >= least * draws
    assert hold["images"] < 0.9 * draws
