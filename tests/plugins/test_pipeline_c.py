"""Pipeline C and its image functions against OpenCV, and on maps worked out by hand."""

import cv2
import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ssl_bench.toolbox.images import dilate, gaussian_blur, minmax, odd_size, rotate
from ssl_bench_plugins.methods.pipeline_c import flaw_target

TOLERANCE = {torch.float64: 1e-9, torch.float32: 1e-4}


def opencv_blur(image: np.ndarray, rows: int, columns: int) -> np.ndarray:
    def sigma(size: int) -> float:
        return 0.3 * ((size - 1) * 0.5 - 1) + 0.8

    return cv2.GaussianBlur(image, (columns, rows), sigma(columns), sigmaY=sigma(rows))


def kernel_size(length: int, divisor: int) -> int:
    size = max(int(np.floor(length / divisor)), 1)
    return size + 1 if size % 2 == 0 else size


def opencv_pipeline(prediction: np.ndarray, target: np.ndarray, mu: float, nu: int) -> np.ndarray:
    """Algorithm 1 on one (O, H, W) image, in float64."""

    def normalize(flaws: np.ndarray) -> np.ndarray:
        spread = flaws.max() - flaws.min()
        flat = spread <= 1e-6 * max(1.0, flaws.max())
        return np.zeros_like(flaws) if flat else (flaws - flaws.min()) / spread

    height, width = prediction.shape[1:]
    flaws = normalize(mu * np.abs(prediction - target).sum(0))
    flaws = opencv_blur(flaws, kernel_size(height, 8), kernel_size(width, 8))
    for _ in range(nu):
        flaws = cv2.dilate(flaws, np.ones((3, 3), np.uint8))
        flaws = opencv_blur(flaws, kernel_size(height, 4), kernel_size(width, 4))
    return normalize(flaws)


def drawn(seed: int, shape: tuple[int, ...], power: float) -> torch.Tensor:
    """Noise in [0, 1]; a high power makes it a few bright pixels on a dark ground."""
    return torch.from_numpy(np.random.default_rng(seed).random(shape) ** power)


side = st.one_of(st.integers(1, 24), st.integers(1, 400))


@settings(max_examples=40)
@given(
    side,
    side,
    st.integers(1, 5),
    st.sampled_from([0, 1, 5, 10]),
    st.sampled_from([1.0, 20.0]),
    st.integers(0, 99),
)
@example(321, 321, 2, 1, 1.0, 0)
@example(8, 400, 1, 10, 20.0, 0)
@example(4, 9, 3, 10, 1.0, 0)
@example(1, 1, 1, 1, 1.0, 0)
@example(7, 2, 1, 5, 20.0, 0)
def test_pipeline_equals_opencv(
    height: int, width: int, channels: int, nu: int, power: float, seed: int
) -> None:
    mu = (1 / channels, 0.5)[seed % 2]
    prediction, target = (drawn(2 * seed + i, (2, channels, height, width), power) for i in (0, 1))
    for dtype, tolerance in TOLERANCE.items():
        given = prediction.to(dtype), target.to(dtype)
        flaws = flaw_target(*given, mu=mu, nu=nu)
        assert flaws.shape == (2, 1, height, width)
        assert flaws.dtype == dtype
        assert flaws.min() >= 0
        assert flaws.max() <= 1
        for row in range(2):
            reference = opencv_pipeline(
                given[0][row].double().numpy(), given[1][row].double().numpy(), mu, nu
            )
            assert np.abs(flaws[row, 0].numpy() - reference).max() <= tolerance


@settings(max_examples=40)
@given(side, side, st.integers(0, 60), st.integers(0, 60), st.integers(0, 99))
def test_blur_and_dilation_equal_opencv(height: int, width: int, rows: int, columns: int, seed: int) -> None:
    # Kernels no wider than the reflected image: beyond that OpenCV refuses.
    rows, columns = min(rows, height - 1) * 2 + 1, min(columns, width - 1) * 2 + 1
    images = drawn(seed, (2, 2, height, width), 1.0)
    blurred, dilated = gaussian_blur(images, (rows, columns)), dilate(images)
    for index in np.ndindex(2, 2):
        image = images[index].numpy()
        assert np.abs(blurred[index].numpy() - opencv_blur(image, rows, columns)).max() <= 1e-12
        assert np.array_equal(dilated[index].numpy(), cv2.dilate(image, np.ones((3, 3), np.uint8)))


def test_blur_of_memory_in_any_order_is_the_same() -> None:
    images = drawn(0, (3, 2, 40, 50), 1.0)
    expected = gaussian_blur(images, (7, 9))
    reordered = images.permute(2, 0, 1, 3).contiguous().permute(1, 2, 0, 3)
    assert torch.equal(gaussian_blur(reordered, (7, 9)), expected)
    assert torch.equal(gaussian_blur(images.contiguous(memory_format=torch.channels_last), (7, 9)), expected)


def test_blur_with_and_without_gradient_agree() -> None:
    images = drawn(0, (2, 1, 70, 90), 1.0)
    with_gradient = gaussian_blur(images.clone().requires_grad_(), (17, 11))
    assert torch.allclose(gaussian_blur(images, (17, 11)), with_gradient, rtol=0, atol=1e-14)


