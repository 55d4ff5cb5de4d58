"""Metrics against scikit-image, torchmetrics, plain numpy and values worked by hand."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from torchmetrics.classification import (
    MulticlassAccuracy,
    MulticlassCalibrationError,
    MulticlassJaccardIndex,
)

from ssl_bench.task import Target
from ssl_bench_tasks.metrics import matting
from ssl_bench_tasks.metrics.confusion import ConfusionMetrics
from ssl_bench_tasks.metrics.image import ImageMetrics, psnr, ssim
from ssl_bench_tasks.metrics.matting import MattingMetrics
from ssl_bench_tasks.metrics.reliability import BINS, boundary_f

CLASSES = ("sky", "road", "tree", "never")


def ones(height: int, width: int) -> torch.Tensor:
    return torch.ones(1, 1, height, width, dtype=torch.bool)


def label(ids: np.ndarray) -> Target:
    """As the engine hands it over: void as class 0, not valid."""
    void = torch.from_numpy(ids == 255)[None]
    value = torch.from_numpy(ids.astype(np.int64))[None].masked_fill(void, 0)
    return Target(value, ~void[:, None])


def one_hot(ids: np.ndarray) -> torch.Tensor:
    hot = torch.nn.functional.one_hot(torch.from_numpy(ids.astype(np.int64)), len(CLASSES))
    return hot.permute(2, 0, 1)[None].float()


def drawn_set(images: int = 5) -> list[tuple[np.ndarray, np.ndarray]]:
    """Predicted and true ids of images of different sizes; class `never` occurs in neither."""
    rng = np.random.default_rng(1)
    pairs = []
    for index in range(images):
        size = (7 + index, 11)
        truth = rng.integers(0, 3, size)
        guess = np.where(rng.random(size) < 0.6, truth, rng.integers(0, 3, size))
        pairs.append((guess, np.where(rng.random(size) < 0.1, 255, truth)))
    return pairs


def test_segmentation_scores_are_those_of_the_whole_set() -> None:
    metrics = ConfusionMetrics(CLASSES)
    jaccard = MulticlassJaccardIndex(len(CLASSES), ignore_index=255, average="none")
    accuracy = MulticlassAccuracy(len(CLASSES), ignore_index=255, average="micro")
    pairs = drawn_set()
    for guess, truth in pairs:
        metrics.update(one_hot(guess), label(truth))
        jaccard.update(torch.from_numpy(guess), torch.from_numpy(truth))
        accuracy.update(torch.from_numpy(guess), torch.from_numpy(truth))
    scores = metrics.compute()
    guesses, truths = (np.concatenate([part.ravel() for part in side]) for side in zip(*pairs, strict=True))
    guesses, truths = guesses[truths != 255], truths[truths != 255]
    expected = [
        100 * np.sum((guesses == c) & (truths == c)) / np.sum((guesses == c) | (truths == c))
        for c in range(3)
    ]
    assert [scores[f"iou/{name}"] for name in CLASSES[:3]] == pytest.approx(expected)
    assert expected == pytest.approx((100 * jaccard.compute()[:3]).tolist())
    assert scores["miou"] == pytest.approx(np.mean(expected))
    assert scores["pixel_accuracy"] == pytest.approx(100 * np.mean(guesses == truths))
    assert scores["pixel_accuracy"] == pytest.approx(100 * float(accuracy.compute()))
    assert scores["iou/never"] is None


def test_calibration_is_torchmetrics_and_does_not_depend_on_the_order_of_images() -> None:
    pairs = drawn_set()
    logits = [
        2 * torch.randn(1, len(CLASSES), *truth.shape, generator=torch.Generator().manual_seed(seed))
        for seed, (_, truth) in enumerate(pairs)
    ]
    reference = MulticlassCalibrationError(len(CLASSES), n_bins=BINS, norm="l1", ignore_index=255)
    one, apart, rest = (ConfusionMetrics(CLASSES) for _ in range(3))
    for number, (each, (_, truth)) in enumerate(zip(logits, pairs, strict=True)):
        prediction = each.softmax(1)
        one.update(prediction, label(truth))
        (apart if number % 2 else rest).update(prediction, label(truth))
        reference.update(prediction, torch.from_numpy(truth.astype(np.int64))[None])
    apart.merge(rest)
    assert apart.compute() == one.compute()
    # Torchmetrics counts in float32.
    assert one.compute()["ece"] == pytest.approx(100 * float(reference.compute()), abs=1e-3)


def slow_boundary_f(found: np.ndarray, truth: np.ndarray) -> float | None:
    """Pixel by pixel, pair by pair."""
    found = np.where(truth == 255, 255, found)
    reach, scores = max(1.0, 0.0075 * np.hypot(*truth.shape)), []

    def boundary(ids: np.ndarray, name: int) -> list[tuple[int, int]]:
        around = np.pad(ids == name, 1, constant_values=True)
        inner = around[:-2, 1:-1] & around[2:, 1:-1] & around[1:-1, :-2] & around[1:-1, 2:]
        return [(int(y), int(x)) for y, x in np.argwhere((ids == name) & ~inner)]

    def near(here: list[tuple[int, int]], there: list[tuple[int, int]]) -> float:
        hits = [any(math.dist(a, b) <= reach + 1e-6 for b in there) for a in here]
        return sum(hits) / len(hits)

    for name in range(len(CLASSES)):
        one, other = boundary(found, name), boundary(truth, name)
        if one and other:
            p, r = near(one, other), near(other, one)
            scores.append(2 * p * r / (p + r) if p + r else 0.0)
        elif one or other:
            scores.append(0.0)
    return 100 * sum(scores) / len(scores) if scores else None


def test_boundaries_are_those_of_a_slow_search() -> None:
    rng = np.random.default_rng(4)
    pairs = drawn_set()
    pairs += [tuple(rng.integers(0, 3, (4, 5)).repeat(5, 0).repeat(6, 1) for _ in range(2)) for _ in range(2)]
    pairs += [(np.zeros((200, 150), int), np.zeros((200, 150), int)) for _ in range(2)]
    # Of a diagonal of 250 px: within 1.9 px, and not beyond.
    for (found, truth), (here, there) in zip(pairs[-2:], ((70, 71), (70, 72)), strict=True):
        found[:, here:], truth[:, there:] = 1, 1
    for found, truth in pairs:
        score = boundary_f(found, truth, truth != 255)
        assert score == pytest.approx(slow_boundary_f(found, truth))
    assert score == 0
    assert boundary_f(*pairs[-2], np.ones((200, 150), bool)) == 100
    assert boundary_f(np.zeros((3, 3)), np.zeros((3, 3)), np.ones((3, 3), bool)) is None


def test_images_add_up_to_the_set() -> None:
    metrics = ConfusionMetrics(CLASSES)
    rows: list[Any] = [metrics.update(one_hot(guess), label(truth)) for guess, truth in drawn_set()]
    intersection = np.sum([row["intersection"] for row in rows], 0)
    union = np.sum([row["union"] for row in rows], 0)
    assert metrics.compute()["iou/road"] == pytest.approx(100 * intersection[1] / union[1])
    assert union[3] == 0
    for row in rows:
        assert all(type(count) is int for key in ("intersection", "union") for count in row[key])
        ratios = [i / u for i, u in zip(row["intersection"], row["union"], strict=True) if u]
        assert row["miou"] == pytest.approx(100 * np.mean(ratios))


def test_two_pixels_by_hand() -> None:
    """Truth 0 0 1 1, guess 0 1 1 2: IoU 1/2, 1/3, 0 and none."""
    metrics = ConfusionMetrics(CLASSES)
    row = metrics.update(one_hot(np.array([[0, 1, 1, 2]])), label(np.array([[0, 0, 1, 1]])))
    assert (row["intersection"], row["union"]) == ([1, 1, 0, 0], [2, 3, 1, 0])
    assert metrics.compute() == {
        "miou": pytest.approx(100 * (1 / 2 + 1 / 3) / 3),
        "pixel_accuracy": 50.0,
        "ece": 50.0,
        # Sky: its pixel at the edge is predicted, and so is road's, one pixel off at most; tree is not there.
        "boundary_f": pytest.approx(100 * 2 / 3),
        "iou/sky": 50.0,
        "iou/road": pytest.approx(100 / 3),
        "iou/tree": 0.0,
        "iou/never": None,
    }


def test_an_image_of_void_alone_has_no_scores() -> None:
    void = np.full((3, 4), 255)
    metrics = ConfusionMetrics(CLASSES)
    row = metrics.update(one_hot(np.zeros((3, 4), int)), label(void))
    assert row["miou"] is None
    assert row["pixel_accuracy"] is None
    assert set(metrics.compute().values()) == {None}
    nothing = Target(torch.rand(1, 1, 12, 12), ~ones(12, 12))
    assert set(MattingMetrics().update(torch.rand(1, 1, 12, 12), nothing).values()) == {None}
    nothing = Target(torch.rand(1, 3, 12, 12), ~ones(12, 12))
    restored = ImageMetrics()
    assert set(restored.update(torch.rand(1, 3, 12, 12), nothing).values()) == {None}
    assert set(restored.compute().values()) == {None}


def noisy_pair(height: int, width: int, channels: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(3)
    small = torch.rand(1, channels, 4, 5, generator=generator)
    clean = torch.nn.functional.interpolate(small, (height, width), mode="bicubic").clamp(0, 1)
    return clean + 0.1 * torch.randn(clean.shape, generator=generator), clean


@pytest.mark.parametrize("size", [(11, 11), (11, 30), (47, 32), (64, 64)])
def test_psnr_ssim_and_mae_of_scikit_image(size: tuple[int, int]) -> None:
    prediction, clean = noisy_pair(*size)
    scores = ImageMetrics().update(prediction, Target(clean, ones(*size)))
    x, y = (image[0].clamp(0, 1).double().numpy() for image in (prediction, clean))
    reference = structural_similarity(
        x, y, data_range=1, channel_axis=0, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
    )
    assert scores["psnr"] == pytest.approx(peak_signal_noise_ratio(y, x, data_range=1), abs=1e-9)
    assert scores["ssim"] == pytest.approx(reference, abs=1e-9)
    assert scores["mae"] == pytest.approx(np.abs(x - y).mean())


def test_image_scores_are_averaged_over_images() -> None:
    metrics = ImageMetrics()
    flat = torch.full((1, 3, 16, 16), 0.5)
    for offset in (0.1, 0.01):
        metrics.update(flat + offset, Target(flat, ones(16, 16)))
    scores = metrics.compute()
    assert scores["psnr"] == pytest.approx((20 + 40) / 2, abs=1e-4)
    assert scores["mae"] == pytest.approx(0.055, abs=1e-6)


def test_psnr_is_capped_and_clamped() -> None:
    image = torch.zeros(1, 3, 16, 16)
    assert ImageMetrics().update(image - 7, Target(image, ones(16, 16))) == {
        "psnr": 100.0,
        "ssim": 1.0,
        "mae": 0,
    }
    assert psnr(image + 1e-7, image, ones(16, 16)) == 100.0


def test_ssim_needs_a_window() -> None:
    small, clean = noisy_pair(10, 30)
    assert ssim(small, clean, ones(10, 30)) is None
    metrics = ImageMetrics()
    metrics.update(small, Target(clean, ones(10, 30)))
    large, clean = noisy_pair(20, 30)
    scores = metrics.update(large, Target(clean, ones(20, 30)))
    assert metrics.compute()["ssim"] == pytest.approx(scores["ssim"])
    speckled = ones(20, 30)
    speckled[..., ::10, ::10] = False
    assert ssim(large, clean, speckled) is None


def test_ssim_of_a_valid_part_is_that_of_the_part() -> None:
    prediction, clean = (image.clamp(0, 1) for image in noisy_pair(40, 50))
    valid = ones(40, 50)
    valid[..., :12, :] = False
    part = ssim(prediction[..., 12:, :], clean[..., 12:, :], valid[..., 12:, :])
    assert ssim(prediction, clean, valid) == pytest.approx(part)


@pytest.mark.parametrize("metrics", [ImageMetrics, MattingMetrics])
def test_what_lies_under_void_changes_no_score(metrics: type) -> None:
    prediction, clean = noisy_pair(40, 50, 1 if metrics is MattingMetrics else 3)
    valid = ones(40, 50)
    valid[..., 5:9, 6:20] = False
    scores = metrics().update(prediction, Target(clean, valid))
    other = torch.where(valid, clean, 1 - clean)
    assert metrics().update(prediction, Target(other, valid)) == scores
    assert metrics().update(torch.where(valid, prediction, 0.3), Target(clean, valid)) == scores
    assert metrics().update(prediction, Target(clean, ones(40, 50))) != scores


def test_void_pixels_do_not_count_in_a_segmentation() -> None:
    (guess, truth), *_ = drawn_set()
    target = label(truth)
    other = Target(torch.where(target.valid[:, 0], target.value, 2), target.valid)
    changed = np.where(truth == 255, 1, guess)
    rows = [
        ConfusionMetrics(CLASSES).update(one_hot(g), t) for g in (guess, changed) for t in (target, other)
    ]
    assert rows[1:] == rows[:1] * 3


def test_sad_and_mse_of_the_unknown_region() -> None:
    prediction, alpha = noisy_pair(30, 40, 1)
    unknown = torch.zeros(1, 1, 30, 40, dtype=torch.bool)
    unknown[..., 3:17, 8:30] = True
    difference = (prediction.clamp(0, 1) - alpha)[0, 0].double().numpy()
    whole: Any = MattingMetrics().update(prediction, Target(alpha, ones(30, 40)))
    part: Any = MattingMetrics().update(prediction, Target(alpha, ones(30, 40)), unknown)
    assert whole["sad"] == pytest.approx(np.abs(difference).sum() / 1000)
    assert whole["mse"] == pytest.approx(np.square(difference).mean())
    assert part["sad"] == pytest.approx(np.abs(difference[3:17, 8:30]).sum() / 1000)
    assert part["mse"] == pytest.approx(np.square(difference[3:17, 8:30]).mean())
    assert part["psnr"] == whole["psnr"] == pytest.approx(-10 * math.log10(whole["mse"]))
    for name in ("gradient", "connectivity"):
        assert 0 < part[name] < whole[name]


def test_a_perfect_matte() -> None:
    _, alpha = noisy_pair(30, 40, 1)
    scores = MattingMetrics().update(alpha, Target(alpha, ones(30, 40)))
    assert scores == {"psnr": 100.0, "sad": 0.0, "mse": 0.0, "gradient": 0.0, "connectivity": 0.0}


def test_gradient_of_a_step() -> None:
    """At k px from an edge of height h, |gradient| is h times a tail of the derivative filter."""
    offsets = np.arange(-4, 5)
    gauss = np.exp(-(offsets**2) / (2 * 1.4**2))
    slope = offsets * gauss
    scale = gauss.sum() / math.sqrt((gauss**2).sum() * (slope**2).sum())
    tails = np.array([slope[4 + k :].sum() for k in range(1, 5)]) * scale
    step = np.zeros((6, 20), np.float32)
    step[:, 10:] = 0.5
    magnitude = matting.gradient_magnitude(step)
    # Columns 10, 11, 12 and 13 are 1 to 4 px past the edge, 9 to 6 mirror them, all others are flat.
    expected = np.zeros(20)
    expected[10:14] = expected[9:5:-1] = 0.5 * tails
    np.testing.assert_allclose(magnitude, np.tile(expected, (6, 1)), atol=1e-12)
    np.testing.assert_allclose(matting.gradient_magnitude(step.T), magnitude.T, atol=1e-12)
    error = matting.gradient_error(np.zeros_like(step), step, np.ones_like(step, bool))
    assert error == pytest.approx(6 * 2 * np.square(0.5 * tails).sum() / 1000)


def test_gradient_of_a_matte_as_one_dense_filter() -> None:
    _, alpha = noisy_pair(20, 24, 1)
    matte = alpha[0, 0].double().numpy()
    v, u = np.mgrid[-4:5, -4:5]
    bell = np.exp(-(u**2 + v**2) / (2 * 1.4**2))
    padded = np.pad(matte, 4, mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, (9, 9))
    parts = [(windows * (w * bell) / np.linalg.norm(w * bell)).sum((2, 3)) for w in (u, v)]
    np.testing.assert_allclose(matting.gradient_magnitude(matte), np.hypot(*parts), atol=1e-12)


def test_connectivity_of_an_island() -> None:
    """A block that only the prediction holds is connected to nothing that both hold."""
    alpha = np.zeros((20, 30), np.float32)
    alpha[2:12, 2:12] = 1
    prediction = alpha.copy()
    prediction[15:18, 20:24] = 0.5
    everywhere = np.ones_like(alpha, bool)
    assert matting.connectivity_error(prediction, alpha, everywhere) == pytest.approx(12 * 0.5 / 1000)
    assert matting.connectivity_error(alpha, prediction, everywhere) == pytest.approx(12 * 0.5 / 1000)
    # An excess below theta is forgiven.
    prediction[15:18, 20:24] = 0.14
    assert matting.connectivity_error(prediction, alpha, everywhere) == 0


def test_connectivity_of_a_second_block() -> None:
    """Both mattes hold it, but apart from the larger one: its level is 0, and the degrees are 1 - matte."""
    alpha = np.zeros((20, 30), np.float32)
    alpha[2:12, 2:12] = 1
    alpha[15:18, 20:24] = 0.9
    prediction = alpha.copy()
    prediction[15:18, 20:24] = 0.6
    everywhere = np.ones_like(alpha, bool)
    assert matting.connectivity_error(prediction, alpha, everywhere) == pytest.approx(12 * 0.3 / 1000)


def test_connectivity_once_lost_is_not_regained() -> None:
    """A small block is the largest component above 0.5 only: it has left at 0.1, so its level is 0."""
    alpha = np.zeros((20, 30), np.float32)
    alpha[2:12, 2:12] = 0.5
    alpha[15:18, 20:24] = 1
    prediction = alpha.copy()
    prediction[15:18, 20:24] = 0.9
    error = matting.connectivity_error(prediction, alpha, np.ones_like(alpha, bool))
    assert error == pytest.approx(12 * 0.1 / 1000)


def test_connectivity_along_a_bridge() -> None:
    """A 0.4 patch joined to the opaque block has level 0.4; where one matte has 0.9, its excess is 0.5."""
    alpha = np.zeros((20, 30), np.float32)
    alpha[2:12, 2:12] = 1
    alpha[4:6, 12:20] = 0.4
    prediction = alpha.copy()
    prediction[4:6, 12:20] = 0.9
    everywhere = np.ones_like(alpha, bool)
    assert matting.connectivity_error(prediction, alpha, everywhere) == pytest.approx(
        16 * 0.5 / 1000, rel=1e-6
    )
    # Diagonal neighbours do not join.
    alpha[:] = 0
    alpha[2:12, 2:12] = 1
    alpha[12:15, 12:15] = 1
    prediction = alpha.copy()
    prediction[12:15, 12:15] = 0.5
    assert matting.connectivity_error(prediction, alpha, everywhere) == pytest.approx(9 * 0.5 / 1000)