@pytest.mark.parametrize(("size", "kernel"), [((6, 9), (3, 5)), ((1, 5), (1, 3)), ((7, 7), (7, 1))])
def test_gradients_of_the_blur_match_finite_differences(
    size: tuple[int, int], kernel: tuple[int, int]
) -> None:
    images = drawn(0, (2, 1, *size), 1.0).requires_grad_()
    assert torch.autograd.gradcheck(lambda inputs: gaussian_blur(inputs, kernel), (images,))


def test_blur_made_in_inference_mode_serves_a_gradient_later() -> None:
    with torch.inference_mode():
        gaussian_blur(torch.rand(1, 1, 33, 35), (13, 15))
    images = torch.rand(1, 1, 33, 35, requires_grad=True)
    gaussian_blur(images, (13, 15)).sum().backward()
    assert images.grad is not None


def test_blur_keeps_full_precision_under_autocast() -> None:
    images = torch.rand(2, 1, 64, 64)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(gaussian_blur(images, (17, 17)), gaussian_blur(images, (17, 17)))
        assert gaussian_blur(images, (17, 17)).dtype == torch.float32
        under_autocast = gaussian_blur(images, (17, 17))
    assert torch.equal(under_autocast, gaussian_blur(images, (17, 17)))


@pytest.mark.parametrize("kernel", [(4, 3), (3, 0), (-1, 3)])
def test_even_or_empty_kernel_is_refused(kernel: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="odd and at least 1"):
        gaussian_blur(torch.rand(1, 1, 9, 9), kernel)


def test_kernel_sizes_round_down_then_to_odd() -> None:
    assert [odd_size(321, 8), odd_size(321, 4), odd_size(128, 8), odd_size(31, 8), odd_size(3, 8)] == [
        41,
        81,
        17,
        3,
        1,
    ]


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_flat_errors_give_zeros(dtype: torch.dtype) -> None:
    for error in (0.0, 0.3, 1.0):
        prediction = torch.full((2, 3, 40, 50), error, dtype=dtype)
        # Noise below the threshold is still flat, however the normalisation would blow it up.
        prediction += 1e-8 * torch.rand(prediction.shape, dtype=dtype)
        assert not flaw_target(prediction, torch.zeros_like(prediction), mu=1 / 3, nu=1).any()


def test_a_flat_image_leaves_the_others_of_its_batch_alone() -> None:
    prediction = drawn(0, (2, 1, 30, 20), 1.0)
    alone = flaw_target(prediction[1:], torch.zeros(1, 1, 30, 20), mu=1.0, nu=1)
    prediction[0] = 0.5
    both = flaw_target(prediction, torch.zeros(2, 1, 30, 20), mu=1.0, nu=1)
    assert not both[0].any()
    assert torch.allclose(both[1:], alone, rtol=0, atol=1e-12)


def test_mu_cancels() -> None:
    prediction, target = drawn(0, (1, 3, 33, 47), 1.0), drawn(1, (1, 3, 33, 47), 1.0)
    half, third = (flaw_target(prediction, target, mu=mu, nu=5) for mu in (1 / 2, 1 / 3))
    assert torch.allclose(half, third, rtol=0, atol=1e-9)


def test_pixels_that_are_not_valid_count_as_free_of_error() -> None:
    prediction, target = drawn(0, (2, 2, 40, 40), 1.0), drawn(1, (2, 2, 40, 40), 1.0)
    valid = torch.ones(2, 1, 40, 40, dtype=torch.bool)
    valid[:, :, 10:25, 5:30] = False
    flaws = flaw_target(prediction, target, mu=0.5, nu=1, valid=valid)
    garbage = torch.where(valid, target, torch.nan)
    assert torch.equal(flaws, flaw_target(prediction, garbage, mu=0.5, nu=1, valid=valid))
    agreeing = torch.where(valid, target, prediction)
    assert torch.allclose(flaws, flaw_target(prediction, agreeing, mu=0.5, nu=1), rtol=0, atol=1e-12)


def test_inputs_are_left_as_they_are() -> None:
    prediction, target = torch.rand(1, 1, 5, 5, requires_grad=True), torch.rand(1, 1, 5, 5)
    before = prediction.detach().clone(), target.clone()
    assert not flaw_target(prediction, target, mu=1.0, nu=2).requires_grad
    assert torch.equal(prediction.detach(), before[0])
    assert torch.equal(target, before[1])


def test_dilation_by_hand() -> None:
    image = torch.zeros(1, 1, 4, 5)
    image[0, 0, 0, 0], image[0, 0, 3, 3] = 2.0, -1.0
    image[0, 0, 2, 3] = 1.0
    expected = torch.tensor([[2.0, 2, 0, 0, 0], [2, 2, 1, 1, 1], [0, 0, 1, 1, 1], [0, 0, 1, 1, 1]])
    assert torch.equal(dilate(image)[0, 0], expected)


def test_minmax_is_per_image() -> None:
    images = torch.tensor([[1.0, 3.0, 2.0], [5.0, 5.0, 5.0]]).view(2, 1, 1, 3)
    assert minmax(images).flatten().tolist() == [0.0, 1.0, 0.5, 0.0, 0.0, 0.0]


def test_rotation_is_counter_clockwise() -> None:
    image = torch.tensor([[1, 2, 3], [4, 5, 6]]).view(1, 1, 2, 3)
    assert rotate(image, 1)[0, 0].tolist() == [[3, 6], [2, 5], [1, 4]]
    assert rotate(image, 2)[0, 0].tolist() == [[6, 5, 4], [3, 2, 1]]
    assert torch.equal(rotate(rotate(image, 1), 3), image)
